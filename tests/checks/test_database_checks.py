"""Checks that read the database: warnings all, silent where they may not read."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django_q.models import Schedule
from wagtail.models import Site

from tests.support import make_contact
from wagtail_kwiga import background, conf, installation
from wagtail_kwiga import models as m
from wagtail_kwiga.checks import databases

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_site_that_is_fine(settings):
    Site.objects.update(hostname="shop.example.com")
    call_command("kwiga_setup", no_groups=True, stdout=io.StringIO())


def found() -> list[str]:
    messages = databases.check_database(None, databases=["default"])
    assert not any(message.is_serious() for message in messages), "migrate must still run"
    assert all(message.hint for message in messages)
    return [message.id.removeprefix("wagtail_kwiga.") for message in messages]


def an_order() -> None:
    now = conf.now()
    contact = make_contact()
    m.Order.objects.create(
        number="1", token="t", contact=contact, purchase=m.Purchase.objects.create(contact=contact, opened_at=now), title="x", currency="EUR", list_amount=1, total_amount=1,
        language="en", placed_at=now, price_holds_until=now, expires_at=now,
    )  # fmt: skip


def test_a_fine_site_hears_nothing():
    assert found() == []


def test_nothing_is_read_unasked(django_assert_num_queries):
    Site.objects.update(hostname="localhost")
    with django_assert_num_queries(0):
        assert databases.check_database(None) == []
        assert databases.check_database(None, databases=["other"]) == []


def test_tables_of_another_version():
    """The first migration was made anew under its old name: Django has nothing to migrate, and nothing works."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wagtail_kwiga_providerevent RENAME TO wagtail_kwiga_providernotice")
    (message,) = databases.check_database(None, databases=["default"])
    assert (message.id, message.is_serious()) == ("wagtail_kwiga.E021", True)
    assert "wagtail_kwiga_providerevent missing" in message.msg
    assert "migrate again" in message.hint


def test_a_database_that_is_still_to_be_migrated_hears_nothing_of_tables():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE wagtail_kwiga_providerevent RENAME TO wagtail_kwiga_providernotice")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'wagtail_kwiga'")
    assert found() == []


def test_localhost(settings):
    Site.objects.update(hostname="localhost")
    assert found() == ["W008"]
    settings.DEBUG = True
    assert found() == []


@pytest.mark.parametrize(
    "given",
    [
        {"SESSION_COOKIE_SECURE": True},
        {"CSRF_COOKIE_SECURE": True},
        {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
        {"SECURE_HSTS_SECONDS": 60},
        {"WAGTAILADMIN_BASE_URL": "https://shop.example.com"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_site_of_https_with_port_80(settings, given):
    for name, value in given.items():
        setattr(settings, name, value)
    (message,) = databases.check_database(None, databases=["default"])
    assert message.id == "wagtail_kwiga.W031"
    assert "shop.example.com" in message.msg and "443" in message.hint
    settings.SECURE_SSL_REDIRECT = True  # then links say https:// by themselves
    assert found() == []
    settings.SECURE_SSL_REDIRECT = False
    settings.DEBUG = True
    assert found() == []
    settings.DEBUG = False
    Site.objects.update(port=443)
    assert found() == []


@pytest.mark.parametrize(
    "row",
    [
        {"args": "order-17"},
        {"args": "1, ("},
        {"kwargs": "[1]"},
        {"schedule_type": "C", "cron": "not a cron"},
        {"schedule_type": "??"},
    ],
)
def test_a_schedule_that_stops_all_others(row):
    Schedule.objects.create(func="a.b", name="by hand")
    Schedule.objects.filter(name="by hand").update(**row)  # no saving: some of these would be refused there
    assert found() == ["W009"]
    Schedule.objects.update(repeats=0)
    assert "W009" not in found(), "django-q2 does not read a schedule that is used up"


@pytest.mark.parametrize(
    "row",
    [
        {"args": "1, 'a'"},
        {"kwargs": "x=1, y='b'"},
        {"kwargs": "{'x': 1}"},
        {"kwargs": "x=oops("},
        {"schedule_type": "M"},
    ],
)
def test_a_schedule_that_can_be_read(row):
    Schedule.objects.create(func="a.b", name="by hand", **row)
    assert found() == []


def test_no_schedule():
    Schedule.objects.all().delete()
    assert found() == ["W010"]


class TestHeartbeat:
    def test_a_site_without_orders_needs_no_worker(self):
        m.Heartbeat.objects.all().delete()
        assert found() == []

    def test_never(self):
        m.Heartbeat.objects.all().delete()
        an_order()
        assert found() == ["W011"]

    def test_old_and_fresh(self):
        an_order()
        background.beat(background.SWEEP, at=conf.now() - dt.timedelta(minutes=6))
        assert found() == ["W011"]
        background.beat(background.SWEEP, at=conf.now() - dt.timedelta(minutes=4))
        assert found() == []


def test_a_copy_of_the_database_of_a_shop(settings):
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    assert found() == []  # nothing sold yet: the first pass takes it over
    an_order()
    background.beat(background.SWEEP)
    assert found() == ["W033"]
    installation.decide("held")
    assert found() == []
    installation.decide("production")
    assert found() == []


@pytest.mark.django_db(transaction=True)
def test_before_migrate():
    """``migrate`` itself runs these checks while the tables are not there."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(m.Heartbeat, m.Heartbeat._meta.db_table, "kwiga_elsewhere")
    applied = MigrationRecorder.Migration.objects.filter(app="wagtail_kwiga")
    rows = list(applied)
    applied.delete()
    try:
        assert "W011" not in found()
    finally:
        MigrationRecorder.Migration.objects.bulk_create(rows)
        with connection.schema_editor() as editor:
            editor.alter_db_table(m.Heartbeat, "kwiga_elsewhere", m.Heartbeat._meta.db_table)
