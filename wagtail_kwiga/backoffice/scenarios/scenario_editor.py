"""The scenario's editor: what a new one begins with, problems at their place in the form, and what publishing says."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.contrib import messages as django_messages
from django.core.exceptions import ValidationError
from django.forms.utils import ErrorList
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin import messages
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.views.generic import CopyViewMixin
from wagtail.admin.widgets.button import Button
from wagtail.blocks import StreamBlockValidationError, StreamValue, StructBlock, StructBlockValidationError
from wagtail.snippets.views import snippets

from wagtail_kwiga import conf
from wagtail_kwiga.automations.core.steps import Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.automations.editing import compiling, editor_warnings
from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.automations.problems import ScenarioProblem
from wagtail_kwiga.automations.wording import descriptions, run_history
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.policies import can, may
from wagtail_kwiga.backoffice.scenarios import scenario_summary, stopping
from wagtail_kwiga.catalogue import end_field
from wagtail_kwiga.exceptions import ScenarioFault

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.snippets import EditView as _EditorView
else:
    _EditorView = object

#: How long a new scenario waits before it does anything, as in Kwiga's article “Sending Emails with Promo Codes (Unpaid Orders)”.
FIRST_WAIT = {"amount": 30, "unit": "minutes"}


class ScenarioForm(WagtailAdminModelForm):
    """A draft may be anything; what is published must be able to run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        end_field.replace(self.fields, "expire_at")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if not self.is_deferred_validation and not self.errors:
            given: dict[str, Any] = {name: data[name] for name in ("title", "start", "steps") if name in data}
            self._place(compiling.read(Scenario(pk=self.instance.pk, **given)).found, given)
        return data

    def _place(self, problems: list[ScenarioProblem], given: dict[str, Any]) -> None:
        """Each problem where it is mended: at its step, at the stream, or above the form."""
        for stream in ("start", "steps"):
            here = [problem for problem in problems if problem.stream == stream]
            if here and stream in self.fields:
                self.add_error(stream, _at_blocks(here, given[stream]))
        if rest := [problem for problem in problems if problem.stream not in self.fields]:
            self.add_error(None, ValidationError([str(problem) for problem in rest]))


def _at_blocks(problems: list[ScenarioProblem], stream: StreamValue) -> StreamBlockValidationError:
    """Problems as the StreamField shows them: inside the block of a step, or above all."""
    above: list[Any] = []
    inside: dict[int, list[str]] = defaultdict(list)
    for problem in problems:
        if problem.index is not None and problem.index < len(stream):
            inside[problem.index].append(problem.message)
        else:
            above.append(ValidationError(str(problem)))
    return StreamBlockValidationError(
        block_errors={index: _in_block(words, stream[index].block) for index, words in inside.items()},
        non_block_errors=ErrorList(above),
    )


def _in_block(words: list[str], block: Any) -> ValidationError:
    if isinstance(block, StructBlock):
        fault: ValidationError = StructBlockValidationError(
            non_block_errors=ErrorList([ValidationError(one) for one in words])
        )
        return fault
    return ValidationError(words)


class _KnownOnly(_EditorView):
    """A scenario with a step that nobody here knows is not opened: the form would show it without that step, and saving
    would lose it."""

    request: HttpRequest
    object: Scenario

    def run_before_hook(self) -> HttpResponse | None:
        """Wagtail asks this once it knows that the person may be here."""
        unknown = compiling.unknown_problem(self.object)
        if unknown is None and (revision := getattr(self, "revision", None)):
            unknown = compiling.unknown_problem(self.object, revision)
        if unknown is None:
            answer: HttpResponse | None = super().run_before_hook()
            return answer
        if self.expects_json_response:
            refusal: HttpResponse = self.json_error_response("unknown_steps", str(unknown))
            return refusal
        words = _("“%(scenario)s” cannot be opened. %(why)s")
        messages.error(self.request, words % {"scenario": self.object, "why": unknown})
        return redirect("wagtail_kwiga_scenarios:list")


class _Publishing(_EditorView):
    """What the create and edit views of a scenario share: publishing says what begins, and what to look at."""

    request: HttpRequest
    object: Scenario

    @property
    def is_published_now(self) -> bool:
        planned = getattr(self.object, "go_live_at", None)
        return self.action == "publish" and not (planned and planned > conf.now())

    def publish_action(self) -> HttpResponse | None:
        """The form has refused what cannot run; a coupon or a mail may have changed since it was looked at."""
        try:
            answer: HttpResponse | None = super().publish_action()
            return answer
        except ScenarioFault as fault:
            words = _("The scenario could not be published. It is saved as a draft.")
            _say(self.request, django_messages.ERROR, words, fault.facts.get("problems") or [str(fault)])
            return redirect(self.get_edit_url())

    def get_success_message(self, instance: Scenario | None = None) -> str:
        if not self.is_published_now:
            message: str = super().get_success_message(instance)
            return message
        scenario = Scenario.objects.select_related("version").get(pk=(instance or self.object).pk)
        definitions = run_history.readable([scenario.version] if scenario.version else [])
        told = {
            "title": scenario.title,
            "number": scenario.version.number if scenario.version else "",
            "sentence": " ".join(descriptions.sentence(one) for one in definitions.values()),
        }
        return (
            _(
                "“%(title)s” is published as version %(number)s. It lets in only orders placed from now on; people inside stay on "
                "the version they came in with. %(sentence)s."
            )
            % told
        )

    def save_action(self) -> HttpResponse:
        response: HttpResponse = super().save_action()
        if self.is_published_now and (found := editor_warnings.warnings(Scenario.objects.get(pk=self.object.pk))):
            _say(self.request, django_messages.WARNING, _("Published, and worth a look:"), found)
        return response


def _say(request: HttpRequest, level: int, words: str, details: list[str]) -> None:
    listed = format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ([one] for one in details)))
    django_messages.add_message(request, level, messages.render(words, None, detail=listed))


class ScenarioCreateView(_Publishing, snippets.CreateView):
    """A new scenario begins as nearly all do: an unpaid order, and half an hour of patience."""

    def get_initial_form_instance(self) -> Scenario:
        scenario = super().get_initial_form_instance() or Scenario()
        start = Scenario._meta.get_field("start").stream_block.child_blocks[OrderUnpaid.kind]
        scenario.start = [(OrderUnpaid.kind, start.get_default())]
        scenario.steps = [(Wait.kind, FIRST_WAIT)]
        return scenario


class ScenarioCopyView(_KnownOnly, CopyViewMixin, _Publishing, snippets.CreateView):
    """A copy begins with what it was copied from."""


class ScenarioEditView(_KnownOnly, _Publishing, snippets.EditView):
    """The summary follows what is saved in the background."""

    partials_template_name = "wagtail_kwiga/backoffice/scenarios/edit_partials.html"

    @cached_property
    def header_more_buttons(self) -> list[Any]:
        return [*super().header_more_buttons, *buttons(self.object, self.request.user)]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        if context.get("is_partial"):
            context |= {
                "summary": scenario_summary.Summary(self.object),
                "summary_place": scenario_summary.PLACE,
            }
        return context


class ScenarioUnpublishView(snippets.UnpublishView):
    """Says what becomes of the people inside."""

    template_name = "wagtail_kwiga/backoffice/scenarios/unpublish.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        inside = Run.objects.filter(scenario=self.object, state__in=stopping.INSIDE).count()
        stop_all = reverse("wagtail_kwiga_scenarios:stop_all", args=[self.object.pk])
        told = {"inside": inside, "stop_all_url": stop_all if can(self.request.user, "stop_runs") else ""}
        context: dict[str, Any] = super().get_context_data(**kwargs) | told
        return context


def people_of(scenario: Scenario, *states: str) -> str:
    """The list of the people of a scenario; empty where this site has no such screen."""
    address = linking.url("wagtail_kwiga_runs:index")
    return f"{address}?scenario={scenario.pk}{''.join(f'&state={one}' for one in states)}" if address else ""


def buttons(scenario: Scenario, user: Any) -> list[Button]:
    """Where to go from a scenario: its people, its versions, and *Stop all*."""
    found = [
        Button(
            pgettext("sales", "Versions"),
            url=reverse("wagtail_kwiga_scenarios:versions", args=[scenario.pk]),
            icon_name="list-ol",
            priority=26,
        )
    ]
    if may(user, "view", Run):
        found.append(Button(pgettext("sales", "People"), url=people_of(scenario), icon_name="user", priority=25))
    if can(user, "stop_runs"):
        stop_all = reverse("wagtail_kwiga_scenarios:stop_all", args=[scenario.pk])
        found.append(Button(_("Stop all"), url=stop_all, icon_name="cross", priority=27))
    return found
