"""Promise 4 under concurrency: a limit is a limit, on every database, whoever comes at the same moment."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection, connections

from tests.coupons.buyers import buy
from tests.support import START, after, make_contact, make_coupon
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.exceptions import CouponRefused

LIMIT, BUYERS = 100, 400

pytestmark = pytest.mark.django_db(transaction=True)


def make_buyers(many: int) -> list[m.Contact]:
    return m.Contact.objects.bulk_create(
        m.Contact(email=f"racer{number}@example.com", created_at=START) for number in range(many)
    )


def in_threads(many: int, work, jobs: list) -> list:
    """``work(job)`` for all jobs, dealt out to ``many`` threads that begin at the same moment."""
    barrier = Barrier(many)

    def run(share):
        try:
            barrier.wait(timeout=60)
            return [work(job) for job in share]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(many) as pool:
        return [answer for share in pool.map(run, [jobs[start::many] for start in range(many)]) for answer in share]


def the_law_holds(coupon: m.Coupon) -> None:
    coupon.refresh_from_db()
    rows = m.CouponUse.objects.filter(coupon=coupon)
    places = rows.filter(state="reserved").count() + rows.filter(state="redeemed", over_limit=False).count()
    assert coupon.used_count == places
    assert coupon.limit_total is None or places <= coupon.limit_total


@pytest.mark.postgres
def test_400_buyers_in_16_threads_get_exactly_100_uses():
    coupon, buyers = make_coupon(limit_total=LIMIT), make_buyers(BUYERS)
    answers = in_threads(16, lambda buyer: buy(coupon.pk, buyer.pk, START), buyers)
    assert Counter(answers) == {"reserved": LIMIT, "used_up": BUYERS - LIMIT}
    the_law_holds(coupon)
    assert coupon.used_count == LIMIT


@pytest.mark.sqlite
@pytest.mark.processes
def test_400_buyers_in_8_processes_get_exactly_100_uses():
    coupon, buyers = make_coupon(limit_total=LIMIT), make_buyers(BUYERS)
    share = BUYERS // 8
    root = Path(__file__).parents[2]
    env = os.environ | {"DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "tests.coupons.buyers", str(coupon.pk)]
    crowd = [
        subprocess.Popen(
            [*command, str(buyers[start].pk), str(buyers[start + share - 1].pk)],
            cwd=root,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for start in range(0, BUYERS, share)
    ]
    try:
        assert [process.stdout.readline() for process in crowd] == ["ready\n"] * 8
        for process in crowd:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [answer for process in crowd for answer in json.loads(process.communicate(timeout=120)[0]).values()]
    finally:
        for process in crowd:
            process.kill()
            process.wait()
    assert [process.returncode for process in crowd] == [0] * 8
    assert Counter(answers) == {"reserved": LIMIT, "used_up": BUYERS - LIMIT}
    the_law_holds(coupon)
    assert coupon.used_count == LIMIT


@pytest.mark.postgres
def test_expired_holds_are_shared_out_exactly():
    """Ten expired holds are ten places: 80 who are refused at the same moment reclaim them, and no place is lost."""
    coupon = make_coupon(limit_total=10)
    buyers = make_buyers(90)
    for buyer in buyers[:10]:
        uses.reserve(coupon, buyer, until=after(minutes=5), now=START)
    answers = in_threads(16, lambda buyer: buy(coupon.pk, buyer.pk, after(hours=1)), buyers[10:])
    assert Counter(answers) == {"reserved": 10, "used_up": 70}
    the_law_holds(coupon)


@pytest.mark.postgres
def test_one_person_in_16_windows_has_one_use():
    coupon, ada = make_coupon(limit_total=LIMIT, limit_per_contact=1), make_contact()
    answers = in_threads(16, lambda _: buy(coupon.pk, ada.pk, START), list(range(64)))
    assert Counter(answers) == {"reserved": 1, "used_by_you": 63}
    the_law_holds(coupon)


@pytest.mark.postgres
def test_a_crowd_that_does_everything_at_once_neither_breaks_the_law_nor_deadlocks():
    """Holds, payments, late payments, cancellations and reclaiming on two nearly full coupons, on shared clocks."""
    coupons = [make_coupon(limit_total=8, limit_per_contact=1) for _ in range(2)]
    buyers = make_buyers(48)

    def live(job):
        buyer, seed = job
        luck = random.Random(seed)
        coupon = m.Coupon.objects.get(pk=luck.choice(coupons).pk)
        now = after(minutes=luck.randrange(60))
        try:
            with locking.atomic_write():
                contact = directory.lock(buyer.pk)
                use = uses.reserve(coupon, contact, until=now + (after(minutes=luck.randrange(1, 20)) - START), now=now)
        except CouponRefused as refusal:
            return str(refusal.code)
        later = now + (after(minutes=luck.randrange(40)) - START)
        with locking.atomic_write():
            contact = directory.lock(buyer.pk)
            match luck.randrange(4):
                case 0:
                    uses.release(use, now=later)
                case 1:
                    uses.redeem_late(use, coupon, contact, now=later)
                case 2:
                    uses.release_many([use.pk], now=later)
                case 3:
                    uses.reclaim(coupon, now=later)
        return "lived"

    jobs = [(buyer, seed) for seed, buyer in enumerate(buyers * 6)]
    answers = Counter(in_threads(12, live, jobs))
    assert answers["lived"] > 16, answers
    assert set(answers) <= {"lived", "used_up", "used_by_you"}
    for coupon in coupons:
        the_law_holds(coupon)
