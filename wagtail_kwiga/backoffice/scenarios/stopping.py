"""Taking people out of scenarios, and letting those go on who were held: asked first, done by POST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from wagtail.actions.unpublish import UnpublishAction
from wagtail.admin.views.bulk_action import BulkAction

from wagtail_kwiga import locking
from wagtail_kwiga.automations.models import Run, Scenario
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.automations.wording.run_history import Retelling
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.policies import can, may, user_of
from wagtail_kwiga.backoffice.parts.records import keys
from wagtail_kwiga.exceptions import KwigaError

#: Seconds that stopping everybody may take within one request; whoever is left then is stopped by the next one.
SECONDS = 15
INSIDE = [Run.State.ACTIVE, Run.State.PAUSED]
_TEMPLATE = "wagtail_kwiga/backoffice/runs/confirm.html"


def stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Take one person out."""
    run = _run(request, pk, "stop_runs")
    card = reverse("wagtail_kwiga_runs:inspect", args=[run.pk])
    if run.state not in INSIDE:
        messages.error(request, _("%(person)s is not inside any more.") % {"person": run.contact})
        return redirect(card)
    if request.method == "POST":
        if endings.stop(run, by=user_of(request)):
            words = _("Stopped: %(person)s has left “%(scenario)s”.")
            messages.success(request, words % {"person": run.contact, "scenario": run.scenario})
        else:
            messages.error(request, _("%(person)s is not inside any more.") % {"person": run.contact})
        return redirect(card)
    words = _("%(person)s leaves the scenario “%(scenario)s” now: no further step is taken for them.")
    said = [
        words % {"person": run.contact, "scenario": run.scenario},
        _called_back(endings.waiting_mail([run]).count()),
    ]
    return _ask(request, pgettext("sales", "Stop"), run, [*said, *_kept()], _("Yes, stop it"), serious=True)


def let_go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody has mended what was wrong."""
    run = _run(request, pk, "resume_runs")
    card = reverse("wagtail_kwiga_runs:inspect", args=[run.pk])
    if request.method == "POST" or run.state != Run.State.PAUSED:
        try:
            if request.method == "POST":
                endings.let_go_on(run, by=user_of(request))
                messages.success(
                    request, _("%(person)s goes on with the next run of the worker.") % {"person": run.contact}
                )
            else:
                messages.error(request, _("%(person)s is not held.") % {"person": run.contact})
        except KwigaError:  # somebody was quicker
            messages.error(request, _("%(person)s is not held.") % {"person": run.contact})
        return redirect(card)
    told = Retelling([run])
    said = [
        _("Do this once you have mended what was wrong: %(why)s") % {"why": run.error or told.why(run, run.stepped_at)},
        _("The step at which they stand is asked again at once: %(step)s.") % {"step": told.where(run)},
        _("If the same thing goes wrong again, they are held again, and nobody gets anything twice."),
    ]
    return _ask(request, _("Let them go on"), run, said, _("Yes, let them go on"))


class StopAllForm(forms.Form):
    """What else is to happen when everybody is stopped."""

    unpublish = forms.BooleanField(
        label=gettext_lazy("Let nobody new in"),
        required=False,
        help_text=gettext_lazy(
            "Unpublishes the scenario. Without this, the next order it is about lets somebody in again."
        ),
    )


def stop_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Take everybody out of a scenario, and let nobody new in where that is asked for."""
    if not can(request.user, "stop_runs"):
        raise PermissionDenied
    scenario = get_object_or_404(Scenario, pk=pk)
    may_unpublish = scenario.live and may(request.user, "publish", Scenario)
    form = StopAllForm(request.POST if request.method == "POST" else None) if may_unpublish else None
    inside = Run.objects.filter(scenario=scenario, state__in=INSIDE)
    if request.method == "POST" and (form is None or form.is_valid()):
        if form is not None and form.cleaned_data["unpublish"]:
            UnpublishAction(scenario, user=request.user).execute(skip_permission_checks=True)  # asked above
            messages.success(request, _("“%(scenario)s” lets nobody new in.") % {"scenario": scenario})
        _tell_stopped(
            request, scenario, endings.stop_all(scenario, by=user_of(request), seconds=SECONDS), inside.count()
        )
        if inside.exists():
            return redirect(request.path)
        return redirect("wagtail_kwiga_scenarios:list")
    number = inside.count()
    words = ngettext(
        "%(number)s person inside “%(scenario)s” leaves now: no further step is taken for them.",
        "%(number)s people inside “%(scenario)s” leave now: no further step is taken for them.",
        number,
    )
    said = [
        words % {"number": number, "scenario": scenario},
        _called_back(endings.waiting_mail(inside).count()),
        *_kept(),
    ]
    if not number:
        said = [_("Nobody is inside “%(scenario)s”.") % {"scenario": scenario}]
    return _confirm(
        request,
        title=_("Stop all"),
        subtitle=str(scenario),
        said=said,
        form=form,
        yes=_("Yes, stop all") if number else pgettext("sales", "Yes"),
        back=reverse("wagtail_kwiga_scenarios:list"),
        crumbs=[(reverse("wagtail_kwiga_scenarios:list"), pgettext("sales", "Scenarios")), ("", str(scenario))],
        serious=True,
        can_do=bool(number or form),
    )


def _tell_stopped(request: HttpRequest, scenario: Scenario, stopped: int, left: int) -> None:
    words = ngettext(
        "%(number)s person was taken out of “%(scenario)s”.",
        "%(number)s people were taken out of “%(scenario)s”.",
        stopped,
    )
    messages.success(request, words % {"number": stopped, "scenario": scenario})
    if left:
        more = ngettext(
            "%(number)s person is still inside. Please go on.",
            "%(number)s people are still inside. Please go on.",
            left,
        )
        messages.warning(request, more % {"number": left})


def _run(request: HttpRequest, pk: int, verb: str) -> Run:
    if not can(request.user, verb):
        raise PermissionDenied
    return get_object_or_404(Run.objects.select_related("contact", "scenario", "version"), pk=pk)


def _called_back(mails: int) -> str:
    if not mails:
        return _("No mail of this scenario waits to be sent to them.")
    words = ngettext(
        "%(number)s mail that waits in the outbox is called back; what has left cannot be.",
        "%(number)s mails that wait in the outbox are called back; what has left cannot be.",
        mails,
    )
    return words % {"number": mails}


def _kept() -> list[str]:
    return [_("What they were promised holds: a discount ends when they were told that it ends.")]


def _ask(
    request: HttpRequest, title: str, run: Run, said: Sequence[str], yes: str, *, serious: bool = False
) -> HttpResponse:
    card = reverse("wagtail_kwiga_runs:inspect", args=[run.pk])
    crumbs = [(reverse("wagtail_kwiga_runs:index"), pgettext("sales", "People")), (card, str(run.contact))]
    return _confirm(
        request, title=title, subtitle=str(run.contact), said=said, yes=yes, back=card, crumbs=crumbs, serious=serious
    )


def _confirm(
    request: HttpRequest,
    *,
    title: str,
    subtitle: str,
    said: Sequence[str],
    yes: str,
    back: str,
    crumbs: Sequence[tuple[str, str]],
    form: forms.Form | None = None,
    serious: bool = False,
    can_do: bool = True,
) -> HttpResponse:
    home = {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")}
    return TemplateResponse(
        request,
        _TEMPLATE,
        {
            "said": said,
            "form": form,
            "yes": yes,
            "back": back,
            "serious": serious,
            "can_do": can_do,
            "header_icon": "tasks",
            "header_title": f"{title}: {subtitle}",
            "page_title": title,
            "page_subtitle": subtitle,
            "breadcrumbs_items": [
                home,
                *({"url": url, "label": label} for url, label in crumbs),
                {"url": "", "label": title, "sublabel": subtitle},
            ],
        },
    )


class StopRuns(BulkAction):
    """*Stop* for the people ticked in the list."""

    display_name = pgettext_lazy("sales", "Stop")
    aria_label = gettext_lazy("Stop the scenario for the people ticked")
    action_type = "stop"
    template_name = "wagtail_kwiga/backoffice/runs/confirm_bulk_stop.html"
    models = [Run]
    classes = {"serious"}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not can(request.user, "stop_runs"):
            raise PermissionDenied
        self.next_url = linking.back(request, request.path)
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    @classmethod
    def get_queryset(cls, model: Any, object_ids: Any) -> list[Run]:
        return list(Run.objects.filter(pk__in=keys(object_ids)).select_related("contact", "scenario"))

    def get_all_objects_in_listing_query(self, parent_id: Any) -> list[int]:
        """Wagtail means all rows there are, whatever the filters: that is *Stop all* of a scenario, and asked there."""
        return []

    def check_perm(self, obj: Run) -> bool:
        return can(self.request.user, "stop_runs") and obj.state in INSIDE

    def form_valid(self, form: forms.Form) -> HttpResponse:
        with locking.atomic_write():
            answer: HttpResponse = super().form_valid(form)
            return answer

    def get_execution_context(self) -> dict[str, Any]:
        return {**super().get_execution_context(), "user": self.request.user}

    @classmethod
    def execute_action(cls, objects: Sequence[Run], user: Any = None, **kwargs: Any) -> tuple[int, int]:
        return endings.stop_many(objects, by=user), 0

    def get_success_message(self, num_parent_objects: int, num_child_objects: int) -> str:
        words = ngettext("%(number)s person was stopped.", "%(number)s people were stopped.", num_parent_objects)
        return words % {"number": num_parent_objects}


#: What the list and the card offer: (URL name, permission, words, icon, is it on offer for a run).
ACTIONS: tuple[tuple[str, str, Any, str, Callable[[Run], bool]], ...] = (
    ("let_go_on", "resume_runs", gettext_lazy("Let them go on"), "rotate", lambda run: run.state == Run.State.PAUSED),
    ("stop", "stop_runs", pgettext_lazy("sales", "Stop"), "cross", lambda run: run.state in INSIDE),
)


def buttons(run: Run, user: Any, kind: type) -> list[Any]:
    """What ``user`` may do about ``run``, as buttons that lead to the question."""
    return [
        kind(label, url=reverse(f"wagtail_kwiga_runs:{name}", args=[run.pk]), icon_name=icon, priority=place)
        for place, (name, verb, label, icon, is_offered) in enumerate(ACTIONS, start=30)
        if is_offered(run) and can(user, verb)
    ]
