"""What placing writes and tells: every field of the order, its timeline, its event, and until when its coupon is held."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import translation
from wagtail import hooks
from wagtail.models import Site

from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import events
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.legal_texts import archive
from wagtail_kwiga.orders import placing, transitions
from wagtail_kwiga.orders.drafts import Joining, Method, OrderDraft
from wagtail_kwiga.orders.events import OrderPlaced, PlaceOrder
from wagtail_kwiga.orders.placing import OrderUnderWay
from wagtail_kwiga.orders.statuses import OrderKind, PaymentKind
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote

pytestmark = pytest.mark.django_db


def six_days_later():
    return after(days=6)


def nobody(order: m.Order) -> bool:
    """The answer to ``vouch`` for a stranger."""
    return False


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(events, "_handlers", type(events._handlers)(list))
    told: list[OrderPlaced] = []
    events.subscribe(OrderPlaced, told.append)
    return told


def fresh(row):
    return type(row).objects.get(pk=row.pk)


# --- the row ----------------------------------------------------------------------------------------------------------


def test_what_the_draft_says_stands_in_the_order():
    ada, offer, site = make_contact(language="de", name="Known", phone="1"), make_offer(), Site.objects.get()
    text = archive.store("terms", "uk", "Terms", "What we sell", START)
    placed = order_for(
        ada, offer, method=Method("bank", PaymentKind.TRANSFER), kind=OrderKind.INSTALMENTS, site=site, language="uk",
        title="Акварель", name="Ada", phone="2", agreed_terms=True, accepted_terms=text, page_revision=7,
        answers={"size": "l", "empty": ""}, now=after(minutes=3),
    )  # fmt: skip
    order = fresh(placed)
    assert (order.payment_method, order.payment_kind, order.kind) == ("bank", "transfer", "instalments")
    assert (order.site, order.language, order.title) == (site, "uk", "Акварель")
    assert (order.buyer_name, order.buyer_phone) == ("Ada", "2")
    assert (order.agreed_terms_at, order.accepted_terms, order.page_revision) == (after(minutes=3), text, 7)
    assert order.answers == {"size": "l"}
    assert (order.placed_at, order.contact, order.offer, order.origin) == (after(minutes=3), ada, offer, "web")


def test_what_stands_there_where_the_draft_says_nothing():
    ada = make_contact(language="de", name="Known", phone="1")
    order = fresh(order_for(ada, make_offer(title="Ink")))
    assert (order.payment_method, order.payment_kind, order.kind) == ("", "online", "one_time")
    assert (order.site, order.language, order.title) == (None, "de", "Ink")
    assert (order.buyer_name, order.buyer_phone) == ("Known", "1")
    assert (order.agreed_terms_at, order.accepted_terms, order.page_revision) == (None, None, None)
    assert (order.answers, order.coupon, order.coupon_code, order.coupon_use) == ({}, None, "", None)


def test_the_active_language_is_the_last_resort():
    with translation.override("pl"):
        assert order_for(make_contact(language=""), make_offer()).language == "pl"


def test_what_is_known_of_the_contact_is_not_told_to_a_stranger():
    ada = make_contact(name="Known", phone="1")
    strange = order_for(ada, make_offer(), vouch=nobody)
    assert (strange.buyer_name, strange.buyer_phone) == ("", "")
    given = order_for(ada, make_offer(), vouch=nobody, name="Eve", phone="9")
    assert (given.buyer_name, given.buyer_phone) == ("Eve", "9")


def test_an_order_with_a_coupon_has_its_three_amounts_its_code_and_its_use():
    coupon = make_coupon("SPRING")
    order = fresh(order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon))
    assert (order.list_amount, order.discount_amount, order.total_amount) == (120, 18, 102)
    assert (order.coupon, order.coupon_code, order.coupon_use) == (coupon, "SPRING", m.CouponUse.objects.get())
    assert order.coupon_use.contact == order.contact


def test_what_costs_nothing_is_paid_by_nothing():
    coupon = make_coupon(percent="100")
    order = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon, method="transfer")
    assert (order.payment_method, order.payment_kind) == ("transfer", "none")


def test_a_coupon_handed_on_makes_it_cheaper_and_may_make_it_free():
    ada, product = make_contact(), make_product()
    order_for(ada, make_offer(product, coupon_mode="any"), coupon=make_coupon(percent="100"))
    order = order_for(ada, make_offer(product, coupon_mode="any"), method="transfer", now=after(minutes=1))
    assert (str(order.total), order.payment_kind) == ("0.00 EUR", "none")


def test_an_order_without_lines_is_placed():
    draft = OrderDraft(contact=make_contact(), quote=make_quote(Money("5", "EUR")), title="A gift", origin="staff")
    order = placing.place_order(draft, now=START)
    assert (fresh(order).title, str(order.total), order.lines.count()) == ("A gift", "5.00 EUR", 0)


def test_where_no_moment_is_given_the_clock_is_asked(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.six_days_later"}
    assert order_for(make_contact(), make_offer(), now=None).placed_at == after(days=6)


# --- until when a coupon is held --------------------------------------------------------------------------------------


@pytest.mark.parametrize("callable_", [True, False])
def test_whoever_places_it_may_say_until_when_the_coupon_is_held(callable_):
    asked = []

    def until(order: m.Order) -> dt.datetime:
        asked.append((order.number, order.total_amount, order.expires_at))
        return after(hours=5)

    order = order_for(
        make_contact(), make_offer(coupon_mode="any"), coupon=make_coupon(), method="transfer",
        reserve_until=until if callable_ else after(hours=5),
    )  # fmt: skip
    assert order.coupon_use.reserved_until == after(hours=5)
    assert asked == ([(order.number, order.total_amount, after(days=14))] if callable_ else [])


def test_a_use_that_is_handed_on_is_held_for_as_long_as_the_new_order_needs_it():
    ada, offer = make_contact(), make_offer(coupon_mode="any")
    first = order_for(ada, offer, coupon=make_coupon())
    second = order_for(ada, offer, method="transfer", now=after(minutes=30))
    assert fresh(second).coupon_use == first.coupon_use
    assert fresh(second).coupon_use.reserved_until == second.expires_at == after(days=14, minutes=30)


# --- what is told -----------------------------------------------------------------------------------------------------


def test_whoever_may_veto_is_told_what_is_about_to_be_placed():
    heard = []
    ada, offer, site = make_contact(), make_offer(), Site.objects.get()
    with hooks.register_temporarily("before_kwiga_place_order", heard.append):
        order_for(ada, offer, site=site, origin="staff", answers={"size": "l"})
    assert heard == [PlaceOrder(ada, offer, make_quote(offer.price), site, "staff", {"size": "l"})]


def test_the_event_and_the_timeline_say_what_was_placed_and_replaced(told, admin_user):
    ada, offer = make_contact(), make_offer(coupon_mode="any")
    first = order_for(ada, offer)
    second = order_for(
        ada, offer, coupon=make_coupon("SPRING"), origin="staff", by=admin_user, answers={"size": "l"},
        now=after(minutes=5),
    )  # fmt: skip
    assert told == [
        OrderPlaced(first.pk, ada.pk, offer.pk, first.purchase_id, (), START, {}),
        OrderPlaced(second.pk, ada.pk, offer.pk, second.purchase_id, (first.pk,), after(minutes=5), {"size": "l"}),
    ]
    assert [event.answers for event in told] == [{}, {"size": "l"}]
    (placed,) = writing.timeline(second)
    assert (placed.code, placed.at, placed.by) == ("order.placed", after(minutes=5), admin_user)
    assert (placed.facts["coupon"], placed.facts["origin"], placed.facts["supersedes"]) == (
        "SPRING", "staff", first.number,
    )  # fmt: skip
    assert "102" in str(placed.facts["total"])
    (closed,) = (entry for entry in writing.timeline(first) if entry.code == "order.superseded")
    assert (closed.at, closed.by) == (after(minutes=5), admin_user)
    assert fresh(first).closed_at == after(minutes=5)


def test_purchases_that_become_one_are_told_with_who_and_when(admin_user):
    ada, a, b = make_contact(), make_product("A"), make_product("B")
    first, second = order_for(ada, make_offer(a)), order_for(ada, make_offer(b), now=after(minutes=1))
    order = order_for(ada, make_offer(a, b), by=admin_user, now=after(minutes=2))
    joined = next(entry for entry in writing.timeline(order) if entry.code == "order.purchases_joined")
    assert (joined.at, joined.by) == (after(minutes=2), admin_user)
    assert joined.facts["numbers"] == [second.number, first.number]
    placed = next(entry for entry in writing.timeline(order) if entry.code == "order.placed")
    assert placed.facts["supersedes"] == f"{second.number}, {first.number}"


def test_an_order_without_an_offer_is_told_without_one(told):
    draft = OrderDraft(contact=make_contact(), quote=make_quote(Money("5", "EUR")), title="A gift", origin="staff")
    order = placing.place_order(draft, now=START)
    assert (told[0].offer_id, told[0].purchase_id) == (None, order.purchase_id)


def test_what_is_written_beside_it_sees_the_order_and_goes_with_it(told):
    seen = []

    def beside(order: m.Order) -> None:
        seen.append((fresh(order).status, order.lines.count(), len(told)))
        raise RuntimeError("the disk is full")

    draft = OrderDraft.for_offer(offer := make_offer(), contact=make_contact(), quote=make_quote(offer.price))
    with pytest.raises(RuntimeError, match="disk"):
        placing.place_order(draft, beside=beside, now=START)
    assert seen == [("open", 1, 0)], "it is told of afterwards: its mail says how to pay"
    assert not m.Order.objects.exists() and not m.Purchase.objects.exists()


# --- money that stands against it -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["open", "processing", "partly_paid"])
def test_money_on_its_way_is_between_its_buyer_and_nobody_else(state):
    """Who is vouched for may order again while a payment is under way; somebody else who types the address may not."""
    ada, offer = make_contact(), make_offer()
    order = order_for(ada, offer)
    if state == "processing":
        transitions.start_processing(order, now=after(minutes=1))
    elif state == "partly_paid":
        books_receive(order, "20", now=after(minutes=1))
    asked = []

    def stranger(one: m.Order) -> bool:
        asked.append(one.pk)
        return False

    if state == "open":
        assert order_for(ada, offer, vouch=stranger, now=after(minutes=2)).status == "open"
        assert asked == []
        return
    with pytest.raises(OrderUnderWay) as refusal:
        order_for(ada, offer, vouch=stranger, now=after(minutes=2))
    assert (refusal.value.code, refusal.value.facts["order"], asked) == ("under_way", order.pk, [order.pk])
    if state == "processing":
        assert order_for(ada, offer, vouch=lambda one: True, now=after(minutes=3)).status == "open"


def test_beside_what_is_open_in_a_slot_that_is_named_or_new():
    ada, offer = make_contact(), make_offer()
    own = order_for(ada, offer)
    named = order_for(ada, offer, joins_purchase=Joining.OWN_SLOT, slot="once more", now=after(minutes=1))
    fresh_one = order_for(ada, offer, joins_purchase=Joining.OWN_SLOT, now=after(minutes=2))
    assert named.purchase.slot == "once more"
    assert len(fresh_one.purchase.slot) == 16
    assert {fresh(one).status for one in (own, named, fresh_one)} == {"open"}
    assert {one.purchase.offer for one in (own, named, fresh_one)} == {offer}
    assert named.purchase.opened_at == after(minutes=1)
