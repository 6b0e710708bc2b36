"""The published versions of a scenario: what each does, since when, by whom, and how many people are still inside."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.tables import Column, DateColumn, StatusFlagColumn, UserColumn
from wagtail.admin.views.generic.base import BaseListingView, BaseObjectMixin
from wagtail.admin.views.generic.permissions import PermissionCheckedMixin

from wagtail_kwiga.automations.models import Scenario, ScenarioVersion
from wagtail_kwiga.automations.wording import descriptions, run_history
from wagtail_kwiga.backoffice.parts.columns import NUMBER
from wagtail_kwiga.backoffice.scenarios.stopping import INSIDE


class ScenarioVersionsView(PermissionCheckedMixin, BaseObjectMixin, BaseListingView):
    """The versions of one scenario, newest first."""

    model = Scenario
    any_permission_required = ["add", "change", "delete", "view"]
    page_title = pgettext_lazy("sales", "Versions")
    header_icon = "list-ol"
    paginate_by = 20
    edit_url_name = ""
    list_url_name = ""
    versions_url_name = ""

    def get_page_subtitle(self) -> str:
        return str(self.object)

    def get_breadcrumbs_items(self) -> list[dict[str, Any]]:
        return [
            *self.breadcrumbs_items,
            {"url": reverse(self.list_url_name), "label": pgettext_lazy("sales", "Scenarios")},
            {"url": reverse(self.edit_url_name, args=[self.object.pk]), "label": str(self.object)},
            {"url": "", "label": self.page_title, "sublabel": str(self.object)},
        ]

    def get_index_url(self) -> str:
        return reverse(self.versions_url_name, args=[self.object.pk])

    def get_base_queryset(self) -> QuerySet[ScenarioVersion]:
        inside = Count("runs", filter=Q(runs__state__in=INSIDE))
        versions = ScenarioVersion.objects.filter(scenario=self.object).select_related("published_by")
        return versions.annotate(inside=inside).order_by("-number")

    def get_table(self, object_list: Any) -> Any:
        rows = list(object_list)
        definitions = run_history.readable(rows)
        known = descriptions.names(*definitions.values())
        for row in rows:
            definition = definitions.get(row.pk)
            row.told = descriptions.sentence(definition, known) if definition else _("It cannot be read here any more.")
        return super().get_table(rows)

    @cached_property
    def columns(self) -> list[Any]:
        return [
            Column("number", label=pgettext_lazy("sales", "Version"), classname=NUMBER),
            StatusFlagColumn(
                "current",
                label=pgettext_lazy("sales", "Now"),
                accessor=lambda row: row.pk == self.object.version_id and self.object.live,
                true_label=_("lets people in"),
            ),
            Column("told", label=_("What it does"), classname="kwiga-words"),
            Column("inside", label=_("Inside now"), classname=NUMBER),
            DateColumn("published_at", label=pgettext_lazy("sales", "Published")),
            UserColumn("published_by", label=pgettext_lazy("sales", "By")),
        ]

    @cached_property
    def no_results_message(self) -> Any:
        return _("This scenario has not been published yet. Each publishing that changes something makes a version.")
