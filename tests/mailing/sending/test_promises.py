"""What a mail promises stands in columns, and is compared with the checkout's answer right before it leaves (promise 5)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from wagtail import hooks as wagtail_hooks

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import hooks
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import rules
from wagtail_kwiga.formatting.instants import moment_for_mail
from wagtail_kwiga.mailing.reasons import sentence
from wagtail_kwiga.mailing.sending import outbox, promises
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db

DAY = after(hours=24)


@pytest.fixture(autouse=True)
def outgoing():
    django_mail.outbox = []
    return django_mail.outbox


@pytest.fixture
def promised():
    """15 % off 120.00 EUR for a day, by a membership that ends with it. The order that it is about binds to no price any more
    (one that does is in ``test_standing_price``)."""
    come_back, contact = make_list(), make_contact(name="Ada Lovelace")
    coupon = make_coupon(lists=[come_back])
    lists.add(come_back, contact, until=DAY, source="run:1", now=START)
    mail = queue_one(contact, coupon=coupon, not_after=after(hours=12))
    bind_no_longer()
    return mail


def bind_no_longer():
    m.Order.objects.update(price_holds_until=START)


def rebuilt(mail):
    mail.refresh_from_db()
    return mail.promised_total, mail.promised_currency, mail.promised_until, mail.rebuilt_at


# --- when it is queued -----------------------------------------------------------------------------------------------------


def test_what_is_written_down(promised):
    assert (promised.promised_offer_id, promised.promised_coupon.code) == (
        promised.order.offer_id,
        promised.context["coupon.code"],
    )
    assert rebuilt(promised) == (Decimal("102.0000"), "EUR", DAY, None)


@pytest.mark.parametrize(
    ("purpose", "blocks"),
    [
        ("receipt", None),
        ("test", None),
        ("scenario", [("text", {"text": "<p>Thank you, {{ contact.first_name }}</p>"})]),
    ],
)
def test_what_promises_nothing(purpose, blocks):
    given = {"preheader": "", "subject": "Hello"} if blocks else {}
    mail = queue_one(purpose=purpose, template=make_template(blocks, **given))
    assert (mail.promised_offer, mail.promised_coupon, mail.promised_total) == (None, None, None)


def test_a_button_alone_promises_the_offer_and_no_price():
    blocks = [("button", {"label": "Go on", "where": "resume", "url": ""})]
    mail = queue_one(template=make_template(blocks, preheader="", subject="Hello"), coupon=make_coupon())
    assert mail.promised_offer_id == mail.order.offer_id
    assert mail.promised_coupon is not None  # the button carries it


# --- equal or better: as frozen ----------------------------------------------------------------------------------------------


def _offer(**changes):
    return lambda mail: m.Offer.objects.filter(pk=mail.promised_offer_id).update(**changes)


def _coupon(**changes):
    return lambda mail: m.Coupon.objects.filter(pk=mail.promised_coupon_id).update(**changes)


def _membership(until):
    return lambda mail: m.ListMembership.objects.filter(contact=mail.contact).update(until=until)


@pytest.mark.parametrize(
    "change",
    [lambda mail: None, _offer(amount=100), _coupon(percent=30), _membership(after(days=9)), _membership(None)],
    ids=["as it was", "cheaper", "more off", "longer", "without end"],
)
def test_equal_or_better_goes_as_frozen(promised, change, outgoing):
    change(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)
    assert "€102.00" in outgoing[0].body
    assert rebuilt(promised)[-1] is None


# --- worse, but something holds: rewritten once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "total", "shown"),
    [
        (_coupon(percent=10), "108", "€108.00"),
        (_offer(amount=200), "170", "€170.00"),
        (_offer(currency="PLN", amount=120), "102", "PLN"),
    ],
    ids=["less off", "dearer", "another currency"],
)
def test_a_worse_price_is_told_as_it_is(promised, change, total, shown, outgoing):
    change(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1)
    assert shown in outgoing[0].body and "€102.00" not in outgoing[0].body
    assert rebuilt(promised)[0] == Decimal(total) and promised.rebuilt_at == after(minutes=1)
    assert m.TimelineEntry.objects.filter(code="mailing.rebuilt").count() == 1


@pytest.mark.parametrize(
    "change",
    [_coupon(valid_until=after(hours=20)), _membership(after(hours=20)), _offer(sales_until=after(hours=20))],
    ids=["the coupon ends sooner", "membership shortened", "the sale ends sooner"],
)
def test_an_end_that_moved_closer_is_told_as_it_is(promised, change, outgoing):
    change(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1)
    told = moment_for_mail(after(hours=20), "en")
    assert told in outgoing[0].body and moment_for_mail(DAY, "en") not in outgoing[0].body
    assert rebuilt(promised)[2] == after(hours=20)


def test_with_less_than_half_of_the_time_left_it_is_missed(promised, outgoing):
    _membership(after(hours=12))(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(missed=1)
    promised.refresh_from_db()
    assert (promised.why, outgoing) == ("too_late", [])


def test_a_second_change_for_the_worse_is_one_too_many(promised, outgoing):
    """The mail server is down in between, so that the mail is asked a third time."""
    _coupon(percent=10)(promised)
    m.OutgoingEmail.objects.update(rebuilt_at=after(minutes=1))
    assert deliver_due(after(minutes=2)) == DeliverySummary(missed=1)
    promised.refresh_from_db()
    assert (promised.why, outgoing) == ("worse_again", [])


def test_sending_again_asks_again(promised, outgoing):
    m.OutgoingEmail.objects.update(status="failed")
    promised.refresh_from_db()
    _offer(state="withdrawn")(promised)
    outbox.settle(promised, "send_again", now=after(minutes=5))
    assert deliver_due(after(minutes=5)) == DeliverySummary(missed=1)
    promised.refresh_from_db()
    assert promised.why == "promise_over: not_for_sale"
    assert sentence(promised.why) == "What it promises no longer holds. The offer is not for sale at present."


def test_a_mail_without_a_coupon_is_asked_too(outgoing):
    """Its button leads to the page: to an offer that is for sale, at the price it says."""
    blocks = [
        ("text", {"text": "<p>Still {{ price.before }}</p>"}),
        ("button", {"label": "Go on", "where": "resume", "url": ""}),
    ]
    template = make_template(blocks, preheader="", subject="Hello")
    withdrawn, dearer = queue_one(template=template), queue_one(template=template)
    bind_no_longer()
    for mail, total in ((withdrawn, 120), (dearer, 120)):
        m.OutgoingEmail.objects.filter(pk=mail.pk).update(
            promised_coupon=None, promised_total=total, promised_until=None
        )
    _offer(state="withdrawn")(withdrawn)
    _offer(amount=200)(dearer)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1, missed=1)
    assert "Still €200.00" in outgoing[0].body


def test_a_sites_own_price_is_the_one_that_counts(promised, outgoing):
    """The hook looks at what was not read for everybody: the title."""

    def dearer(draft):
        return dataclasses.replace(draft, list_price=Money(Decimal(len(draft.offer.title) * 100), "EUR"))

    with wagtail_hooks.register_temporarily("construct_kwiga_quote", dearer):
        assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1)
    assert rebuilt(promised)[0] == Decimal(len("Watercolour") * 85)


# --- the comparison alone ----------------------------------------------------------------------------------------------------------

TOLD = m.OutgoingEmail(
    promised_total=Decimal(102), promised_currency="EUR", promised_until=DAY, queued_at=START,
)  # fmt: skip
OK = rules.Verdict(rules.Reason.OK, DAY)


@pytest.mark.parametrize(
    ("given", "kept", "is_worse", "why"),
    [
        ({}, True, False, ""),
        ({"total": Money(Decimal("102.01"), "EUR")}, False, True, ""),
        ({"total": Money(Decimal("101.99"), "EUR")}, True, False, ""),
        ({"total": Money(Decimal(50), "USD")}, False, True, ""),
        ({"coupon": rules.Verdict(rules.Reason.OK, DAY - dt.timedelta(seconds=1))}, False, True, ""),
        ({"coupon": rules.Verdict(rules.Reason.OK, DAY + dt.timedelta(seconds=1))}, True, False, ""),
        ({"coupon": rules.Verdict(rules.Reason.OK)}, True, False, ""),
        ({"coupon": rules.Verdict(rules.Reason.OK, after(hours=12))}, False, False, "too_late"),
        ({"coupon": rules.Verdict(rules.Reason.OK, after(hours=12, minutes=1))}, False, True, ""),
        ({"coupon": rules.Verdict(rules.Reason.USED_UP)}, False, False, "promise_over: coupon_used_up"),
        ({"not_for_sale": "over"}, False, False, "promise_over: not_for_sale"),
    ],
)
def test_judging(given, kept, is_worse, why):
    asked = {"not_for_sale": "", "coupon": OK, "total": Money(Decimal(102), "EUR"), "now": after(minutes=1)} | given
    judgement = promises.judge(TOLD, **asked)
    assert (judgement.kept, judgement.is_worse, judgement.why) == (kept, is_worse, why)


# --- what it costs -------------------------------------------------------------------------------------------------------------------


def test_what_a_promise_costs():
    """Nothing, as long as the site makes no prices of its own; here the example does, and may look at whole rows."""
    assert hooks.has_listeners("construct_kwiga_quote")
    settings_of_default_site(promo_mails_per_day=0)
    contact = make_contact()
    order = order_for(contact, make_offer(coupon_mode="any"))
    to_pay = [("button", {"label": "Pay", "where": "pay", "url": ""})]
    plain = make_template(to_pay, preheader="", subject="Hello")
    costs = []
    for template in (plain, make_template()):
        queue_one(contact, order=order, template=template, coupon=make_coupon())
        deliver_due(START)
        queue_one(contact, order=order, template=template, coupon=make_coupon())
        with CaptureQueriesContext(connection) as captured:
            assert deliver_due(START).sent == 1
        costs.append(len([query for query in captured if "SAVEPOINT" not in query["sql"]]))
    assert costs[1] == costs[0] + 2


# --- what a mail says beside the price ---------------------------------------------------------------------------------------------


def test_a_code_that_was_renamed_is_told_as_it_is(promised, outgoing):
    told = promised.context["coupon.code"]
    _coupon(code="SPRING")(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1)
    assert "SPRING" in outgoing[0].body and told not in outgoing[0].body


@pytest.mark.parametrize(
    "discount",
    [
        {"percent": Decimal(10)},
        {"kind": "fixed", "percent": None, "amount": Decimal(15), "currency": "EUR"},
    ],
    ids=["fewer percent", "an amount"],
)
def test_a_smaller_discount_is_told_as_it_is_although_the_price_is_lower(promised, discount, outgoing):
    """15 % off 120.00 was told, which is 102.00. Now it is 10 % off 110.00: a better price, and no 15 %."""
    _coupon(**discount)(promised)
    _offer(amount=110)(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1, later=1)
    assert "15%" not in outgoing[0].body and "€110.00" in outgoing[0].body


def test_a_larger_discount_goes_as_frozen_although_the_price_is_higher(promised):
    """35 % off 130.00 is 84.50."""
    _coupon(percent=35)(promised)
    _offer(amount=130)(promised)
    assert deliver_due(after(minutes=1)) == DeliverySummary(sent=1)


# --- whatever changed, and however the mail comes to be handed over -------------------------------------------------------------------


def _limited_to_another_offer(mail):
    mail.promised_coupon.offers.set([make_offer()])


def _taken_off_the_list(mail):
    m.ListMembership.objects.update(removed_at=after(minutes=1))


def _given_back(mail):
    """A worker died over its lease."""
    m.OutgoingEmail.objects.update(status="leased", lease="dead", leased_until=after(minutes=2))


def _tried_again(mail):
    """The mail server asked to come back later."""
    m.OutgoingEmail.objects.update(attempts=2, why="not_now", due_at=after(minutes=5))


def _sent_again(mail):
    m.OutgoingEmail.objects.update(status="unknown", sending_at=START)
    outbox.settle(m.OutgoingEmail.objects.get(pk=mail.pk), "send_again", now=after(minutes=5))


@pytest.mark.parametrize("way", [lambda mail: None, _given_back, _tried_again, _sent_again],
                         ids=["for the first time", "lease taken over", "tried again", "sent again"])  # fmt: skip
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda mail: mail.promised_coupon.delete(), "coupon_unknown"),
        (_coupon(is_active=False), "coupon_inactive"),
        (_coupon(valid_from=after(hours=1)), "coupon_not_yet"),
        (_coupon(valid_until=after(minutes=1)), "coupon_expired"),
        (_coupon(limit_total=1, used_count=1), "coupon_used_up"),
        (_limited_to_another_offer, "coupon_wrong_offer"),
        (_taken_off_the_list, "coupon_ended_for_you"),
        (_offer(coupon_mode="none"), "coupon_offer_takes_none"),
        (_offer(coupon_mode="only"), "coupon_offer_takes_others"),
        (_offer(state="withdrawn"), "not_for_sale"),
        (_offer(sales_until=after(minutes=1)), "not_for_sale"),
        (_offer(sales_from=after(hours=1)), "not_for_sale"),
    ],
)
def test_what_no_longer_holds_is_not_told(promised, change, why, way, outgoing):
    change(promised)
    way(promised)
    assert deliver_due(after(minutes=5)) == DeliverySummary(missed=1)
    promised.refresh_from_db()
    assert (promised.why, outgoing) == (f"promise_over: {why}", [])
