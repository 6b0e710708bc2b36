"""Orders whose time is over, and the index by which they are found."""

from __future__ import annotations

import pytest

from tests.orders.shop import order_for
from tests.support import after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import expiry
from wagtail_kwiga.orders.statuses import Status

pytestmark = pytest.mark.django_db


def test_the_index_holds_what_the_sweep_asks_for_and_nothing_else():
    offer = make_offer()
    for status in Status:
        order = order_for(make_contact(f"{status}@example.com"), offer)
        m.Order.objects.filter(pk=order.pk).update(status=status)
    (index,) = [index for index in m.Order._meta.indexes if index.name == "kwiga_order_expiring"]
    held = set(m.Order.objects.filter(index.condition).values_list("pk", flat=True))
    late = m.Order.objects.exclude(status=Status.EXPIRED)
    before = dict(late.values_list("pk", "status"))
    expiry.expire_due(after(days=4000))
    expired = set(m.Order.objects.filter(pk__in=before, status=Status.EXPIRED).values_list("pk", flat=True))
    aside = set(m.Order.objects.filter(purchase__set_aside_at__isnull=False).values_list("pk", flat=True))
    assert held == expired | aside
    assert len(aside) == 1
    assert {before[pk] for pk in expired} == {Status.OPEN, Status.PROCESSING}
