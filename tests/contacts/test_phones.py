"""The phone numbers of a contact: every one that was given, each once, none overwritten."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after
from wagtail_kwiga import locking
from wagtail_kwiga.contacts import directory, phones
from wagtail_kwiga.contacts.models import Contact, PhoneNumber


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+44 20 7946 0000", "+442079460000"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("0044 20 7946-0000", "+442079460000"),
        ("tel:+44-20-7946-0000;ext=12", "+442079460000"),
        ("(+48) 600.100.200", "+48600100200"),
        ("\uff0b48 600 100 200", "+48600100200"),
        ("020 7946 0000", ""),
        ("600100200", ""),
        ("+48", ""),
        ("+0 600 100 200", ""),
        ("+1234567890123456", ""),
        ("+123456789012345", "+123456789012345"),
        ("", ""),
        ("call me", ""),
    ],
)
def test_what_a_number_comes_to(number, expected):
    assert phones.normalise(number) == expected


@given(st.text(max_size=60))
def test_no_text_breaks_it(text):
    number = phones.normalise(text)
    assert number == "" or (
        number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and 8 <= len(number) <= 16
    )
    assert phones.normalise(number) == number


def give(email: str, phone: str, source: str, days: int = 0, **more) -> Contact:
    return directory.get_or_create_contact(email=email, phone=phone, source=source, now=after(days=days), **more)


def rows() -> list[tuple]:
    kept = PhoneNumber.objects.order_by("pk")
    return list(kept.values_list("number", "normalised", "source", "first_seen_at", "last_seen_at"))


@pytest.mark.django_db
class TestGiven:
    def test_a_new_number_is_kept_with_where_it_came_from(self):
        give("ada@example.com", "+44 20 7946 0000", "checkout")
        assert rows() == [("+44 20 7946 0000", "+442079460000", "checkout", START, START)]

    def test_the_same_number_spelt_otherwise_only_moves_the_date_on(self):
        give("ada@example.com", "+44 20 7946 0000", "checkout")
        give("ada@example.com", "0044 20 79460000", "staff", days=3)
        assert rows() == [("+44 20 7946 0000", "+442079460000", "checkout", START, after(days=3))]

    def test_without_its_country_a_number_is_known_by_its_spelling(self):
        give("ada@example.com", "020 7946 0000", "checkout")
        give("ada@example.com", "020 7946 0000", "staff", days=3)
        give("ada@example.com", "02079460000", "staff", days=4)
        assert [row[0] for row in rows()] == ["020 7946 0000", "02079460000"]
        assert rows()[0][2:] == ("checkout", START, after(days=3))

    def test_what_is_booked_late_moves_no_date_back(self):
        give("ada@example.com", "+44 20 7946 0000", "checkout", days=3)
        give("ada@example.com", "+44 20 7946 0000", "import")
        assert rows() == [("+44 20 7946 0000", "+442079460000", "checkout", after(days=3), after(days=3))]

    def test_a_form_adds_a_number_and_overwrites_none(self):
        ada = give("ada@example.com", "+44 20 7946 0000", "staff", verified=True)
        give("ada@example.com", "+48 600 100 200", "checkout", days=1)
        ada.refresh_from_db()
        assert ada.phone == "+44 20 7946 0000"
        assert [(row[0], row[2]) for row in rows()] == [
            ("+44 20 7946 0000", "staff"),
            ("+48 600 100 200", "checkout"),
        ]

    def test_two_people_may_have_one_number(self):
        give("ada@example.com", "+44 20 7946 0000", "checkout")
        give("grace@example.com", "+44 20 7946 0000", "checkout")
        assert PhoneNumber.objects.count() == 2

    def test_one_statement_more_and_none_without_a_number(self):
        def asked(**given) -> int:
            with CaptureQueriesContext(connection) as queries:
                directory.get_or_create_contact(email="ada@example.com", now=START, **given)
            return sum("phonenumber" in query["sql"] for query in queries)

        assert [asked(phone="+44 20 7946 0000"), asked(phone="+44 20 7946 0000"), asked()] == [1, 1, 0]

    def test_the_contact_comes_back_locked_where_a_number_is_written(self):
        with locking.atomic_write():
            give("ada@example.com", "+44 20 7946 0000", "checkout")
            assert locking.is_held(give("ada@example.com", "+44 20 7946 0000", "checkout"))


@pytest.mark.django_db(transaction=True)
def test_two_forms_at_once_write_one_row():
    give("ada@example.com", "", "checkout")
    barrier, failures = threading.Barrier(2), []

    def form() -> None:
        try:
            barrier.wait()
            give("ada@example.com", "+44 20 7946 0000", "checkout")
        except Exception as fault:
            failures.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=form) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert PhoneNumber.objects.count() == 1
