"""Whoever has chosen bank transfer since a recovery mail was queued has answered it: a transfer takes days."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail

from tests.mailing.making import queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.reasons import sentence
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due
from wagtail_kwiga.payments import attempts

pytestmark = pytest.mark.django_db

NOT_SENT, SENT = DeliverySummary(cancelled=1), DeliverySummary(sent=1)


@pytest.fixture
def mail():
    django_mail.outbox = []
    settings_of_default_site(bank_holder="Riverside Studio", bank_iban="DE89370400440532013000")
    contact = make_contact(name="Ada Lovelace")
    order = order_for(contact, make_offer(coupon_mode="any"), method="sandbox", now=START)
    return queue_one(contact, order=order, now=after(minutes=30))


def test_on_the_pay_page(mail):
    attempts.start(mail.order, method="transfer", now=after(minutes=40))
    assert deliver_due(after(minutes=60)) == NOT_SENT
    mail.refresh_from_db()
    assert (mail.why, django_mail.outbox) == ("transfer_chosen", [])
    assert sentence(mail.why) == "After this mail was queued, the person chose to pay by bank transfer."


def test_with_a_newer_order(mail):
    order_for(mail.contact, mail.order.offer, method="transfer", now=after(minutes=40))
    assert deliver_due(after(minutes=60)) == NOT_SENT


def test_another_way_of_paying_online_is_no_answer(mail):
    attempts.start(mail.order, method="sandbox", now=after(minutes=40))
    assert deliver_due(after(minutes=60)) == SENT


def test_what_was_chosen_before_is_for_the_scenario_to_judge(mail):
    attempts.start(mail.order, method="transfer", now=after(minutes=20))
    assert deliver_due(after(minutes=60)) == SENT


def test_another_purchase_is_another_matter(mail):
    order_for(mail.contact, make_offer(), method="transfer", now=after(minutes=40))
    assert deliver_due(after(minutes=60)) == SENT


def test_other_mail_goes_all_the_same(mail):
    m.OutgoingEmail.objects.update(purpose="scenario")
    attempts.start(mail.order, method="transfer", now=after(minutes=40))
    assert deliver_due(after(minutes=60)) == SENT
