"""The story, headless, with a given clock: an unpaid order is won back. Nothing is merged that reddens this."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core import mail

from tests.journeys.confirmations import besides_confirmations, confirmations
from tests.journeys.school import make_school, work
from tests.orders.shop import way_to_pay
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.access import policy
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.exceptions import CouponRefused
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import links, placing
from wagtail_kwiga.orders.drafts import OrderDraft
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db


@pytest.fixture
def school():
    return make_school()


def leave_unpaid(school, *, email="ada@example.com", now=after(), coupon=None, method="sandbox"):
    contact = directory.get_or_create_contact(
        email=email, name="Ada Buyer", phone="+48 600 100 200", language="en", now=now
    )
    quote = quoting.quote(offer=school.offer, coupon=coupon, contact=contact, now=now)
    draft = OrderDraft.for_offer(school.offer, contact=contact, quote=quote, method=way_to_pay(method), language="en")
    return placing.place_order(draft, now=now)


def pay(order, *, now, amount=None):
    order.refresh_from_db()
    return ledger.record_payment(order=order, amount=amount or order.outstanding, method="sandbox", now=now)


def recovery_mails():
    return m.OutgoingEmail.objects.filter(purpose="recovery", status="sent")


def resume_token(message) -> str:
    return re.search(r"/resume/([^/\s]+)/", message.body).group(1)


def test_nothing_at_29_minutes_and_one_mail_at_30(school):
    order = leave_unpaid(school)
    work(after(minutes=29))
    assert len(confirmations()) == 1
    assert not besides_confirmations()
    assert not lists.is_member(school.members, order.contact, after(minutes=29))
    work(after(minutes=30))
    work(after(minutes=31))
    assert len(besides_confirmations()) == 1
    assert lists.is_member(school.members, order.contact, after(minutes=31))


def test_the_mail_says_what_the_checkout_keeps(school):
    leave_unpaid(school)
    work(after(minutes=30))
    message = besides_confirmations()[0]
    html = message.alternatives[0][0]
    for part in (message.body, html):
        for words in ("COMEBACK15", "15%", "€120.00", "€102.00", "24 hours", "Brush &", "Quay 7", "Hello Ada"):
            assert words in part.replace("&amp;", "&").replace("\xa0", " "), words
    assert "13:30" in message.body or "1:30" in message.body  # 12:30 UTC the next day, told in Warsaw
    token = resume_token(message)
    assert token in html
    assert message.from_email == "Brush & Paper <hello@school.example>" or "hello@school.example" in message.from_email
    assert message.reply_to == ["answers@school.example"]
    headers = message.extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(r"<https?://[^>]+/unsubscribe/[^>]+>", headers["List-Unsubscribe"].split(",")[-1].strip())


def test_the_way_back_is_cheaper_and_paying_makes_silence(school):
    first = leave_unpaid(school)
    work(after(minutes=30))
    linked, payload = links.order_of(Purpose.RESUME, resume_token(besides_confirmations()[0]), after(hours=2))
    assert linked == first
    coupon = m.Coupon.objects.get(token=payload["coupon"])
    second = leave_unpaid(school, coupon=coupon, now=after(hours=2))
    assert str(second.total) == "102.00 EUR"
    pay(second, now=after(hours=2, minutes=5))
    second.refresh_from_db()
    first.refresh_from_db()
    assert (second.status, first.status) == (Status.PAID, Status.SUPERSEDED)
    assert policy.may_open(second.contact, school.product, None, after(hours=3)).state == "yes"
    assert not m.Run.objects.filter(state__in=["active", "paused"]).exists()
    work(after(hours=3))
    work(after(days=3))
    assert recovery_mails().count() == 1
    assert m.OutgoingEmail.objects.filter(purpose="receipt", status="sent").count() == 1


def test_24_hours_later_it_is_over_without_any_worker(school):
    order = leave_unpaid(school)
    work(after(minutes=30))
    last = after(minutes=30, hours=24)
    verdict = eligibility.check(
        code="comeback15", offer=school.offer, contact=order.contact, now=last - dt.timedelta(seconds=1)
    )
    assert verdict.ok
    assert verdict.until == last
    verdict = eligibility.check(code="comeback15", offer=school.offer, contact=order.contact, now=last)
    assert (verdict.ok, verdict.reason) == (False, "ended_for_you")
    with pytest.raises(CouponRefused):
        quoting.quote(offer=school.offer, coupon=school.coupon, contact=order.contact, now=last)
    work(last)
    assert m.Run.objects.get().state == "completed"
    assert not m.ListMembership.objects.filter(removed_at__isnull=True).exists()


def test_a_stranger_is_told_it_was_made_for_another_address(school):
    leave_unpaid(school)
    work(after(minutes=30))
    stranger = directory.get_or_create_contact(email="eve@example.com", now=after(hours=1))
    verdict = eligibility.check(code="COMEBACK15", offer=school.offer, contact=stranger, now=after(hours=1))
    assert (verdict.ok, verdict.reason) == (False, "other_address")
    assert "another address" in str(verdict.message)


def test_code_and_address_typed_work_without_the_link(school):
    leave_unpaid(school)
    work(after(minutes=30))
    order = leave_unpaid(school, email=" ADA@example.COM ", coupon=school.coupon, now=after(hours=1))
    assert str(order.total) == "102.00 EUR"


def test_paid_at_minute_29_means_no_mail_ever(school):
    order = leave_unpaid(school)
    pay(order, now=after(minutes=29))
    for moment in (after(minutes=30), after(hours=1), after(days=2)):
        work(moment)
    assert not recovery_mails().exists()


@pytest.mark.parametrize("paid", ["older", "newer"])
def test_paying_any_order_of_the_purchase_means_no_mail_ever(school, paid):
    older = leave_unpaid(school)
    newer = leave_unpaid(school, now=after(minutes=10))
    pay(older if paid == "older" else newer, now=after(minutes=20))
    for moment in (after(minutes=30), after(minutes=41), after(days=2)):
        work(moment)
    assert not recovery_mails().exists()


def test_paid_between_queueing_and_handing_over_means_no_mail(school):
    from wagtail_kwiga.automations.running import engine
    from wagtail_kwiga.mailing.sending import delivery

    order = leave_unpaid(school)
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get(purpose="recovery").status == "queued"
    pay(order, now=after(minutes=30))
    delivery.deliver_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get(purpose="recovery").status == "cancelled"
    assert not recovery_mails().exists()
    assert [message.subject for message in mail.outbox if "COMEBACK15" in message.body] == []


def test_coming_back_every_29_minutes_means_no_mail_until_30_quiet_ones(school):
    for number in range(4):
        leave_unpaid(school, now=after(minutes=29 * number))
        work(after(minutes=29 * number))
    work(after(minutes=29 * 3 + 29))
    assert not besides_confirmations()
    work(after(minutes=29 * 3 + 30))
    assert len(besides_confirmations()) == 1


def test_coming_back_after_the_mail_and_leaving_again_brings_no_second_one(school):
    leave_unpaid(school)
    work(after(minutes=30))
    leave_unpaid(school, coupon=school.coupon, now=after(hours=1))
    for hours in (2, 25, 26, 48):
        work(after(hours=hours))
    assert len(besides_confirmations()) == 1


def test_the_same_again_later_is_a_new_story_for_what_is_bought_again_and_again(school):
    m.Product.objects.update(repeatable=True)
    order = leave_unpaid(school)
    pay(order, now=after(minutes=5))
    again = leave_unpaid(school, now=after(days=60))
    assert again.purchase_id != order.purchase_id
    work(after(days=60, minutes=30))
    assert recovery_mails().count() == 1


def test_nobody_is_chased_for_what_they_own(school):
    order = leave_unpaid(school)
    pay(order, now=after(minutes=5))
    again = leave_unpaid(school, now=after(days=60))
    work(after(days=60, minutes=30))
    run = m.Run.objects.get(order=again)
    assert (run.state, run.reason) == ("refused", "owned")
    assert not recovery_mails().exists()


def test_a_transfer_is_not_chased_after_half_an_hour(school):
    leave_unpaid(school, method="transfer")
    work(after(hours=1))
    assert not besides_confirmations()


def test_every_step_can_be_asked_why(school):
    leave_unpaid(school)
    work(after(minutes=30))
    work(after(hours=24, minutes=30))
    records = list(m.StepRecord.objects.order_by("pk").values_list("kind", "outcome"))
    kinds = [kind for kind, outcome in records if outcome == "acted"]
    assert kinds == ["add_to_list", "send_email", "remove_from_list"]
    assert all(m.StepRecord.objects.values_list("reason", flat=True))
