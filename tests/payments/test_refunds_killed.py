"""A process is killed between the call to the gateway and its booking: the refund ends exactly once (promise 15)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal

import pytest

from tests.payments import bank
from tests.payments.shop import flagged, lay_ground, new_order
from tests.processes import ROOT, environment
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import ledger, polling, refunds

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

SEND = """
import datetime, sys
import django
django.setup()
from wagtail_kwiga.payments import refunds
from wagtail_kwiga.payments.models import Refund
refunds.send(Refund.objects.get(pk=int(sys.argv[1])), datetime.datetime.fromisoformat(sys.argv[2]))
"""


@pytest.fixture
def shop(_shop, providers, tmp_path):
    """``shop(kind, when)``: an order of 120 whose refund of 50 was killed ``when``; the refund and its bank."""

    def put(kind, when):
        lay_ground()
        given = {"bank": {"class": f"tests.payments.bank.{kind.__name__}", "folder": str(tmp_path)}}
        providers(**given)
        order = new_order()
        ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=START)
        refund = refunds.request(order=order, amount=Decimal(50), now=after(hours=1))
        (tmp_path / when).write_text("killed")
        child = subprocess.run(
            [sys.executable, "-c", SEND, str(refund.pk), after(hours=1).isoformat()],
            env=environment(
                DJANGO_SETTINGS_MODULE="tests.drills.settings",
                KWIGA_DRILL=json.dumps({"WAGTAIL_KWIGA": {"PAYMENT_PROVIDERS": given}}),
            ),
            cwd=ROOT, timeout=120, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert child.returncode == -signal.SIGKILL, child.stderr
        refund.refresh_from_db()
        assert (refund.state, refund.tries, order.status) == ("requested", 1, "paid")
        assert not m.Transaction.objects.filter(kind="refund").exists()
        return refund, kind("bank", given["bank"])

    return put


def sweeps(days=3):
    """What the worker does from then on, every half hour."""
    for step in range(days * 48):
        polling.poll_due(after(hours=1, minutes=30 * step))


def ends(refund):
    refund.refresh_from_db()
    rows = list(m.Transaction.objects.filter(kind="refund").values_list("amount", flat=True))
    order = m.Order.objects.get()
    return refund.state, rows, order.paid_amount, order.refunded_amount, order.status


DONE = ("done", [Decimal(-50)], Decimal(70), Decimal(50), "paid")
NOTHING = ([], Decimal(120), Decimal(0), "paid")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_gateway_that_knows_the_token_is_called_again(shop, when):
    refund, gateway = shop(bank.Idempotent, when)
    sweeps()
    assert ends(refund) == DONE
    assert [row["token"] for row in gateway.books()] == [refund.token]
    assert flagged(m.Order.objects.get()) == []


def test_a_gateway_that_can_be_asked_is_asked(shop):
    refund, gateway = shop(bank.Askable, "after")
    sweeps()
    assert ends(refund) == DONE
    assert len(gateway.books()) == 1
    assert flagged(m.Order.objects.get()) == []


def test_what_a_gateway_does_not_know_of_has_failed_and_a_person_is_told(shop):
    refund, gateway = shop(bank.Askable, "before")
    sweeps()
    assert ends(refund) == ("failed", *NOTHING)
    assert gateway.books() == []
    assert flagged(m.Order.objects.get()) == ["payments.refund_failed"]


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_with_neither_it_is_unknown_never_repeated_and_on_a_persons_list(shop, when, made):
    refund, gateway = shop(bank.Bank, when)
    sweeps()
    assert ends(refund) == ("unknown", *NOTHING)
    assert len(gateway.books()) == made
    assert flagged(m.Order.objects.get()) == ["payments.refund_unknown"]
    refunds.decide(refund, is_done=bool(made), now=after(hours=80))
    assert ends(refund) == (DONE if made else ("failed", *NOTHING))


def test_nobody_waits_longer_than_the_lease(shop):
    """Until the lease is over the caller may still be at work; from then on it counts as dead."""
    refund, gateway = shop(bank.Idempotent, "after")
    refunds.sweep(after(hours=1, seconds=119))
    assert ends(refund)[0] == "requested"
    refunds.sweep(after(hours=1, seconds=121))
    assert ends(refund) == DONE
    assert len(gateway.books()) == 1


# --- two workers at once ----------------------------------------------------------------------------------------------

SWEEP = """
import datetime, os, pathlib, sys, time
import django
django.setup()
from django.db import connection
from wagtail_kwiga.payments import refunds
folder, now, batch = pathlib.Path(sys.argv[1]), datetime.datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])
connection.ensure_connection()
(folder / f"ready-{os.getpid()}").touch()
ends = time.monotonic() + 60
while len(list(folder.glob("ready-*"))) < 2 and time.monotonic() < ends:
    time.sleep(0.01)
refunds.sweep(now, batch=batch)
"""


@pytest.fixture
def two_workers(_shop, providers, tmp_path):
    """``two_workers(kind, *amounts)``: an order of 120 with refunds asked for and not called yet; its bank, and what has two
    processes sweep at the same moment, each of which dies once the bank has said yes. The latter returns how they ended."""

    def put(kind, *amounts):
        lay_ground()
        given = {"bank": {"class": f"tests.payments.bank.{kind.__name__}", "folder": str(tmp_path)}}
        providers(**given)
        order = new_order()
        ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=START)
        for amount in amounts:
            refunds.request(order=order, amount=Decimal(amount), now=after(hours=1))

        def sweep(now, batch):
            (tmp_path / "after").write_text("all killed")
            workers = [
                subprocess.Popen(
                    [sys.executable, "-c", SWEEP, str(tmp_path), now.isoformat(), str(batch)],
                    env=environment(
                        DJANGO_SETTINGS_MODULE="tests.drills.settings",
                        KWIGA_DRILL=json.dumps({"WAGTAIL_KWIGA": {"PAYMENT_PROVIDERS": given}}),
                    ),
                    cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
                for _worker in range(2)
            ]  # fmt: skip
            told = [worker.communicate(timeout=180)[1] for worker in workers]
            for left in ("after", *(each.name for each in tmp_path.glob("ready-*"))):
                (tmp_path / left).unlink()
            ended = sorted(worker.returncode for worker in workers)
            assert set(ended) <= {-signal.SIGKILL, 0}, told
            assert not m.Transaction.objects.filter(kind="refund").exists()
            return ended

        return kind("bank", given["bank"]), sweep

    return put


KILLED = -signal.SIGKILL


@pytest.mark.parametrize("kind", [bank.Idempotent, bank.Askable, bank.Bank], ids=lambda kind: kind.__name__)
def test_two_workers_killed_at_once_with_a_refund_each_give_each_back_once(two_workers, kind):
    gateway, sweep = two_workers(kind, 50, 30)
    assert sweep(after(hours=2), batch=1) == [KILLED, KILLED]
    rows = m.Refund.objects.all()
    assert [(row.state, row.tries) for row in rows] == [("requested", 1)] * 2
    sweeps()
    state = "unknown" if kind is bank.Bank else "done"
    assert {row.state for row in rows.all()} == {state}
    assert sorted(row["token"] for row in gateway.books()) == sorted(row.token for row in rows)
    booked = list(m.Transaction.objects.filter(kind="refund").values_list("amount", flat=True))
    assert sorted(booked) == ([] if state == "unknown" else [-50, -30])
    assert flagged(m.Order.objects.get()) == ["payments.refund_unknown"] * (2 if state == "unknown" else 0)


@pytest.mark.parametrize("kind", [bank.Idempotent, bank.Askable, bank.Bank], ids=lambda kind: kind.__name__)
def test_two_workers_after_one_refund_call_for_it_once_however_often_they_are_killed(two_workers, kind):
    gateway, sweep = two_workers(kind, 50)
    assert sweep(after(hours=2), batch=50) == [KILLED, 0], "one of them has claimed it, the other found nothing"
    second = sweep(after(hours=3), batch=50) if kind is not bank.Askable else None
    if second is not None:  # who may call again has died again; who may not did not call
        assert second == ([KILLED, 0] if kind is bank.Idempotent else [0, 0])
    sweeps()
    refund = m.Refund.objects.get()
    assert len(gateway.books()) == 1
    assert ends(refund) == (("unknown", *NOTHING) if kind is bank.Bank else DONE)
