"""Letting the shop's time pass: the clock goes from one thing that is due to the next, and the work is done at each.

A bare jump of 26 hours would be 26 hours without a worker, and the package rightly drops a reminder that late. What a
visitor wants to see is what those hours would have brought with a worker on duty, so the clock stops on the way wherever
something falls due, one sweep is made there, and it goes on.
"""

from __future__ import annotations

import datetime as dt
import io

from django.core.management import call_command
from django.db.models import Min, Q

from sandbox import clock, mailbox
from wagtail_kwiga.models import AccessGrant, Order, OutgoingEmail, PaymentAttempt, Run

#: Stops are at least this far apart, and there are never more than so many: a visitor is waiting for the page.
STRIDE = dt.timedelta(minutes=10)
MOST_STOPS = 200


def move(span: dt.timedelta) -> int:
    """Put the clock ``span`` further ahead and do all work that falls due on the way; how many mails came.

    Raises ``clock.BadSpan`` when that is too far ahead; then nothing has moved.
    """
    began = clock.offset()
    goal = began + span
    if goal > clock.FURTHEST:
        clock.set_offset(goal)  # raises
    before = set(mailbox.names())
    work()
    swept = began
    for _stop in range(MOST_STOPS):
        due = next_due(after=clock.real_now() + swept)
        if due is None:
            break
        stop = max(due - clock.real_now() + dt.timedelta(seconds=1), swept + STRIDE)
        if stop >= goal:
            break
        clock.set_offset(stop)
        work()
        swept = stop
    clock.set_offset(goal)
    work()
    return len(set(mailbox.names()) - before)


def next_due(*, after: dt.datetime) -> dt.datetime | None:
    """The next instant at which the package has something to do, or ``None``."""
    later = Q(due_at__gt=after)
    candidates = [
        Run.objects.filter(later, state=Run.State.ACTIVE).aggregate(at=Min("due_at"))["at"],
        OutgoingEmail.objects.filter(later, status=OutgoingEmail.Status.QUEUED).aggregate(at=Min("due_at"))["at"],
        PaymentAttempt.objects.filter(next_poll_at__gt=after).aggregate(at=Min("next_poll_at"))["at"],
        AccessGrant.objects.filter(announce_at__gt=after).aggregate(at=Min("announce_at"))["at"],
        Order.objects.filter(expires_at__gt=after, closed_at=None, paid_at=None).aggregate(at=Min("expires_at"))["at"],
    ]
    return min((at for at in candidates if at is not None), default=None)


def work() -> None:
    """One pass of every sweep, here and now, without waiting for the worker's next minute."""
    call_command("kwiga_work", stdout=io.StringIO())
