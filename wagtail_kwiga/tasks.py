"""What a worker runs: entry points for django-q2, ids in, one call each. ``kwiga_work`` runs the same without a queue.

All of them may run twice, at once, or never: each takes what is due from our own tables, and the next pass finds what
a lost task would have done. Rooms are imported when called, so that one that cannot be imported stops no other.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connections

from wagtail_kwiga import background, conf, redaction

logger = logging.getLogger("wagtail_kwiga.tasks")


@dataclass(frozen=True)
class Outcome:
    """How one sweep of a pass ended: ``result`` is what it returned, ``error`` what it raised."""

    name: str
    result: Any
    error: Exception | None
    seconds: float

    def __str__(self) -> str:
        told = f"failed: {redaction.redact(repr(self.error))}" if self.error else f"{self.result}"
        return f"{self.name}: {told}"


def settle_installation(now: dt.datetime | None = None) -> Any:
    """Make a database that nobody uses yet this installation's, and tell whether mail, scenarios and refunds hold back."""
    from wagtail_kwiga import installation
    from wagtail_kwiga.orders.models import Order

    return installation.settle(now, is_unused=lambda: not Order.objects.exists())


def poll_payments(now: dt.datetime | None = None) -> Any:
    """See webhooks through that nobody finished, and ask providers about payments in flight whose webhook has not come."""
    from wagtail_kwiga.payments import polling

    return polling.poll_due(now)


def settle_provider_event(event_id: int, now: dt.datetime | None = None) -> Any:
    """Ask the provider's yes to one stored event, and apply it."""
    from wagtail_kwiga.payments import provider_events

    return provider_events.settle(event_id, now)


def expire_orders(now: dt.datetime | None = None) -> Any:
    """Expire unpaid orders whose time is over."""
    from wagtail_kwiga.orders import expiry

    return expiry.expire_due(now)


def announce_access(now: dt.datetime | None = None) -> Any:
    """Queue the mail about access that has opened."""
    from wagtail_kwiga.access import announcing

    return announcing.announce_due(now)


def run_due(now: dt.datetime | None = None) -> Any:
    """Take every due scenario run to its next wait."""
    from wagtail_kwiga.automations.running import engine

    return engine.run_due(now)


def deliver_due(now: dt.datetime | None = None) -> Any:
    """Hand over every mail that is due."""
    from wagtail_kwiga.mailing.sending import delivery

    return delivery.deliver_due(now)


def prune_rate_limits(now: dt.datetime | None = None) -> Any:
    """Delete counters of tries that no longer limit anybody."""
    from wagtail_kwiga.contacts import limits

    return limits.sweep(now or conf.now())


#: Every sweep, in the order of a pass: whether to act at all, then money, and mail after whatever may queue or cancel some.
SWEEPS: tuple[Callable[[dt.datetime | None], Any], ...] = (
    settle_installation,
    poll_payments,
    expire_orders,
    announce_access,
    run_due,
    deliver_due,
    prune_rate_limits,
)


def one_pass(now: dt.datetime | None = None) -> list[Outcome]:
    """Run every sweep once. One that raises is logged and told in its outcome; the others run all the same."""
    outcomes = []
    for sweep_once in SWEEPS:
        began = time.monotonic()
        result, error = None, None
        try:
            result = sweep_once(now)
        except Exception as raised:
            logger.exception("The sweep %s failed; the next pass tries again", sweep_once.__name__)
            error = raised
            _drop_lost_connections()
        outcomes.append(Outcome(sweep_once.__name__, result, error, time.monotonic() - began))
    return outcomes


def _drop_lost_connections() -> None:
    """A sweep that lost its connection must not take the next one with it."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def beat(outcomes: list[Outcome]) -> None:
    """Leave the heartbeat of a pass behind, with the names of the sweeps that failed."""
    failed = ", ".join(outcome.name for outcome in outcomes if outcome.error)
    background.beat(background.SWEEP, note=f"failed: {failed}" if failed else "")


def sweep() -> str:
    """The scheduled task: one pass at the present instant, and the heartbeat. Returns the summary for the queue's log."""
    outcomes = one_pass()
    beat(outcomes)
    return "\n".join(map(str, outcomes))
