"""The panels of a mail's card, and the very mail in a frame of its own where nothing works and nothing is fetched."""

from __future__ import annotations

import logging
import re
from email.utils import parseaddr
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from wagtail.admin.ui.components import Component

from wagtail_kwiga.automations.models import Run, StepRecord
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.columns import Facts, TableCard, breaking, exact, tag, timeline_card
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing import reasons, rendering, sender
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.sending import attachments
from wagtail_kwiga.orders.models import Order

logger = logging.getLogger("wagtail_kwiga.backoffice")
Status = OutgoingEmail.Status

#: No script, no form, no font, nothing from elsewhere; pictures of this site only. What ``sandbox`` does not allow is off.
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
#: Links open in a new window, and the sandbox lets none be opened: a click does nothing.
_NOWHERE = '<base target="_blank">'
_LINK = re.compile(r"<(?:a|area|form)\b[^>]*>", re.IGNORECASE)
_OWN_TARGET = re.compile(r"""\starget\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)


class MailPanel(Component):
    """One panel of the card."""

    heading: Any = ""
    icon = "mail"

    def __init__(self, email: OutgoingEmail, request: HttpRequest, mail: rendering.Mail | None) -> None:
        self.email, self.request, self.mail = email, request, mail


class About(MailPanel):
    """Where the mail stands, why, and what it is about."""

    heading = gettext_lazy("About this mail")
    icon = "info-circle"

    def render_html(self, parent_context: Any = None) -> str:
        email, user = self.email, self.request.user
        settled = {"was_sent": _("it was sent"), "send_again": _("send again"), "by_itself": _("by the worker")}
        card = Facts(
            (pgettext("sales", "Status"), tag(email.get_status_display(), primary=email.status == Status.SENT)),
            (pgettext("sales", "Why"), reasons.sentence(email.why)),
            (pgettext("sales", "Decided"), settled.get(email.settled_by, email.settled_by)),
            (pgettext("sales", "Purpose"), email.get_purpose_display()),
            (pgettext("sales", "Order"), linking.linked(email.order, email.order.number, user) if email.order else ""),
            (pgettext("sales", "Scenario"), self._scenario()),
            (pgettext("sales", "Language"), languages.name(email.language)),
            (pgettext("sales", "Queued"), exact(email.queued_at)),
            (_("Not before"), exact(email.due_at) if email.due_at > email.queued_at else ""),
            (_("Not after"), exact(email.not_after)),
            (_("Handed over"), exact(email.sending_at)),
            (pgettext("sales", "Sent"), exact(email.sent_at)),
            (pgettext("sales", "Tries"), email.attempts or ""),
            (_("Message id"), email.message_id),
            (_("The provider says"), email.esp_status),
        )
        return format_html("{}{}", self._doubt(), card.render_html(parent_context))

    def _doubt(self) -> Any:
        if self.email.status != Status.UNKNOWN:
            return ""
        words = _(
            "Nobody knows whether this mail arrived: the hand-over to the mail server had no clear end. "
            "It is neither sent again by itself nor forgotten; please decide above."
        )
        return format_html('<p class="w-font-semibold">{}</p>', words)

    def _scenario(self) -> Any:
        """The run that sent it, by the title of its scenario. One query."""
        record = StepRecord.objects.filter(email=self.email.pk).select_related("run__scenario").first()
        if record is None:
            return ""
        where = linking.address(Run, record.run_id, self.request.user)
        title = record.run.scenario.title
        return format_html('<a href="{}">{}</a>', where, title) if where else title


class Envelope(MailPanel):
    """The mail as the reader has it: head, and body in a frame."""

    heading = gettext_lazy("The mail")
    icon = "mail"

    def render_html(self, parent_context: Any = None) -> str:
        email = self.email
        head = Facts(
            (pgettext("sales", "Sender"), _mailbox(*parseaddr(sender.for_site(email.site_id).from_header))),
            (pgettext("sales", "Recipient"), _mailbox(email.to_name, email.to_email)),
            (pgettext("sales", "Subject"), self.mail.subject if self.mail else email.subject),
            (
                pgettext("sales", "Attachments"),
                ", ".join(one.name for one in email.attachments.all()) if email.has_attachments else "",
            ),
        )
        return format_html("{}{}", head.render_html(parent_context), self._body())

    def _body(self) -> Any:
        if self.mail is None:
            return format_html("<p>{}</p>", _("This mail cannot be shown. The site's log says why."))
        return format_html(
            '<p class="w-help-text">{}</p><iframe class="kwiga-mail" title="{}" src="{}" sandbox loading="lazy"></iframe>',
            _(
                "As it reaches the reader, but nothing in it works: links lead nowhere, pictures of other sites are not fetched."
            ),
            _("The mail"),
            linking.url("wagtail_kwiga_mail:shown", self.email.pk),
        )


class Text(MailPanel):
    """The same as plain text."""

    heading = gettext_lazy("As plain text")
    icon = "doc-full"

    def render_html(self, parent_context: Any = None) -> str:
        return format_html('<pre class="kwiga-text">{}</pre>', self.mail.text if self.mail else "")


class Timeline(MailPanel):
    """What happened to this mail. Its entries stand on the order, else on the contact."""

    heading = pgettext_lazy("sales", "Timeline")
    icon = "time"

    def render_html(self, parent_context: Any = None) -> str:
        return self.card.render_html(parent_context)

    @cached_property
    def card(self) -> TableCard:
        email = self.email
        if email.order_id:
            return timeline_card((Order, email.order_id), facts__email=email.pk)
        if email.contact_id:
            return timeline_card((Contact, email.contact_id), facts__email=email.pk)
        return timeline_card(email)


def _mailbox(name: str, address: str) -> str:
    """Name and address, one below the other."""
    return format_html("{}<br>{}", name, breaking(address)) if name else breaking(address)


def panels(email: OutgoingEmail, request: HttpRequest) -> list[Any]:
    """The panels of the card."""
    mail = view_of(email)
    kinds = (About, Envelope, Text, Timeline) if mail else (About, Envelope, Timeline)
    return [kind(email, request, mail) for kind in kinds]


def view_of(email: OutgoingEmail) -> rendering.Mail | None:
    """The mail with neutral links; ``None`` where it cannot be made (an extension of the site fails, say)."""
    try:
        return rendering.view_of(email)
    except Exception:
        logger.exception("Mail %s cannot be shown", email.pk)
        return None


@xframe_options_sameorigin
def shown(request: HttpRequest, pk: int) -> HttpResponse:
    """The HTML of one mail and nothing else, for the frame on its card."""
    if not policies.may(request.user, "view", OutgoingEmail):
        raise PermissionDenied
    email = get_object_or_404(OutgoingEmail.objects.select_related("order", "version"), pk=pk)
    mail = view_of(email)
    html = inert(mail.html) if mail else ""
    if email.has_attachments:
        html = attachments.with_pictures(html, email.attachments.exclude(content_id=""), email)
    response = HttpResponse(html)
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def inert(html: str) -> str:
    """``html`` whose links do nothing when clicked within a sandbox."""
    html = _LINK.sub(lambda link: _OWN_TARGET.sub("", link[0]), html)
    return _HEAD.sub(lambda head: head[0] + _NOWHERE, html, count=1) if _HEAD.search(html) else _NOWHERE + html
