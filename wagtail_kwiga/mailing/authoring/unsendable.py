"""Translations of an e-mail that cannot be sent: told to a person once, and forgotten as soon as they are mended.

An editor's form lets none through. Code that publishes without it can, as an app for translating does with a placeholder that its
translator has misspelt.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.conf import settings
from django.db.models import QuerySet
from django.utils import translation

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.authoring import validation
from wagtail_kwiga.mailing.models import EmailTemplate

#: Of the entry on the template's timeline.
CODE = "mailing.translation_unsendable"


def tell(templates: Iterable[EmailTemplate], now: dt.datetime) -> None:
    """Put ``templates`` on the list of what needs a person, each once while it is open."""
    for template in templates:
        if _open(template.pk).exists():
            continue
        with translation.override(settings.LANGUAGE_CODE):  # for staff, and not in the language of whoever got the mail
            problems = [str(problem) for problem in validation.read_through(template)]
        language = languages.own_name(template.locale.language_code)
        writing.write(
            template,
            CODE,
            now=now,
            attention=True,
            title=template.title,
            language=language,
            problems="; ".join(problems),
        )


def forget(template_id: int, now: dt.datetime) -> None:
    """Tick off what was told of a template that can be sent again."""
    for entry in _open(template_id):
        writing.attend(entry, None, now)


def _open(template_id: int) -> QuerySet[TimelineEntry]:
    return writing.open_about(EmailTemplate, template_id).filter(code=CODE)
