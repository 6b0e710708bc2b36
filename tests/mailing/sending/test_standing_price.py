"""A mail says the price that its button leads to: that of the standing order, where it is better than today's (promise 3)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core import mail as django_mail

from tests.mailing.making import make_template, queue_one
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.reasons import sentence
from wagtail_kwiga.mailing.sending import outbox
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db

STILL = [
    ("text", {"text": "<p>Still {{ price.after }}</p>"}),
    ("button", {"label": "Go on", "where": "resume", "url": ""}),
]
SOON = after(minutes=1)


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


def without_coupon(order: m.Order | None, contact: m.Contact, offer: m.Offer, total: str = "120", purpose="recovery"):
    """A mail that says what it costs, and carries no coupon."""
    money = Money(Decimal(total), "EUR")
    situation = Situation(
        contact=contact, order=order, offer=offer, site=None, language="en", now=START,
        quote_before=money, quote_after=money,
    )  # fmt: skip
    template = make_template(STILL, preheader="", subject="Hello", kind="service")
    version = versions.for_template(template, "en", now=START)
    return outbox.queue(key="one", purpose=purpose, version=version, situation=situation, now=START)


def raise_price(offer, to=200):
    m.Offer.objects.filter(pk=offer.pk).update(amount=to)


def test_a_raised_price_does_not_concern_whoever_has_ordered_already(outgoing):
    contact, offer = make_contact(), make_offer()
    without_coupon(order_for(contact, offer), contact, offer)
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1)
    assert "Still €120.00" in outgoing[0].body


def test_once_the_order_no_longer_binds_the_mail_says_todays_price(outgoing):
    contact, offer = make_contact(), make_offer()
    order = order_for(contact, offer)
    without_coupon(order, contact, offer)
    raise_price(offer)
    m.Order.objects.filter(pk=order.pk).update(price_holds_until=SOON)
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    assert "Still €200.00" in outgoing[0].body


def test_a_newer_order_of_the_purchase_is_the_one_that_stands(outgoing):
    """Told 100; since then superseded at 120, and the price raised to 200."""
    contact, offer = make_contact(), make_offer(amount="100.00")
    order = order_for(contact, offer)
    without_coupon(order, contact, offer, "100")
    raise_price(offer, 120)
    offer.refresh_from_db()
    order_for(contact, offer, now=START)
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    assert "Still €120.00" in outgoing[0].body


def test_an_order_for_another_offer_binds_to_nothing_here(outgoing):
    contact, offer = make_contact(), make_offer()
    order = order_for(contact, offer)
    product = m.Product.objects.get(offer_products__offer=offer)
    without_coupon(order, contact, offer)
    order_for(contact, make_offer(product, amount="90.00"))
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    assert "Still €200.00" in outgoing[0].body


def test_a_mail_about_no_order_leads_its_reader_to_no_dearer_one_either(outgoing):
    """It names an offer; its reader has a standing order for that at 120.00."""
    contact, offer = make_contact(), make_offer()
    order_for(contact, offer)
    mail = without_coupon(None, contact, offer, purpose="scenario")
    raise_price(offer)
    assert mail.promised_offer_id == offer.pk
    assert deliver_due(SOON) == DeliverySummary(sent=1)
    assert "Still €120.00" in outgoing[0].body


def test_what_stands_in_a_slot_of_its_own_is_not_meant(outgoing):
    contact, offer = make_contact(), make_offer()
    order_for(contact, offer, slot="second-child")
    without_coupon(None, contact, offer, purpose="scenario")
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    assert "Still €200.00" in outgoing[0].body


def test_a_discount_that_costs_more_than_what_stands_is_not_offered(outgoing):
    """84.00 with 30 % stands; the mail would speak of 15 % and of 102.00, and its button lead to paying 84.00."""
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    order = order_for(contact, offer, coupon=make_coupon(percent="30"))
    mail = queue_one(contact, order=order, coupon=make_coupon())
    assert deliver_due(SOON) == DeliverySummary(cancelled=1)
    mail.refresh_from_db()
    assert (mail.why, outgoing) == ("cheaper_order", [])
    assert sentence(mail.why) == "The person's open order costs less than what this mail would offer."


def test_a_button_that_only_carries_a_coupon_says_nothing_untrue(outgoing):
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    order = order_for(contact, offer, coupon=make_coupon(percent="30"))
    template = make_template(STILL[1:], preheader="", subject="Hello")
    queue_one(contact, order=order, coupon=make_coupon(), template=template)
    assert deliver_due(SOON) == DeliverySummary(sent=1)


def test_a_discount_that_is_better_than_what_stands_is_offered(outgoing):
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    order = order_for(contact, offer, coupon=make_coupon(percent="10"))
    queue_one(contact, order=order, coupon=make_coupon())
    assert deliver_due(SOON) == DeliverySummary(sent=1)
    assert "€102.00" in outgoing[0].body


def test_the_place_of_the_standing_coupon_went_to_somebody_else(outgoing):
    """What stood at 84.00 cannot be paid at that any more; the discount of the mail is the best there is."""
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    order = order_for(contact, offer, coupon=make_coupon(percent="30"))
    m.CouponUse.objects.update(state="released")
    queue_one(contact, order=order, coupon=make_coupon())
    assert deliver_due(SOON) == DeliverySummary(sent=1)
