"""Attacked: rows that are gone. A restored backup hands the keys of lost orders to other people; a corrected address leaves links
in a stranger's mailbox. Every old link says kindly that it is not known any more, shows nothing and moves nothing (promise 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.core.management.color import no_style
from django.db import connection, transaction
from django.test import Client

from tests.attacks.ground import holds, money_books
from tests.offers.making import fill_in, offer_of, text_of
from tests.orders.shop import order_for
from tests.payments.shop import path_of
from tests.support import START, make_contact, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga import signing
from wagtail_kwiga.mailing import link_building, placeholders
from wagtail_kwiga.mailing.models import EmailTemplateVersion
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

IN_MAIL = ("pay_url", "order_url", "resume_url", "unsubscribe_url")
GRACE = {"name": "Grace Second", "email": "grace@example.com", "phone": "+48 700 800 900"}


class Restored(Exception):
    """Ends the part of a story that the backup knows nothing of."""


@dataclass
class Lost:
    """What is left of an order that no database knows: the links in its mails, its browser, and the keys that it had."""

    paths: dict[str, str]
    browser: Client
    keys: dict[str, int]


def mail_about(order: m.Order, coupon: m.Coupon | None = None) -> m.OutgoingEmail:
    """A mail to the order's contact with every link that a mail may have."""
    situation = Situation(
        contact=order.contact, order=order, site=order.site, language="en", now=START, coupon=coupon, coupon_until=None
    )
    _texts, rows = placeholders.build_context(IN_MAIL, situation)
    version = EmailTemplateVersion(placeholders=list(IN_MAIL))
    return m.OutgoingEmail(
        contact=order.contact, order=order, site=order.site, language="en", to_email=order.contact.email, links=rows,
        version=version,
    )  # fmt: skip


def paths_in(mail: m.OutgoingEmail) -> dict[str, str]:
    return {name.removesuffix("_url"): path_of(url) for name, url in link_building.of(mail).items()}


def buy(client: Client, page: m.OfferPage, **who: str) -> m.Order:
    _page, sent = fill_in(client, page.url, **who)
    assert client.post(page.url, sent).status_code == 302
    return m.Order.objects.select_related("contact").latest("pk")


def keys_of(order: m.Order, coupon: m.Coupon) -> dict[str, int]:
    attempt = m.PaymentAttempt.objects.get(payment__order=order)
    return {"order": order.pk, "contact": order.contact_id, "attempt": attempt.pk, "coupon": coupon.pk}


def restore_sequences() -> None:
    """As a backup does: the next key is the one behind the greatest. (SQLite does so by itself when a block is rolled back.)"""
    rows = [m.Order, m.Contact, m.Coupon, m.Payment, m.PaymentAttempt, m.Purchase]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), rows):
            cursor.execute(statement)


@pytest.fixture
def lost(shopfront):
    """Ada orders, and the database is set back to before that: rows and sequences alike."""
    kept: list[Lost] = []
    restore_sequences()
    try:
        with transaction.atomic():
            browser = Client()
            coupon = make_coupon("ADAS", percent="10")
            order = buy(browser, shopfront)
            attempt = m.PaymentAttempt.objects.get()
            paths = paths_in(mail_about(order, coupon))
            paths["return"] = path_of(links.return_url(order, START, attempt=signing.handle_of(attempt)))
            for name, path in paths.items():  # they lead somewhere while the order is there
                assert browser.get(path).status_code in (200, 302), name
            kept.append(Lost(paths, browser, keys_of(order, coupon)))
            raise Restored
    except Restored:
        pass
    restore_sequences()
    return kept[0]


@pytest.fixture
def hers(shopfront, lost):
    """Grace's order, which gets the very keys that Ada's had."""
    coupon = make_coupon("GRACES", percent="50")
    order = buy(Client(), shopfront, **GRACE)
    assert keys_of(order, coupon) == lost.keys, "the story is not the one that is to be told"
    return order


def shows_nothing(answer, order: m.Order) -> None:
    words = text_of(answer)
    attempt = m.PaymentAttempt.objects.get(payment__order=order)
    secrets = (*GRACE.values(), "Grace", order.number, "GRACES", attempt.payment.reference)
    assert not [each for each in secrets if each in words or each.encode() in answer.content]


@pytest.mark.parametrize("purpose", ["pay", "order", "return", "resume", "unsubscribe"])
def test_the_links_of_a_lost_order_are_not_known_any_more(visitor, lost, hers, purpose):
    before = money_books()
    for method in ("get", "post"):
        if method == "post" and purpose in ("order", "resume"):
            continue
        answer = holds(getattr(visitor, method)(lost.paths[purpose], {"method": "sandbox"}), (method, purpose))
        assert answer.status_code == (404 if purpose == "unsubscribe" else 410)
        assert "link" in text_of(answer)
        shows_nothing(answer, hers)
    assert money_books() == before
    hers.contact.refresh_from_db()
    assert hers.contact.unsubscribed_at is None
    assert not m.Suppression.objects.exists()


def test_one_click_of_a_lost_contact_unsubscribes_nobody(visitor, lost, hers):
    answer = visitor.post(lost.paths["unsubscribe"], {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 404
    hers.contact.refresh_from_db()
    assert hers.contact.unsubscribed_at is None


def test_the_offer_page_fills_in_nobody(visitor, shopfront, lost, hers):
    token = lost.paths["resume"].rstrip("/").rsplit("/", 1)[1]
    answer = holds(visitor.get(shopfront.url, {"resume": token}))
    assert answer.status_code == 200
    for each in (*GRACE.values(), "GRACES"):
        assert each.encode() not in answer.content


def test_the_cookie_of_a_lost_order_proves_nothing(shopfront, lost, hers):
    m.Order.objects.filter(pk=hers.pk).update(status="processing")
    _page, sent = fill_in(lost.browser, shopfront.url, email=GRACE["email"])
    assert lost.browser.post(shopfront.url, sent).status_code == 200
    assert m.Order.objects.get().status == "processing"


def test_a_link_whose_coupon_is_lost_gives_no_other_discount(visitor, shopfront):
    order = order_for(make_contact("ada@example.com"), offer_of(shopfront), site=shopfront.get_site(), language="en")
    gone = make_coupon("ADAS", percent="10")
    path, key = paths_in(mail_about(order, gone))["resume"], gone.pk
    gone.delete()
    m.Coupon.objects.filter(pk=make_coupon("GRACES", percent="50").pk).update(id=key)
    answer = holds(visitor.get(path, follow=True))
    assert answer.status_code == 200
    assert b"ada@example.com" in answer.content
    assert "GRACES" not in answer.content.decode()
    assert "50%" not in text_of(answer)


# --- an address that was corrected


@pytest.fixture
def mistyped(shopfront):
    contact = make_contact("ada@gmial.example", name="Ada Buyer")
    return order_for(contact, offer_of(shopfront), site=shopfront.get_site(), language="en")


def correct(order: m.Order) -> None:
    m.Contact.objects.filter(pk=order.contact_id).update(email="ada.true@example.com", name="Ada True")
    order.contact.refresh_from_db()


@pytest.mark.parametrize("purpose", ["pay", "order", "return", "resume", "unsubscribe"])
def test_after_a_correction_the_old_mail_opens_nothing(visitor, mistyped, purpose):
    paths = paths_in(mail_about(mistyped)) | {"return": path_of(links.return_url(mistyped, START))}
    assert visitor.get(paths[purpose]).status_code in (200, 302)
    correct(mistyped)
    before = money_books()
    for method in ("get", "post"):
        if method == "post" and purpose in ("order", "resume"):
            continue
        answer = holds(getattr(visitor, method)(paths[purpose], {"method": "sandbox"}))
        assert answer.status_code == (404 if purpose == "unsubscribe" else 410)
        assert not [each for each in ("True", "example.com", mistyped.number) if each in text_of(answer)]
    assert money_books() == before
    mistyped.contact.refresh_from_db()
    assert mistyped.contact.unsubscribed_at is None


def test_after_a_correction_the_page_is_not_filled_in(visitor, shopfront, mistyped):
    token = paths_in(mail_about(mistyped))["resume"].rstrip("/").rsplit("/", 1)[1]
    assert b"Ada Buyer" in visitor.get(shopfront.url, {"resume": token}).content
    correct(mistyped)
    answer = holds(visitor.get(shopfront.url, {"resume": token}))
    assert answer.status_code == 200
    assert b"Ada" not in answer.content


def test_after_a_correction_the_new_mail_opens_everything(visitor, mistyped):
    correct(mistyped)
    for name, path in paths_in(mail_about(mistyped)).items():
        assert visitor.get(path).status_code in (200, 302), name


def test_a_mail_that_left_after_the_correction_is_still_one_to_the_old_address(visitor, mistyped):
    mail = mail_about(mistyped)
    correct(mistyped)
    assert visitor.get(paths_in(mail)["order"]).status_code == 410
