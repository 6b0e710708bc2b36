"""Playing histories: the shop made once, then as many as asked for, counted.

A long shard says its seed; ``KWIGA_SEED=… pytest --long "tests/properties/test_visitors.py::test_twenty_thousand_histories_keep_the_promises[7]"``
plays it again. ``KWIGA_HISTORIES=250`` plays so many in each shard.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test import override_settings
from django.utils import translation
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.mail_settings import mailer
from tests.payments import clock
from tests.properties.machine import PRELUDES, Machine
from tests.properties.rules import ShopMachine, StaffMachine
from tests.properties.shop import SETTINGS, Shop
from tests.properties.stage import Stage
from tests.support import START

BACKEND = "tests.properties.post.Backend"


@contextmanager
def opened_shop() -> Iterator[Stage]:
    """The shop in a database of its own, with every beginning of a history remembered."""
    disabled = logging.root.manager.disable
    given = override_settings(WAGTAIL_KWIGA=SETTINGS, Q_CLUSTER={}, **mailer(BACKEND))
    with given, translation.override("en"), Stage().opened() as stage:
        logging.disable(logging.CRITICAL)
        try:
            Machine.stage, Machine.shop, Machine.beginnings = stage, Shop(), {}
            Machine.shop.make()
            _remember_beginnings(stage)
            yield stage
        finally:
            logging.disable(disabled)
            Machine.beginnings = {}
            clock.put(START)


def _remember_beginnings(stage: Stage) -> None:
    empty = stage.keep()
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    for prelude in PRELUDES:
        machine = ShopMachine()
        machine.begin((empty, {}))
        if prelude in ("an order", "a mail waits", "a mail was sent", "paid"):
            machine.somebody_orders(0, 0, "", "sandbox")
        if prelude in ("a mail waits", "a mail was sent"):
            machine.time_passes(31 * 60)
            machine.the_engine_sweeps()
        if prelude == "a mail was sent":
            machine.mail_is_delivered()
        if prelude == "paid":
            machine.the_gateway_tells(0)
        if prelude.startswith("two people"):
            for who in (
                0,
                1,
            ):  # with this coupon what they ordered is cheaper than what mail could tell, so it is not sent
                machine.somebody_orders(who, 1, "OPEN20" if prelude.endswith("many mails") else "", "sandbox")
            machine.a_while_passes_and_workers_work(46)
        made[prelude] = (stage.keep(), machine.remember())
    Machine.beginnings = made


def play(machine: type[RuleBasedStateMachine], *, histories: int, steps: int, seeded: int = 0, **given: Any) -> int:
    """Play so many histories; returns how many were really played to their end. ``machine`` counts them itself."""
    kind: Any = type(machine.__name__, (machine,), {"histories": 0})
    run_state_machine_as_test(
        seed(seeded)(kind) if seeded else kind,
        settings=settings(
            max_examples=histories, stateful_step_count=steps, deadline=None, print_blob=True,
            suppress_health_check=list(HealthCheck), **given,
        ),
    )  # fmt: skip
    return int(kind.histories)


def a_few(histories: int) -> int:
    """So many in the ordinary profile, fewer where continuous integration looks for the second time."""
    return max(10, histories * settings().max_examples // 100)


def play_shard(machine: type[RuleBasedStateMachine], *, histories: int, steps: int, record: Any) -> None:
    """One shard of the long profile: never the same histories twice, unless ``KWIGA_SEED`` says which."""
    seeded = int(os.environ.get("KWIGA_SEED", "0")) or secrets.randbits(48)
    print(f"KWIGA_SEED={seeded}")
    histories = int(os.environ.get("KWIGA_HISTORIES", histories))
    number = play(machine, histories=histories, steps=steps, seeded=seeded, derandomize=False, database=None)
    record("histories", number)
    print(f"{number} histories")
    assert number >= histories, "fewer histories than promised"


__all__ = ["ShopMachine", "StaffMachine", "a_few", "opened_shop", "play", "play_shard"]
