"""Giving money back in the admin: looked at, sent to the provider, and its state on the order's card."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from tests.orders.shop import order_for
from tests.payments import bank
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import ledger, refunds

# Not in one transaction: the provider is called between two of them.
pytestmark = pytest.mark.django_db


@pytest.fixture
def order(settings, tmp_path):
    """An order of 120, paid at a bank that keeps its books in ``tmp_path``."""
    options = {"class": "tests.payments.bank.Slow", "folder": str(tmp_path)}
    given = {**django_settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"], "bank": options}
    settings.WAGTAIL_KWIGA = {**django_settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": given}
    placed = order_for(make_contact("ada@example.com"), make_offer())
    ledger.record_payment(order=placed, amount=Decimal(120), method="bank", reference="ch_1", now=START)
    return placed


def url(name, row):
    return reverse(f"wagtail_kwiga_orders:{name}", args=[row.pk])


def card(client, order):
    return client.get(url("inspect", order)).content.decode()


def standing(order):
    order.refresh_from_db()
    return order.status, order.paid_amount, order.refunded_amount


def test_through_the_provider_and_its_state_is_on_the_card(admin_client, order, tmp_path):
    assert f'href="{url("refund", order)}"' in card(admin_client, order)
    page = admin_client.get(url("refund", order)).content.decode()
    assert 'value="120.00"' in page
    assert "Give it back now through Bank" in page
    answer = admin_client.post(
        url("refund", order), {"amount": "50", "way": "provider", "reason": "kindness"}, follow=True
    )
    shown = answer.content.decode()
    assert "The refund of €50.00 is under way" in shown
    assert "kindness" in shown
    refund = m.Refund.objects.get()
    assert (refund.state, refund.by.username, standing(order)) == ("pending", "admin", ("paid", 120, 0))
    (tmp_path / "made").touch()
    refunds.sweep(refund.next_try_at)
    assert standing(order) == ("paid", 70, 50)
    shown = card(admin_client, order)
    assert "€50.00" in shown
    assert "refunded" in shown
    assert [row["amount"] for row in bank.Slow("bank", {"folder": str(tmp_path)}).books()] == ["50.0000"]


def sums(client, order):
    """The rows of the panel *Prices*, as a person reads them."""
    table = re.search(r"<table.*?</table>", card(client, order).partition("Prices")[2], re.DOTALL)
    cells = [" ".join(strip_tags(cell).split()) for cell in re.findall(r"<td.*?</td>", table.group(), re.DOTALL)]
    return dict(zip(cells[::2], cells[1::2], strict=True))


def test_what_was_received_and_what_of_it_was_given_back_add_up(admin_client, order):
    assert "Given back" not in sums(admin_client, order)
    ledger.record_refund(order=order, amount=Decimal(20), reference="RF-1")
    shown = sums(admin_client, order)
    assert (shown["Total"], shown["Received"], shown["Given back"]) == ("€120.00", "€120.00", "€20.00")
    assert (shown["Kept"], shown["To pay"]) == ("€100.00", "€0.00")


def test_the_form_begins_with_what_came_too_much(admin_client, order):
    """Not with everything: that would end the access of somebody who has only paid twice."""
    assert "more has come than" not in admin_client.get(url("refund", order)).content.decode()
    ledger.record_payment(order=order, amount=Decimal(120), method="transfer", reference="no. 7", now=START)
    page = admin_client.get(url("refund", order)).content.decode()
    assert 'value="120.00"' in page
    assert "Up to €240.00 can be given back." in page
    assert "€120.00 more has come than the order costs" in page


def test_the_form_says_what_is_left_beside_refunds_under_way(admin_client, order):
    refunds.request(order=order, amount=Decimal(50))
    page = admin_client.get(url("refund", order)).content.decode()
    assert "Up to €70.00 can be given back." in page
    assert 'value="70.00"' in page


def test_the_timeline_calls_a_method_by_its_label(admin_client, order):
    refunds.request(order=order, amount=Decimal(50))
    assert "Refund of €50.00 by Bank requested" in card(admin_client, order)


@pytest.mark.parametrize(
    ("what", "words", "state"),
    [
        ("refused", "failed, and nothing was given back. the account is closed", "failed"),
        ("away", "It is not known yet", "unknown"),
    ],
)
def test_what_the_provider_says_is_told(admin_client, order, tmp_path, what, words, state):
    (tmp_path / "after").write_text(what)
    answer = admin_client.post(url("refund", order), {"amount": "50", "way": "provider"}, follow=True)
    assert words in answer.content.decode()
    assert (m.Refund.objects.get().state, standing(order)) == (state, ("paid", 120, 0))


def test_a_form_that_is_sent_twice_gives_back_once(admin_client, order):
    form = admin_client.get(url("refund", order)).context["form"]
    sent = {"amount": "50", "way": "provider", "known": form.initial["known"]}
    assert admin_client.post(url("refund", order), sent).status_code == 302
    answer = admin_client.post(url("refund", order), sent)
    assert "since you opened this form" in answer.content.decode()
    assert m.Refund.objects.count() == 1


def test_money_that_was_given_back_by_hand(admin_client, order, tmp_path):
    for _twice in range(2):
        admin_client.post(
            url("refund", order), {"amount": "120", "way": "by_hand", "reference": "B-7", "known": "0.00 EUR"}
        )
    assert standing(order) == ("refunded", 0, 120)
    assert bank.Slow("bank", {"folder": str(tmp_path)}).books() == []
    row = m.Transaction.objects.get(kind="refund")
    assert row.by.username == "admin"
    assert f'href="{url("refund", order)}"' not in card(admin_client, order)


def test_a_method_that_cannot_pay_back_is_paid_back_by_hand(admin_client, order):
    transfer = order_for(make_contact(), make_offer(), method="transfer")
    ledger.record_payment(order=transfer, amount=Decimal(120), method="transfer", reference="B-1", now=START)
    page = admin_client.get(url("refund", transfer)).content.decode()
    assert "give it back now" not in page
    assert "I have given it back myself" in page
    answer = admin_client.post(url("refund", transfer), {"amount": "1", "way": "provider"})
    assert answer.status_code == 200
    assert not m.Refund.objects.exists()


@pytest.mark.parametrize("amount", ["", "0", "-5", "NaN", "120.01", "ten"])
def test_nonsense_is_refused_and_nothing_is_asked_for(admin_client, order, amount):
    answer = admin_client.post(url("refund", order), {"amount": amount, "way": "provider"})
    assert answer.status_code == 200
    assert not m.Refund.objects.exists()


@pytest.mark.parametrize(("outcome", "state", "paid"), [("done", "done", 70), ("failed", "failed", 120)])
def test_a_person_says_what_became_of_it(admin_client, order, tmp_path, outcome, state, paid):
    refund = refunds.request(order=order, amount=Decimal(50), now=START)
    (tmp_path / "after").write_text("away")
    refunds.send(refund, START)
    assert "What became of it?" not in card(admin_client, order)
    m.Refund.objects.update(next_try_at=None)
    assert url("refund_outcome", refund) in card(admin_client, order)
    assert "Nothing is sent to the provider" in admin_client.get(url("refund_outcome", refund)).content.decode()
    admin_client.post(url("refund_outcome", refund), {"outcome": "perhaps"})
    assert m.Refund.objects.get().state == "unknown"
    admin_client.post(url("refund_outcome", refund), {"outcome": outcome})
    assert (m.Refund.objects.get().state, standing(order)[1]) == (state, paid)
    answer = admin_client.post(url("refund_outcome", refund), {"outcome": "done"}, follow=True)
    assert "come to its end already" in answer.content.decode()
    assert "What became of it?" not in card(admin_client, order)


def test_without_the_permission_nothing_of_it_is_there(client, order):
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    group.permissions.set(Permission.objects.filter(codename__in=["access_admin", "view_order", "record_payment"]))
    user.groups.add(group)
    client.force_login(user)
    refund = refunds.request(order=order, amount=Decimal(50), now=START)
    m.Refund.objects.update(next_try_at=None)
    shown = card(client, order)
    assert url("refund", order) not in shown
    assert url("refund_outcome", refund) not in shown
    assert client.post(url("refund", order), {"amount": "5", "way": "by_hand"}).status_code in (302, 403)
    assert client.post(url("refund_outcome", refund), {"outcome": "done"}).status_code in (302, 403)
    assert (m.Refund.objects.count(), standing(order)) == (1, ("paid", 120, 0))
    group.permissions.add(Permission.objects.get(codename="refund_order"))
    assert url("refund", order) in card(client, order)


def test_the_card_costs_the_same_for_one_refund_and_for_many(admin_client, order):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            card(admin_client, order)
        return len(queries)

    ledger.record_refund(order=order, amount=Decimal(1), now=after(minutes=1))
    cost()
    one = cost()
    for minute in range(2, 8):
        ledger.record_refund(order=order, amount=Decimal(1), now=after(minutes=minute))
    assert cost() == one


@pytest.mark.parametrize("way", ["provider", "by_hand"])
def test_more_digits_than_the_currency_has_give_nothing_back(admin_client, order, way):
    answer = admin_client.post(url("refund", order), {"amount": "10.005", "way": way})
    assert "2 digits behind the decimal separator" in answer.content.decode()
    assert not m.Refund.objects.exists()
    assert standing(order)[1:] == (120, 0)
