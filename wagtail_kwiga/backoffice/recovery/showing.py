"""What *Win back unpaid orders* shows: the table of the objects, and the mail in each of its languages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, cast

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin.ui.tables import Column, StatusTagColumn, Table, TitleColumn

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList
from wagtail_kwiga.automations.editing import compiling
from wagtail_kwiga.automations.recovery import preset_texts
from wagtail_kwiga.automations.recovery.preset_texts import Languages
from wagtail_kwiga.automations.recovery.presets import DraftedRecovery, Recovery
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.authoring import default_content
from wagtail_kwiga.mailing.models import EmailTemplate


def address(instance: Any, view: str = "edit") -> str:
    """The screen of a snippet."""
    return reverse(instance.snippet_viewset.get_url_name(view), args=[instance.pk])


@dataclass(frozen=True)
class Row:
    """One of the objects, in the table of what was made."""

    kind: str
    instance: Any
    state: str
    is_live: bool

    @property
    def pk(self) -> int:
        key: int = self.instance.pk
        return key


def table(drafted: DraftedRecovery) -> Table:
    """List, coupon, e-mails and scenario, each with its state and a link to its screen."""
    published, draft = pgettext("sales", "live"), pgettext("sales", "draft")
    coupon = drafted.coupon
    rows = [Row(_("Contact list"), drafted.contact_list, "", True)]
    rows.append(
        Row(
            pgettext("sales", "Coupon"),
            coupon,
            pgettext("sales", "active") if coupon.is_active else _("not active"),
            coupon.is_active,
        )
    )
    for one in drafted.templates:
        kind = _("E-mail (%(language)s)") % {"language": one.locale.get_display_name()}
        rows.append(Row(kind, one, published if one.live else draft, one.live))
    rows.append(
        Row(
            pgettext("sales", "Scenario"),
            drafted.scenario,
            published if drafted.scenario.live else draft,
            drafted.scenario.live,
        )
    )
    columns = [
        TitleColumn("instance", label=pgettext("sales", "What"), get_url=lambda row: address(row.instance)),
        Column("kind", label=pgettext("sales", "Kind")),
        StatusTagColumn(
            "state", label=pgettext("sales", "State"), primary=lambda row: row.is_live, classname="w-whitespace-nowrap"
        ),
    ]
    return Table(columns, rows)


@dataclass(frozen=True)
class ShownMail:
    """One language of the e-mail, as its readers will see it."""

    language: str
    mail: Any = None
    problem: str = ""


def mails_to_be(offer: Offer, page: Any, languages: Languages, recovery: Recovery, now: dt.datetime) -> list[ShownMail]:
    """The mail that a form would make, in the page's language first. Nothing is saved."""
    wanted = [(languages.own, recovery.texts)]
    wanted += [
        (spoken, default_content.standard_texts(spoken.language))
        for spoken in languages.others
        if spoken.language in recovery.also_in
    ]
    coupon = recovery.coupon()
    holds = dt.timedelta(hours=recovery.hours)
    site = page.get_site()
    return [
        _shown(
            preset_texts.email_of(texts, spoken.locale, title=""),
            spoken.name, offer=offer, title=spoken.title, coupon=coupon, holds=holds, site=site, now=now,
        )
        for spoken, texts in wanted
    ]  # fmt: skip


def mails_made(drafted: DraftedRecovery, page: Any | None) -> list[ShownMail]:
    """The mail in each of its languages, as it is sent or else in its latest draft."""
    titles = {}
    if page is not None:
        languages = preset_texts.languages_of(page)
        titles = {one.language: one.title for one in (languages.own, *languages.others, *languages.missing)}
    holds = _holds(compiling.read(drafted.scenario).definition)
    return [
        _shown(
            template if template.live else template.get_latest_revision_as_object(),
            template.locale.get_display_name(),
            offer=drafted.offer,
            title=titles.get(template.locale.language_code, drafted.offer.title),
            coupon=drafted.coupon,
            holds=holds,
            site=page.get_site() if page is not None else None,
        )
        for template in drafted.templates
    ]


def _holds(definition: Definition | None) -> dt.timedelta:
    """For how long people stay on the list."""
    for index, step in enumerate(definition.steps if definition else ()):
        if isinstance(step, AddToList) and (length := step.length(cast(Definition, definition), index)) is not None:
            return length
    return dt.timedelta(hours=24)


def _shown(template: EmailTemplate, language: str, **situation: Any) -> ShownMail:
    try:
        return ShownMail(language, preset_texts.preview(template, **situation))
    except KwigaError as fault:
        return ShownMail(language, problem=str(fault))
