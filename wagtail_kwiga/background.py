"""Work for later. The only module that knows django-q2.

Truth lives in our own tables and every sweep finds what a lost task would have done, so a queue only makes things
sooner: ``enqueue`` logs and never raises, and without any queue ``kwiga_work`` does it all.
"""

from __future__ import annotations

import ast
import datetime as dt
import logging
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf

logger = logging.getLogger("wagtail_kwiga.background")

#: The one schedule of the package: its name, what it calls, and how often.
SCHEDULE_NAME = "Kwiga: sweep"
SCHEDULE_TASK = "wagtail_kwiga.tasks.sweep"
SCHEDULE_MINUTES = 1
#: The heartbeat that a pass of all sweeps leaves behind.
SWEEP = "sweep"


class Heartbeat(models.Model):
    """When a sweep last ran, by name. A cluster can hang while its processes look alive; this cannot."""

    name = models.CharField(max_length=60, unique=True)
    at = models.DateTimeField()
    note = models.CharField(max_length=255, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        app_label = "wagtail_kwiga"
        verbose_name = _("worker heartbeat")
        verbose_name_plural = _("worker heartbeats")

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"


def has_queue() -> bool:
    """Whether the site has set up a queue. Without ``Q_CLUSTER`` django-q2 would look for a Redis that is not there."""
    return apps.is_installed("django_q") and bool(getattr(django_settings, "Q_CLUSTER", None))


def enqueue(task: str, *ids: int) -> None:
    """Have ``wagtail_kwiga.tasks.<task>(*ids)`` called soon after commit. Never raises, may be lost."""
    transaction.on_commit(partial(_enqueue_now, task, ids))


def _enqueue_now(task: str, ids: tuple[int, ...]) -> None:
    if not has_queue():
        return
    try:
        from django_q.tasks import async_task

        with transaction.atomic():
            async_task(f"wagtail_kwiga.tasks.{task}", *ids)
    except Exception:
        logger.exception("Could not enqueue %s%r; the next sweep will do it", task, ids)


def beat(name: str, *, at: dt.datetime | None = None, note: str = "") -> None:
    """Record that the sweep ``name`` has just run."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": at or conf.now(), "note": note[:255]})


def last_beat(name: str) -> dt.datetime | None:
    """When the sweep ``name`` last ran, or ``None`` if it never did."""
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()


def ensure_schedule() -> str:
    """Make the schedule of the sweep, or put it right; returns ``"made"``, ``"put right"`` or ``"as it should be"``.

    django-q2 lets several schedules bear one name, so whoever calls this must keep others out (``kwiga_setup`` does).
    """
    from django_q.models import Schedule

    wanted = {
        "func": SCHEDULE_TASK,
        "schedule_type": Schedule.MINUTES,
        "minutes": SCHEDULE_MINUTES,
        "repeats": -1,
        "args": None,
        "kwargs": None,
        "hook": None,
        "cluster": None,
    }
    rows = list(Schedule.objects.filter(name=SCHEDULE_NAME).order_by("pk"))
    if not rows:
        Schedule.objects.create(name=SCHEDULE_NAME, **wanted)
        return "made"
    first, *doubles = rows
    wrong = {field for field, value in wanted.items() if (getattr(first, field) or None) != value}
    if first.next_run is None:  # a schedule without a next run never runs
        first.next_run = Schedule._meta.get_field("next_run").get_default()
        wrong.add("next_run")
    if not wrong and not doubles:
        return "as it should be"
    for field, value in wanted.items():
        setattr(first, field, value)
    first.save()
    Schedule.objects.filter(pk__in=[row.pk for row in doubles]).delete()
    return "put right"


def is_scheduled() -> bool:
    """Whether the queue is told to run the sweep again and again."""
    from django_q.models import Schedule

    return bool(Schedule.objects.filter(func=SCHEDULE_TASK, next_run__isnull=False).exclude(repeats=0).exists())


def schedule_faults() -> list[tuple[str, str]]:
    """Schedules that django-q2 chokes on, as (name, why). One such row stops *all* schedules, ours among them."""
    from django_q.models import Schedule

    found = []
    for row in Schedule.objects.exclude(repeats=0).order_by("pk"):
        why = _schedule_fault(row)
        if why:
            found.append((row.name or f"#{row.pk}", why))
    return found


def _schedule_fault(row: Any) -> str:
    """What the scheduler of django-q2 would raise on, judged the way it reads a row."""
    try:
        ast.literal_eval(row.args or "()")
    except (SyntaxError, ValueError):
        return "its arguments are not Python literals"
    try:
        literal = ast.literal_eval(row.kwargs or "{}")
    except (SyntaxError, ValueError):
        literal = {}  # the x=1, y=2 form; what django-q2 cannot read there it leaves out
    if not isinstance(literal, dict):
        return "its keyword arguments are not a dict"
    if row.schedule_type != row.ONCE:
        try:
            row.calculate_next_run()
        except Exception as error:  # whatever a broken cron expression, a missing croniter or an unknown type raises
            return f"its next run cannot be worked out ({error})"
    return ""
