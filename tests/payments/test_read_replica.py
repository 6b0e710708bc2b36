"""A site whose router reads from a replica: what a promise reads inside a transaction is read where it writes.

The replica is the same database through a connection of its own: it has everything that is committed, at once, and nothing
of what is not. No real replica is quicker than that.
"""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from django.db import connections, router, transaction
from django.db.utils import load_backend

from tests.automations.story import tell
from tests.mailing.making import queue_one
from tests.payments.shop import new_attempt, new_order
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import uses
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments import ledger
from wagtail_kwiga.pricing.money import Money

pytestmark = pytest.mark.django_db(transaction=True)


class ReadsElsewhere:
    """The router of every tutorial on replicas."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, one, other, **hints):
        return True


class Lags(ReadsElsewhere):
    """A replica that is behind: what a worker has just leased is not there yet as it is."""

    def db_for_read(self, model, **hints):
        if model in (m.OutgoingEmail, m.EmailTemplateVersion, m.EmailAttachment, m.Run, m.ProviderEvent):
            raise AssertionError(f"{model.__name__} is read where it lags behind")
        return super().db_for_read(model, **hints)


@pytest.fixture(autouse=True)
def replica(settings):
    given = copy.deepcopy(connections["default"].settings_dict)
    connection = load_backend(given["ENGINE"]).DatabaseWrapper(given, "replica")
    connections["replica"] = connection
    settings.DATABASE_ROUTERS = [f"{__name__}.ReadsElsewhere"]
    yield
    connection.close()
    del connections["replica"]


def test_money_makes_its_order_paid():
    order = new_order()
    assert order.status == "open"
    ledger.record_payment(
        order=order, amount=Money(Decimal("120.00"), "EUR"), method="transfer", reference="R-1", now=START
    )
    assert m.Order.objects.using("default").get(pk=order.pk).status == "paid"
    assert ledger.totals(order)[0] == 120


def test_what_an_attempt_asks_for_is_what_is_left():
    order = new_order()
    ledger.record_payment(
        order=order, amount=Money(Decimal("50.00"), "EUR"), method="transfer", reference="R-1", now=START
    )
    order = m.Order.objects.using("default").get(pk=order.pk)
    assert order.status == "partly_paid"
    assert new_attempt(order).amount == 70


def test_coming_back_replaces_the_order_of_before():
    contact, offer = make_contact(), make_offer(amount="120.00")
    first = new_order(contact=contact, offer=offer)
    second = new_order(contact=contact, offer=offer)
    states = dict(m.Order.objects.using("default").values_list("pk", "status"))
    assert (states[first.pk], states[second.pk]) == ("superseded", "open")


def test_a_membership_just_given_is_seen():
    contact = make_contact()
    spring = m.ContactList.objects.create(title="Spring")
    with locking.atomic_write():
        lists.add(spring, contact, source="test")
        assert lists.is_member(spring, contact, START)


def test_the_last_place_of_a_coupon_is_taken_once():
    coupon = make_coupon("SPRING", percent="20", limit_total=1)
    with locking.atomic_write():
        uses.reserve(coupon, make_contact("ada@example.com"), until=after(minutes=60), now=START)
        assert m.CouponUse.objects.filter(coupon=coupon).count() == 1


def test_a_worker_sends_the_mail_that_it_has_leased_however_far_the_replica_is_behind(settings):
    """Read from there, a mail has no lease of this worker yet: it would be leased again and again, and never sent."""
    row = queue_one()
    settings.DATABASE_ROUTERS = [f"{__name__}.Lags"]
    assert delivery.deliver_due(START) == delivery.DeliverySummary(sent=1)
    with locking.atomic_write():
        assert m.OutgoingEmail.objects.get(pk=row.pk).status == "sent"


def test_a_worker_takes_the_runs_that_it_has_leased_however_far_the_replica_is_behind(settings):
    story = tell()
    order = story.place()
    settings.DATABASE_ROUTERS = [f"{__name__}.Lags"]
    engine.run_due(after(minutes=30))
    with locking.atomic_write():
        assert m.OutgoingEmail.objects.get(purpose="recovery").order_id == order.pk


def test_outside_a_transaction_and_for_the_sites_own_models_the_site_decides(django_user_model):
    with locking.atomic_write():
        assert router.db_for_read(django_user_model) == "default"
    assert router.db_for_read(m.Order) == "replica"
    with transaction.atomic():
        assert router.db_for_read(m.Order) == "default"
        assert router.db_for_read(django_user_model) == "replica"
