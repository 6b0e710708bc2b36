"""How the package writes: locks that are remembered, and let go of."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.support import START, make_contact
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory

pytestmark = pytest.mark.django_db


def test_a_lock_is_remembered_as_long_as_its_block_is_open():
    contact = make_contact()
    with locking.atomic_write():
        mine = directory.lock(contact.pk)
        assert not locking.is_held(contact)
        assert locking.is_held(mine)
        with locking.atomic_write():
            assert directory.locked(mine) is mine
    assert not locking.is_held(mine)


def test_a_savepoint_that_is_undone_lets_go():
    contact = make_contact()
    with locking.atomic_write():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            mine = directory.lock(contact.pk)
            raise ZeroDivisionError
        assert not locking.is_held(mine)
        assert directory.locked(mine) is not mine


def test_somebody_remembered_is_held_in_the_block_of_the_caller(django_assert_num_queries):
    with locking.atomic_write():
        contact = directory.get_or_create_contact(email="ada@example.com", now=START)
        with django_assert_num_queries(0):
            assert directory.locked(contact) is contact


def test_a_refused_address_does_not_undo_the_callers_transaction():
    from wagtail_kwiga.exceptions import KwigaError

    with locking.atomic_write():
        with pytest.raises(KwigaError):
            directory.get_or_create_contact(email="nonsense", now=START)
        make_contact("ada@example.com")
    assert m.Contact.objects.count() == 1


# --- SQLite, opened as Django opens it where a site gives no options ---------------------------------------------------


@pytest.fixture
def deferred(monkeypatch):
    """New connections begin their transactions by reading; the settings of these tests have them begin by writing."""
    monkeypatch.delitem(connection.settings_dict["OPTIONS"], "transaction_mode")


def read_then_write(begin, has_read, was_written, outcome):
    """In one transaction: look, let somebody else write, then write. What came of it goes into ``outcome``."""
    try:
        with begin():
            m.Heartbeat.objects.count()
            has_read.set()
            was_written.wait(timeout=0.5)
            make_contact("first@example.com")
        outcome["first"] = "written"
    except OperationalError as fault:
        outcome["first"] = str(fault)
    finally:
        has_read.set()
        connection.close()


def write(has_read, was_written, outcome):
    try:
        assert has_read.wait(timeout=30)
        make_contact("second@example.com")
        outcome["second"] = "written"
    finally:
        was_written.set()
        connection.close()


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("begin", "said"), [(locking.atomic_write, "written"), (transaction.atomic, "locked")])
def test_a_transaction_that_looks_first_is_not_told_that_the_database_is_locked(deferred, begin, said):
    """It begins by writing, so the other one waits. With Django's own ``atomic`` it fails, whatever the timeout."""
    outcome, has_read, was_written = {}, threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=read_then_write, args=(begin, has_read, was_written, outcome)),
        threading.Thread(target=write, args=(has_read, was_written, outcome)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert said in outcome["first"]
    assert outcome["second"] == "written"
    assert m.Contact.objects.count() == (2 if said == "written" else 1)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_only_the_outermost_block_begins_by_writing():
    with CaptureQueriesContext(connection) as queries, locking.atomic_write(), locking.atomic_write():
        pass
    assert [query["sql"].split(" WHERE ")[-1] for query in queries if "DELETE" in query["sql"]] == ["0 = 1"]
