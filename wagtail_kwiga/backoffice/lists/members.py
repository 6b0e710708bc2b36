"""Who is on a contact list, and who was.

A row is one grant: somebody may be on a list twice, by a scenario and by hand. Taking off by hand ends them all at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce, Least
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.menus import MenuItem
from wagtail.admin.ui.tables import BulkActionsCheckboxColumn, Column, DateColumn, TitleColumn
from wagtail.admin.widgets.button import HeaderButton

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.lists import member_sources
from wagtail_kwiga.backoffice.parts import columns, filters, linking, policies
from wagtail_kwiga.backoffice.parts.records import RecordIndexView
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import ContactList, ListMembership
from wagtail_kwiga.orders.models import Order

#: On the list now, or no longer.
NOW, ENDED = "now", "ended"


class MemberFilterSet(WagtailFilterSet):
    """Filters of the people of a list."""

    state = django_filters.ChoiceFilter(
        label=gettext_lazy("On the list"),
        method="by_state",
        choices=[(NOW, pgettext_lazy("sales", "now")), (ENDED, gettext_lazy("no longer"))],
        empty_label=None,
        initial=NOW,
        widget=forms.RadioSelect,
    )
    source = django_filters.ChoiceFilter(
        label=gettext_lazy("How they got on it"),
        method="by_source",
        choices=[("hand", gettext_lazy("by hand")), ("run", gettext_lazy("by a scenario"))],
        empty_label=pgettext_lazy("sales", "All"),
        widget=forms.RadioSelect,
    )
    added_at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Since"))

    class Meta:
        model = ListMembership
        fields = ["state", "source", "added_at"]

    def by_state(self, grants: QuerySet[ListMembership], name: str, value: str) -> QuerySet[ListMembership]:
        now = conf.now()
        return grants.filter(lists.ended(now) if value == ENDED else lists.holding(now))

    def by_source(self, grants: QuerySet[ListMembership], name: str, value: str) -> QuerySet[ListMembership]:
        return grants.filter(source="") if value == "hand" else grants.filter(source__startswith="run:")


class MembersView(RecordIndexView):
    """The people of one list."""

    model = ListMembership
    any_permission_required = None
    template_name = "wagtail_kwiga/backoffice/contact_lists/members.html"
    results_template_name = "wagtail_kwiga/backoffice/contact_lists/members_results.html"
    filterset_class = MemberFilterSet
    search_fields = ["contact__email", "contact__name"]
    search_backend_name = None
    paginate_by = 50
    header_icon = "group"
    page_title = pgettext_lazy("sales", "People")
    verbose_name = pgettext_lazy("sales", "person")
    verbose_name_plural = pgettext_lazy("sales", "people")
    list_export = ["contact.email", "contact.name", "added_at", "source_words", "until", "over_at", "why_words"]
    export_headings = {
        "contact.email": pgettext_lazy("sales", "E-mail"),
        "contact.name": pgettext_lazy("sales", "Name"),
        "added_at": pgettext_lazy("sales", "Since"),
        "source_words": gettext_lazy("How they got on it"),
        "until": pgettext_lazy("sales", "Until"),
        "over_at": pgettext_lazy("sales", "Ended"),
        "why_words": pgettext_lazy("sales", "Why"),
    }

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.contact_list = get_object_or_404(ContactList, pk=kwargs["pk"])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not policies.may(request.user, "view", ListMembership):
            raise PermissionDenied
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    # --- what is asked for ---

    @cached_property
    def now(self) -> dt.datetime:
        return conf.now()

    def get_filterset_kwargs(self) -> dict[str, Any]:
        # Unlike in other filters, "everything" is no sensible beginning: who is on the list is what the page is for.
        data = self.request.GET.copy()
        if data.get("state") not in (NOW, ENDED):
            data["state"] = NOW
        return {**super().get_filterset_kwargs(), "data": data}

    @cached_property
    def is_filtering(self) -> bool:
        """The two sides of the list are no filter: an empty one says that it is empty, not that nothing was found."""
        return bool(self.filters and self.filters.is_valid() and set(self.filters.form.changed_data) - {"state"})

    @cached_property
    def shows_ended(self) -> bool:
        return bool(self.request.GET.get("state") == ENDED)

    @property
    def default_ordering(self) -> str:
        return "-over_at" if self.shows_ended else "-added_at"

    def get_base_queryset(self) -> QuerySet[ListMembership]:
        return of_list(self.contact_list.pk)

    def order_queryset(self, queryset: QuerySet[ListMembership]) -> QuerySet[ListMembership]:
        ordered: QuerySet[ListMembership] = super().order_queryset(queryset)
        return ordered.order_by(*ordered.query.order_by, "-pk")  # or equal rows would change places between pages

    # --- what is shown ---

    def get_table(self, object_list: Any) -> Any:
        rows = list(object_list)
        member_sources.look_up(self.contact_list, rows, self.now)
        return super().get_table(rows)

    @cached_property
    def columns(self) -> list[Any]:
        may_remove = policies.may(self.request.user, "change", ListMembership)
        columns: list[Any] = []
        if may_remove and not self.shows_ended:
            columns.append(BulkActionsCheckboxColumn("bulk_actions", obj_type="member"))
        columns += [
            self._get_title_column_class(TitleColumn)(
                "contact",
                label=pgettext("sales", "Person"),
                accessor=lambda grant: grant.contact.name or grant.contact.email,
                get_url=self._orders_url,
                get_title_id=lambda grant: f"member_{grant.pk}_title",
                sort_key="contact__name",
            ),
            Column(
                "email",
                label=pgettext("sales", "E-mail"),
                accessor="contact.email",
                sort_key="contact__email",
                classname="wrap-anywhere",
            ),
            DateColumn("added_at", label=pgettext("sales", "Since"), sort_key="added_at"),
            Column("source", label=_("How they got on it"), accessor=lambda grant: _source(grant, self.request.user)),
        ]
        if self.shows_ended:
            columns += [
                DateColumn("over_at", label=pgettext("sales", "Ended"), sort_key="over_at"),
                Column("why", label=pgettext("sales", "Why"), accessor="why_words"),
            ]
        else:
            columns.append(Column("until", label=pgettext("sales", "Until"), accessor=_until, sort_key="until"))
        return columns

    def _orders_url(self, grant: ListMembership) -> str | None:
        return linking.orders_of(grant.contact) if policies.may(self.request.user, "view", Order) else None

    def get_edit_url(self, instance: ListMembership) -> str | None:
        return None

    def get_list_more_buttons(self, instance: ListMembership) -> list[Any]:
        buttons = []
        if policies.may(self.request.user, "view", Order):
            buttons.append(
                MenuItem(
                    pgettext("sales", "Orders"), url=linking.orders_of(instance.contact), icon_name="form", priority=10
                )
            )
        if not self.shows_ended and policies.may(self.request.user, "change", ListMembership):
            where = reverse("wagtail_kwiga_lists:remove_member", args=[self.contact_list.pk, instance.contact_id])
            buttons.append(MenuItem(_("Take off the list"), url=where, icon_name="cross", priority=20))
        return buttons

    @cached_property
    def header_buttons(self) -> list[Any]:
        if not policies.may(self.request.user, "add", ListMembership):
            return []
        where = reverse("wagtail_kwiga_lists:add_member", args=[self.contact_list.pk])
        return [HeaderButton(label=_("Put somebody on it"), url=where, icon_name="plus")]

    def nothing_yet(self) -> str:
        if self.shows_ended:
            return _("Nobody has left this list yet.")
        return _("Nobody is on this list. A scenario or you can put people on it.")

    def get_page_subtitle(self) -> str:
        return self.contact_list.title

    def get_index_url(self) -> str:
        return reverse("wagtail_kwiga_lists:members", args=[self.contact_list.pk])

    def get_index_results_url(self) -> str:
        return reverse("wagtail_kwiga_lists:members_results", args=[self.contact_list.pk])

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        return [*self.breadcrumbs_items, *crumbs(self.contact_list, self.request.user), {
            "url": "", "label": self.get_page_title(), "sublabel": self.contact_list.title,
        }]  # fmt: skip

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(*args, **kwargs)
        context["contact_list"] = self.contact_list
        context["add_member_url"] = self.header_buttons[0].url if self.header_buttons else ""
        context["may_remove"] = not self.shows_ended and policies.may(self.request.user, "change", ListMembership)
        return context

    # --- spreadsheets ---

    def get_filename(self) -> str:
        return f"list-{self.contact_list.pk}-people"

    def as_spreadsheet(self, queryset: QuerySet[ListMembership], spreadsheet_format: str) -> Any:
        return super().as_spreadsheet(_Enriched(queryset, self.contact_list, self.now), spreadsheet_format)


class _Enriched:
    """The rows of an export with their words, a thousand at a time, so that a long list fits into memory."""

    def __init__(self, grants: QuerySet[ListMembership], contact_list: ContactList, now: dt.datetime) -> None:
        self.grants, self.contact_list, self.now = grants, contact_list, now

    def __iter__(self) -> Iterator[ListMembership]:
        batch: list[ListMembership] = []
        for grant in self.grants.iterator(chunk_size=1000):
            batch.append(grant)
            if len(batch) == 1000:
                yield from self._told(batch)
                batch = []
        yield from self._told(batch)

    def _told(self, batch: list[ListMembership]) -> list[ListMembership]:
        member_sources.look_up(self.contact_list, batch, self.now)
        return batch


def of_list(list_id: int) -> QuerySet[ListMembership]:
    """The grants of a list, with the instant at which each ended or will end (``over_at``)."""
    both = Q(removed_at__isnull=False, until__isnull=False)
    over = Case(
        When(both, then=Least("removed_at", "until")),
        default=Coalesce(F("removed_at"), F("until")),
    )  # fmt: skip
    return ListMembership.objects.filter(list_id=list_id).select_related("contact").annotate(over_at=over)


def _until(grant: ListMembership) -> str:
    """An end, or that there is none."""
    return columns.ending(grant.until) or _("no end")


def _source(grant: Any, user: Any) -> Any:
    run = grant.source_run
    return linking.linked(run, grant.source_words, user) if run is not None else grant.source_words


def crumbs(contact_list: ContactList, user: Any) -> list[dict[str, Any]]:
    """The way from the lists to this one."""
    screen = "edit" if policies.may(user, "change", ContactList) else "inspect"
    return [
        {"url": reverse("wagtail_kwiga_lists:list"), "label": _("Contact lists")},
        {"url": reverse(f"wagtail_kwiga_lists:{screen}", args=[contact_list.pk]), "label": contact_list.title},
    ]
