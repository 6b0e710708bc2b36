"""Outgoing mail: what was sent, what was not, and why; and what a person decides about a mail in doubt."""

from __future__ import annotations

import logging
from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import Button, HeaderButton

from wagtail_kwiga.backoffice.mail import mail_card
from wagtail_kwiga.backoffice.parts import filters, linking, long_lists
from wagtail_kwiga.backoffice.parts.columns import breaking
from wagtail_kwiga.backoffice.parts.policies import can, user_of
from wagtail_kwiga.backoffice.parts.records import RecordIndexView, RecordViewSet
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.sending import outbox

logger = logging.getLogger("wagtail_kwiga.backoffice")
Status = OutgoingEmail.Status

#: Status → what a person may decide about such a mail: (verdict of ``outbox.settle``, its URL name, words, icon).
_WAS_SENT = ("was_sent", _("It was sent"), "check")
_SEND_AGAIN = ("send_again", _("Send again"), "rotate")
VERDICTS: dict[str, tuple[tuple[str, Any, str], ...]] = {
    Status.UNKNOWN: (_WAS_SENT, _SEND_AGAIN),
    Status.FAILED: (_SEND_AGAIN,),
}


class EmailFilterSet(WagtailFilterSet):
    """Filters of the mail list; no DISTINCT, see the list of orders."""

    status = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "Status"),
        choices=Status.choices,
        widget=forms.CheckboxSelectMultiple,
        distinct=False,
    )
    purpose = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "Purpose"),
        choices=OutgoingEmail.Purpose.choices,
        widget=forms.CheckboxSelectMultiple,
        distinct=False,
    )
    queued_at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Queued"))

    class Meta:
        model = OutgoingEmail
        fields = ["status", "purpose", "queued_at"]


class EmailIndexView(RecordIndexView):
    """All mail: what is unknown first, because only a person can settle it; then the newest."""

    exported = {"why": lambda mail: reasons.sentence(mail.why), "order": lambda mail: str(mail.order or "")}

    @staticmethod
    def beginnings(words: str) -> list[Q]:
        return [long_lists.by_order_number(words, "order__number"), *long_lists.by_contact(words)]

    default_ordering = ["-queued_at", "-pk"]

    def get_paginator(self, *args: Any, **kwargs: Any) -> Any:
        paginator = super().get_paginator(*args, **kwargs)
        if self.ordering == self.default_ordering:
            paginator.first = Q(status=Status.UNKNOWN)
        return paginator

    def get_base_queryset(self) -> QuerySet[OutgoingEmail]:
        mails: QuerySet[OutgoingEmail] = super().get_base_queryset().select_related("order")
        return mails

    def get_list_more_buttons(self, instance: OutgoingEmail) -> list[Any]:
        return [*super().get_list_more_buttons(instance), *_verdict_buttons(instance, self.request.user, Button)]

    def nothing_yet(self) -> str:
        return format_html(
            '{} <a href="{}">{}</a>',
            _("No mail yet: a scenario or a receipt will be the first."),
            linking.url("wagtail_kwiga_scenarios:list"),
            _("See your scenarios"),
        )


def _verdict_buttons(email: OutgoingEmail, user: Any, kind: type) -> list[Any]:
    """What ``user`` may decide about ``email``, as buttons that lead to the question."""
    verdicts = VERDICTS.get(email.status, ()) if can(user, "settle_email") else ()
    return [
        kind(label, url=reverse(f"wagtail_kwiga_mail:{verdict}", args=[email.pk]), icon_name=icon, priority=place)
        for place, (verdict, label, icon) in enumerate(verdicts, start=30)
    ]


class EmailInspectView(generic.InspectView):
    """One mail: why it stands where it stands, and the very mail, with links that lead nowhere."""

    page_title = pgettext_lazy("sales", "Mail")

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    @property
    def header_buttons(self) -> list[Any]:
        return _verdict_buttons(self.object, self.request.user, HeaderButton)

    def get_object(self, queryset: Any = None) -> OutgoingEmail:
        mails = OutgoingEmail.objects.select_related("contact", "order", "version", "site")
        return get_object_or_404(mails, pk=self.pk)

    def get_page_subtitle(self) -> str:
        subject: str = self.object.subject
        return subject

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = mail_card.panels(self.object, self.request)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


def settle(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """A person's decision about a mail in doubt: asked first, done by POST."""
    if not can(request.user, "settle_email"):
        raise PermissionDenied
    email = get_object_or_404(OutgoingEmail.objects.select_related("order", "contact"), pk=pk)
    card = reverse("wagtail_kwiga_mail:inspect", args=[email.pk])
    offered = {name: label for name, label, _icon in VERDICTS.get(email.status, ())}
    if verdict not in offered:
        messages.error(request, _not_in_doubt(email))
        return redirect(card)
    if request.method == "POST":
        try:
            outbox.settle(email, verdict, by=user_of(request))
        except KwigaError:  # somebody, or the worker, was quicker
            email.refresh_from_db(fields=["status"])
            messages.error(request, _not_in_doubt(email))
        else:
            done = {
                "was_sent": _("Noted: “%(subject)s” counts as sent."),
                "send_again": _("“%(subject)s” is in the queue again. The next run of the worker takes care of it."),
            }[verdict]
            messages.success(request, done % {"subject": email.subject})
        return redirect(card)
    return TemplateResponse(
        request,
        "wagtail_kwiga/backoffice/settle.html",
        {
            "email": email,
            "verdict": verdict,
            "label": offered[verdict],
            "why": reasons.sentence(email.why),
            "card": card,
            "header_icon": "upload",
            "page_title": offered[verdict],
            "page_subtitle": email.subject,
            "header_title": f"{offered[verdict]}: {email.subject}",
            "breadcrumbs_items": [
                {"url": reverse("wagtail_kwiga_mail:index"), "label": _("Outgoing mail")},
                {"url": card, "label": email.subject},
                {"url": "", "label": offered[verdict]},
            ],
        },
    )


def _not_in_doubt(email: OutgoingEmail) -> str:
    return _("There is nothing to decide about “%(subject)s” any more: it is “%(status)s”.") % {
        "subject": email.subject,
        "status": email.get_status_display(),
    }


class EmailViewSet(RecordViewSet):
    """Outgoing mail in the admin: looked at, never typed in."""

    model = OutgoingEmail
    name = "wagtail_kwiga_mail"
    url_prefix = "kwiga/mail"
    icon = "upload"
    menu_label = _("Outgoing mail")
    menu_name = "kwiga-mail"
    menu_order = 600
    index_view_class = EmailIndexView
    inspect_view_class = EmailInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    filterset_class = EmailFilterSet
    search_fields = ["to_email", "to_name", "subject", "order__number"]
    export_filename = "outgoing-mail"
    list_export = [
        "subject", "to_email", "to_name", "get_status_display", "why", "get_purpose_display", "order",
        "language", "queued_at", "sent_at", "attempts", "message_id", "esp_status",
    ]  # fmt: skip
    export_headings = {
        "get_status_display": pgettext_lazy("sales", "Status"),
        "get_purpose_display": pgettext_lazy("sales", "Purpose"),
    }

    @property
    def list_display(self) -> list[Any]:
        return [
            "subject",
            Column(
                "to_email",
                label=pgettext_lazy("sales", "Recipient"),
                accessor=lambda mail: breaking(mail.to_email),
                sort_key="to_email",
                classname="wrap-anywhere",
            ),
            StatusTagColumn(
                "status",
                label=pgettext_lazy("sales", "Status"),
                accessor=lambda mail: Status(mail.status).label,
                primary=lambda mail: mail.status in (Status.SENT, Status.UNKNOWN),
            ),
            Column("why", label=pgettext_lazy("sales", "Why"), accessor=lambda mail: reasons.sentence(mail.why)),
            Column("order", label=pgettext_lazy("sales", "Order"), classname="w-whitespace-nowrap"),
            DateColumn("queued_at", label=pgettext_lazy("sales", "Queued"), sort_key="queued_at"),
            DateColumn("sent_at", label=pgettext_lazy("sales", "Sent"), sort_key="sent_at"),
        ]

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("shown/<int:pk>/", mail_card.shown, name="shown"),
            path("was-sent/<int:pk>/", settle, {"verdict": "was_sent"}, name="was_sent"),
            path("send-again/<int:pk>/", settle, {"verdict": "send_again"}, name="send_again"),
        ]
