"""What needs a person: everything on any timeline that the package could not settle by itself, until somebody ticks it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.backends.utils import csrf_input
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_POST
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.tables import Column, DateColumn, TitleColumn
from wagtail.models import Site

from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.backoffice.coupons import gates
from wagtail_kwiga.backoffice.parts import filters, linking, policies
from wagtail_kwiga.backoffice.parts.records import WIDE_LISTING, RecordIndexView, RecordViewSet
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.models import EmailTemplate, OutgoingEmail
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.models import PaymentAttempt, ProviderEvent

#: What entries may be about, each with what its words need: one query a kind, however many entries.
SUBJECTS = [
    Order.objects.select_related("contact"),
    Run.objects.select_related("contact", "scenario"),
    PaymentAttempt.objects.select_related("payment__order__contact"),
    ProviderEvent.objects.select_related("attempt__payment__order__contact"),
    OutgoingEmail.objects.select_related("order__contact"),
    Offer.objects.all(),
]
OPEN, DONE = "open", "done"


@dataclass(frozen=True)
class Topic:
    """What an entry is about, in words, and where that can be looked at (empty where it cannot)."""

    words: str
    url: str = ""


def topic(entry: TimelineEntry, user: Any) -> Topic:
    """What ``entry`` is about."""
    return _topic(entry.subject, user)


def _topic(subject: Any, user: Any) -> Topic:
    match subject:
        case None:
            return Topic(_("something that is gone"))
        case Order():
            words = _("Order %(number)s, %(buyer)s") % {"number": subject.number, "buyer": subject.contact}
            return Topic(words, linking.address(Order, subject.pk, user))
        case PaymentAttempt():
            return _topic(subject.payment.order, user)
        case ProviderEvent():
            if subject.attempt is not None:
                return _topic(subject.attempt.payment.order, user)
            return Topic(_("An event of %(method)s") % {"method": registry.label(subject.method)})
        case OutgoingEmail():
            return Topic(str(subject), linking.address(OutgoingEmail, subject.pk, user))
        case Run():
            words = _("%(person)s in “%(scenario)s”") % {"person": subject.contact, "scenario": subject.scenario}
            return Topic(words, linking.address(Run, subject.pk, user))
        case Offer():
            return Topic(str(subject), linking.address(Offer, subject.pk, user))
        case Contact():
            return Topic(str(subject), linking.orders_of(subject) if policies.may(user, "view", Order) else "")
        case Site():  # the account that it sends with
            return Topic(subject.site_name or subject.hostname, linking.waiting_mail(user))
        case Scenario() | EmailTemplate():
            return Topic(str(subject), linking.address(type(subject), subject.pk, user))
        case _ if isinstance(subject, publishing.page_model()):
            url, _label = gates.page_button(subject, user)
            return Topic(subject.get_admin_display_title(), url)
    return Topic(str(subject))


def place_of(entry: TimelineEntry, user: Any) -> str:
    """Where to settle ``entry``: the mail that it tells of, else what it is about."""
    facts = entry.facts if isinstance(entry.facts, dict) else {}
    if entry.code.startswith("mailing.") and isinstance(facts.get("email"), int):
        return linking.address(OutgoingEmail, facts["email"], user)
    return topic(entry, user).url


class TopicColumn(TitleColumn):
    """What happened, as a link to where it can be looked into."""

    def get_link_url(self, instance: TimelineEntry, parent_context: Any) -> str:
        return place_of(instance, parent_context["request"].user)


class AboutColumn(Column):
    """What it is about, as a link."""

    cell_template_name = "wagtail_kwiga/backoffice/about_cell.html"

    def get_cell_context_data(self, instance: TimelineEntry, parent_context: Any) -> dict[str, Any]:
        found = topic(instance, parent_context["request"].user)
        return {**super().get_cell_context_data(instance, parent_context), "topic": found}


class DoneColumn(Column):
    """The button that ticks an entry off; on the list of what is done, the one that puts it back."""

    cell_template_name = "wagtail_kwiga/backoffice/done_cell.html"

    def get_cell_context_data(self, instance: TimelineEntry, parent_context: Any) -> dict[str, Any]:
        request = parent_context["request"]
        verb = "done" if instance.attended_at is None else "put_back"
        return {
            **super().get_cell_context_data(instance, parent_context),
            "may": policies.can(request.user, "resolve_attention"),
            "action": reverse(f"wagtail_kwiga_attention:{verb}", args=[instance.pk]),
            "sentence": writing.sentence(instance),
            "csrf": csrf_input(request),
            "next": f"{reverse('wagtail_kwiga_attention:index')}?{request.GET.urlencode()}",
        }


class AttentionFilterSet(WagtailFilterSet):
    """Filters of the list."""

    state = django_filters.ChoiceFilter(
        label=pgettext_lazy("sales", "State"),
        choices=[(DONE, pgettext_lazy("sales", "Done"))],
        empty_label=gettext_lazy("To do"),
        method="in_state",
        widget=forms.RadioSelect,
    )
    room = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "About"),
        choices=[
            ("money", gettext_lazy("Orders and money")),
            ("mailing", pgettext_lazy("sales", "E-mail")),
            ("automations", pgettext_lazy("sales", "Scenarios")),
            ("other", gettext_lazy("Anything else")),
        ],
        method="of_rooms",
        widget=forms.CheckboxSelectMultiple,
    )
    at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Since"))

    class Meta:
        model = TimelineEntry
        fields = ["state", "room", "at"]

    def in_state(self, entries: QuerySet[TimelineEntry], name: str, value: str) -> QuerySet[TimelineEntry]:
        return entries  # the view has asked already: without the filter only what is to do is shown

    def of_rooms(self, entries: QuerySet[TimelineEntry], name: str, value: list[str]) -> QuerySet[TimelineEntry]:
        if not value:
            return entries
        rooms = {
            "money": Q(code__startswith="order.") | Q(code__startswith="payments."),
            "mailing": Q(code__startswith="mailing."),
            "automations": Q(code__startswith="automations."),
        }
        rooms["other"] = ~(rooms["money"] | rooms["mailing"] | rooms["automations"])
        wanted = Q()
        for room in value:
            wanted |= rooms[room]
        return entries.filter(wanted)


class AttentionIndexView(RecordIndexView):
    """What is to do, oldest first; or what was done."""

    page_title = gettext_lazy("Needs a person")
    table_classname = f"{WIDE_LISTING} kwiga-sentences"
    verbose_name = pgettext_lazy("sales", "entry")
    verbose_name_plural = pgettext_lazy("sales", "entries")

    @property
    def is_about_done(self) -> bool:
        return bool(self.request.GET.get("state") == DONE)

    def get_base_queryset(self) -> QuerySet[TimelineEntry]:
        entries = TimelineEntry.objects.filter(needs_attention=True, attended_at__isnull=not self.is_about_done)
        return entries.select_related("by", "attended_by").prefetch_related(
            "subject_type", GenericPrefetch("subject", SUBJECTS)
        )

    @property
    def list_display(self) -> list[Any]:
        columns = [
            TopicColumn("what", label=pgettext_lazy("sales", "What"), accessor=writing.sentence),
            AboutColumn("about", label=pgettext_lazy("sales", "About")),
            DateColumn("at", label=pgettext_lazy("sales", "Since"), sort_key="at"),
        ]
        if self.is_about_done:
            columns += [
                DateColumn("attended_at", label=pgettext_lazy("sales", "Done"), sort_key="attended_at"),
                Column("attended_by", label=pgettext_lazy("sales", "By")),
            ]
        return [*columns, DoneColumn("done", label=pgettext_lazy("sales", "Settled"))]

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(*args, **kwargs) | {"elsewhere": self._elsewhere()}
        return context

    def _elsewhere(self) -> list[Topic]:
        """Mails in doubt and people held inside scenarios: each stays so until it is settled on its own list."""
        user, found = self.request.user, []
        doubtful = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.UNKNOWN)
        # Whatever stands on the list below is not said twice.
        told = TimelineEntry.objects.filter(needs_attention=True, attended_at__isnull=True, code="mailing.unknown")
        if policies.may(user, "view", OutgoingEmail) and (number := doubtful.count() - told.count()) > 0:
            words = ngettext(
                "%(number)s mail of which nobody knows whether it arrived",
                "%(number)s mails of which nobody knows whether they arrived",
                number,
            )
            found.append(Topic(words % {"number": number}, f"{linking.url('wagtail_kwiga_mail:index')}?status=unknown"))
        people = linking.url("wagtail_kwiga_runs:index")
        held = Run.objects.filter(state=Run.State.PAUSED)
        if people and policies.may(user, "view", Run) and (number := held.count()):
            words = ngettext(
                "%(number)s person held inside a scenario", "%(number)s people held inside scenarios", number
            )
            found.append(Topic(words % {"number": number}, f"{people}?state=paused"))
        return found

    def nothing_yet(self) -> str:
        return _(
            "Nothing needs you. What the shop cannot settle by itself, such as money paid twice, will be listed here."
        )


@require_POST
def tick(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Tick an entry off, or put it back on the list."""
    if not policies.can(request.user, "resolve_attention"):
        raise PermissionDenied
    entry = get_object_or_404(TimelineEntry, pk=pk, needs_attention=True)
    words = {"sentence": writing.sentence(entry)}
    if verb == "put_back":
        writing.put_back(entry)
        messages.success(request, _("Back on the list: %(sentence)s") % words)
    elif writing.attend(entry, policies.user_of(request)):
        messages.success(request, _("Done: %(sentence)s") % words)
    else:
        messages.warning(request, _("Somebody has ticked this off already: %(sentence)s") % words)
    return redirect(linking.back(request, reverse("wagtail_kwiga_attention:index")))


class AttentionViewSet(RecordViewSet):
    """The list of what needs a person."""

    model = TimelineEntry
    name = "wagtail_kwiga_attention"
    url_prefix = "kwiga/attention"
    icon = "warning"
    menu_label = gettext_lazy("Needs a person")
    menu_name = "kwiga-attention"
    menu_order = 50
    index_view_class = AttentionIndexView
    index_template_name = "wagtail_kwiga/backoffice/attention.html"
    filterset_class = AttentionFilterSet
    ordering = ["at", "pk"]

    def get_urlpatterns(self) -> list[Any]:
        return [
            *(pattern for pattern in super().get_urlpatterns() if pattern.name != "inspect"),
            path("done/<int:pk>/", tick, {"verb": "done"}, name="done"),
            path("put-back/<int:pk>/", tick, {"verb": "put_back"}, name="put_back"),
        ]
