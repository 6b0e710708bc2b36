"""Scenarios in the admin."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, ObjectList, PublishingPanel, TabbedInterface
from wagtail.admin.ui.tables import Column, LiveStatusTagColumn, UpdatedAtColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga.automations import versions as scenario_versions
from wagtail_kwiga.automations.models import Run, Scenario


class ScenarioForm(WagtailAdminModelForm):
    """A draft may be anything; what is published must be able to run."""

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.is_deferred_validation and not self.errors:
            given = {name: data[name] for name in ("title", "start", "steps") if name in data}
            problems = scenario_versions.problems(Scenario(pk=self.instance.pk, **given))
            if problems:
                raise ValidationError([str(problem) for problem in problems])
        return data


class ScenarioViewSet(SnippetViewSet):
    """Scenarios."""

    model = Scenario
    base_url_path = "kwiga/scenarios"
    admin_url_namespace = "wagtail_kwiga_scenarios"
    icon = "history"
    menu_label = _("Scenarios")
    menu_name = "kwiga-scenarios"
    menu_order = 450
    search_fields = ["title"]
    search_backend_name = None
    edit_handler = TabbedInterface(
        [
            ObjectList([FieldPanel("title"), FieldPanel("start"), FieldPanel("steps")], heading=_("Scenario")),
            ObjectList([PublishingPanel()], heading=_("Publishing")),
        ],
        base_form_class=ScenarioForm,
    )

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            LiveStatusTagColumn(),
            Column("inside", label=_("Inside now"), accessor="inside_now", classname="w-text-right"),
            Column("mailed", label=_("Mailed"), accessor="mailed", classname="w-text-right"),
            UpdatedAtColumn(),
        ]

    def get_queryset(self, request: Any) -> Any:
        inside = Count("runs", filter=Q(runs__state__in=[Run.State.LIVE, Run.State.PARKED]))
        mailed = Count("runs", filter=Q(runs__first_message_at__isnull=False))
        return Scenario.objects.annotate(inside_now=inside, mailed=mailed).order_by("title")
