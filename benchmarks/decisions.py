"""C. The pure core by itself: 100,000 decisions from frozen facts, without a database; and a dry run with one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.measuring import Cost, Note, Pair, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import DUE, Shop, crowd
from tests.automations import tables
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.decisions import Decision, decide
from wagtail_kwiga.automations.core.snapshots import ContactSnapshot, Facts, RunSnapshot
from wagtail_kwiga.automations.running import facts as loading

TITLE = "C. Decisions: the pure core, replayed from frozen facts"
FLOOR = (
    "Floor: a plain loop that looks whether the purchase is paid and the run is due, and notes who gets a mail; "
    "for the dry run, reading the rows of the same runs."
)
AIM = "no aim; a decision must be cheap beside the queries that bring its facts"

Case = tuple[RunSnapshot, Facts]


def cases(number: int) -> list[Case]:
    """So many people at eight places of the story: most of them due for their mail, the others everything else."""
    kinds: list[Case] = [
        *[(tables.run(), tables.facts())] * 3,
        (tables.run("remove", after(hours=25)), tables.facts(grants=(tables.mine(after(hours=25)),))),
        (tables.run(), tables.facts(tables.order(status="paid", paid_at=after(minutes=5)))),
        (tables.run(), tables.facts(in_flight=True)),
        (tables.run(), tables.facts(tables.order(status="superseded"), tables.order(2, at=after(minutes=10)))),
        (tables.run(), tables.facts(contact=ContactSnapshot(5, unsubscribed=True))),
    ]
    chosen = (kinds[pk % len(kinds)] for pk in range(number))
    return [(replace(run, id=pk, contact_id=pk), facts) for pk, (run, facts) in enumerate(chosen)]


def replay(given: list[Case], now: dt.datetime) -> list[Decision]:
    return [decide(tables.STORY, run, facts, now, tables.RULES) for run, facts in given]


def plain_loop(given: list[Case], now: dt.datetime) -> list[str]:
    """The floor: no walk through steps, no reasons, no effects."""
    mails = []
    for run, facts in given:
        if any(order.paid_at for order in facts.orders) or now < run.due_at:
            continue
        mails.append(f"run:{run.id}")
    return mails


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    yield "a decision", cost_of(lambda: replay(cases(8), DUE))
    yield f"dry run of {scale.dry_run} past runs", cost_of(lambda: dry_run(_runs(shop, scale.dry_run)))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair | Note]]:
    number = scale.decisions
    given = cases(number)
    assert {one.outcome for one in replay(given[:8], DUE)} == {"acted", "waited", "left"}
    found = paired(scale.sweeps, lambda: plain_loop(given, DUE), lambda: replay(given, DUE))
    yield f"{number:,} decisions", found
    yield f"{number:,} decisions", Note(f"{number / found.ours * 1000:,.0f} decisions a second, on one core")
    runs = _runs(shop, scale.dry_run)
    keys = [run.pk for run in runs]
    yield (
        f"dry run: facts and decisions of {len(runs)} past runs, nothing written",
        paired(scale.sweeps, lambda: list(m.Run.objects.filter(pk__in=keys)), lambda: dry_run(runs)),
    )


def dry_run(runs: list[m.Run]) -> list[Decision]:
    """What the engine would decide about ``runs``; nobody is locked, nothing is applied."""
    from wagtail_kwiga.automations import registry

    batch, rules = loading.load(runs, DUE), registry.rules()
    return [
        decide(case.definition, case.run, case.facts, DUE, rules) for case in batch.cases.values() if case.definition
    ]


def _runs(shop: Shop, number: int) -> list[m.Run]:
    crowd(shop, number)
    return list(m.Run.objects.filter(state="active", due_at=DUE).order_by("-pk")[:number])
