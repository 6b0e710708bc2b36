"""The queue in the Wagtail admin: who sees it, what it shows, and *run again*."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from tests.support import START, after
from wagtail_kwiga import background
from wagtail_kwiga.queue_admin import running_again

pytestmark = pytest.mark.django_db

LISTS = ("failed", "waiting", "done", "schedules")
TASK = "wagtail_kwiga.tasks.deliver_due"


def url(name, action="index", *args):
    return reverse(f"kwiga_queue_{name}_modeladmin_{action}", args=args)


def make_task(serial=0, *, success=False, **given) -> Task:
    return Task.objects.create(
        id=f"{serial:032x}",
        name=given.pop("name", f"task-{serial}"),
        func=given.pop("func", TASK),
        success=success,
        started=START,
        stopped=given.pop("stopped", after(minutes=serial)),
        result=given.pop("result", "Traceback…\n  deep inside\nValueError: no such mail"),
        **given,
    )


def make_schedule(serial=0, **given) -> Schedule:
    row = Schedule(name=given.pop("name", f"schedule-{serial}"), func=TASK, schedule_type="H", next_run=START)
    for field, value in given.items():
        setattr(row, field, value)
    row.save()
    return row


@pytest.fixture
def orm_broker(monkeypatch):
    """The queue in the database, whatever broker this run has."""
    from django_q.brokers import orm

    monkeypatch.setattr(Conf, "ORM", "default")
    monkeypatch.setattr("django_q.tasks.get_broker", lambda *_: orm.ORM())


@pytest.fixture
def rows(orm_broker):
    """One row in each list, under the list's name."""
    async_task(TASK, 7)
    return {
        "failed": make_task(1),
        "waiting": OrmQ.objects.get(),
        "done": make_task(2, success=True, result="done"),
        "schedules": make_schedule(),
    }


@pytest.fixture
def editor_client(client):
    """Somebody with every permission there is, and yet no superuser."""
    user = User.objects.create_user("editor", password="editor")
    group = Group.objects.create(name="Everything")
    group.permissions.set(Permission.objects.all())
    user.groups.add(group)
    client.force_login(user)
    return client


def said(client) -> str:
    return client.get(reverse("wagtailadmin_home")).content.decode()


class TestWhoSees:
    def test_a_superuser_finds_every_list_in_the_menu(self, admin_client):
        menu = said(admin_client)
        for name in LISTS:
            assert f'"{url(name)}"' in menu
            assert admin_client.get(url(name)).status_code == 200

    def test_nobody_else(self, editor_client, rows):
        assert "kwiga/queue" not in said(editor_client)
        refused = [url(name) for name in LISTS]
        refused += [url(name, "inspect", row.pk) for name, row in rows.items()]
        refused.append(url("failed", "run_again", rows["failed"].pk))
        for path in refused:
            for answer in (editor_client.get(path), editor_client.post(path)):
                assert (answer.status_code, answer.url) == (302, reverse("wagtailadmin_home")), path
        assert Failure.objects.count() == 1
        assert OrmQ.objects.count() == 1

    def test_a_visitor_is_asked_to_log_in(self, client, rows):
        answer = client.post(url("failed", "run_again", rows["failed"].pk))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("wagtailadmin_login"))
        assert Failure.objects.count() == 1

    def test_nobody_adds_edits_or_deletes(self, admin_user):
        for name in LISTS:
            for action, args in (("create", []), ("edit", [1]), ("delete", [1]), ("history", [1])):
                with pytest.raises(NoReverseMatch):
                    url(name, action, *args)

    def test_groups_are_offered_no_permission_for_it(self, admin_client):
        page = admin_client.get(reverse("wagtailusers_groups:add")).content.decode()
        assert "django_q" not in page
        assert "ormq" not in page.lower()


class TestLists:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("failed", ["task-1", TASK, "ValueError: no such mail", "Run again"]),
            ("waiting", [TASK, "waiting"]),
            ("done", ["task-2", TASK]),
            ("schedules", ["schedule-0", TASK, "Hourly"]),
        ],
    )
    def test_what_a_list_and_a_record_show(self, admin_client, rows, name, words):
        page = admin_client.get(url(name)).content.decode()
        for word in words:
            assert word in page
        assert url(name, "inspect", rows[name].pk) in page
        card = admin_client.get(url(name, "inspect", rows[name].pk))
        assert card.status_code == 200
        assert TASK in card.content.decode()
        assert url(name) in card.content.decode()

    @pytest.mark.parametrize("name", LISTS)
    def test_an_empty_list_says_so(self, admin_client, orm_broker, name):
        words = {"failed": "No task has failed", "waiting": "Nothing is waiting", "done": "save_limit",
                 "schedules": "kwiga_setup"}  # fmt: skip
        page = admin_client.get(url(name)).content.decode()
        assert words[name] in page

    def test_search_and_filters(self, admin_client, orm_broker):
        make_task(1, name="alpha", group="mails")
        make_task(2, name="beta", cluster="other")
        found = admin_client.get(url("failed") + "?q=alpha").content.decode()
        assert "alpha" in found
        assert "beta" not in found
        found = admin_client.get(url("failed") + "?group=mails").content.decode()
        assert "alpha" in found
        assert "beta" not in found
        make_schedule(1, name="hourly")
        make_schedule(2, name="daily", schedule_type="D")
        found = admin_client.get(url("schedules") + "?often=D").content.decode()
        assert "daily" in found
        assert ">hourly<" not in found

    def test_what_a_worker_has_taken_is_told_apart(self, admin_client, rows):
        page = admin_client.get(url("waiting") + "?stands=taken").content.decode()
        assert TASK not in page
        OrmQ.objects.update(lock=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5))
        page = admin_client.get(url("waiting") + "?stands=taken").content.decode()
        assert TASK in page
        assert "taken by a worker; waits again from" in page
        assert TASK not in admin_client.get(url("waiting") + "?stands=waiting").content.decode()

    @pytest.mark.parametrize("query", ["nonsense=1", "started__year=x", "p=99", "o=77.x", "stands=maybe"])
    @pytest.mark.parametrize("name", LISTS)
    def test_an_address_that_makes_no_sense(self, admin_client, rows, name, query):
        assert admin_client.get(f"{url(name)}?{query}").status_code in {200, 302}

    def test_a_schedule_shows_its_last_run(self, admin_client, orm_broker):
        make_schedule(1, name="fine", task=make_task(1, success=True).pk)
        make_schedule(2, name="broken", task=make_task(2).pk)
        page = admin_client.get(url("schedules")).content.decode()
        assert url("done", "inspect", f"{1:032x}") in page
        assert url("failed", "inspect", f"{2:032x}") in page

    def test_our_own_schedule(self, admin_client):
        background.ensure_schedule()
        page = admin_client.get(url("schedules")).content.decode()
        assert background.SCHEDULE_NAME in page
        assert "every minute" in page

    def test_a_schedule_that_stops_all_others_is_named_on_top(self, admin_client):
        make_schedule(1, name="odd", args="not a literal(")
        page = admin_client.get(url("schedules")).content.decode()
        assert "The schedule “odd” cannot be read" in page

    def test_a_queue_elsewhere_is_said_so(self, admin_client, rows, monkeypatch):
        monkeypatch.setattr(Conf, "ORM", None)
        page = admin_client.get(url("waiting")).content.decode()
        assert "is not in its database" in page
        assert TASK not in page

    @pytest.mark.parametrize("name", LISTS)
    def test_a_record_that_is_gone_leads_back_to_the_list(self, admin_client, name):
        for pk in ("77", "x", "9" * 40):
            answer = admin_client.get(url(name, "inspect", pk))
            assert (answer.status_code, answer.url) == (302, url(name))

    @pytest.mark.parametrize("name", LISTS)
    def test_a_list_costs_the_same_for_one_and_for_many(self, admin_client, orm_broker, name):
        def make(count):
            for serial in range(count):
                key = 100 * count + serial
                if name == "waiting":
                    async_task(TASK, serial)
                elif name == "schedules":
                    make_schedule(key, task=make_task(key, success=bool(serial % 2)).pk)
                else:
                    make_task(key, success=name == "done", group=f"g{serial}", args=(serial,))

        def cost():
            with CaptureQueriesContext(connection) as queries:
                assert admin_client.get(url(name)).status_code == 200
            return len(queries)

        make(1)
        cost()
        one = cost()
        make(12)
        assert cost() == one <= 13


class TestUnreadable:
    """What stands in the rows is pickled: it may be cut off, forged, or of code that is gone."""

    @pytest.mark.parametrize(
        "payload",
        ["", "nonsense", "a:b:c", SignedPackage.dumps("no dict"), SignedPackage.dumps({"id": 1})],
        ids=["empty", "nonsense", "three parts", "signed, no dict", "signed, no task"],  # a signature has a time in it
    )
    def test_a_queued_task(self, admin_client, rows, payload):
        row = OrmQ.objects.create(key="tests", payload=payload, lock=START)
        page = admin_client.get(url("waiting"))
        assert page.status_code == 200
        assert "cannot be opened" in page.content.decode()
        assert TASK in page.content.decode()
        assert admin_client.get(url("waiting", "inspect", row.pk)).status_code == 200

    def test_arguments_and_result(self, admin_client, rows):
        Task.objects.filter(pk=rows["failed"].pk).update(args="x")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_q_task SET args = 'gASVAA', result = 'gASVAA'")
        for name in ("failed", "done"):
            assert admin_client.get(url(name)).status_code == 200
            assert admin_client.get(url(name, "inspect", rows[name].pk)).status_code == 200
        answer = admin_client.post(url("failed", "run_again", rows["failed"].pk), follow=True)
        assert "cannot be read" in answer.content.decode()
        assert Failure.objects.count() == 1
        assert OrmQ.objects.count() == 1

    def test_what_comes_from_a_task_is_escaped(self, admin_client):
        evil = "<script>alert(1)</script>"
        row = make_task(1, name=evil, func=evil, result=f"x\n{evil}", args=(evil,), group=evil)
        for path in (url("failed"), url("failed", "inspect", row.pk), url("failed", "run_again", row.pk)):
            assert evil not in admin_client.get(path).content.decode()


class TestRunAgain:
    def test_it_is_asked_first_and_a_look_changes_nothing(self, admin_client, orm_broker):
        row = make_task(1, args=(7,))
        page = admin_client.get(url("failed", "run_again", row.pk)).content.decode()
        assert "Yes, run it again" in page
        assert "goes back into the queue" in page
        assert admin_client.head(url("failed", "run_again", row.pk)).status_code == 200
        assert Failure.objects.count() == 1
        assert not OrmQ.objects.exists()

    def test_it_is_queued_again_and_the_failure_goes(self, admin_client, orm_broker):
        row = make_task(1, args=(7,), kwargs={"slow": True}, group="mails", hook="tests.support.after")
        make_task(2)
        answer = admin_client.post(url("failed", "run_again", row.pk), follow=True)
        assert "in the queue again" in answer.content.decode()
        task = OrmQ.objects.get().task
        assert (task["func"], task["args"], task["kwargs"]) == (TASK, (7,), {"slow": True})
        assert (task["group"], task["hook"]) == ("mails", "tests.support.after")
        assert [failure.name for failure in Failure.objects.all()] == ["task-2"]

    def test_pressed_twice_it_is_queued_once(self, admin_client, orm_broker):
        row = make_task(1)
        for _ in range(2):
            answer = admin_client.post(url("failed", "run_again", row.pk))
            assert (answer.status_code, answer.url) == (302, url("failed"))
        assert OrmQ.objects.count() == 1

    def test_another_was_quicker(self, orm_broker, admin_user):
        with pytest.raises(running_again.CannotRunAgain) as refused:
            running_again.run_again("0" * 32, by=admin_user)
        assert refused.value.code == "gone"

    def test_what_went_well_cannot_be_run_again(self, admin_client, orm_broker):
        row = make_task(1, success=True)
        answer = admin_client.post(url("failed", "run_again", row.pk))
        assert (answer.status_code, answer.url) == (302, url("failed"))
        assert Success.objects.count() == 1
        assert not OrmQ.objects.exists()

    def test_without_a_broker_the_failure_stays(self, admin_client, monkeypatch):
        def broken(*_):
            raise ConnectionError("no broker there")

        monkeypatch.setattr("django_q.tasks.get_broker", broken)
        row = make_task(1)
        answer = admin_client.post(url("failed", "run_again", row.pk), follow=True)
        assert "no broker there" in answer.content.decode()
        assert Failure.objects.count() == 1

    def test_it_needs_a_csrf_token(self, admin_user):
        from django.test import Client

        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin_user)
        row = make_task(1)
        assert strict.post(url("failed", "run_again", row.pk)).status_code == 403
        assert Failure.objects.count() == 1

    @pytest.mark.redis
    def test_with_the_queue_in_redis(self, admin_client):
        from django_q.brokers import get_broker

        broker = get_broker()
        broker.purge_queue()
        row = make_task(1)
        admin_client.post(url("failed", "run_again", row.pk))
        assert broker.queue_size() == 1
        assert not Failure.objects.exists()
        broker.purge_queue()


def test_one_screen_is_whole(admin_client, orm_broker):
    """Title, way back, and no inline script of ours."""
    make_task(1)
    page = admin_client.get(url("failed")).content.decode()
    assert re.search(r"<title>\s*Failed tasks", page)
    assert "w-breadcrumbs" in page
    assert 'role="alert"' not in page
