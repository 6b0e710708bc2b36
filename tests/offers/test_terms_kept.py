"""What somebody agreed to can be shown (promise 16): the words of the terms, of the promotion box, the page that was seen."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.legal_texts.test_pages import make_terms
from tests.offers.making import fill_in, make_page, order, translate
from tests.site.models import TermsPage
from tests.support import START
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(seller):
    return make_page()


@pytest.fixture
def terms(seller):
    page = make_terms()
    seller.legal = [("page", page)]
    seller.save()
    return page


def the_order() -> m.Order:
    return m.Order.objects.latest("pk")


def test_the_order_keeps_the_words_of_the_terms_page(client, page, terms):
    assert order(client, page.url, terms="on").status_code == 302
    kept = the_order().accepted_terms
    assert (kept.kind, kept.language, kept.title, kept.first_seen_at) == ("terms", "en", "Terms of sale", START)
    assert "14 days" in kept.text
    assert the_order().agreed_terms_at == START


def test_terms_that_change_later_change_nothing_that_was_agreed_to(client, page, terms):
    order(client, page.url, terms="on")
    first = the_order()
    terms.body[1] = ("text", "<p>You have 30 days.</p>")
    terms.save_revision().publish()
    order(Client(), page.url, terms="on", email="grace@example.com")
    assert "30 days" in the_order().accepted_terms.text
    TermsPage.objects.get().delete()
    first.refresh_from_db()
    assert "14 days" in first.accepted_terms.text


def test_terms_elsewhere_are_kept_by_their_address(client, page, seller):
    seller.legal = [("url", "https://example.com/terms")]
    seller.save()
    for number in range(2):
        order(Client(), page.url, terms="on", email=f"ada{number}@example.com")
        assert the_order().accepted_terms.text == "https://example.com/terms"
    assert m.LegalText.objects.count() == 1


def test_where_nothing_is_agreed_to_nothing_is_kept(client, page):
    order(client, page.url)
    assert the_order().accepted_terms is None
    assert not m.LegalText.objects.exists()


def test_a_refused_form_agrees_to_nothing(client, page, terms):
    assert order(client, page.url).status_code == 200
    assert not m.Order.objects.exists()
    assert not m.LegalText.objects.exists()


def test_it_costs_one_query_and_none_for_the_mail_of_its_own(page, terms, seller):
    def asked(number: int) -> int:
        client = Client()
        _page, sent = fill_in(client, page.url, terms="on", email=f"ada{number}@example.com")
        with CaptureQueriesContext(connection) as queries:
            assert client.post(page.url, sent).status_code == 302
        return sum("legaltext" in query["sql"] for query in queries if "INSERT INTO" not in query["sql"])

    asked(1)
    # The look for them, and the order that its mail reads together with their title.
    assert [asked(2), asked(3)] == [2, 2]


def test_the_revision_that_the_buyer_saw(client, page):
    order(client, page.url)
    assert the_order().page_revision == page.live_revision_id
    page.title = "Watercolour again"
    page.save_revision()  # a draft, which nobody sees
    order(Client(), page.url, email="grace@example.com")
    assert the_order().page_revision == page.live_revision_id
    german = translate(page, "de")
    order(Client(), german.url, email="heidi@example.com")
    assert the_order().page_revision == german.live_revision_id != page.live_revision_id


def test_the_words_beside_the_box_for_promotional_mail(client, page, seller):
    seller.promo_policy = "consented"
    seller.save()
    order(client, page.url, promo="on")
    consent = m.Consent.objects.get()
    assert (consent.contact, consent.kind, consent.form) == (the_order().contact, "promotion", "checkout")
    assert consent.text.text.startswith("Write to me about offers")
    assert (consent.language, consent.text.language, consent.given_at) == ("en", "en", START)


def test_in_the_language_that_the_buyer_read(client, page, seller):
    seller.promo_policy = "consented"
    seller.save()
    order(client, translate(page, "de").url, promo="on")
    kept = m.Consent.objects.get().text
    assert kept.language == "de"
    assert not kept.text.startswith("Write to me")


def test_the_number_of_the_form_is_kept_with_where_it_came_from(client, page):
    order(client, page.url, phone="+48 600 100 200")
    kept = m.PhoneNumber.objects.get()
    assert (kept.contact, kept.normalised, kept.source) == (the_order().contact, "+48600100200", "checkout")
