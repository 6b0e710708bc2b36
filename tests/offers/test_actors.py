"""By whose doing it stands on the timeline that somebody ordered and paid."""

from __future__ import annotations

import pytest

from tests.offers.making import fill_in
from tests.payments.shop import tell
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


def entry_of(code: str) -> m.TimelineEntry:
    return m.TimelineEntry.objects.filter(code=code).latest("pk")


def test_a_buyer_orders_and_a_provider_tells_of_money(client, page):
    _page, sent = fill_in(client, page.url, email="ada@example.com")
    assert client.post(page.url, sent).status_code == 302
    contact = m.Contact.objects.get()
    placed, started = entry_of("order.placed"), entry_of("payments.started")
    assert {(one.actor, one.contact_id) for one in (placed, started)} == {("buyer", contact.pk)}
    tell(m.PaymentAttempt.objects.get())
    assert (entry_of("payments.received").actor, entry_of("order.paid").actor) == ("provider", "provider")
