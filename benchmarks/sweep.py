"""C. The sweep: deciding everybody who is due, and finding that nobody is."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import floor_tables
from benchmarks.measuring import Cost, Note, Pair, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import DUE, Shop, crowd
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.mailing.sending import delivery

TITLE = "C. Recovery sweep: claim, ask, decide, put on the list, queue the mail, write down why"
FLOOR = "Floor: claim and outbox insert in plain SQL on two narrow tables with partial indexes, nothing asked or written besides."
AIM = (
    "a fixed number of queries a batch, within 5 times the floor, flat in the number of orders;"
    " an idle sweep of one query under 2 ms at a million"
)
#: Nobody of the past is due then, nor of a crowd.
QUIET = after(minutes=29)


def sweep(number: int) -> None:
    summary = engine.run_due(DUE, seconds=600)
    assert summary.acted + summary.waited == summary.decided == number, summary


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    floor_tables.make()
    _warm_up(shop)
    floor_tables.add(1)
    yield "plain SQL, any number due", cost_of(lambda: floor_tables.sweep(DUE, 500))
    for number in scale.due:
        crowd(shop, number)
        yield f"a sweep, {number} due", cost_of(lambda number=number: sweep(number))
    _forget_mails()
    yield "idle sweep of runs", cost_of(lambda: engine.run_due(QUIET))
    yield "idle delivery", cost_of(lambda: delivery.deliver_due(QUIET))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair | Note]]:
    floor_tables.make()
    _warm_up(shop)
    for number in scale.due:
        yield f"{number:,} due", _swept(shop, number, scale.sweeps)
    grown: dict[str, list[float]] = {}
    for orders in scale.orders:
        there = shop.history.orders
        shop.history.grow_to(orders)
        floor_tables.add(orders - there, state="done")
        idle = lambda: floor_tables.look(QUIET)  # noqa: E731
        for what, found in (
            (f"{scale.due_among:,} due", _swept(shop, scale.due_among, scale.sweeps)),
            ("idle sweep of runs", paired(scale.idle, idle, lambda: engine.run_due(QUIET))),
            ("idle delivery", paired(scale.idle, idle, lambda: delivery.deliver_due(QUIET))),
        ):
            grown.setdefault(what, []).append(found.ours)
            yield f"{what} among {orders:,} orders", found
    if len(scale.orders) > 1:
        times_more = scale.orders[-1] / scale.orders[0]
        for what, ours in grown.items():
            yield what, Note(f"{ours[-1] / ours[0]:.1f} times as long among {times_more:.0f} times as many orders")


def _swept(shop: Shop, number: int, rounds: int) -> Pair:
    def prepare() -> None:
        _forget_mails()
        crowd(shop, number)
        floor_tables.add(number)

    return paired(rounds, lambda: floor_tables.sweep(DUE, number), lambda: sweep(number), prepare=prepare)


def _warm_up(shop: Shop) -> None:
    """The mail is compiled once in its life."""
    engine.run_due(DUE, seconds=600)  # whoever other sections have left unpaid
    crowd(shop, 1)
    sweep(1)


def _forget_mails() -> None:
    m.OutgoingEmail.objects.filter(status="queued").update(status="cancelled")
