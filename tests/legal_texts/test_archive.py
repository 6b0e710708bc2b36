"""Keeping a text: copied once, found again, never changed."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.db.models import ProtectedError

from tests.support import START, after, make_contact
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.legal_texts import archive
from wagtail_kwiga.legal_texts.models import LegalText, LegalTextSource

pytestmark = pytest.mark.django_db

TERMS = LegalText.Kind.TERMS


def test_the_same_words_are_kept_once(django_assert_num_queries):
    with django_assert_num_queries(1):
        first = archive.store(TERMS, "en", "Terms", "All sales are final.", START)
    with django_assert_num_queries(2):
        again = archive.store(TERMS, "en", "Terms", "All sales are final.", after(days=9))
    assert (again, again.first_seen_at) == (first, START)
    assert LegalText.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        (TERMS, "en", "Terms", "No sale is final."),
        (TERMS, "en", "Terms and conditions", "All sales are final."),
        (TERMS, "de", "Terms", "All sales are final."),
        (LegalText.Kind.PRIVACY, "en", "Terms", "All sales are final."),
    ],
)
def test_other_words_are_another_row_and_change_nothing(other):
    first = archive.store(TERMS, "en", "Terms", "All sales are final.", START)
    assert archive.store(*other, after(days=1)) != first
    first.refresh_from_db()
    assert (first.title, first.text, first.first_seen_at) == ("Terms", "All sales are final.", START)


def test_long_sources_that_begin_alike_are_two():
    path = "/" + "terms/" * 40
    one, other = (
        archive.store(TERMS, "en", "Terms", words, START, source=f"{path}{words}") for words in ("one", "other")
    )
    assert archive.find(TERMS, f"{path}one") == one
    assert archive.find(TERMS, f"{path}other") == other
    assert archive.find(TERMS, path) is None


def test_title_and_text_do_not_run_into_one_another():
    assert archive.checksum("a", "b\n\nc") == archive.checksum("a", "b\n\nc")
    assert archive.checksum("ab", "c") != archive.checksum("a", "bc")


def test_a_source_spares_the_reading(django_assert_num_queries):
    assert archive.find(TERMS, "page:7:revision:3") is None
    first = archive.store(TERMS, "en", "Terms", "Words", START, "page:7:revision:3")
    assert archive.store(TERMS, "en", "Terms", "Words", START, "page:7:revision:4") == first
    with django_assert_num_queries(1):
        assert archive.find(TERMS, "page:7:revision:4") == first
    assert archive.find(TERMS, "page:7:revision:3") == first
    assert archive.find(LegalText.Kind.PRIVACY, "page:7:revision:3") is None


def test_a_source_speaks_of_one_text_for_good():
    first = archive.store(TERMS, "en", "Terms", "Words", START, "page:7:revision:3")
    archive.store(TERMS, "en", "Terms", "Other words", START, "page:7:revision:3")
    assert archive.find(TERMS, "page:7:revision:3") == first


def test_odd_characters_are_no_reason_to_fail():
    kept = archive.store(TERMS, "en", "A\x00b", "x\x00y \ud800 z", START)
    kept.refresh_from_db()
    assert (kept.title, kept.text) == ("Ab", "xy ? z")


def test_a_kind_that_nobody_knows_is_a_mistake():
    with pytest.raises(ValueError, match="small print"):
        archive.store("small print", "en", "", "x", START)


def test_what_somebody_agreed_to_cannot_be_deleted():
    ada = make_contact()
    consent.agree(ada, source="checkout", text="Write to me", language="en", now=START)
    with pytest.raises(ProtectedError):
        LegalText.objects.get().delete()


@pytest.mark.django_db(transaction=True)
def test_two_who_keep_the_same_words_at_once_get_the_same_row():
    found, barrier = [], threading.Barrier(2)

    def keep() -> None:
        try:
            barrier.wait()
            found.append(archive.store(TERMS, "en", "Terms", "Words", START, "page:1:revision:1").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=keep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1
    assert (LegalText.objects.count(), LegalTextSource.objects.count()) == (1, 1)
