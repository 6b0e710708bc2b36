"""A mail that promises a coupon is asked once more, by the rules of the checkout, whether it still holds (promise 5)."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail

from tests.mailing.making import make_template, queue_one
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates, uses
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

#: The coupon as a link, as the engine puts it, and only as a code in the words.
LINKED = [
    ("coupon_card", {"title": "", "show_prices": False, "show_deadline": False}),
    ("button", {"label": "Go on", "where": "resume", "url": ""}),
]
NAMED = LINKED[:1]


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []


def _of_coupon(**changes):
    return lambda mail, coupon: m.Coupon.objects.filter(pk=coupon.pk).update(**changes)


def _of_offer(**changes):
    return lambda mail, coupon: m.Offer.objects.filter(pk=mail.order.offer_id).update(**changes)


def _bind_to_an_empty_list(mail, coupon):
    coupon.contact_lists.add(make_list())


def _bind_to_another_offer(mail, coupon):
    coupon.offers.add(make_offer())


def _spend_it(mail, coupon):
    uses.redeem(uses.reserve(coupon, mail.contact, until=after(hours=1), now=START), now=START)


def _let_somebody_take_the_last_place(mail, coupon):
    m.Coupon.objects.filter(pk=coupon.pk).update(limit_total=1)
    uses.reserve(coupon, make_contact(), until=after(hours=1), now=START)


def _delete_it(mail, coupon):
    m.Coupon.objects.filter(pk=coupon.pk).delete()


#: What may have happened, and what the mail then says of itself.
WORSE = {
    "inactive": (_of_coupon(is_active=False), "coupon_inactive"),
    "not yet": (_of_coupon(valid_from=after(days=1)), "coupon_not_yet"),
    "expired": (_of_coupon(valid_until=after(minutes=1)), "coupon_expired"),
    "the offer takes none": (_of_offer(coupon_mode="none"), "coupon_offer_takes_none"),
    "the offer takes others": (_of_offer(coupon_mode="only"), "coupon_offer_takes_others"),
    "for another offer": (_bind_to_another_offer, "coupon_wrong_offer"),
    "another currency": (
        _of_coupon(kind="fixed", amount=5, percent=None, currency="PLN"),
        "coupon_other_currency",
    ),
    "for people on a list": (_bind_to_an_empty_list, "coupon_other_address"),
    "used by the reader": (_spend_it, "coupon_used_by_you"),
    "used up": (_let_somebody_take_the_last_place, "coupon_used_up"),
    "gone": (_delete_it, "coupon_unknown"),
    "the offer is withdrawn": (_of_offer(state="withdrawn"), "not_for_sale"),
    "the sale is over": (_of_offer(sales_until=after(minutes=1)), "not_for_sale"),
}


def forget_the_promise(mail):
    """A row without the columns: what it promises is read out of its links and words, as of old."""
    m.OutgoingEmail.objects.filter(pk=mail.pk).update(
        promised_offer=None, promised_coupon=None, promised_total=None, promised_currency="", promised_until=None
    )


@pytest.mark.parametrize("blocks", [LINKED, NAMED], ids=["linked", "named"])
@pytest.mark.parametrize("worse", WORSE)
def test_what_the_checkout_would_refuse_is_not_promised(worse, blocks):
    coupon, template = make_coupon(), make_template(blocks, preheader="")
    mail = queue_one(template=template, coupon=coupon)
    healthy = queue_one(template=template)
    assert any(row.get("coupon") for row in mail.links.values()) is (blocks is LINKED)
    happens, why = WORSE[worse]
    happens(mail, coupon)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, missed=1)
    mail.refresh_from_db()
    healthy.refresh_from_db()
    assert (mail.status, mail.why, healthy.status) == ("missed", f"promise_over: {why}", "sent")


@pytest.mark.parametrize("blocks", [LINKED, NAMED], ids=["linked", "named"])
@pytest.mark.parametrize("worse", WORSE)
def test_a_row_without_the_columns_is_judged_by_the_old_rules(worse, blocks):
    coupon, template = make_coupon(), make_template(blocks, preheader="")
    mail, healthy = queue_one(template=template, coupon=coupon), queue_one(template=template)
    forget_the_promise(mail)
    forget_the_promise(healthy)
    WORSE[worse][0](mail, coupon)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, missed=1)
    mail.refresh_from_db()
    assert (mail.status, mail.why) == ("missed", "promise_over")


@pytest.mark.parametrize("blocks", [LINKED, NAMED], ids=["linked", "named"])
def test_the_readers_own_reservation_is_a_place_that_is_theirs(blocks):
    """The order they left holds the last place: to them the discount is still good."""
    coupon = make_coupon(limit_total=1)
    contact, offer = make_contact(), make_offer(coupon_mode="any")
    uses.reserve(coupon, contact, until=after(hours=1), now=START)
    queue_one(contact, order=order_for(contact, offer), template=make_template(blocks, preheader=""), coupon=coupon)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)


@pytest.mark.parametrize("blocks", [LINKED, NAMED], ids=["linked", "named"])
def test_a_coupon_that_is_gone_is_not_promised(blocks):
    coupon = make_coupon()
    queue_one(template=make_template(blocks, preheader=""), coupon=coupon)
    coupon.delete()
    assert deliver_due(after(minutes=1)) == DeliverySummary(missed=1)


def test_a_receipt_promises_nothing():
    coupon = make_coupon()
    queue_one(purpose="receipt", template=make_template(LINKED, preheader="", kind="service"), coupon=coupon)
    m.Coupon.objects.update(is_active=False)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)


def test_the_membership_that_ends_last_speaks_for_all():
    """Of several lists and grants: one that was taken back, one that is over, and one that goes on."""
    first, second = make_list("First"), make_list("Second")
    coupon, contact = make_coupon(lists=[first, second]), make_contact()
    lists.add(first, contact, until=after(minutes=2), source="a", now=START)
    lists.add(first, contact, source="b", now=START)
    lists.remove(first, contact, source="b", now=after(minutes=1))
    lists.add(second, contact, until=after(minutes=10), source="c", now=START)
    template = make_template(LINKED, preheader="")
    for minutes in (9, 10):
        queue_one(
            contact, template=template, coupon=coupon, coupon_until=after(minutes=10), due_at=after(minutes=minutes)
        )
    assert deliver_due(after(minutes=9)) == DeliverySummary(sent=1)
    assert deliver_due(after(minutes=10)) == DeliverySummary(missed=1)


def test_named_by_the_offer_is_as_good_as_any():
    coupon, offer, contact = make_coupon(), make_offer(coupon_mode="only"), make_contact()
    gates.name_coupons(offer, [coupon.pk])
    order = order_for(contact, offer)
    queue_one(contact, order=order, template=make_template(LINKED, preheader=""), coupon=coupon)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)
