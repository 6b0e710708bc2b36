"""Scenarios in the admin: what each does in words, and how many people are inside, were written to, and paid."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import path
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.panels import FieldPanel, MultiFieldPanel, ObjectList, PublishingPanel, TabbedInterface
from wagtail.admin.ui.tables import Column, UpdatedAtColumn
from wagtail.admin.widgets import BooleanRadioSelect
from wagtail.snippets.views import snippets

from wagtail_kwiga.automations import counting
from wagtail_kwiga.automations.editing import editor_warnings
from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.automations.wording import descriptions, run_history
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.choosers import GuardedChooser
from wagtail_kwiga.backoffice.parts.columns import NUMBER
from wagtail_kwiga.backoffice.parts.drafts import DraftStatusColumn, with_schedule
from wagtail_kwiga.backoffice.parts.history import HistoryView
from wagtail_kwiga.backoffice.parts.policies import may
from wagtail_kwiga.backoffice.parts.records import WIDE_LISTING
from wagtail_kwiga.backoffice.scenarios import scenario_editor, stopping
from wagtail_kwiga.backoffice.scenarios.scenario_summary import SummaryPanel
from wagtail_kwiga.backoffice.scenarios.scenario_versions import ScenarioVersionsView


class CautionsColumn(Column):
    """How many things there are to look at, as a link to the editor that names them."""

    cell_template_name = "wagtail_kwiga/backoffice/scenarios/cautions_cell.html"

    def get_cell_context_data(self, instance: Scenario, parent_context: Any) -> dict[str, Any]:
        link = linking.address(Scenario, instance.pk, parent_context["request"].user)
        return {**super().get_cell_context_data(instance, parent_context), "link": link}


class ScenarioFilterSet(WagtailFilterSet):
    """Filters of the list."""

    live = django_filters.BooleanFilter(label=pgettext_lazy("sales", "Published"), widget=BooleanRadioSelect)

    class Meta:
        model = Scenario
        fields = ["live"]


class ScenarioIndexView(snippets.IndexView):
    """All scenarios. Words and cautions are those of the published version, which is what runs."""

    default_ordering = "title"
    table_classname = WIDE_LISTING

    def get_base_queryset(self) -> QuerySet[Scenario]:
        return with_schedule(counting.with_counts(Scenario.objects.select_related("version").defer("start", "steps")))

    def get_table(self, object_list: Any) -> Any:
        rows = list(object_list)
        definitions = run_history.readable(row.version for row in rows if row.version is not None)
        known = descriptions.names(*definitions.values())
        running = {row.pk: definitions[row.version_id] for row in rows if row.live and row.version_id in definitions}
        found = editor_warnings.of_many(running) if running else {}
        for row in rows:
            row.told = self._told(row, definitions, known)
            row.cautions = found.get(row.pk, [])
        return super().get_table(rows)

    def _told(self, row: Scenario, definitions: Any, known: descriptions.Names) -> str:
        if row.version is None:
            return _("Not published yet")
        if row.version_id not in definitions:
            return _("It names something that nobody here knows, so it lets nobody in.")
        return descriptions.sentence(definitions[row.version_id], known)

    @cached_property
    def list_display(self) -> list[Any]:
        return [
            "title",
            DraftStatusColumn(),
            Column("told", label=_("What it does"), classname="kwiga-words"),
            CautionsColumn("cautions", label=pgettext("sales", "Warnings")),
            self._count("inside_now", _("Inside now"), *stopping.INSIDE),
            self._count("mailed", pgettext("sales", "Mailed")),
            self._count("paid_afterwards", _("Paid afterwards")),
            UpdatedAtColumn(),
        ]

    def _get_title_column(self, *args: Any, **kwargs: Any) -> Any:
        return super()._get_title_column(*args, classname="kwiga-words", **kwargs)

    def _count(self, name: str, label: str, *states: str) -> Column:
        """A number, as a link to the people it counts where there is such a list."""

        def shown(scenario: Any) -> Any:
            number = getattr(scenario, name)
            if not (states and number and may(self.request.user, "view", Run)):
                return number
            return format_html('<a href="{}">{}</a>', scenario_editor.people_of(scenario, *states), number)

        return Column(name, label=label, accessor=shown, classname=NUMBER, sort_key=name)

    def get_list_more_buttons(self, instance: Scenario) -> list[Any]:
        return [*super().get_list_more_buttons(instance), *scenario_editor.buttons(instance, self.request.user)]

    def get_context_data(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(*args, **kwargs) | {
            "offers_url": linking.url("wagtail_kwiga_offers:list")
        }
        return context


class ScenarioViewSet(snippets.SnippetViewSet):
    """Scenarios."""

    model = Scenario
    chooser_viewset_class = GuardedChooser
    base_url_path = "kwiga/scenarios"
    admin_url_namespace = "wagtail_kwiga_scenarios"
    icon = "tasks"
    menu_label = pgettext_lazy("sales", "Scenarios")
    menu_name = "kwiga-scenarios"
    menu_order = 450
    search_fields = ["title"]
    search_backend_name = None
    filterset_class = ScenarioFilterSet
    index_view_class = ScenarioIndexView
    index_results_template_name = "wagtail_kwiga/backoffice/scenarios/index_results.html"
    add_view_class = scenario_editor.ScenarioCreateView
    copy_view_class = scenario_editor.ScenarioCopyView
    edit_view_class = scenario_editor.ScenarioEditView
    history_view_class = HistoryView
    unpublish_view_class = scenario_editor.ScenarioUnpublishView
    edit_handler = TabbedInterface(
        [
            ObjectList(
                [
                    FieldPanel("title", icon="title", help_text=gettext_lazy("For your team; nobody else sees it.")),
                    MultiFieldPanel([SummaryPanel()], heading=gettext_lazy("What it does"), icon="info-circle"),
                    FieldPanel(
                        "start",
                        icon="login",
                        help_text=gettext_lazy("The event that lets people in, and which of these events count."),
                    ),
                    FieldPanel(
                        "steps",
                        icon="list-ol",
                        help_text=gettext_lazy(
                            "Taken one after the other. Begin with a wait: 30 minutes are a good measure, and less than 10 "
                            "are refused after an unpaid order, because payments may be slow to settle."
                        ),
                    ),
                ],
                heading=pgettext_lazy("sales", "Scenario"),
            ),
            ObjectList([PublishingPanel()], heading=pgettext_lazy("sales", "Publishing")),
        ],
        base_form_class=scenario_editor.ScenarioForm,
    )

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("versions/<int:pk>/", self.versions_view, name="versions"),
            path("stop-all/<int:pk>/", stopping.stop_all, name="stop_all"),
        ]

    @property
    def versions_view(self) -> Any:
        return self.construct_view(
            ScenarioVersionsView,
            list_url_name=self.get_url_name("list"),
            edit_url_name=self.get_url_name("edit"),
            versions_url_name=self.get_url_name("versions"),
        )
