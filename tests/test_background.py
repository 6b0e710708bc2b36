"""The one module that knows the queue."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from django.db import transaction
from django_q.models import OrmQ, Schedule

from tests.support import START, after
from wagtail_kwiga import background

pytestmark = pytest.mark.django_db


@pytest.fixture
def orm_broker(monkeypatch):
    """The queue in the database, whatever broker this run has: a queued task is then a row that can be counted."""
    from django_q.brokers import orm
    from django_q.conf import Conf

    monkeypatch.setattr(Conf, "ORM", "default")
    monkeypatch.setattr("django_q.tasks.get_broker", lambda *_: orm.ORM())


class TestEnqueue:
    def test_after_commit_and_with_ids_only(self, orm_broker, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            background.enqueue("deliver_email", 7)
            assert not OrmQ.objects.exists()
        (row,) = OrmQ.objects.all()
        assert row.task["func"] == "wagtail_kwiga.tasks.deliver_email"
        assert row.task["args"] == (7,)

    @pytest.mark.django_db(transaction=True)
    def test_nothing_is_queued_by_a_move_that_is_undone(self, orm_broker):
        with pytest.raises(RuntimeError), transaction.atomic():
            background.enqueue("deliver_email", 7)
            raise RuntimeError
        assert not OrmQ.objects.exists()

    def test_a_broken_broker_is_logged_and_harms_nobody(self, monkeypatch, caplog, django_capture_on_commit_callbacks):
        def broken(*_):
            raise ConnectionError("no broker there")

        monkeypatch.setattr("django_q.tasks.get_broker", broken)
        with caplog.at_level(logging.ERROR), django_capture_on_commit_callbacks(execute=True):
            background.enqueue("deliver_email", 7)
        assert "the next sweep will do it" in caplog.text

    def test_a_redis_that_is_not_there(self, monkeypatch, caplog, django_capture_on_commit_callbacks):
        import redis
        from django_q.brokers.redis_broker import Redis

        class Away(Redis):
            @staticmethod
            def get_connection(list_key=None):
                return redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)

        monkeypatch.setattr("django_q.tasks.get_broker", lambda *_: Away())
        with caplog.at_level(logging.ERROR), django_capture_on_commit_callbacks(execute=True):
            background.enqueue("deliver_email", 7)
        assert "the next sweep will do it" in caplog.text

    @pytest.mark.parametrize("lacking", ["app", "settings"])
    def test_without_a_queue_nothing_is_tried(
        self, settings, without_app, lacking, caplog, django_capture_on_commit_callbacks
    ):
        if lacking == "app":
            without_app("django_q")
        else:
            del settings.Q_CLUSTER
        assert not background.has_queue()
        with caplog.at_level(logging.DEBUG, "wagtail_kwiga"), django_capture_on_commit_callbacks(execute=True):
            background.enqueue("deliver_email", 7)
        assert caplog.text == ""


class TestHeartbeat:
    def test_the_last_one_counts(self):
        assert background.last_beat("sweep") is None
        background.beat("sweep", at=START)
        background.beat("sweep", at=after(minutes=1), note="x" * 300)
        assert background.last_beat("sweep") == after(minutes=1)
        assert background.last_beat("other") is None

    def test_the_clock_is_asked(self, settings):
        settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.test_background.fixed_clock"}
        background.beat("sweep")
        assert background.last_beat("sweep") == after(days=1)


def fixed_clock() -> dt.datetime:
    return after(days=1)


class TestSchedule:
    def test_made_once(self):
        assert background.ensure_schedule() == "made"
        assert background.ensure_schedule() == "as it should be"
        (row,) = Schedule.objects.all()
        assert (row.func, row.schedule_type, row.minutes, row.repeats) == ("wagtail_kwiga.tasks.sweep", "I", 1, -1)

    @pytest.mark.parametrize(
        "change",
        [{"repeats": 0}, {"minutes": 5}, {"func": "wagtail_kwiga.tasks.old"}, {"args": "oops"}, {"next_run": None}],
    )
    def test_put_right(self, change):
        background.ensure_schedule()
        Schedule.objects.update(**change)
        assert background.ensure_schedule() == "put right"
        assert background.ensure_schedule() == "as it should be"
        assert background.is_scheduled()
        assert background.schedule_faults() == []

    def test_when_it_runs_next_is_left_alone(self):
        background.ensure_schedule()
        Schedule.objects.update(next_run=START, minutes=7)
        background.ensure_schedule()
        assert Schedule.objects.get().next_run == START

    def test_doubles_go_and_others_stay(self):
        Schedule.objects.create(name="mine", func="shop.tasks.other")
        for _ in range(3):
            Schedule.objects.create(name=background.SCHEDULE_NAME, func=background.SCHEDULE_TASK)
        background.ensure_schedule()
        assert sorted(Schedule.objects.values_list("name", flat=True)) == ["Kwiga: sweep", "mine"]

    def test_the_task_exists(self):
        from django.utils.module_loading import import_string

        assert callable(import_string(background.SCHEDULE_TASK))

    def test_is_scheduled(self):
        assert not background.is_scheduled()
        background.ensure_schedule()
        assert background.is_scheduled()
        Schedule.objects.update(repeats=0)
        assert not background.is_scheduled()
