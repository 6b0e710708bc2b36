"""The story through HTTP where the money takes another way: declined, pending, told late, by bank transfer."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tests.journeys.http_visitor import (
    PHONE,
    Visitor,
    at,
    hrefs,
    order_of,
    purposes,
    received,
    says,
    work,
    work_at,
)
from tests.offers.making import fields_of, text_of
from tests.payments.shop import bank_data
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


# --- the gateway's other buttons --------------------------------------------------------------------------------------


def test_declined_and_paid_after_all(school):
    ada = Visitor()
    at(minutes=1)
    page = ada.pay(ada.order(school), "decline")
    says(page, "The payment did not go through")
    assert order_of().status == "open"
    (pay,) = [href for href in hrefs(page.content.decode()) if "/pay/" in href]
    says(ada.open(pay), "€120.00")
    at(minutes=5)
    says(ada.pay(ada.send(ada.open(pay))["Location"]), "Paid. Thank you!")
    assert (order_of().status, m.Order.objects.count()) == ("paid", 1)
    work_at(hours=(0.6, 1, 25))
    assert purposes() == ["receipt"]


def test_pending_keeps_everybody_quiet_until_it_is_paid(school):
    ada = Visitor()
    gateway = ada.order(school)
    at(minutes=1)
    page = ada.pay(gateway, "pending")
    says(page, "We are checking your payment", "The bank has your payment and has not confirmed it yet.")
    assert order_of().status == "processing"
    work_at(minutes=(5, 30, 40, 60, 180))
    assert purposes() == ["order"]
    assert "is under way" in received()[0]["Subject"]
    at(hours=4)
    says(ada.pay(gateway), "Paid. Thank you!")
    work_at(hours=(4, 5, 30, 60))
    assert purposes() == ["order", "receipt"]
    assert not m.Run.objects.filter(state__in=["active", "paused"]).exists()


def test_a_payment_told_late_is_booked_by_the_sweep_and_nobody_is_chased(school):
    ada = Visitor()
    gateway = ada.order(school)
    at(minutes=1)
    page = ada.pay(gateway, "late")
    work_at(minutes=(5, 12))
    says(ada.open(page.url), "We are checking your payment")
    says(ada.open(gateway), "The bank has your payment. It will tell the shop at March 1, 2027, 1:13 p.m.")
    assert order_of().status == "open"
    work_at(minutes=[13])
    assert (order_of().status, order_of().paid_at) == ("paid", after(minutes=13))
    says(ada.open(page.url), "Paid. Thank you!")
    work_at(minutes=(30, 31), hours=(1, 25, 49))
    assert purposes() == ["receipt"]
    assert m.AccessGrant.objects.count() == 1


# --- transfer ---------------------------------------------------------------------------------------------------------


def test_a_transfer_is_paid_when_a_person_says_so(school):
    bank_data()
    ada = Visitor()
    page = ada.open(ada.order(school, payment_method="transfer"))
    order = order_of()
    reference = m.Payment.objects.get(order=order).reference
    assert page.url.startswith("/shop/order/")
    says(page, "Waiting for your payment", "DE89", "COBADEFFXXX", "School Ltd", reference, "€120.00")
    assert not PHONE.search(page.content.decode())
    work_at(hours=(1, 25, 48))  # a transfer takes days: nobody is chased
    assert received() == []

    User.objects.create_superuser("anna", "anna@school.example", "brush")
    clerk = Visitor()
    card = reverse("wagtail_kwiga_orders:inspect", args=[order.pk])
    login = clerk.open(card)
    assert clerk.send(login, username="anna", password="brush", next=card).status_code == 302
    shown = clerk.open(card)
    (confirm,) = {href for href in hrefs(shown.content.decode()) if "money" in href}
    form = clerk.open(confirm)
    assert fields_of(form)["amount"] == "120.00"
    assert order_of().status == "open"
    assert clerk.send(form, reference="BANK-1").status_code == 302
    assert (order_of().status, str(order_of().received)) == ("paid", "120.00 EUR")
    assert m.AccessGrant.objects.get().contact == order.contact
    work()
    assert purposes() == ["receipt"]
    says(ada.open(page.url), "Paid. Thank you!")
    assert "DE89" not in text_of(ada.open(page.url))
