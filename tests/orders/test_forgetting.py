"""The recipe of ``docs/how-to/scale.md`` that forgets old purchases: this very text is run. It must forget what is over, and
nothing that is money, that is open, or that a person must still look at.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from tests.journeys.school import make_school, work
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders import expiry, transitions
from wagtail_kwiga.payments import attempts, references

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/scale.md"
#: Just old enough: what closed within the first sixteen days is 400 days old by then.
LATER = after(days=417)


@pytest.fixture
def recipe(capsys):
    (text,) = (
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "forget_all" in block
    )
    names: dict = {}
    exec(compile(text, str(PAGE), "exec"), names)
    assert "forgotten: (0, 0)" in capsys.readouterr().out  # as a script, on an empty shop
    return names


@pytest.fixture
def school():
    return make_school()


def ordered(school, email: str, now: dt.datetime = START, **given) -> m.Order:
    """Somebody orders and is sent on to the payment page."""
    known = m.Contact.objects.filter(email=email).first()
    order = order_for(known or make_contact(email), school.offer, now=now, method="sandbox", **given)
    attempts.start(order, method="sandbox", now=now)
    return order


def live_through(now: dt.datetime = START) -> None:
    """The reminder, the end of its day, the end of the order."""
    for span in ({"minutes": 30}, {"hours": 25}, {"days": 15}):
        work(now + dt.timedelta(**span))
    expiry.expire_due(now + dt.timedelta(days=15))


def rows() -> dict[str, int]:
    kinds = (
        m.Order, m.OrderLine, m.Payment, m.PaymentAttempt, m.Run, m.StepRecord, m.OutgoingEmail, m.TimelineEntry,
        m.ListMembership, m.AccessGrant, m.CouponUse, m.Contact,
    )  # fmt: skip
    return {kind.__name__: kind.objects.count() for kind in kinds}


def test_what_is_over_goes_with_all_that_hangs_on_it(recipe, school):
    kept = rows()
    ordered(school, "lost@example.com")
    live_through()
    assert rows()["StepRecord"] and rows()["OutgoingEmail"] and rows()["ListMembership"]
    assert recipe["forget_all"](after(days=414)) == (0, 1)  # the membership ended long before the order
    assert recipe["forget_all"](LATER) == (1, 0)
    left = rows()
    assert left.pop("Contact") == kept.pop("Contact") + 1
    assert left == kept


def test_a_purchase_that_was_superseded_and_expired_goes_as_a_whole(recipe, school):
    ordered(school, "back@example.com")
    work(after(minutes=30))
    ordered(school, "back@example.com", after(minutes=40))
    live_through(after(minutes=40))
    assert m.Order.objects.filter(status="superseded").exists()
    assert recipe["forget_all"](LATER)[0] == 2
    assert not m.Order.objects.exists()


def test_what_was_ever_paid_stays_with_its_siblings(recipe, school):
    first = ordered(school, "won@example.com")
    work(after(minutes=30))
    second = ordered(school, "won@example.com", after(minutes=40))
    books_receive(second, "120.00", now=after(minutes=45), method="sandbox", reference="A-1")
    live_through(after(minutes=40))
    before = rows()
    assert recipe["forget_all"](LATER)[0] == 0
    after_it = rows()
    assert {kind for kind in before if before[kind] != after_it[kind]} <= {"ListMembership"}
    first.refresh_from_db()
    assert first.status == "superseded"


def test_nobody_is_forgotten_whom_something_still_concerns(recipe, school):
    """Late money, money on its way, an open question, an order that lives, a run inside, a mail in doubt."""
    late, pending, asked, partly, inside, doubtful, failed = (
        ordered(school, f"{name}@example.com")
        for name in ("late", "pending", "asked", "partly", "inside", "doubtful", "failed")
    )
    live_through()
    books_receive(late, "120.00", now=after(days=16), method="sandbox", reference="A-2")
    m.PaymentAttempt.objects.filter(payment=references.payment_of(pending)).update(state="pending")
    writing.write(asked, "order.paid_twice", now=after(days=15), attention=True)
    m.Order.objects.filter(pk=partly.pk).update(status="partly_paid", closed_at=None)
    m.Run.objects.filter(order=inside).update(state="paused")
    m.OutgoingEmail.objects.filter(order=doubtful, purpose="recovery").update(status="unknown")
    writing.write(m.OutgoingEmail.objects.get(order=failed), "mailing.failed", now=after(days=1), attention=True)
    assert recipe["forget_all"](LATER)[0] == 0
    assert m.Order.objects.count() == 7


def test_one_who_is_left_in_a_purchase_keeps_the_others(recipe, school):
    """The newest of a purchase closed too lately: then nothing of it goes."""
    ordered(school, "slow@example.com")
    second = ordered(school, "slow@example.com", after(minutes=40))
    transitions.cancel(second, now=after(days=13))
    m.Order.objects.filter(pk=second.pk).update(closed_at=after(days=100))
    assert m.Order.objects.values("purchase_id").distinct().count() == 1
    assert recipe["forget_all"](LATER)[0] == 0
    assert m.Order.objects.count() == 2


def test_what_people_gave_by_hand_and_who_unsubscribed_stays(recipe, school):
    contact = make_contact("hand@example.com", unsubscribed_at=START)
    lists.add(school.members, contact, until=after(days=1), now=START)
    ordered(school, "hand@example.com")
    live_through()
    assert recipe["forget_all"](LATER)[0] == 1
    contact.refresh_from_db()
    assert contact.unsubscribed_at == START
    assert m.ListMembership.objects.filter(contact=contact, source="").exists()


def test_late_money_for_a_forgotten_order_is_seen(recipe, school):
    from wagtail_kwiga.payments import provider_events, registry
    from wagtail_kwiga.payments.provider import ReportedEvent
    from wagtail_kwiga.pricing.money import Money

    order = ordered(school, "late@example.com")
    token = m.PaymentAttempt.objects.get(payment__order=order).token
    live_through()
    assert recipe["forget_all"](LATER)[0] == 1
    told = ReportedEvent(
        event_id="late-1", attempt_token=token, reference="A-9", outcome="confirmed", amount=Money(120, "EUR"), live=False,
        raw={},
    )  # fmt: skip
    provider_events.take(registry.get("sandbox"), [told], now=LATER)
    provider_events.settle_stored(LATER + dt.timedelta(hours=2))
    assert m.ProviderEvent.objects.get(event_id="late-1").result == "unknown"
    assert [entry.code for entry in writing.open_attention()] == ["payments.unknown_money"]


def test_two_at_once_forget_everything_once(recipe, school, monkeypatch):
    """Somebody comes back between the look and the lock: under the lock it is looked again."""
    order = ordered(school, "lost@example.com")
    live_through()
    before = LATER - dt.timedelta(days=recipe["DAYS"])
    assert [one.pk for one in recipe["forgettable"](before)] == [order.pk]
    books_receive(order, "120.00", now=LATER, method="sandbox", reference="A-3")
    assert recipe["forget"]([order.purchase_id], before) == 0
    assert m.Order.objects.filter(pk=order.pk).exists()
