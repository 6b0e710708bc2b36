"""Whether there is a queue, and whether it is set up so that it does not repeat or hang."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, register

from wagtail_kwiga import conf
from wagtail_kwiga.checks.saying import warning
from wagtail_kwiga.queue_admin import showing

Q_CLUSTER_EXAMPLE = (
    'Q_CLUSTER = {"name": "shop", "orm": "default", "workers": 2, "queue_limit": 2, "bulk": 1, "timeout": 75, '
    '"retry": 300, "max_attempts": 3, "catch_up": False, "save_limit": -1, "time_zone": "UTC"}'
)


@register("wagtail_kwiga")
def check_queue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001–W003: whether there is a queue, and whether it is set up so that it does not repeat or hang."""
    if not apps.is_installed("django_q"):
        return [
            warning(
                1,
                "django_q is not in INSTALLED_APPS, so no queue runs the sweeps.",
                'Add "django_q" and Q_CLUSTER, or let cron run "manage.py kwiga_work" every minute and silence this.',
            )
        ]
    cluster = getattr(django_settings, "Q_CLUSTER", None)
    if not cluster:
        return [
            warning(
                2,
                "Q_CLUSTER is not set; a worker would look for a Redis that may not be there.",
                f'{Q_CLUSTER_EXAMPLE}  Or let cron run "manage.py kwiga_work" every minute and silence this.',
            )
        ]
    return [warning(3, f"Q_CLUSTER: {what}", hint) for what, hint in _cluster_faults(cluster)]


@register("wagtail_kwiga")
def check_queue_admin(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W024: whether the optional screens of the queue can be shown."""
    fault = showing.fault()
    if not fault:
        return []
    return [
        warning(
            24,
            "The screens of the queue are left out of the admin: the installed wagtail-modeladmin does not work with this "
            f"Wagtail and Django ({fault}).",
            'Install one that does (pip install "wagtail-kwiga[modeladmin]" --upgrade), or take "wagtail_modeladmin" out of '
            "INSTALLED_APPS.",
        )
    ]


def _cluster_faults(cluster: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a cluster departs from what was measured to be safe; (what, what to write)."""
    timeout, retry, workers = cluster.get("timeout"), cluster.get("retry", 60), cluster.get("workers")
    needed = 3 * conf.settings.SWEEP_SECONDS
    if not timeout or timeout < needed:
        yield (
            f"timeout is {timeout}; a pass of all sweeps may take {needed} seconds.",
            f'Write "timeout": {needed + 15}.',
        )
    if timeout and retry <= 3 * timeout:
        yield (
            f"retry ({retry}) is not more than three times timeout ({timeout}), so tasks are started twice without a crash.",
            f'Write "retry": {4 * timeout}.',
        )
    if not workers:
        yield "workers is not set, so it depends on the machine.", 'Write "workers": 2, "queue_limit": 2.'
    elif cluster.get("queue_limit") != workers:
        yield (
            "queue_limit is not the number of workers, so tasks wait where they may be lost.",
            (f'Write "queue_limit": {workers}.'),
        )
    if cluster.get("bulk", 1) != 1:
        yield "bulk is more than 1, so tasks wait where they may be started twice.", 'Write "bulk": 1.'
    if not cluster.get("max_attempts"):
        yield "max_attempts is not set, so a broken task is tried for ever.", 'Write "max_attempts": 3.'
    if cluster.get("catch_up", True):
        yield "catch_up is on, so every minute of a long stop is run again one by one.", 'Write "catch_up": False.'
    if not -1 <= cluster.get("save_limit", 250) <= 100 or cluster.get("save_limit") == 0:
        yield (
            "save_limit is large, and each result reads all that are kept.",
            'Write "save_limit": -1 (or at most 100).',
        )
    if "time_zone" not in cluster:
        yield "time_zone is not set.", 'Write "time_zone": "UTC".'
