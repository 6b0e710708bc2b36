from __future__ import annotations

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.support import START, after, make_contact
from wagtail_kwiga import locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import KwigaError


def told(contact: Contact) -> tuple:
    contact = Contact.objects.get(pk=contact.pk)
    return contact.name, contact.phone, contact.language, contact.is_verified


@pytest.mark.django_db
class TestRemember:
    def test_a_stranger_becomes_a_contact(self):
        contact = directory.get_or_create_contact(
            email=" Ada@Example.com", name="Ada", phone="+48 600", language="pl", now=after(minutes=1)
        )
        assert contact.email == "ada@example.com"
        assert contact.created_at == after(minutes=1)
        assert told(contact) == ("Ada", "+48 600", "pl", False)
        assert not contact.is_placeholder and contact.consented_at is None and contact.unsubscribed_at is None

    def test_the_same_address_is_the_same_person_however_it_is_typed(self):
        first = directory.get_or_create_contact(email="Ada@Bücher.example", now=START)
        again = directory.get_or_create_contact(email="aDA@xn--bcher-kva.EXAMPLE", now=START)
        assert again == first
        assert Contact.objects.count() == 1
        assert directory.find("ADA@BÜCHER.example") == first
        assert directory.find("bob@example.com") is None

    def test_a_contact_that_was_stored_with_capitals_is_found(self):
        contact = make_contact("Ada@Example.com")
        assert directory.get_or_create_contact(email="ada@example.com", now=START) == contact
        assert directory.find("ada@example.com") == contact

    def test_a_form_fills_in_what_is_empty_and_overwrites_nothing(self):
        contact = directory.get_or_create_contact(email="ada@example.com", name="Ada", now=START)
        directory.get_or_create_contact(email="ada@example.com", name="Mallory", phone="600", language="de", now=START)
        assert told(contact) == ("Ada", "600", "de", False)
        directory.get_or_create_contact(email="ada@example.com", name="Mallory", phone="700", language="pl", now=START)
        assert told(contact) == ("Ada", "600", "de", False)
        directory.get_or_create_contact(email="ada@example.com", now=START)
        assert told(contact) == ("Ada", "600", "de", False)

    def test_of_a_verified_contact_a_form_fills_in_the_language_only(self):
        contact = make_contact("ada@example.com", name="Ada", is_verified=True)
        directory.get_or_create_contact(email="ada@example.com", name="Mallory", phone="666", language="de", now=START)
        assert told(contact) == ("Ada", "", "de", True)

    def test_verified_data_replace_what_a_form_said(self):
        contact = directory.get_or_create_contact(
            email="ada@example.com", name="Mallory", phone="666", language="de", now=START
        )
        told_back = directory.get_or_create_contact(
            email="ada@example.com", name="Ada", language="pl", verified=True, now=START
        )
        assert told(contact) == ("Ada", "666", "de", True)
        assert (told_back.name, told_back.is_verified) == ("Ada", True)
        directory.get_or_create_contact(
            email="ada@example.com", name="Ada Lovelace", phone="600", verified=True, now=START
        )
        assert told(contact) == ("Ada Lovelace", "600", "de", True)

    def test_a_verified_stranger(self):
        contact = directory.get_or_create_contact(email="ada@example.com", name="Ada", verified=True, now=START)
        assert told(contact) == ("Ada", "", "", True)

    def test_what_people_type_is_made_to_fit(self):
        contact = directory.get_or_create_contact(
            email="ada@example.com",
            name=" Ada\x00\r\nBcc:  all \t" + "x" * 300,
            phone="6" * 99,
            language="l" * 99,
            now=START,
        )
        assert told(contact)[0] == ("Ada Bcc: all " + "x" * 300)[:200]
        assert told(contact)[1:3] == ("6" * 40, "l" * 15)

    def test_a_bad_address_leaves_nothing_behind(self):
        with pytest.raises(KwigaError) as caught:
            directory.get_or_create_contact(email="ada@", now=START)
        assert caught.value.code == "bad_email"
        assert not Contact.objects.exists()

    def test_somebody_known_with_nothing_new_costs_one_query_and_no_lock(self):
        directory.get_or_create_contact(email="ada@example.com", name="Ada", language="en", now=START)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            directory.get_or_create_contact(email="ada@example.com", name="Other", language="de", now=START)
        selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
        assert len(selects) == 1
        assert "FOR NO KEY UPDATE" not in selects[0]
        assert not any("UPDATE" in query["sql"] for query in queries)

    def test_the_database_itself_knows_one_contact_an_address(self):
        make_contact("ada@example.com")
        with pytest.raises(IntegrityError), transaction.atomic():
            make_contact("ADA@example.com")


class TestManyForms(TestCase):
    @settings(deadline=None)  # the database is slow on a busy machine; that is no fault
    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["", "Ada", "Bob"]),
                    "phone": st.sampled_from(["", "600", "700"]),
                    "language": st.sampled_from(["", "de", "pl"]),
                    "verified": st.booleans(),
                }
            ),
            min_size=1,
            max_size=6,
        )
    )
    def test_no_unverified_form_ever_changes_a_value_that_was_there(self, forms):
        before: dict[str, object] = {}
        for form in forms:
            contact = Contact.objects.get(
                pk=directory.get_or_create_contact(email="ada@example.com", now=START, **form).pk
            )
            known = {field: getattr(contact, field) for field in ("name", "phone", "language", "is_verified")}
            for field, value in before.items():
                if value and not form["verified"]:
                    assert known[field] == value
            if form["verified"]:
                assert known["is_verified"]
                for field in ("name", "phone"):
                    assert not form[field] or known[field] == form[field]
            before = known


@pytest.mark.django_db
class TestLocks:
    def test_lock_reads_afresh(self):
        contact = make_contact(name="Ada")
        Contact.objects.filter(pk=contact.pk).update(name="Ada Lovelace")
        with locking.atomic_write():
            assert directory.lock(contact.pk).name == "Ada Lovelace"
        with pytest.raises(Contact.DoesNotExist), locking.atomic_write():
            directory.lock(contact.pk + 1)

    def test_lock_many_is_one_query_in_the_order_of_ids(self, django_assert_num_queries):
        contacts = [make_contact() for _ in range(5)]
        ids = [contact.pk for contact in contacts]
        with locking.atomic_write(), django_assert_num_queries(1) as queries:
            found = directory.lock_many(reversed(ids + ids))
        assert list(found) == ids
        assert found == {contact.pk: contact for contact in contacts}
        assert "ORDER BY" in queries[0]["sql"]
        if connection.vendor == "postgresql":
            assert "FOR NO KEY UPDATE" in queries[0]["sql"]
        with locking.atomic_write():
            assert directory.lock_many([]) == {}


@pytest.mark.django_db(transaction=True)
def test_forms_sent_at_the_same_moment_make_one_contact():
    """Threads with connections of their own, on whichever database the run has; nobody meets an error."""
    forms, rounds = 8, 10
    found: list[int] = []
    faults: list[BaseException] = []
    start = threading.Barrier(forms)

    def send(number: int) -> None:
        try:
            for n in range(rounds):
                start.wait(timeout=30)
                email = f"{'Ada' if number % 2 else 'ada'}{n}@example.com"
                contact = directory.get_or_create_contact(
                    email=email, name=f"Ada {number}", phone=str(number), now=START
                )
                found.append(contact.pk)
        except BaseException as fault:
            faults.append(fault)
            start.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(forms)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(found) == forms * rounds
    assert len(set(found)) == Contact.objects.count() == rounds
    # One form's data won as a whole: the others filled nothing in over them.
    for name, phone in Contact.objects.values_list("name", "phone"):
        assert name == f"Ada {phone}"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [False, True])
def test_the_second_form_waits_for_the_first_and_then_overwrites_nothing(is_known):
    """The race made slow: the first form's transaction is still open when the second one writes."""
    if is_known:
        make_contact("ada@example.com", name="")
    written, go_on = threading.Event(), threading.Event()
    known: dict[str, int] = {}
    faults: list[BaseException] = []

    def first() -> None:
        try:
            with transaction.atomic():
                known["first"] = directory.get_or_create_contact(email="ada@example.com", name="Ada", now=START).pk
                written.set()
                assert go_on.wait(30)
        except BaseException as fault:
            faults.append(fault)
        finally:
            written.set()
            connection.close()

    def second() -> None:
        try:
            assert written.wait(30)
            known["second"] = directory.get_or_create_contact(
                email="ADA@example.com", name="Other", phone="600", now=START
            ).pk
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    assert written.wait(30)
    _wait_until_somebody_waits_for_a_lock()
    go_on.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert known["first"] == known["second"]
    contact = Contact.objects.get()
    assert (contact.name, contact.phone) == ("Ada", "600")


def _wait_until_somebody_waits_for_a_lock() -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    pause = threading.Event()
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        pause.wait(0.01)
    raise AssertionError("nobody waited")
