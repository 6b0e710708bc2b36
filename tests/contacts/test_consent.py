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
