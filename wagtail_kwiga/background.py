"""Work for later. The only module that knows django-q2.

Truth lives in our own tables and every sweep finds what a lost task would have done, so a queue only makes things
sooner: ``enqueue`` logs and never raises, and without any queue ``kwiga_work`` does it all.
"""

from __future__ import annotations

import datetime as dt
import logging
from functools import partial

from django.apps import apps
from django.conf import settings as django_settings
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf

logger = logging.getLogger("wagtail_kwiga.background")


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


def enqueue(task: str, *ids: int) -> None:
    """Have ``wagtail_kwiga.tasks.<task>(*ids)`` called soon after commit. Never raises, may be lost."""
    transaction.on_commit(partial(_enqueue_now, task, ids))


def _enqueue_now(task: str, ids: tuple[int, ...]) -> None:
    if not apps.is_installed("django_q") or not getattr(django_settings, "Q_CLUSTER", None):
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
