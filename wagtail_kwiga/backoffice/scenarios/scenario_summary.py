"""What a scenario does, in words, at the top of its editor: the sentence, the steps, what is in the way, what to look at."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.functional import cached_property
from wagtail.admin.panels import Panel
from wagtail.admin.ui.components import Component

from wagtail_kwiga import conf
from wagtail_kwiga.automations.editing import compiling, editor_warnings
from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.backoffice.scenarios import stopping

#: The id of the element that holds it; what autosaving sends back is put there.
PLACE = "kwiga-scenario-summary"


class Summary(Component):
    """``scenario`` as it stands in memory; empty words for one that was never saved."""

    template_name = "wagtail_kwiga/backoffice/scenarios/summary.html"

    def __init__(self, scenario: Scenario, now: dt.datetime | None = None) -> None:
        self.scenario, self.now = scenario, now or conf.now()

    @cached_property
    def reading(self) -> compiling.Reading:
        return compiling.read(self.scenario)

    def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
        if self.scenario.pk is None:
            return {"is_new": True}
        definition = self.reading.definition
        told: dict[str, Any] = {"scenario": self.scenario, "problems": self.reading.problems}
        if definition is not None:
            known = descriptions.names(definition)
            told |= {
                "sentence": descriptions.sentence(definition, known),
                "steps": [descriptions.step_text(definition, index, known) for index in range(len(definition.steps))],
                "cautions": editor_warnings.of_many({self.scenario.pk: definition}, self.now)[self.scenario.pk],
            }
        if self.scenario.version_id:
            inside = Run.objects.filter(scenario=self.scenario.pk, state__in=stopping.INSIDE)
            told["inside"] = inside.count()
        return told


class SummaryPanel(Panel):
    """The summary of the saved state, above the fields of the editor."""

    class BoundPanel(Panel.BoundPanel):
        template_name = "wagtail_kwiga/backoffice/scenarios/summary_panel.html"

        def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
            context = super().get_context_data(parent_context)
            return {**context, "place": PLACE, "summary": Summary(self.instance)}
