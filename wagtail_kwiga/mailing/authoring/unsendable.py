"""Translations of an e-mail that cannot be sent: told to a person once, and forgotten as soon as they are mended.

An editor's form lets none through. Code that publishes without it can, as an app for translating does with a placeholder that its
translator has misspelt.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.signals import post_delete
from django.utils import translation
from wagtail.signals import published, unpublished

from wagtail_kwiga import conf
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
        language = languages.own_name(template.locale.language_code)
        writing.write(
            template,
            CODE,
            now=now,
            attention=True,
            title=template.title,
            language=language,
            problems=_in_words(template),
        )


def _in_words(template: EmailTemplate) -> dict[str, str]:
    """What is wrong with ``template``, by language: who reads it works in one of the admin's languages, and not in that of
    whoever got the mail (``timeline`` picks theirs)."""
    found = {}
    for code in (settings.LANGUAGE_CODE, *(code for code, _name in settings.LANGUAGES if languages.has_words(code))):
        with translation.override(code):
            found[code] = "; ".join(str(problem) for problem in validation.read_through(template))
    return found


def forget(template_id: int, now: dt.datetime) -> None:
    """Tick off what was told of a template that can be sent again."""
    for entry in _open(template_id):
        writing.attend(entry, None, now)


def connect() -> None:
    """Listen to Wagtail: what is published again without a fault, taken down or deleted needs nobody any more. Safe to call
    twice."""
    published.connect(_on_published, sender=EmailTemplate, dispatch_uid="wagtail_kwiga.mailing.mended")
    unpublished.connect(_on_gone, sender=EmailTemplate, dispatch_uid="wagtail_kwiga.mailing.taken_down")
    post_delete.connect(_on_gone, sender=EmailTemplate, dispatch_uid="wagtail_kwiga.mailing.deleted")


def _on_published(instance: EmailTemplate, **_given: Any) -> None:
    # Where the words are those of before the fault, nothing is compiled anew that would tick it off.
    if instance.live and not validation.read_through(instance):
        forget(instance.pk, conf.now())


def _on_gone(instance: EmailTemplate, **_given: Any) -> None:
    forget(instance.pk, conf.now())


def _open(template_id: int) -> QuerySet[TimelineEntry]:
    return writing.open_about(EmailTemplate, template_id).filter(code=CODE)
