"""One rule about coupons: what the checkout says, the engine decides by, and delivery asks once more before a mail leaves."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mailing.making import queue_one
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.intents import EndMembership, GrantMembership
from wagtail_kwiga.automations.core.snapshots import source_of
from wagtail_kwiga.automations.running import facts
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import eligibility, gates, rules
from wagtail_kwiga.mailing.sending import presend_checks

pytestmark = pytest.mark.django_db

instants = st.one_of(st.none(), st.sampled_from([after(hours=-1), START, after(hours=1), after(days=2)]))
sources = st.sampled_from(["", "run:9", "hand"])


@pytest.fixture
def shop(story):
    """The story, with a mail in the outbox that carries its coupon, and a second list."""
    ada, second = make_contact(), make_list("Friends")
    order = order_for(ada, story.offer)
    return story, second, queue_one(ada, order=order, template=story.template, coupon=story.coupon)


def run_of(story, contact, offer) -> m.Run:
    """A run about the contact's order."""
    order = m.Order.objects.filter(contact=contact, offer=offer).first() or order_for(contact, offer)
    return m.Run(
        pk=1, scenario=story.scenario, version=story.scenario.version, contact=contact, order=order,
        purchase_id=order.purchase_id, position="step-0", due_at=START, stepped_at=START, entered_at=START,
    )  # fmt: skip


def verdict_of(known, run, story, now):
    """What the engine makes of the coupon for the offer of the run's order."""
    return known.coupon_verdict(story.coupon.pk, known.offer_of(run.order_id), now)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    coupon=st.fixed_dictionaries(
        {
            "is_active": st.sampled_from([True, True, True, False]),
            "valid_from": instants,
            "valid_until": instants,
            "limit_total": st.sampled_from([None, 1, 2]),
            "used_count": st.sampled_from([0, 1, 2]),
            "limit_per_contact": st.sampled_from([None, 0, 1, 2]),
        }
    ),
    fixed=st.sampled_from([None, None, "EUR", "PLN"]),
    mode=st.sampled_from(["none", "any", "any", "only"]),
    sale=st.fixed_dictionaries(
        {
            "state": st.sampled_from(["on_sale", "on_sale", "on_sale", "withdrawn", "draft"]),
            "sales_from": instants,
            "sales_until": instants,
        }
    ),
    named=st.booleans(),
    for_offers=st.sampled_from(["all", "this", "other"]),
    bound=st.sampled_from([0, 1, 1, 2]),
    grants=st.lists(st.tuples(st.booleans(), sources, instants, instants), max_size=4),
    uses=st.lists(
        st.tuples(st.booleans(), st.sampled_from(["reserved", "redeemed", "released"]), instants), max_size=3
    ),
)
def test_page_engine_and_delivery_give_the_same_verdict(
    shop, coupon, fixed, mode, sale, named, for_offers, bound, grants, uses
):
    story, second, mail = shop
    ada = mail.contact
    size = {"kind": "fixed", "amount": 5, "currency": fixed, "percent": None} if fixed else {
        "kind": "percent", "percent": 15, "amount": None, "currency": "",
    }  # fmt: skip
    m.Coupon.objects.filter(pk=story.coupon.pk).update(**coupon, **size)
    m.Offer.objects.filter(pk=story.offer.pk).update(coupon_mode=mode, **sale)
    gates.name_coupons(story.offer, [story.coupon.pk] if named else [])
    story.coupon.contact_lists.set([story.list, second][:bound])
    story.coupon.offers.set({"all": [], "this": [story.offer], "other": [make_offer()]}[for_offers])
    for on_second, source, until, removed_at in grants:
        where = {"list": second if on_second else story.list, "contact": ada, "source": source}
        if removed_at is not None or not m.ListMembership.objects.filter(**where, removed_at__isnull=True).exists():
            m.ListMembership.objects.create(**where, added_at=START, until=until, removed_at=removed_at)
    for is_hers, state, reserved_until in uses:
        m.CouponUse.objects.create(
            coupon=story.coupon,
            contact=ada if is_hers else make_contact(),
            state=state,
            reserved_at=START,
            reserved_until=reserved_until or after(days=9),
        )
    offer = m.Offer.objects.get(pk=story.offer.pk)

    run = run_of(story, ada, offer)
    decided = verdict_of(facts.load([run], START).cases[1].facts, run, story, START)
    checked = presend_checks.pre_send_check(mail, site_id=None, coupon_id=story.coupon.pk, now=START)

    assert checked is not None and checked.verdict == decided
    shown = eligibility.check_coupon(story.coupon, offer=offer, contact=ada, now=START)
    if selling.is_for_sale(offer, START):
        assert (decided.reason, decided.until) == (shown.reason, shown.until)
    else:
        assert decided.reason == rules.Reason.NOT_FOR_SALE
    if not shown.ok and shown.reason not in ("used_by_you", "other_address", "ended_for_you"):
        stranger = eligibility.check_coupon(story.coupon, offer=offer, contact=make_contact(), now=START)
        assert not stranger.ok, "what keeps everybody out keeps strangers out"


@pytest.mark.parametrize("was_removed", [True, False])
def test_whose_time_on_the_list_is_over_is_told_apart_from_who_never_was_on_it(shop, was_removed):
    """The checkout tells them apart, so the record of the run does (it used to say *not on it* of both)."""
    story, _second, mail = shop
    until = None if was_removed else after(minutes=5)
    lists.add(story.list, mail.contact, until=until, source="", now=START)
    if was_removed:
        lists.remove(story.list, mail.contact, now=after(minutes=5))
    run = run_of(story, mail.contact, story.offer)
    now = after(minutes=10)
    assert verdict_of(facts.load([run], now).cases[1].facts, run, story, now).reason == "ended_for_you"
    other = run_of(story, make_contact(), story.offer)
    assert verdict_of(facts.load([other], now).cases[1].facts, other, story, now).reason == "other_address"


@pytest.mark.parametrize("hours", [None, 3])
def test_what_a_pass_folds_into_its_facts_is_what_the_database_says_afterwards(shop, hours):
    """Put on the list and taken off again: step by step the facts of the pass and the checkout agree."""
    story, _second, mail = shop
    run = run_of(story, mail.contact, story.offer)
    m.ListMembership.objects.all().delete()
    known = facts.load([run], START).cases[1].facts
    until = after(hours=hours) if hours else None
    put_on = GrantMembership(1, story.list.pk, mail.contact_id, until)
    taken_off = EndMembership(1, story.list.pk, mail.contact_id)
    for intent in (put_on, taken_off, put_on, taken_off):
        known = intent.fold(known)
        if intent is put_on:
            lists.add(story.list, mail.contact, until=until, source=source_of(1), now=START)
        else:
            lists.remove(story.list, mail.contact, source=source_of(1), now=START)
        shown = eligibility.check_coupon(story.coupon, offer=story.offer, contact=mail.contact, now=START)
        verdict = verdict_of(known, run, story, START)
        assert verdict.reason == shown.reason == ("ok" if intent is put_on else "ended_for_you")
        if verdict.ok:
            assert verdict.until == shown.until == until


def test_the_rules_are_told_in_one_order():
    """Of any two reasons that hold at once the one further up is told, whoever asks."""
    in_the_way = {
        "inactive": {"is_active": False},
        "expired": {"valid_until": START},
        "other_currency": {"currency": "PLN"},
        "used_by_you": {"limit_per_contact": 0},
        "used_up": {"limit_total": 0},
    }
    offer, customer = rules.OfferFacts(1, "EUR"), rules.CustomerFacts()
    order = list(in_the_way)
    for one, other in itertools.combinations(order, 2):
        coupon = rules.CouponFacts(**in_the_way[other], **in_the_way[one])
        assert rules.judge(coupon, offer, rules.Links(), customer, START).reason == one
