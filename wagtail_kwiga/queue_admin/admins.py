"""The queue in the Wagtail admin: schedules, what waits, what went well and what failed. Looked at by superusers only.

An optional extra on wagtail-modeladmin (``wagtail-kwiga[modeladmin]``); with ``background`` the only code that knows
django-q2. Everything else of the package stands on Wagtail's own viewsets.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import SimpleListFilter, display
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from wagtail_modeladmin.options import ModelAdminGroup, modeladmin_register

from wagtail_kwiga import background, conf
from wagtail_kwiga.backoffice.parts.columns import exact
from wagtail_kwiga.queue_admin import views
from wagtail_kwiga.queue_admin.looking import Facts, LookedAt, NamedValues, moment, preformatted
from wagtail_kwiga.queue_admin.rows import last_line, opened, shown


class HowOftenFilter(SimpleListFilter):
    """The kinds of schedule that there are."""

    title = gettext_lazy("How often")
    parameter_name = "often"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        kinds = set(Schedule.objects.order_by().values_list("schedule_type", flat=True).distinct())
        return [(kind, label) for kind, label in Schedule.TYPE if kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> QuerySet[Schedule]:
        return queryset.filter(schedule_type=self.value()) if self.value() else queryset


class ScheduleAdmin(LookedAt):
    """What runs again and again."""

    model = Schedule
    base_url_path = "kwiga/queue/schedules"
    menu_label = pgettext_lazy("sales", "Schedules")
    menu_icon = "calendar-alt"
    list_display = ("title", "func", "often", "upcoming", "last")
    list_filter = (HowOftenFilter, ("cluster", NamedValues))
    search_fields = ("name", "func")
    ordering = ("next_run", "pk")
    empty = _("Nothing is scheduled. “manage.py kwiga_setup” makes the schedule of the sales worker.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        last = Task.objects.filter(pk=OuterRef("task"))
        schedules: QuerySet[Schedule] = (
            super()
            .get_queryset(request)
            .annotate(
                last_success=Subquery(last.values("success")[:1]), last_stopped=Subquery(last.values("stopped")[:1])
            )
        )
        return schedules

    def name_of(self, obj: Schedule) -> str:
        name: str = obj.name or obj.func
        return name

    def notices(self) -> list[Any]:
        told = gettext(
            "The schedule “%(name)s” cannot be read: %(why)s. As long as it is there, no schedule runs at all."
        )
        return [told % {"name": name, "why": why} for name, why in background.schedule_faults()]

    @display(description=pgettext_lazy("sales", "Task"), ordering="name")
    def title(self, obj: Schedule) -> str:
        return self.name_of(obj)

    @display(description=_("How often"), ordering="schedule_type")
    def often(self, obj: Schedule) -> str:
        if obj.schedule_type == Schedule.MINUTES:
            minutes = obj.minutes or 1
            return ngettext("every minute", "every %(minutes)d minutes", minutes) % {"minutes": minutes}
        if obj.schedule_type == Schedule.CRON:
            return f"{obj.get_schedule_type_display()}: {obj.cron}"
        return str(obj.get_schedule_type_display())

    @display(description=pgettext_lazy("sales", "Next"), ordering="next_run")
    def upcoming(self, obj: Schedule) -> str:
        if obj.next_run is None or obj.repeats == 0:
            return pgettext("sales", "never")
        return exact(obj.next_run)

    @display(description=pgettext_lazy("sales", "Last"))
    def last(self, obj: Schedule) -> Any:
        if obj.last_stopped is None:
            return ""
        word = pgettext("sales", "done") if obj.last_success else pgettext("sales", "failed")
        admin = self.parent.admin_of(SuccessAdmin if obj.last_success else FailureAdmin)
        url = admin.url_helper.get_action_url("inspect", obj.task)
        return format_html('<a href="{}">{}</a>, {}', url, word, moment(obj.last_stopped))

    def facts(self, obj: Schedule) -> Facts:
        repeats = gettext("for ever") if obj.repeats < 0 else str(obj.repeats)
        return [
            (pgettext_lazy("sales", "Task"), obj.name),
            (pgettext_lazy("sales", "Function"), obj.func),
            (pgettext_lazy("sales", "Arguments"), shown(obj.args)),
            (_("Named arguments"), shown(obj.kwargs)),
            (_("Calls when done"), obj.hook),
            (_("How often"), self.often(obj)),
            (_("Runs still to come"), repeats),
            (pgettext_lazy("sales", "Next"), self.upcoming(obj)),
            (pgettext_lazy("sales", "Last"), self.last(obj)),
            (pgettext_lazy("sales", "Cluster"), obj.cluster),
        ]


class WaitingFilter(SimpleListFilter):
    """Whether a worker has taken a queued task."""

    title = gettext_lazy("Where it stands")
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("waiting", pgettext_lazy("sales", "waiting")), ("taken", _("taken by a worker"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OrmQ]) -> QuerySet[OrmQ]:
        now = conf.now()
        if self.value() == "waiting":
            return queryset.exclude(lock__gt=now)
        if self.value() == "taken":
            return queryset.filter(lock__gt=now)
        return queryset


class QueuedAdmin(LookedAt):
    """What waits, and what a worker has in hand. Only a queue in the database can be looked into."""

    model = OrmQ
    base_url_path = "kwiga/queue/waiting"
    menu_label = _("Waiting tasks")
    menu_icon = "time"
    list_display = ("func", "name", "task_id", "stands", "key")
    list_filter = (WaitingFilter, "key")
    ordering = ("pk",)
    empty = _("Nothing is waiting: the worker has done everything it was given.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrmQ]:
        found = super().get_queryset(request)
        tasks: QuerySet[OrmQ] = found.using(Conf.ORM) if Conf.ORM else found.none()
        return tasks

    def name_of(self, obj: OrmQ) -> str:
        return opened(obj).name or f"#{obj.pk}"

    def notices(self) -> list[Any]:
        if Conf.ORM:
            return []
        return [
            gettext(
                "The queue of this site is not in its database (Q_CLUSTER names another broker, such as Redis), so what "
                "waits cannot be listed here. “manage.py qinfo” tells how much it is."
            )
        ]

    @display(description=pgettext_lazy("sales", "Function"))
    def func(self, obj: OrmQ) -> str:
        package = opened(obj)
        return package.func or gettext("cannot be opened (%(why)s)") % {"why": package.fault}

    @display(description=pgettext_lazy("sales", "Task"))
    def name(self, obj: OrmQ) -> str:
        return opened(obj).name

    @display(description=_("Task id"))
    def task_id(self, obj: OrmQ) -> str:
        return opened(obj).task_id

    @display(description=_("Where it stands"), ordering="lock")
    def stands(self, obj: OrmQ) -> str:
        if obj.lock is None or obj.lock <= conf.now():
            return pgettext("sales", "waiting")
        return gettext("taken by a worker; waits again from %(when)s on if it is not done by then") % {
            "when": exact(obj.lock)
        }

    def facts(self, obj: OrmQ) -> Facts:
        package = opened(obj)
        return [
            (pgettext_lazy("sales", "Function"), self.func(obj)),
            (pgettext_lazy("sales", "Task"), package.name),
            (_("Task id"), package.task_id),
            (pgettext_lazy("sales", "Arguments"), package.args),
            (_("Named arguments"), package.kwargs),
            (_("Where it stands"), self.stands(obj)),
            (pgettext_lazy("sales", "Cluster"), obj.key),
        ]


class TaskAdmin(LookedAt):
    """What has run."""

    list_display = ("name", "func", "group", "cluster", "ended", "took")
    list_filter = ("stopped", ("group", NamedValues), ("cluster", NamedValues))
    search_fields = ("name", "func", "group", "id")
    ordering = ("-stopped", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        tasks: QuerySet[Task] = super().get_queryset(request).defer("args", "kwargs")
        return tasks

    def get_extra_class_names_for_field_col(self, obj: Task, field_name: str) -> list[str]:
        return ["w-text-end", "w-whitespace-nowrap"] if field_name in {"took", "tries"} else []

    @display(description=pgettext_lazy("sales", "Ended"), ordering="stopped")
    def ended(self, obj: Task) -> Any:
        return moment(obj.stopped)

    @display(description=pgettext_lazy("sales", "Took"))
    def took(self, obj: Task) -> str:
        seconds = obj.time_taken()
        return gettext("%(seconds)s s") % {"seconds": number_format(round(seconds, 1), 1)}

    def facts(self, obj: Task) -> Facts:
        return [
            (pgettext_lazy("sales", "Function"), obj.func),
            (pgettext_lazy("sales", "Task"), obj.name),
            (_("Task id"), obj.pk),
            (pgettext_lazy("sales", "Arguments"), shown(obj.args)),
            (_("Named arguments"), shown(obj.kwargs)),
            (_("Calls when done"), obj.hook),
            (pgettext_lazy("sales", "Group"), obj.group),
            (pgettext_lazy("sales", "Cluster"), obj.cluster),
            (pgettext_lazy("sales", "Began"), moment(obj.started)),
            (pgettext_lazy("sales", "Ended"), moment(obj.stopped)),
            (pgettext_lazy("sales", "Took"), self.took(obj)),
            (pgettext_lazy("sales", "Tries"), obj.attempt_count),
            (pgettext_lazy("sales", "Result"), preformatted(obj.result)),
        ]


class SuccessAdmin(TaskAdmin):
    """What went well; how many are kept is the setting ``save_limit`` of ``Q_CLUSTER``."""

    model = Success
    base_url_path = "kwiga/queue/done"
    menu_label = _("Done tasks")
    menu_icon = "circle-check"
    empty = _("No task that went well is kept. “save_limit” in Q_CLUSTER says how many are; -1 keeps none.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Success]:
        return super().get_queryset(request).defer("args", "kwargs", "result")


class FailureAdmin(TaskAdmin):
    """What failed, and why; each can be put back into the queue."""

    model = Failure
    base_url_path = "kwiga/queue/failed"
    menu_label = _("Failed tasks")
    menu_icon = "warning"
    list_display = ("name", "func", "why", "tries", "ended", "again")
    empty = _("No task has failed.")
    actions = ("index", "inspect", "run_again")

    @display(description=pgettext_lazy("sales", "Why"))
    def why(self, obj: Failure) -> str:
        return last_line(obj.result)

    @display(description=pgettext_lazy("sales", "Tries"), ordering="attempt_count")
    def tries(self, obj: Failure) -> int:
        tries: int = obj.attempt_count
        return tries

    @display(description=pgettext_lazy("sales", "Action"))
    def again(self, obj: Failure) -> str:
        url = self.url_helper.get_action_url("run_again", obj.pk)
        label = gettext("Run %(task)s again") % {"task": obj.name or obj.func}
        button = '<a class="button button-small button-secondary" href="{}" aria-label="{}">{}</a>'
        return format_html(button, url, label, gettext("Run again"))

    def brief(self, obj: Failure) -> Facts:
        """What is asked about: enough to know which task it is."""
        return [
            (pgettext_lazy("sales", "Function"), obj.func),
            (pgettext_lazy("sales", "Arguments"), shown(obj.args)),
            (_("Named arguments"), shown(obj.kwargs)),
            (_("Why it failed"), self.why(obj)),
        ]

    def run_again_view(self, request: HttpRequest, instance_pk: str) -> HttpResponse:
        """Ask, and on a POST put the task back into the queue."""
        answer: HttpResponse = views.RunAgainView.as_view(model_admin=self, instance_pk=instance_pk)(request)
        return answer


class QueueGroup(ModelAdminGroup):
    """*Queue* in the menu, after *Sales*; only superusers see it."""

    menu_label = pgettext_lazy("sales", "Queue")
    menu_item_name = "kwiga-queue"
    menu_icon = "tasks"
    menu_order = 260
    items = (FailureAdmin, QueuedAdmin, SuccessAdmin, ScheduleAdmin)

    def admin_of(self, kind: type[LookedAt]) -> LookedAt:
        return next(each for each in self.modeladmin_instances if type(each) is kind)


def register() -> None:
    """Put the queue into the admin. To be called once, where both apps are installed."""
    modeladmin_register(QueueGroup)
