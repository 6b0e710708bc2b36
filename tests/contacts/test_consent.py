from __future__ import annotations

import threading

import pytest
from django.db import connection

from tests.support import START, after, make_contact
from wagtail_kwiga import events
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.contacts.events import ContactUnsubscribed
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal import writing


@pytest.fixture
def heard(monkeypatch):
    """What was published while the test ran; the real handlers hear it too."""
    told: list[ContactUnsubscribed] = []
    handlers = events._handlers[ContactUnsubscribed]
    monkeypatch.setitem(events._handlers, ContactUnsubscribed, [*handlers, told.append])
    return told


@pytest.mark.django_db
class TestMoves:
    def test_unsubscribing_once_and_again(self, heard):
        ada = make_contact()
        assert consent.unsubscribe(ada, source="link", now=after(hours=1)) is True
        assert consent.unsubscribe(ada, source="one_click", now=after(hours=2)) is False
        assert ada.unsubscribed_at == after(hours=1)
        ada.refresh_from_db()
        assert ada.unsubscribed_at == after(hours=1)
        assert heard == [ContactUnsubscribed(contact_id=ada.pk, at=after(hours=1), source="link")]
        entry = writing.timeline(ada).get()
        assert (entry.code, entry.at, entry.facts) == ("contact.unsubscribed", after(hours=1), {"source": "link"})
        assert writing.sentence(entry) == "Unsubscribed from promotional mail (link)."

    def test_an_object_read_before_learns_of_it(self, heard):
        ada = make_contact()
        stale = Contact.objects.get(pk=ada.pk)
        consent.unsubscribe(ada, source="link", now=START)
        assert consent.unsubscribe(stale, source="link", now=after(hours=1)) is False
        assert stale.unsubscribed_at == START
        assert len(heard) == 1

    def test_taking_it_back_counts_as_consent(self):
        ada = make_contact()
        assert consent.resubscribe(ada, source="staff", now=START) is False
        consent.unsubscribe(ada, source="link", now=START)
        assert consent.resubscribe(ada, source="staff", now=after(hours=1)) is True
        ada.refresh_from_db()
        assert (ada.unsubscribed_at, ada.consented_at) == (None, after(hours=1))
        codes = ["contact.unsubscribed", "contact.resubscribed"]
        assert list(writing.timeline(ada).values_list("code", flat=True)) == codes

    def test_unsubscribing_after_a_subscription_is_news_again(self, heard):
        ada = make_contact()
        for hour in (1, 3):
            consent.unsubscribe(ada, source="link", now=after(hours=hour))
            consent.resubscribe(ada, source="link", now=after(hours=hour + 1))
        assert [event.at for event in heard] == [after(hours=1), after(hours=3)]

    def test_a_ticked_box_is_recorded_once_and_undoes_no_unsubscription(self):
        ada = make_contact()
        assert consent.agree(ada, source="checkout", now=START) is True
        assert consent.agree(ada, source="checkout", now=after(hours=1)) is False
        assert ada.consented_at == START
        consent.unsubscribe(ada, source="link", now=after(hours=2))
        assert consent.agree(ada, source="checkout", now=after(hours=3)) is False
        ada.refresh_from_db()
        assert ada.unsubscribed_at == after(hours=2)

    def test_a_reaction_that_fails_undoes_the_move(self, monkeypatch):
        def refuse(event):
            raise RuntimeError("no")

        ada = make_contact()
        monkeypatch.setitem(events._handlers, ContactUnsubscribed, [refuse])
        with pytest.raises(RuntimeError):
            consent.unsubscribe(ada, source="link", now=START)
        assert ada.unsubscribed_at is None
        ada.refresh_from_db()
        assert ada.unsubscribed_at is None
        assert not writing.timeline(ada).exists()


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_moment_unsubscribe_once(heard):
    ada = make_contact()
    news: list[bool] = []
    faults: list[BaseException] = []
    start = threading.Barrier(6)

    def click() -> None:
        try:
            start.wait(timeout=30)
            news.append(consent.unsubscribe(Contact.objects.get(pk=ada.pk), source="link", now=START))
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(news) == [False] * 5 + [True]
    assert len(heard) == 1
    assert writing.timeline(ada).count() == 1


def consents(contact: Contact) -> list[tuple]:
    rows = contact.consents.order_by("pk").select_related("text")
    return [
        (row.kind, row.form, row.text and row.text.text, row.language, row.given_at, row.withdrawn_at) for row in rows
    ]


@pytest.mark.django_db
class TestEvidence:
    """What somebody agreed to can be shown: the words, the form, the moment (promise 16)."""

    def test_a_yes_is_kept_with_its_words(self):
        ada = make_contact()
        consent.agree(ada, source="checkout", text="Write to me now and then.", language="en", now=START)
        assert consents(ada) == [("promotion", "checkout", "Write to me now and then.", "en", START, None)]
        assert ada.consents.get().text.kind == "promo_consent"

    def test_what_is_no_news_is_no_second_row(self):
        ada = make_contact()
        for hour in (1, 2):
            consent.agree(ada, source="checkout", text="Write to me.", language="en", now=after(hours=hour))
        assert len(consents(ada)) == 1

    def test_a_no_ends_it_and_a_later_yes_is_another_row(self):
        ada = make_contact()
        consent.agree(ada, source="checkout", text="Write to me.", language="en", now=START)
        consent.unsubscribe(ada, source="link", now=after(hours=1))
        consent.unsubscribe(ada, source="link", now=after(hours=2))
        consent.resubscribe(ada, source="link", now=after(hours=3))
        assert consents(ada) == [
            ("promotion", "checkout", "Write to me.", "en", START, after(hours=1)),
            ("promotion", "link", None, "", after(hours=3), None),
        ]

    def test_a_no_before_any_yes_writes_nothing(self):
        ada = make_contact()
        consent.unsubscribe(ada, source="link", now=START)
        assert consents(ada) == []

    def test_who_has_unsubscribed_is_not_made_to_agree_by_a_form(self):
        ada = make_contact()
        consent.agree(ada, source="checkout", text="Write to me.", language="en", now=START)
        consent.unsubscribe(ada, source="link", now=after(hours=1))
        consent.agree(ada, source="checkout", text="Write to me.", language="en", now=after(hours=2))
        assert [row[-1] for row in consents(ada)] == [after(hours=1)]

    def test_another_persons_consent_is_not_ended(self):
        ada, grace = make_contact(), make_contact()
        for each in (ada, grace):
            consent.agree(each, source="checkout", text="Write to me.", language="en", now=START)
        consent.unsubscribe(ada, source="link", now=after(hours=1))
        assert consents(grace)[0][-1] is None
