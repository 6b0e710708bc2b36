"""Unsubscribing by the link in a mail (RFC 8058; promises 9 and 10)."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga import signing
from wagtail_kwiga.mailing import link_building, sender, suppression
from wagtail_kwiga.mailing.sending import mail_connection, order_mails, unsubscribe
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    """As a mail program: no cookies, and CSRF checks on."""
    settings_of_default_site()
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def contact():
    return make_contact("ada@example.com")


def url_of(contact, language="en", at=START):
    url = link_building.unsubscribe_url(contact.token, to=contact.email, at=at, site_id=None, language=language)
    return re.sub(r"^https?://[^/]+", "", url)


def facts():
    return (
        list(m.Contact.objects.values_list("unsubscribed_at", "consented_at")),
        list(m.Suppression.objects.values_list("email", "scope", "reason")),
        m.TimelineEntry.objects.count(),
    )


def test_looking_changes_nothing(client, contact):
    before = facts()
    for _ in range(2):
        page = client.get(url_of(contact))
        assert page.status_code == 200
        assert b'<form method="post"' in page.content
        client.head(url_of(contact))
        client.options(url_of(contact))
    assert facts() == before
    assert page["Cache-Control"] == "private, no-store"
    assert page["Referrer-Policy"] == "same-origin"
    assert not page.cookies
    # A forwarded link gives nobody away.
    assert b"ada@example.com" not in page.content and contact.name.encode() not in page.content


def test_one_click_acts_at_once_without_login_cookie_or_csrf_token(client, contact):
    answer = client.post(
        url_of(contact), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 200
    contact.refresh_from_db()
    assert contact.unsubscribed_at is not None
    row = m.Suppression.objects.get()
    assert (row.email, row.scope, row.reason, row.source) == (
        "ada@example.com",
        "promotion",
        "unsubscribed",
        "one_click",
    )
    done = facts()
    client.post(url_of(contact), {"List-Unsubscribe": "One-Click"})  # multipart, and once more
    assert facts() == done


def test_a_person_confirms_and_may_take_it_back(client, contact):
    asked = client.get(url_of(contact)).content.decode()
    assert "Yes, unsubscribe me" in asked
    done = client.post(url_of(contact), {"unsubscribe": "1"})
    assert "You are unsubscribed" in done.content.decode()
    assert m.Suppression.objects.get().source == "link"
    again = client.get(url_of(contact)).content.decode()
    assert "already" in again and "Take it back" in again
    back = client.post(url_of(contact), {"undo": "1"})
    assert "You are on again" in back.content.decode()
    contact.refresh_from_db()
    assert contact.unsubscribed_at is None
    assert not m.Suppression.objects.exists()


def test_taking_it_back_does_not_take_back_a_complaint_or_a_bounce(contact):
    suppression.suppress(contact.email, scope="all", reason="bounced", now=START)
    m.Suppression.objects.create(email=contact.email, scope="promotion", reason="complained", at=START)
    unsubscribe.unsubscribe(contact, now=START)
    unsubscribe.undo(contact, now=after(hours=1))
    assert set(m.Suppression.objects.values_list("reason", flat=True)) == {"bounced", "complained"}


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: "nonsense", lambda t: t.replace(".", "-")]
)
def test_a_forged_link_does_nothing(client, contact, spoil):
    prefix, token = url_of(contact).rstrip("/").rsplit("/", 1)
    before = facts()
    for answer in (client.get(f"{prefix}/{spoil(token)}/"), client.post(f"{prefix}/{spoil(token)}/")):
        assert answer.status_code == 404
        assert "This link does not work" in answer.content.decode()
    assert facts() == before


def test_a_link_of_another_purpose_does_nothing(client, contact):
    for purpose in (Purpose.PAY, Purpose.RESUME, Purpose.ORDER):
        token = signing.make(
            purpose, expires=after(days=9), contact=contact.token, to=signing.address_digest(contact.email)
        )
        prefix = url_of(contact).rstrip("/").rsplit("/", 1)[0]
        assert client.post(f"{prefix}/{token}/").status_code == 404
    contact.refresh_from_db()
    assert contact.unsubscribed_at is None


def test_nobody_is_kept_on_a_list_by_a_date(client, contact):
    old = url_of(contact, at=after(days=-4000))
    assert client.post(old, {"List-Unsubscribe": "One-Click"}).status_code == 200
    contact.refresh_from_db()
    assert contact.unsubscribed_at is not None


def test_a_contact_that_is_gone(client, contact):
    url = url_of(contact)
    contact.delete()
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("language", ["de", "pl", "uk", "xx", ""])
def test_the_page_speaks_the_language_of_the_mail(client, contact, language):
    page = client.get(url_of(contact, language)).content.decode()
    assert f'<html lang="{language if language not in ("xx", "") else "en"}"' in page


def test_other_methods_are_refused(client, contact):
    assert client.put(url_of(contact)).status_code == 405
    assert client.delete(url_of(contact)).status_code == 405


def test_the_link_in_the_head_of_a_mail_is_the_one_that_works(client, contact, mailoutbox):
    row = queue_one(contact)
    another = queue_one(contact)
    fresh = m.OutgoingEmail.objects.select_related("version", "order").get(pk=row.pk)
    header = mail_connection.compose(fresh, sender.for_site(fresh.site_id)).extra_headers["List-Unsubscribe"]
    path = re.sub(r"^<https?://[^/]+|>$", "", header)
    client.post(path, {"List-Unsubscribe": "One-Click"})
    assert deliver_due(after(minutes=1)) == DeliverySummary(suppressed=2)
    another.refresh_from_db()
    assert another.why == "unsubscribed"
    assert mailoutbox == []


def heads_of(row):
    fresh = m.OutgoingEmail.objects.select_related("version", "order").get(pk=row.pk)
    headers = mail_connection.compose(fresh, sender.for_site(fresh.site_id)).extra_headers
    return {name for name in headers if name.startswith("List-")}


def test_a_mail_about_an_order_of_theirs_has_no_one_click_in_its_head(client, contact):
    """A mail program would offer to unsubscribe from receipts. Not even where the words of the mail lead to that page."""
    order = order_for(contact, make_offer())
    assert heads_of(order_mails.receipt(order, START)) == set()
    leads_there = [("text", {"text": '<p>No offers? <a href="{{ unsubscribe_url }}">This way</a>.</p>'})]
    service = queue_one(contact, purpose="service", template=make_template(leads_there, kind="service"))
    assert set(service.links) == {"unsubscribe_url"}
    assert heads_of(service) == set()
    promotion = queue_one(contact, template=make_template(leads_there, kind="promotion"))
    assert heads_of(promotion) == {"List-Unsubscribe", "List-Unsubscribe-Post"}


def test_a_page_costs_few_queries(client, contact, django_assert_max_num_queries):
    client.get(url_of(contact))
    with django_assert_max_num_queries(5):
        client.get(url_of(contact))


def test_one_click_reaches_a_site_that_sends_everybody_on_to_https(client, contact, settings):
    """As a mail program does: one POST to the address of the header, following nothing."""
    settings.SECURE_SSL_REDIRECT = True
    url = link_building.unsubscribe_url(contact.token, to=contact.email, at=START, site_id=None, language="en")
    scheme, address = url.split("://")
    answer = client.post(f"/{address.split('/', 1)[1]}", {"List-Unsubscribe": "One-Click"}, secure=scheme == "https")
    assert answer.status_code == 200
    contact.refresh_from_db()
    assert contact.unsubscribed_at is not None
