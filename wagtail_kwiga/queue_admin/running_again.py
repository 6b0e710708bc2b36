"""Putting a failed task back into the queue, the way django-q2's own admin does it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import router, transaction
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure
from django_q.tasks import async_task

from wagtail_kwiga import locking
from wagtail_kwiga.exceptions import KwigaError

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("wagtail_kwiga.queue_admin")


class CannotRunAgain(KwigaError):
    """``gone``: somebody else has run it again or removed it. ``unreadable``: its arguments cannot be read."""

    code = "cannot_run_again"


def run_again(pk: str, *, by: AbstractBaseUser | None) -> str:
    """Queue the failed task ``pk`` once more with its arguments, and remove the failure. Returns the new task's id.

    Of two people who press at once only one queues it. Raises ``CannotRunAgain``, and whatever the broker raises; the
    failure then stays where it is.
    """
    alias = router.db_for_write(Failure)
    with locking.atomic_write(), transaction.atomic(using=alias):
        failure = locking.locked(Failure.objects.using(alias).filter(pk=pk)).first()
        if failure is None:
            raise CannotRunAgain(_("This task is no longer among the failed ones."), code="gone")
        args, kwargs = failure.args or (), failure.kwargs or {}
        if not isinstance(args, tuple | list) or not isinstance(kwargs, dict):
            raise CannotRunAgain(
                _("The arguments of this task cannot be read, so it cannot be run again."), code="unreadable"
            )
        failure.delete()
        options = {"hook": failure.hook, "group": failure.group, "cluster": failure.cluster}
        task_id: str = async_task(failure.func, *args, **{**kwargs, **options})
    logger.info("%s has put the failed task %s (%s) back into the queue as %s", by, pk, failure.func, task_id)
    return task_id
