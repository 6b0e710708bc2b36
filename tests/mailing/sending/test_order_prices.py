"""What a mail says of an unpaid order's price is what whoever follows it is asked for, or it does not leave (promise 5)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core import mail as django_mail

from tests.mailing.making import make_template, queue_one
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.reasons import sentence
from wagtail_kwiga.mailing.sending import order_mails, outbox
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.offers import order_reminder
from wagtail_kwiga.orders import transitions

pytestmark = pytest.mark.django_db

SOON = after(minutes=1)
PAY = ("button", {"label": "Pay now", "where": "pay", "url": ""})
STILL = [("text", {"text": "<p>Still {{ order.total }}</p>"}), PAY]


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


@pytest.fixture
def offer():
    return make_offer(coupon_mode="any")


@pytest.fixture
def order(offer):
    return order_for(make_contact(), offer)


def remind(order, blocks=STILL, *, purpose="recovery"):
    """A scenario's mail about an order, without a coupon."""
    situation = Situation(
        contact=order.contact, order=order, offer=order.offer, site=None, language="en", now=START,
        quote_before=order.list_price, quote_after=order.total,
    )  # fmt: skip
    template = make_template(blocks, preheader="", subject="Hello", kind="service")
    version = versions.for_template(template, "en", now=START)
    return outbox.queue(key="one", purpose=purpose, version=version, situation=situation, now=START)


def raise_price(offer, to=200):
    m.Offer.objects.filter(pk=offer.pk).update(amount=to)


def binds_no_longer(order):
    m.Order.objects.filter(pk=order.pk).update(price_holds_until=SOON)


def end_sale(offer):
    m.Offer.objects.filter(pk=offer.pk).update(state="withdrawn")


def why(mail):
    mail.refresh_from_db()
    return mail.status, mail.why


# --- what a scenario says of an order -----------------------------------------------------------------------------------------


def test_it_is_written_down_as_promised(order):
    mail = remind(order)
    assert (mail.promised_offer_id, mail.promised_total, mail.promised_currency) == (order.offer_id, 120, "EUR")


@pytest.mark.parametrize("purpose", ["recovery", "scenario"])
def test_a_price_that_stands_is_told_whatever_the_offer_costs_by_now(order, offer, outgoing, purpose):
    remind(order, purpose=purpose)
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1)
    assert "Still €120.00" in outgoing[0].body


def test_it_is_told_though_the_offer_is_not_for_sale_any_more(order, offer):
    remind(order)
    end_sale(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1)


@pytest.mark.parametrize(
    "blocks",
    [
        STILL,
        [("order_summary", {"title": ""}), PAY],
        [("order_details", {"title": ""}), PAY],
        [("how_to_pay", {"title": ""})],
        [("order_summary", {"title": ""}), ("button", {"label": "Go on", "where": "resume", "url": ""})],
    ],
    ids=["typed", "summary", "in full", "how to pay", "summary and offer page"],
)
@pytest.mark.parametrize("purpose", ["recovery", "scenario"])
def test_a_price_that_no_longer_stands_is_not_told(order, offer, outgoing, blocks, purpose):
    mail = remind(order, blocks, purpose=purpose)
    binds_no_longer(order)
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail) == ("missed", "promise_over: order_price")
    assert sentence(mail.why) == "What it promises no longer holds. The price of this order no longer holds."
    assert outgoing == []


def test_nor_that_of_an_order_that_a_dearer_one_replaced(order, offer):
    """The link to pay leads to the newer one."""
    mail = remind(order)
    raise_price(offer, 150)
    offer.refresh_from_db()
    order_for(order.contact, offer, now=START)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail)[1] == "promise_over: order_price"


def test_nor_where_another_plan_replaced_it(order, offer):
    """The link leads to paying that; the offer of the mail costs as much as ever."""
    mail = remind(order)
    product = m.Product.objects.get(offer_products__offer=offer)
    order_for(order.contact, make_offer(product, amount="300.00"), now=START)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail)[1] == "promise_over: order_price"


def test_an_order_that_binds_no_longer_may_be_named_where_today_costs_no_more(order):
    remind(order)
    binds_no_longer(order)
    assert deliver_due(SOON) == DeliverySummary(sent=1)


def test_not_where_it_cannot_be_ordered_anew(order, offer):
    mail = remind(order)
    binds_no_longer(order)
    end_sale(offer)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail)[1] == "promise_over: not_for_sale"


def test_a_discount_beside_it_counts(order, offer):
    """Ordered at 120.00; the mail offers 15 % off 140.00, which is 119.00."""
    blocks = [("order_summary", {"title": ""}), ("coupon_card", {"title": ""})]
    mail = queue_one(order.contact, order=order, template=make_template(blocks, preheader=""), coupon=make_coupon())
    binds_no_longer(order)
    raise_price(offer, 140)
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    mail.refresh_from_db()
    assert mail.promised_total == Decimal(119)


def test_a_day_to_pay_by_that_is_over_is_not_told(order):
    """Today costs as much; but the mail says until when."""
    mail = remind(order, [("how_to_pay", {"title": ""})])
    binds_no_longer(order)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail)[1] == "promise_over: order_price"


def test_what_is_paid_says_what_it_was_paid_at(order, offer):
    books_receive(order, "120.00", now=START)
    m.OutgoingEmail.objects.all().delete()
    order.refresh_from_db()
    mail = remind(order, purpose="scenario")
    binds_no_longer(order)
    raise_price(offer)
    assert mail.promised_offer is None
    assert deliver_due(SOON) == DeliverySummary(sent=1)


def test_paid_meanwhile_it_is_no_promise_either(order, offer):
    remind(order, purpose="scenario")
    books_receive(order, "120.00", now=START)
    m.OutgoingEmail.objects.exclude(key="one").delete()
    binds_no_longer(order)
    raise_price(offer)
    assert deliver_due(SOON) == DeliverySummary(sent=1)


# --- an end where there was none ---------------------------------------------------------------------------------------------


def test_a_coupon_that_is_given_an_end_is_told_with_it(offer):
    coupon = make_coupon()
    blocks = [("text", {"text": '<p>{{ coupon.size }} off {{ coupon.valid_until | default: "for good" }}</p>'})]
    order = order_for(make_contact(), offer)
    binds_no_longer(order)
    template = make_template(blocks, preheader="")
    version = versions.for_template(template, "en", now=START)
    situation = Situation(
        contact=order.contact, order=order, site=None, language="en", now=START, coupon=coupon,
        quote_before=order.total, quote_after=order.total,
    )  # fmt: skip
    mail = outbox.queue(key="one", purpose="recovery", version=version, situation=situation, now=START)
    assert mail.promised_until is None and "for good" not in mail.context["coupon.valid_until"]
    m.Coupon.objects.update(valid_until=after(hours=30))
    assert deliver_due(SOON) == DeliverySummary(sent=1, later=1)
    mail.refresh_from_db()
    assert mail.promised_until == after(hours=30)
    assert mail.context["coupon.valid_until"]


# --- order received, payment failed -----------------------------------------------------------------------------------------


def received(order):
    return order_mails.order_received(order_mails.read(order.pk), START)


def test_order_received_too_late_to_pay_at_its_price_needs_a_person(order):
    mail = received(order)
    binds_no_longer(order)
    assert deliver_due(SOON) == DeliverySummary(missed=1)
    assert why(mail) == ("missed", "too_late")
    assert m.TimelineEntry.objects.filter(code="mailing.missed", needs_attention=True).count() == 1


def test_order_received_does_not_ask_for_what_is_paid_in_part_by_now(order, outgoing):
    """It says 120.00, and 70.00 are left."""
    mail = received(order)
    books_receive(order, "50.00", now=START)
    deliver_due(SOON)
    assert why(mail) == ("missed", "too_late")
    assert not any("€120.00" in message.body for message in outgoing)


def test_as_long_as_it_can_be_paid_it_is_told(order):
    received(order)
    assert deliver_due(after(days=6)) == DeliverySummary(sent=1)


# --- somebody orders with the address of an order that waits ---------------------------------------------------------------------


def reminder(order):
    mail = order_reminder.tell_the_buyer(order.pk, START)
    assert mail is not None
    return mail


def test_an_order_that_waits_is_told_of(order, offer):
    raise_price(offer)
    reminder(order)
    assert deliver_due(SOON) == DeliverySummary(sent=1)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lambda order: transitions.cancel(order, now=START), "order_over"),
        (lambda order: books_receive(order, "120.00", now=START), "paid"),
        (lambda order: transitions.start_processing(order, now=START), "payment_moved_on"),
        (lambda order: binds_no_longer(order), "price_over"),
        (lambda order: raise_price(order.offer, 120), "price_over"),
    ],
    ids=["cancelled", "paid", "under way", "binds no longer", "no better than today"],
)
def test_an_order_that_waits_no_longer_is_not_told_of(order, offer, happens, reason, outgoing):
    raise_price(offer)
    mail = reminder(order)
    happens(order)
    m.OutgoingEmail.objects.exclude(pk=mail.pk).delete()
    assert deliver_due(SOON) == DeliverySummary(cancelled=1)
    assert why(mail) == ("cancelled", reason)
    assert sentence(reason) != reason
    assert outgoing == []


def test_part_of_it_paid_the_rest_is_told_of_until_it_is_paid(order):
    books_receive(order, "50.00", now=START)
    mail = reminder(order)
    books_receive(order, "70.00", now=START)
    m.OutgoingEmail.objects.exclude(pk=mail.pk).delete()
    assert deliver_due(SOON) == DeliverySummary(cancelled=1)
    assert why(mail) == ("cancelled", "paid")


def test_what_is_owned_no_longer_is_not_told_as_owned(order):
    books_receive(order, "120.00", now=START)
    m.OutgoingEmail.objects.all().delete()
    order.refresh_from_db()
    mail = order_reminder.tell_the_owner(order, START)
    m.AccessGrant.objects.update(revoked_at=START)
    assert deliver_due(SOON) == DeliverySummary(cancelled=1)
    assert why(mail) == ("cancelled", "access_closed")
