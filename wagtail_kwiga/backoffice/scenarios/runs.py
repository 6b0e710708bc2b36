"""People in scenarios: who is inside, where, why, and what comes next; those who were not let in, with the reason."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.tables import BulkActionsCheckboxColumn, Column, DateColumn, StatusTagColumn, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import Button, HeaderButton

from wagtail_kwiga import conf
from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.automations.wording.run_history import Retelling
from wagtail_kwiga.backoffice.parts import columns, filters, linking, long_lists
from wagtail_kwiga.backoffice.parts.policies import can
from wagtail_kwiga.backoffice.parts.records import RecordIndexView, RecordViewSet
from wagtail_kwiga.backoffice.scenarios import run_card, stopping
from wagtail_kwiga.catalogue.models import Offer

#: States that mean that somebody is on the way, or should be.
INSIDE = stopping.INSIDE


class RunFilterSet(WagtailFilterSet):
    """Filters of the list; no DISTINCT, see the list of orders."""

    scenario = filters.RowsFilter(
        label=pgettext_lazy("sales", "Scenario"), queryset=Scenario.objects.order_by("title"), distinct=False
    )
    state = django_filters.MultipleChoiceFilter(
        label=pgettext_lazy("sales", "State"),
        choices=Run.State.choices,
        widget=forms.CheckboxSelectMultiple,
        distinct=False,
    )
    offer = filters.RowsFilter(
        field_name="order__offer",
        label=pgettext_lazy("sales", "Offer"),
        queryset=Offer.objects.order_by("title"),
        distinct=False,
    )
    entered_at = filters.DayRangeFilter(label=pgettext_lazy("sales", "Entered"))

    class Meta:
        model = Run
        fields = ["scenario", "state", "offer", "entered_at"]


class RunIndexView(RecordIndexView):
    """Everybody, newest first."""

    page_title = _("People in scenarios")
    verbose_name = pgettext_lazy("sales", "person")
    verbose_name_plural = pgettext_lazy("sales", "people")
    default_ordering = ["-pk"]

    @staticmethod
    def beginnings(words: str) -> list[Q]:
        return [long_lists.by_order_number(words, "order__number"), *long_lists.by_contact(words)]

    def get_base_queryset(self) -> QuerySet[Run]:
        rows: QuerySet[Run] = super().get_base_queryset().select_related("contact", "scenario", "order", "version")
        return rows.defer("scenario__start", "scenario__steps")

    def get_table(self, object_list: Any) -> Any:
        rows, now = list(object_list), conf.now()
        told = Retelling(rows)
        for run in rows:
            run.told_where, run.told_why = told.where(run), told.why(run, now)
        return super().get_table(rows)

    @cached_property
    def list_display(self) -> list[Any]:
        title = self._get_title_column_class(TitleColumn)(
            "person",
            label=pgettext_lazy("sales", "Person"),
            accessor=lambda run: columns.person(run.contact),
            get_url=self.get_inspect_url,
            get_title_id=lambda run: f"run_{run.pk}_title",
            sort_key="contact__name",
        )
        shown = [
            title,
            Column("scenario", label=pgettext_lazy("sales", "Scenario"), sort_key="scenario__title"),
            StatusTagColumn(
                "state",
                label=pgettext_lazy("sales", "State"),
                accessor=lambda run: Run.State(run.state).label,
                primary=lambda run: run.state in INSIDE,
                sort_key="state",
            ),
            Column("where", label=pgettext_lazy("sales", "Step"), accessor="told_where"),
            Column("why", label=pgettext_lazy("sales", "Why"), accessor="told_why", classname="kwiga-words"),
            Column(
                "next",
                label=pgettext_lazy("sales", "Next"),
                accessor=lambda run: columns.coming(run.due_at if run.state == Run.State.ACTIVE else None),
                sort_key="due_at",
            ),
            Column(
                "order",
                label=pgettext_lazy("sales", "Order"),
                accessor=lambda run: run.order.number if run.order else "",
                classname="w-whitespace-nowrap",
            ),
            DateColumn("entered_at", label=pgettext_lazy("sales", "Entered"), sort_key="entered_at"),
        ]
        if can(self.request.user, "stop_runs"):
            shown.insert(0, BulkActionsCheckboxColumn("bulk_actions", obj_type="run"))
        return shown

    @cached_property
    def columns(self) -> list[Any]:
        return self.list_display

    def get_list_more_buttons(self, instance: Run) -> list[Any]:
        return [*super().get_list_more_buttons(instance), *stopping.buttons(instance, self.request.user, Button)]

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(*args, **kwargs)
        return {**context, "may_stop": can(self.request.user, "stop_runs"), "app_label": Run._meta.app_label}

    def nothing_yet(self) -> str:
        return format_html(
            '{} <a href="{}">{}</a>',
            _("Nobody yet: publish a scenario, and whoever leaves an order it is about is listed here."),
            linking.url("wagtail_kwiga_scenarios:list"),
            _("See your scenarios"),
        )


class RunInspectView(generic.InspectView):
    """One person in one scenario."""

    page_title = _("Person in a scenario")

    def get_object(self, queryset: Any = None) -> Run:
        runs = Run.objects.select_related("contact", "scenario", "version", "order__offer")
        return get_object_or_404(runs, pk=self.pk)

    @property
    def header_more_buttons(self) -> list[Any]:
        return []

    @property
    def header_buttons(self) -> list[Any]:
        return stopping.buttons(self.object, self.request.user, HeaderButton)

    def get_page_subtitle(self) -> str:
        name: str = self.object.contact.name or self.object.contact.email
        return name

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        return [
            *self.breadcrumbs_items,
            {"url": linking.url(self.index_url_name), "label": pgettext_lazy("sales", "People")},
            {"url": "", "label": self.get_page_subtitle(), "sublabel": str(self.object.scenario)},
        ]

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = run_card.panels(self.object, self.request.user)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


class RunViewSet(RecordViewSet):
    """People in scenarios: looked at, stopped, let go on; never typed in."""

    model = Run
    name = "wagtail_kwiga_runs"
    url_prefix = "kwiga/people"
    icon = "user"
    menu_label = pgettext_lazy("sales", "People")
    menu_name = "kwiga-people"
    menu_order = 460
    index_view_class = RunIndexView
    index_template_name = "wagtail_kwiga/backoffice/runs/index.html"
    inspect_view_class = RunInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    filterset_class = RunFilterSet
    search_fields = ["contact__email", "contact__name", "order__number"]

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("stop/<int:pk>/", stopping.stop, name="stop"),
            path("let-go-on/<int:pk>/", stopping.let_go_on, name="let_go_on"),
        ]
