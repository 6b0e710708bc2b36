"""One pass of every sweep, the loop, and the question whether anybody works at all."""

from __future__ import annotations

import datetime as dt
import io
import re
import signal

import pytest
from django.core.management import CommandError, call_command

from tests.orders.shop import order_for
from tests.processes import manage
from tests.support import make_contact, make_offer
from wagtail_kwiga import background, conf, installation, tasks
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


def work(**options) -> str:
    out = io.StringIO()
    call_command("kwiga_work", stdout=out, stderr=out, **options)
    return out.getvalue()


def test_every_sweep_and_the_heartbeat():
    told = work()
    assert [line.partition(":")[0] for line in told.splitlines()] == [sweep.__name__ for sweep in tasks.SWEEPS]
    assert conf.now() - background.last_beat(background.SWEEP) < dt.timedelta(minutes=1)


class TestAt:
    def test_no_sign_of_life(self):
        work(at="2027-03-01T12:30:00+00:00")
        assert background.last_beat(background.SWEEP) is None

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("2024-03-01T12:30+01:00", dt.datetime(2024, 3, 1, 11, 30, tzinfo=dt.UTC)),
            ("2024-03-01T12:30:00Z", dt.datetime(2024, 3, 1, 12, 30, tzinfo=dt.UTC)),
            ("2024-03-01T12:30", dt.datetime(2024, 3, 1, 11, 30, tzinfo=dt.UTC)),  # TIME_ZONE is Warsaw
        ],
    )
    def test_the_instant_reaches_the_sweeps(self, monkeypatch, text, meant):
        seen = []
        monkeypatch.setattr(tasks, "SWEEPS", (named("spy", seen.append),))
        work(at=text)
        assert seen == [meant]

    def test_the_future_only_where_time_travel_is_allowed(self, settings):
        later = (conf.now() + dt.timedelta(hours=1)).isoformat()
        work(at=later)
        settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ALLOW_TIME_TRAVEL": False}
        with pytest.raises(CommandError, match="ALLOW_TIME_TRAVEL"):
            work(at=later)
        work(at=(conf.now() - dt.timedelta(hours=1)).isoformat())

    @pytest.mark.parametrize("text", ["soon", "2027-13-01", "12:30"])
    def test_nonsense(self, text):
        with pytest.raises(CommandError, match="--at wants"):
            work(at=text)

    def test_not_together_with_the_loop(self):
        with pytest.raises(CommandError):
            call_command("kwiga_work", "--at", "2027-01-01T00:00Z", "--loop", "1")


def named(name: str, function):
    def sweep(now):
        return function(now)

    sweep.__name__ = name
    return sweep


class TestASweepThatFails:
    def test_stops_no_other_and_is_told(self, monkeypatch, caplog):
        def broken(now):
            raise RuntimeError("the bank is closed")

        monkeypatch.setattr(tasks, "SWEEPS", (named("broken", broken), named("after", lambda now: 3)))
        out = io.StringIO()
        with pytest.raises(CommandError) as caught:
            call_command("kwiga_work", stdout=out)
        assert caught.value.returncode == 1
        assert re.search(r"broken: failed: RuntimeError\('the bank is closed'\)", out.getvalue())
        assert "after: 3" in out.getvalue()
        assert m.Heartbeat.objects.get(name="sweep").note == "failed: broken"
        assert "the bank is closed" in caplog.text

    def test_the_scheduled_task_goes_on_too(self, monkeypatch):
        monkeypatch.setattr(tasks, "SWEEPS", (named("broken", lambda now: 1 / 0), named("after", lambda now: 3)))
        assert tasks.sweep().splitlines()[1] == "after: 3"
        assert background.last_beat(background.SWEEP) is not None

    def test_the_next_pass_clears_the_note(self):
        background.beat(background.SWEEP, note="failed: broken")
        tasks.sweep()
        assert m.Heartbeat.objects.get(name="sweep").note == ""


class TestStatus:
    def test_never(self):
        with pytest.raises(CommandError, match="No pass has ever run"):
            work(status=True)

    def test_fresh_and_stale(self):
        background.beat(background.SWEEP, at=conf.now() - dt.timedelta(minutes=4))
        assert "240 seconds ago" in work(status=True)
        background.beat(background.SWEEP, at=conf.now() - dt.timedelta(minutes=6))
        with pytest.raises(CommandError, match="more than 5 minutes") as caught:
            work(status=True)
        assert caught.value.returncode == 1

    def test_a_pass_that_partly_failed_is_told_but_is_no_reason_to_restart(self, monkeypatch):
        monkeypatch.setattr(tasks, "SWEEPS", (named("broken", lambda now: 1 / 0),))
        tasks.sweep()
        assert "not every sweep of it ran (failed: broken)" in work(status=True)
        background.beat(background.SWEEP)
        assert "not every sweep" not in work(status=True)

    def test_asks_only(self, django_assert_num_queries):
        background.beat(background.SWEEP)
        with django_assert_num_queries(1):
            work(status=True)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
class TestLoop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stops_cleanly_when_told(self, number):
        child = manage("kwiga_work", "--loop", "600", PYTHONUNBUFFERED="1")
        told = ""
        try:
            while "prune_rate_limits" not in told:  # the first pass is over; it now waits for ten minutes
                line = child.stdout.readline()
                assert line, told
                told += line
            child.send_signal(number)
            told += child.communicate(timeout=30)[0]
        finally:
            child.kill()
        assert child.returncode == 0, told
        assert told.endswith("Stopped.\n")
        assert background.last_beat(background.SWEEP) is not None

    def test_two_at_once(self):
        children = [manage("kwiga_work") for _ in range(2)]
        outputs = [child.communicate(timeout=120)[0] for child in children]
        assert [child.returncode for child in children] == [0, 0], "\n".join(outputs)


@pytest.mark.parametrize("pause", [0, -1])
def test_a_loop_needs_a_pause(pause):
    with pytest.raises(CommandError, match="more than 0"):
        work(loop=pause)


class TestACopy:
    @pytest.fixture(autouse=True)
    def _copied(self, settings):
        order_for(make_contact(), make_offer(), language="en")
        tasks.settle_installation()
        settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"

    @pytest.mark.parametrize("how", [{}, {"at": "2027-03-01T12:30:00+00:00"}, {"status": True}])
    def test_is_told_and_fails_until_somebody_has_spoken(self, how):
        background.beat(background.SWEEP)
        out = io.StringIO()
        with pytest.raises(CommandError, match="kwiga_setup --this-is-production or kwiga_setup --hold") as caught:
            call_command("kwiga_work", stdout=out, **how)
        assert caught.value.returncode == 3
        if not how.get("status"):
            assert "settle_installation: undecided" in out.getvalue()
            assert "deliver_due" in out.getvalue()

    @pytest.mark.parametrize("how", [{}, {"status": True}])
    def test_that_is_held_says_so_and_is_well(self, how):
        installation.decide("held")
        background.beat(background.SWEEP)
        assert "This installation is held" in work(**how)

    def test_that_is_production_says_nothing_of_it(self):
        installation.decide("production")
        assert "hold" not in work()
        assert "hold" not in work(status=True)
