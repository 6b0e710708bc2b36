"""Outgoing mail: what was sent, what was not, and why."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Case, IntegerField, Value, When
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from wagtail.admin.filters import DateRangePickerWidget, WagtailFilterSet
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.viewsets.model import ModelViewSet

from wagtail_kwiga.backoffice.columns import TableCard, exact, timeline_card
from wagtail_kwiga.mailing import reasons, rendering
from wagtail_kwiga.mailing.models import OutgoingEmail

Status = OutgoingEmail.Status


class EmailFilterSet(WagtailFilterSet):
    """Filters of the mail list."""

    status = django_filters.MultipleChoiceFilter(
        label=_("Status"), choices=Status.choices, widget=forms.CheckboxSelectMultiple
    )
    purpose = django_filters.MultipleChoiceFilter(
        label=_("Purpose"), choices=OutgoingEmail.Purpose.choices, widget=forms.CheckboxSelectMultiple
    )
    queued_at = django_filters.DateFromToRangeFilter(label=_("Queued"), widget=DateRangePickerWidget)

    class Meta:
        model = OutgoingEmail
        fields = ["status", "purpose", "queued_at"]


class EmailIndexView(generic.IndexView):
    """All mail: what is uncertain first, because only a person can settle it; then the newest."""

    def get_base_queryset(self) -> Any:
        doubtful = Case(When(status=Status.UNCERTAIN, then=Value(0)), default=Value(1), output_field=IntegerField())
        return super().get_base_queryset().annotate(doubtful=doubtful).select_related("order")

    def get_edit_url(self, instance: OutgoingEmail) -> str | None:
        return None


class EmailInspectView(generic.InspectView):
    """One mail: why it stands where it stands, and the text that went out, with links that lead nowhere."""

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    def get_object(self, queryset: Any = None) -> OutgoingEmail:
        mails = OutgoingEmail.objects.select_related("contact", "order", "version", "site")
        return get_object_or_404(mails, pk=self.pk)

    def get_fields(self) -> list[str]:
        return [
            "status", "why", "to_email", "subject", "purpose", "order", "language", "queued_at", "handed_over_at", "sent_at",
            "attempts", "message_id", "esp_status", "text", "timeline",
        ]  # fmt: skip

    def get_field_label(self, field_name: str, field: Any) -> str:
        labels = {"text": gettext("Text"), "timeline": gettext("Timeline"), "why": gettext("Why")}
        return labels.get(field_name) or super().get_field_label(field_name, field)

    def get_fields_context(self) -> list[dict[str, Any]]:
        return [field for field in super().get_fields_context() if field["value"] not in (None, "")]

    def get_why_display_value(self) -> str:
        return reasons.sentence(self.object.why)

    def get_text_display_value(self) -> str:
        return format_html("<pre>{}</pre>", rendering.view_of(self.object).text)

    def get_timeline_display_value(self) -> TableCard:
        return timeline_card(self.object)

    def get_queued_at_display_value(self) -> str:
        return exact(self.object.queued_at)

    def get_handed_over_at_display_value(self) -> str:
        return exact(self.object.handed_over_at)

    def get_sent_at_display_value(self) -> str:
        return exact(self.object.sent_at)


class EmailViewSet(ModelViewSet):
    """Outgoing mail in the admin: looked at, never typed in."""

    model = OutgoingEmail
    name = "wagtail_kwiga_mail"
    url_prefix = "kwiga/mail"
    icon = "mail"
    menu_label = _("Outgoing mail")
    menu_name = "kwiga-mail"
    menu_order = 600
    add_to_reference_index = False
    copy_view_enabled = False
    inspect_view_enabled = True
    index_view_class = EmailIndexView
    inspect_view_class = EmailInspectView
    filterset_class = EmailFilterSet
    search_fields = ["to_email", "subject", "order__number"]
    search_backend_name = None
    ordering = ["doubtful", "-queued_at", "-pk"]
    list_per_page = 50
    form_fields = ["why"]

    @property
    def list_display(self) -> list[Any]:
        return [
            TitleColumn("subject", label=_("Subject"), url_name=self.get_url_name("inspect")),
            Column("to_email", label=_("To"), sort_key="to_email"),
            StatusTagColumn(
                "status",
                label=_("Status"),
                accessor="get_status_display",
                primary=lambda mail: mail.status == Status.SENT,
            ),
            Column("why", label=_("Why"), accessor=lambda mail: reasons.sentence(mail.why)),
            Column("order", label=_("Order")),
            DateColumn("queued_at", label=_("Queued"), sort_key="queued_at"),
            DateColumn("sent_at", label=_("Sent"), sort_key="sent_at"),
        ]

    def get_urlpatterns(self) -> list[Any]:
        keep = {"index", "index_results", "inspect"}
        return [pattern for pattern in super().get_urlpatterns() if pattern.name in keep]
