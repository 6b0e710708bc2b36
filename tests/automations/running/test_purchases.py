"""One purchase, many offers: runs that move from plan to plan, purchases that become one, and what somebody owns already."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.automations.story import stream, tell, told
from tests.mailing.making import settings_of_default_site
from tests.offers.making import make_page
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import events, locking, reactions
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders.events import OrderPlaced, PurchasesJoined
from wagtail_kwiga.orders.statuses import Status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _whole_table(_reactions):
    """All reactions, because mail and runs move together."""
    for kind, handlers in reactions.TABLE.items():
        for handler in handlers:
            events.subscribe(kind, handler)


def go_on_to(old: m.Order, offer: m.Offer, now: dt.datetime) -> m.Order:
    """The same wish, another offer: what placing leaves where the two offers share a product, told as placing tells it."""
    newer = m.Order.objects.get(pk=order_for(make_contact(), offer, now=now, language="en").pk)
    m.Run.objects.filter(order=newer).delete()
    m.Order.objects.filter(purchase=old.purchase).update(status=Status.SUPERSEDED, superseded_by=newer)
    m.Order.objects.filter(pk=newer.pk).update(contact=old.contact, purchase=old.purchase)
    with locking.atomic_write():
        events.publish(OrderPlaced(newer.pk, old.contact_id, offer.pk, old.purchase_id, (old.pk,), now))
    return m.Order.objects.get(pk=newer.pk)


def join(into: m.Order, *others: m.Order, now: dt.datetime) -> None:
    """What placing tells where an order overlaps several purchases, before it tells of that order."""
    emptied = tuple(order.purchase_id for order in others)
    m.Order.objects.filter(purchase_id__in=emptied).update(status=Status.SUPERSEDED, purchase_id=into.purchase_id)
    with locking.atomic_write():
        events.publish(PurchasesJoined(into.contact_id, emptied, into.purchase_id, now))


@pytest.fixture
def plans():
    """One course in two plans, and the story about both of them."""
    course = make_product()
    small, large = make_offer(course, coupon_mode="any"), make_offer(course, amount="200.00", coupon_mode="any")
    story = tell(offer=small, start=stream(("order_unpaid", {"offers": [small.pk, large.pk]})))
    return story, small, large


# --- from plan to plan ---------------------------------------------------------------------------------------------------


def test_before_the_first_message_the_wait_starts_afresh_for_the_other_plan(plans):
    story, _small, large = plans
    first = story.place()
    newer = go_on_to(first, large, after(minutes=20))
    run = m.Run.objects.get()
    assert (run.order, run.due_at, told(run)[-1]) == (newer, after(minutes=50), ("run", "waited", "starts_afresh"))
    engine.run_due(after(minutes=50))
    mail = m.OutgoingEmail.objects.exclude(purpose="order").get()
    assert (mail.order, mail.context["price.before"], mail.context["price.after"]) == (newer, "€200.00", "€170.00")


def test_one_plan_mailed_and_the_other_left_is_one_mail_in_all(plans):
    story, _small, large = plans
    first = story.place()
    engine.run_due(after(minutes=30))
    newer = go_on_to(first, large, after(hours=1))
    for hours in (2, 25, 26, 24 * 20):
        engine.run_due(after(hours=hours))
    run = m.Run.objects.get()
    mails = m.OutgoingEmail.objects.exclude(purpose="order")
    assert (run.order, run.state, mails.count()) == (newer, "completed", 1)


def test_whoever_went_on_to_an_offer_that_the_scenario_does_not_name_leaves_it(story):
    """Also after a message: what was begun for the first offer says nothing about the second."""
    other = make_offer(coupon_mode="any")
    first = story.place()
    engine.run_due(after(minutes=30))
    go_on_to(first, other, after(hours=1))
    run = m.Run.objects.get()
    assert (run.state, run.reason, told(run)[-1]) == ("left", "other_offer", ("run", "left", "other_offer"))


def test_the_sweep_finds_that_out_by_itself(story):
    first = story.place()
    engine.run_due(after(minutes=30))
    go_on_to(first, make_offer(coupon_mode="any"), after(hours=1))
    m.Run.objects.update(state="active", reason="", due_at=after(hours=2), ended_at=None, order=first)
    assert engine.run_due(after(hours=2)).left == 1
    assert m.Run.objects.get().reason == "other_offer"


def test_back_to_the_first_offer_is_no_second_mail(story):
    ada = make_contact()
    first = story.place(ada)
    engine.run_due(after(minutes=30))
    other = go_on_to(first, make_offer(coupon_mode="any"), after(hours=1))
    go_on_to(other, story.offer, after(hours=2))
    assert list(m.Run.objects.values_list("state", "reason").order_by("pk")) == [
        ("left", "other_offer"),
        ("refused", "cooling"),
    ]


# --- purchases become one --------------------------------------------------------------------------------------------------


@pytest.fixture
def two():
    """A scenario about everything, and one person with two unpaid purchases in it."""
    story = tell(start=stream(("order_unpaid", {"offers": []})))
    second = make_offer(coupon_mode="any")
    ada = make_contact()
    return story, story.place(ada), order_for(ada, second, now=after(minutes=5), language="en")


def state_of(order_or_run):
    run = order_or_run if isinstance(order_or_run, m.Run) else m.Run.objects.get(order=order_or_run)
    return run.state, run.reason, run.purchase_id, run.entry_key


def test_of_two_runs_the_older_stays(two):
    _story, old, young = two
    join(old, young, now=after(minutes=10))
    key = f"unpaid:{old.purchase_id}"
    assert state_of(old) == ("active", "", old.purchase_id, key)
    assert state_of(young) == ("left", "joined", old.purchase_id, key)
    assert told(m.Run.objects.get(order=young)) == [("run", "left", "joined")]


def test_of_two_runs_the_one_that_has_mailed_stays(two):
    _story, old, young = two
    m.Run.objects.filter(order=young).update(first_message_at=after(minutes=6), last_message_at=after(minutes=6))
    join(old, young, now=after(minutes=10))
    assert state_of(old)[:2] == ("left", "joined")
    assert state_of(young) == ("active", "", old.purchase_id, f"unpaid:{old.purchase_id}")
    assert told(m.Run.objects.get(order=young)) == [("run", "waited", "joined")]


def test_the_waiting_mail_of_the_run_that_ends_is_cancelled_and_the_other_moves(two):
    _story, old, young = two
    settings_of_default_site(promo_mails_per_day=0)
    assert engine.run_due(after(minutes=35)).acted == 2
    join(old, young, now=after(minutes=36))
    mails = {mail.order_id: mail for mail in m.OutgoingEmail.objects.all()}
    assert {mail.purchase_id for mail in mails.values()} == {old.purchase_id}
    assert (mails[old.pk].status, mails[young.pk].status, mails[young.pk].why) == ("queued", "cancelled", "joined")


def test_mail_of_a_purchase_that_was_emptied_falls_silent_with_the_one_that_stays(two):
    """Promise 1 goes along: the mail was queued for the purchase that is empty now."""
    _story, old, young = two
    m.Run.objects.filter(order=old).update(due_at=after(days=9))
    assert engine.run_due(after(minutes=35)).acted == 1
    join(old, young, now=after(minutes=36))
    assert m.OutgoingEmail.objects.get().status == "queued"
    books_receive(m.Order.objects.get(pk=old.pk), "120.00", now=after(minutes=37))
    recovery = m.OutgoingEmail.objects.get(purpose="recovery")
    assert (recovery.status, recovery.why) == ("cancelled", "paid")


def test_a_held_run_stays_one_run(two):
    _story, old, young = two
    m.Run.objects.filter(order=young).update(state="paused", first_message_at=after(minutes=6))
    join(old, young, now=after(minutes=10))
    assert (state_of(old)[0], state_of(young)[0]) == ("left", "paused")


def test_cooling_goes_along(two):
    """Written to about the purchase that was emptied, its run long through: the one that stays is left in peace."""
    _story, old, young = two
    m.Run.objects.filter(order=old).update(due_at=after(days=99))
    for span in ({"minutes": 35}, {"hours": 25}):
        engine.run_due(after(**span))
    assert state_of(young)[0] == "completed"
    m.Run.objects.filter(order=old).update(state="left", reason="order_cancelled", due_at=None, ended_at=after(days=2))
    join(old, young, now=after(days=3))
    go_on_to(m.Order.objects.get(pk=young.pk), make_offer(coupon_mode="any"), after(days=3))
    assert list(m.Run.objects.filter(state="refused").values_list("reason", flat=True)) == ["cooling"]


def test_the_order_that_joined_them_is_followed(two):
    _story, old, young = two
    join(old, young, now=after(minutes=10))
    bundle = go_on_to(m.Order.objects.get(pk=old.pk), make_offer(coupon_mode="any"), after(minutes=10))
    run = m.Run.objects.get(state="active")
    assert (run.order, run.due_at) == (bundle, after(minutes=40))
    assert engine.run_due(after(minutes=40)).acted == 1


def test_runs_about_paid_orders_are_not_one_anothers_rivals(two):
    _story, old, young = two
    scenario = m.Scenario.objects.create(
        title="Thanks", start=stream(("order_paid", {"offers": []})), steps=stream(("wait", {"minutes": 5}))
    )
    versions.publish(scenario, now=START)
    for order in (old, young):
        m.Run.objects.create(
            scenario=scenario, version=scenario.version, contact=order.contact, order=order, purchase=order.purchase,
            entry_key=f"order_paid:{order.pk}", position="step-0", due_at=after(days=1), entered_at=START, stepped_at=START,
        )  # fmt: skip
    join(old, young, now=after(minutes=10))
    thanks = m.Run.objects.filter(scenario=scenario)
    assert set(thanks.values_list("state", "purchase_id")) == {("active", old.purchase_id)}
    assert set(thanks.values_list("entry_key", flat=True)) == {f"order_paid:{old.pk}", f"order_paid:{young.pk}"}


def test_joining_costs_the_same_for_two_and_for_six():
    counts = []
    for number in (2, 6):
        story = tell(start=stream(("order_unpaid", {"offers": []})), coupon=make_coupon())
        ada = make_contact()
        orders = [order_for(ada, make_offer(coupon_mode="any"), language="en") for _ in range(number)]
        engine.run_due(after(minutes=30))
        event = PurchasesJoined(
            ada.pk, tuple(one.purchase_id for one in orders[1:]), orders[0].purchase_id, after(hours=1)
        )
        with locking.atomic_write(), CaptureQueriesContext(connection) as captured:
            events.publish(event)
        counts.append(len(captured))
        assert m.Run.objects.filter(contact=ada, state="left").count() == number - 1
        story.scenario.unpublish()
    assert counts[0] == counts[1] <= 10


# --- what somebody owns already --------------------------------------------------------------------------------------------


def give(contact: m.Contact, offer: m.Offer, now: dt.datetime = START) -> None:
    """Staff give it, or an import brings it: access to every product, and no order."""
    for sold in selling.terms_of(offer).products:
        m.AccessGrant.objects.create(
            contact=contact, product_id=sold.product_id, source=f"staff:{uuid.uuid4()}", terms=sold.access.to_json(),
            granted_at=now, starts_at=now,
        )  # fmt: skip


@pytest.fixture
def bundle(story):
    """The story's product with another one."""
    return make_offer(
        *[one.product for one in story.offer.offer_products.all()], make_product("Oil"), coupon_mode="any"
    )


def test_whoever_owns_it_is_not_let_in(story, bundle):
    ada = make_contact()
    give(ada, bundle)
    story.place(ada, now=after(minutes=1))
    run = m.Run.objects.get(contact=ada)
    assert (run.state, run.reason) == ("refused", "owned")


def test_whoever_came_by_it_meanwhile_leaves(story, bundle):
    ada = make_contact()
    story.place(ada)
    give(ada, bundle, after(minutes=10))
    assert engine.run_due(after(minutes=30)).left == 1
    run = m.Run.objects.get(contact=ada)
    assert (run.state, run.reason, told(run)) == ("left", "owned", [("run", "left", "owned")])
    assert not m.OutgoingEmail.objects.filter(purpose="recovery").exists()


def test_whoever_has_only_a_part_of_it_is_won_back(story, bundle):
    """Owning the course is no reason to leave the bundle that contains it and more."""
    ada = make_contact()
    give(ada, story.offer)
    everything = tell(offer=bundle, start=stream(("order_unpaid", {"offers": [bundle.pk]})), coupon=make_coupon())
    everything.place(ada, now=after(minutes=1))
    assert engine.run_due(after(minutes=31)).acted == 1


def test_a_run_that_moves_to_what_is_owned_ends_and_none_begins():
    story = tell(start=stream(("order_unpaid", {"offers": []})))
    course = story.offer.offer_products.get().product
    ada = make_contact()
    first = story.place(ada)
    give(ada, make_offer(course, make_product("Oil")), after(minutes=5))
    go_on_to(first, make_offer(course, coupon_mode="any"), after(minutes=6))
    assert set(m.Run.objects.filter(contact=ada).values_list("state", "reason")) == {
        ("left", "owned"),
        ("refused", "owned"),
    }


def test_mail_that_waits_is_not_sent_to_whoever_owns_it_by_then(story, bundle):
    ada = make_contact()
    story.place(ada)
    assert engine.run_due(after(minutes=30)).acted == 1
    give(ada, bundle, after(minutes=31))
    assert delivery.deliver_due(after(minutes=32)).cancelled == 1
    mail = m.OutgoingEmail.objects.get(purpose="recovery")
    assert (mail.status, mail.why) == ("cancelled", "owned")


def test_access_to_something_else_keeps_no_mail_back(story):
    ada = make_contact()
    story.place(ada)
    give(ada, make_offer(coupon_mode="any"))
    assert engine.run_due(after(minutes=30)).acted == 1
    assert delivery.deliver_due(after(minutes=32)).sent == 1


def test_an_idle_sweep_asks_nobody_what_they_own(story, bundle, django_assert_num_queries):
    ada = make_contact()
    give(ada, bundle)
    story.place(make_contact())
    with django_assert_num_queries(1):
        engine.run_due(after(minutes=29))


# --- the whole of it, placed as a buyer places it ----------------------------------------------------------------------------------


@pytest.fixture
def shelf():
    """Two courses, each with an offer of its own, a bundle of both, and a third course; one scenario about everything."""
    one, two, three = make_product("One"), make_product("Two"), make_product("Three")
    offers = [make_offer(*products, coupon_mode="any") for products in ((one,), (two,), (one, two), (three,))]
    tell(start=stream(("order_unpaid", {"offers": []})))
    return offers


def sweep_for_a_month(start: dt.datetime) -> None:
    for day in range(30):
        for hours in (0, 1, 13):
            engine.run_due(start + dt.timedelta(days=day, hours=hours))


def test_a_plan_left_and_mailed_and_the_other_plan_left_is_one_mail_in_all(plans):
    story, _small, large = plans
    ada = make_contact()
    story.place(ada)
    engine.run_due(after(minutes=30))
    order_for(ada, large, now=after(hours=1), language="en")
    assert m.Purchase.objects.filter(joined_into=None).count() == 1
    sweep_for_a_month(after(hours=1))
    assert m.OutgoingEmail.objects.filter(purpose="recovery").count() == 1


def test_a_bundle_that_overlaps_two_open_purchases_is_won_back_once(shelf):
    one, two, bundle, _three = shelf
    ada = make_contact()
    for offer in (one, two):
        order_for(ada, offer, now=START, language="en")
    newest = order_for(ada, bundle, now=after(minutes=5), language="en")
    run = m.Run.objects.get(state="active")
    assert (run.order, run.purchase_id, run.due_at) == (newest, newest.purchase_id, after(minutes=35))
    assert m.Run.objects.get(state="left").reason == "joined"
    sweep_for_a_month(after(minutes=35))
    mail = m.OutgoingEmail.objects.get(purpose="recovery")
    assert (mail.order, mail.purchase_id) == (newest, newest.purchase_id)


def test_two_that_were_mailed_become_one_that_is_left_in_peace(shelf):
    one, two, bundle, _three = shelf
    settings_of_default_site(promo_mails_per_day=0)
    ada = make_contact()
    for offer in (one, two):
        order_for(ada, offer, now=START, language="en")
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.count() == 2
    order_for(ada, bundle, now=after(hours=1), language="en")
    assert sorted(m.OutgoingEmail.objects.values_list("status", flat=True)) == ["cancelled", "queued"]
    sweep_for_a_month(after(hours=1))
    assert m.OutgoingEmail.objects.filter(purpose="recovery").count() == 2


def test_what_was_only_looked_at_changes_nothing(shelf, client):
    """The bundle's page is opened; what is then ordered is the third course. The first is won back as ever."""
    one, _two, _bundle, three = shelf
    page = make_page(products=[sold.product for sold in one.offer_products.all()])
    ada = make_contact()
    first = order_for(ada, one, now=START, language="en")
    assert client.get(page.url).status_code == 200
    order_for(ada, three, now=after(minutes=5), language="en")
    run = m.Run.objects.get(order=first)
    assert (run.state, run.due_at) == ("active", after(minutes=30))
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get().order == first


def test_the_plan_that_was_paid_ends_the_recovery_of_the_other(plans):
    story, _small, large = plans
    ada = make_contact()
    story.place(ada)
    other = order_for(ada, large, now=after(minutes=1), language="en")
    books_receive(other, "200.00", now=after(minutes=2))
    sweep_for_a_month(after(minutes=30))
    assert not m.OutgoingEmail.objects.filter(purpose="recovery").exists()
