"""Who holds a promise that a change would break (promise 5): counted before it is made, and ended knowingly."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core import mail as django_mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.mailing.making import queue_one
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.mailing.sending.delivery import deliver_due
from wagtail_kwiga.mailing.sending.unexpired_promises import CouponState, OfferState
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db

DAY = after(hours=24)
SOON = after(minutes=5)
TOLD = (Money(Decimal(102), "EUR"), DAY)


@pytest.fixture
def mail():
    """15 % off 120.00 EUR until tomorrow, told to one person, who is on the list of the coupon for as long."""
    django_mail.outbox = []
    come_back, contact = make_list(), make_contact(name="Ada Lovelace")
    lists.add(come_back, contact, until=DAY, source="run:1", now=START)
    told = queue_one(contact, coupon=make_coupon("COMEBACK15", lists=[come_back]))
    assert deliver_due(START).sent == 1
    return m.OutgoingEmail.objects.get(pk=told.pk)


def broken_by_coupon(mail, lists_=None, offers=None, **changes):
    before = CouponState.saved(mail.promised_coupon_id)
    coupon = copy.copy(before.coupon)
    for name, value in changes.items():
        setattr(coupon, name, value)
    tied = before.list_ids if lists_ is None else frozenset(lists_)
    return unexpired_promises.of_coupon(before, CouponState(coupon, tied, frozenset(offers or ())), SOON)


def broken_by_offer(mail, named=(), **changes):
    before = OfferState.saved(m.Offer.objects.get(pk=mail.promised_offer_id))
    offer = copy.copy(before.offer)
    for name, value in changes.items():
        setattr(offer, name, value)
    return unexpired_promises.of_offer(before, OfferState(offer, frozenset(named)), SOON)


def told_of(broken):
    return [(one.people, one.total, one.until) for one in broken.told]


@pytest.mark.parametrize(
    "changes",
    [
        {"percent": Decimal(10)},
        {"kind": "fixed", "percent": None, "amount": Decimal(15), "currency": "EUR"},
        {"kind": "fixed", "percent": None, "amount": Decimal(50), "currency": "PLN"},
        {"is_active": False},
        {"code": "OTHER"},
        {"valid_from": after(hours=1)},
        {"valid_until": after(hours=23)},
        {"valid_until": START},
        {"limit_total": 0},
        {"offers": [0]},
    ],
    ids=str,
)
def test_what_breaks_the_promise_of_a_coupon(mail, changes):
    assert told_of(broken_by_coupon(mail, **changes)) == [(1, *TOLD)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"percent": Decimal(20)},
        {"kind": "fixed", "percent": None, "amount": Decimal(18), "currency": "EUR"},
        {"code": "comeback15"},
        {"note": "spring"},
        {"valid_from": START},
        {"valid_until": DAY},
        {"limit_total": 1},
        {"lists_": []},
    ],
    ids=str,
)
def test_a_change_that_makes_nothing_worse_breaks_nothing(mail, changes):
    assert not broken_by_coupon(mail, **changes)


def test_for_another_list_means_for_other_people(mail):
    other = make_list("Others")
    assert told_of(broken_by_coupon(mail, lists_=[other.pk])) == [(1, *TOLD)]
    lists.add(other, mail.contact, until=after(hours=23), source="staff", now=START)
    assert broken_by_coupon(mail, lists_=[other.pk])
    lists.add(other, mail.contact, until=DAY, source="staff 2", now=START)
    assert not broken_by_coupon(mail, lists_=[other.pk])


def test_taking_people_off_a_list_breaks_what_it_opens_for_them(mail):
    (link,) = mail.promised_coupon.list_links.all()
    others = [make_contact().pk, make_contact().pk]
    broken = unexpired_promises.of_taking_off(link.contact_list_id, [mail.contact_id, *others], SOON)
    assert told_of(broken) == [(1, *TOLD)]
    assert not unexpired_promises.of_taking_off(link.contact_list_id, others, SOON)
    assert not unexpired_promises.of_taking_off(make_list("Other").pk, [mail.contact_id], SOON)


@pytest.mark.parametrize(
    ("until", "breaks"), [(None, False), (DAY, False), (after(hours=23), True)], ids=["for good", "as long", "shorter"]
)
def test_not_where_another_list_opens_it_for_as_long(mail, until, breaks):
    (link,) = mail.promised_coupon.list_links.all()
    other = make_list("Other")
    m.CouponListLimit.objects.create(coupon=mail.promised_coupon, contact_list=other)
    lists.add(other, mail.contact, until=until, source="staff", now=START)
    assert bool(unexpired_promises.of_taking_off(link.contact_list_id, [mail.contact_id], SOON)) is breaks


@pytest.mark.parametrize(
    "make_void",
    [
        lambda mail: m.Coupon.objects.update(is_active=False),
        lambda mail: m.ListMembership.objects.update(until=after(minutes=4)),
        lambda mail: m.OutgoingEmail.objects.update(promise_ended_at=SOON),
    ],
    ids=["not active", "membership over", "ended before"],
)
def test_what_holds_no_more_is_not_broken_by_taking_off(mail, make_void):
    (link,) = mail.promised_coupon.list_links.all()
    make_void(mail)
    assert not unexpired_promises.of_taking_off(link.contact_list_id, [mail.contact_id], SOON)


def test_whoever_holds_a_place_keeps_it_when_the_limit_is_lowered(mail):
    m.CouponUse.objects.create(coupon=mail.promised_coupon, contact=mail.contact, reserved_at=START, reserved_until=DAY)
    assert not broken_by_coupon(mail, limit_total=0)


def test_fewer_uses_for_each_concern_those_who_have_had_as_many(mail):
    m.Coupon.objects.update(limit_per_contact=3)
    use = {"coupon": mail.promised_coupon, "reserved_at": START, "reserved_until": DAY, "state": "redeemed"}
    for _ in range(2):
        m.CouponUse.objects.create(contact=mail.contact, **use)
    assert broken_by_coupon(mail, limit_per_contact=2)
    m.CouponUse.objects.last().delete()
    assert not broken_by_coupon(mail, limit_per_contact=2)


def test_a_coupon_that_is_deleted(mail):
    before = CouponState.saved(mail.promised_coupon_id)
    assert told_of(unexpired_promises.of_coupon(before, None, SOON)) == [(1, *TOLD)]


@pytest.mark.parametrize(
    ("changes", "breaks"),
    [
        ({"amount": Decimal(130)}, True),
        ({"amount": Decimal(110)}, False),
        ({"currency": "USD"}, True),
        ({"coupon_mode": "none"}, True),
        ({"coupon_mode": "only"}, True),
        ({"sales_until": after(hours=23)}, True),
        ({"sales_until": DAY}, False),
        ({"sales_from": after(hours=1)}, True),
        ({"state": "withdrawn"}, True),
        ({"title": "Another"}, False),
    ],
    ids=str,
)
def test_what_breaks_the_promises_about_an_offer(mail, changes, breaks):
    assert told_of(broken_by_offer(mail, **changes)) == ([(1, *TOLD)] if breaks else [])


def test_an_offer_that_names_the_coupon_takes_it(mail):
    assert not broken_by_offer(mail, coupon_mode="only", named=[mail.promised_coupon_id])


def test_what_does_not_hold_as_it_is_cannot_be_broken(mail):
    m.Coupon.objects.update(is_active=False)
    assert not broken_by_coupon(mail, percent=Decimal(1))
    m.Offer.objects.update(state="withdrawn")
    assert not broken_by_offer(mail, amount=Decimal(500))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "queued"}, {"status": "missed"}, {"promised_until": SOON}, {"promise_ended_at": SOON},
    ],
    ids=str,
)  # fmt: skip
def test_what_was_not_told_or_is_over_is_not_counted(mail, changes):
    m.OutgoingEmail.objects.update(**changes)
    assert not broken_by_coupon(mail, is_active=False)
    assert not broken_by_offer(mail, amount=Decimal(500))


def test_whoever_has_bought_is_not_counted(mail):
    m.Purchase.objects.update(paid_at=SOON)
    assert not broken_by_coupon(mail, is_active=False)


def test_a_mail_that_may_have_arrived_counts(mail):
    m.OutgoingEmail.objects.update(status="unknown")
    assert broken_by_coupon(mail, is_active=False)


def test_ending_them_says_by_whom_and_touches_no_others(mail):
    boss = User.objects.create_user("boss")
    other = queue_one(make_contact(), coupon=make_coupon("OTHER"))
    m.OutgoingEmail.objects.filter(pk=other.pk).update(status="sent")
    broken = broken_by_coupon(mail, percent=Decimal(10))
    with CaptureQueriesContext(connection) as queries:
        assert broken.end(by=boss, now=SOON) == 1
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == len(queries) == 1
    mail.refresh_from_db()
    other.refresh_from_db()
    assert (mail.promise_ended_at, mail.promise_ended_by, other.promise_ended_at) == (SOON, boss, None)
    assert unexpired_promises.was_ended(mail.contact_id, mail.promised_offer_id, SOON)
    assert not unexpired_promises.was_ended(mail.contact_id, mail.promised_offer_id, DAY)
    assert not unexpired_promises.was_ended(other.contact_id, other.promised_offer_id, SOON)


def test_only_those_are_ended_that_break():
    """Two were told 102.00; one was told 108.00, which stays true with 10 %."""
    coupon = make_coupon("COMEBACK15")
    offer = make_offer(coupon_mode="any")
    mails = [queue_one(make_contact(), coupon=coupon) for _ in range(3)]
    m.OutgoingEmail.objects.update(status="sent", promised_offer=offer)
    m.OutgoingEmail.objects.filter(pk=mails[2].pk).update(promised_total=108)
    broken = broken_by_coupon(m.OutgoingEmail.objects.get(pk=mails[0].pk), percent=Decimal(10))
    assert told_of(broken) == [(2, *TOLD)]
    assert broken.people == 2 and broken.until == DAY
    assert broken.sentences().startswith("2 people were told €102.00 until March 2, 2027")
    broken.end(by=None, now=SOON)
    assert set(m.OutgoingEmail.objects.filter(promise_ended_at=None)) == {mails[2]}


def test_counting_is_one_query_and_another_for_the_prices(mail):
    m.CouponListLimit.objects.all().delete()
    for number in range(5):
        queue_one(make_contact(), coupon=mail.promised_coupon, key=f"more:{number}")
    m.OutgoingEmail.objects.update(status="sent")
    before = CouponState.saved(mail.promised_coupon_id)
    after_ = CouponState(copy.copy(before.coupon))
    after_.coupon.percent = Decimal(1)
    with CaptureQueriesContext(connection) as queries:
        assert unexpired_promises.of_coupon(before, after_, SOON).people == 6
    assert len(queries) == 2
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
            assert "kwiga_email_promised_coupon" in str(cursor.fetchall())
    m.OutgoingEmail.objects.update(promised_coupon=None)
    with CaptureQueriesContext(connection) as queries:
        assert not unexpired_promises.of_coupon(before, after_, SOON)
    assert len(queries) == 1


@pytest.mark.parametrize(
    ("total", "until", "people", "words"),
    [
        (TOLD[0], DAY, 1, "1 person was told €102.00 until March 2, 2027, 1 p.m. CET."),
        (TOLD[0], None, 23, "23 people were told €102.00."),
        (None, DAY, 2, "2 people were told of the discount until March 2, 2027, 1 p.m. CET."),
        (None, None, 1, "1 person was told of the discount."),
    ],
)
def test_in_words(total, until, people, words):
    assert unexpired_promises.Told(people, total, until).sentence().replace("\xa0", " ") == words


# --- a list ------------------------------------------------------------------------------------------------------------------


def taken_off(mail, contact_list=None):
    of = contact_list or m.ContactList.objects.get()
    return unexpired_promises.of_taking_off(of.pk, [mail.contact_id], SOON)


def test_taking_somebody_off_the_list_breaks_what_they_were_told(mail):
    come_back = m.ContactList.objects.get()
    with CaptureQueriesContext(connection) as queries:
        assert told_of(taken_off(mail, come_back)) == [(1, *TOLD)]
    assert len(queries) == 1
    assert taken_off(mail).end(by=None, now=SOON) == 1
    assert not taken_off(mail)


def test_it_breaks_nothing_of_other_people_lists_and_coupons(mail):
    come_back = m.ContactList.objects.get()
    assert not unexpired_promises.of_taking_off(come_back.pk, [make_contact("bob@example.com").pk], SOON)
    other = make_list("Others")
    lists.add(other, mail.contact, source="staff", now=START)
    assert not taken_off(mail, other)
    mail.promised_coupon.list_links.create(contact_list=other)
    assert not taken_off(mail, come_back)  # the coupon is for those of either list
    assert not taken_off(mail, other)
    lists.remove(come_back, mail.contact, now=START)
    assert told_of(taken_off(mail, other)) == [(1, *TOLD)]


@pytest.mark.parametrize(
    ("until", "breaks"), [(None, False), (DAY, False), (after(hours=23), True), (after(hours=25), False)], ids=str
)
def test_another_end_by_hand_breaks_what_was_told_where_it_is_sooner(mail, until, breaks):
    come_back = m.ContactList.objects.get()
    lists.remove(come_back, mail.contact, source="run:1", now=START)
    lists.add(come_back, mail.contact, until=DAY, now=START)
    broken = unexpired_promises.of_another_end(come_back.pk, mail.contact_id, until, SOON)
    assert bool(broken) == breaks


def test_another_end_by_hand_leaves_what_a_scenario_gave(mail):
    come_back = m.ContactList.objects.get()
    lists.add(come_back, mail.contact, until=DAY, now=START)
    assert not unexpired_promises.of_another_end(come_back.pk, mail.contact_id, after(hours=1), SOON)
