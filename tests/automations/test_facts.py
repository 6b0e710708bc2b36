"""The snapshots tell the truth: the pure rules agree with those of the checkout, in every state of coupon and person."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import facts
from wagtail_kwiga.coupons import eligibility, gates

pytestmark = pytest.mark.django_db

instants = st.one_of(st.none(), st.sampled_from([after(hours=-1), START, after(hours=1), after(days=2)]))
grants = st.lists(st.tuples(st.sampled_from(["", "run:9", "hand"]), instants, instants), max_size=3)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    coupon=st.fixed_dictionaries(
        {
            "is_active": st.sampled_from([True, True, True, False]),
            "valid_from": instants,
            "valid_until": instants,
            "limit_total": st.sampled_from([None, 1, 2]),
            "taken": st.sampled_from([0, 1, 2]),
            "limit_per_contact": st.sampled_from([None, 1, 2]),
        }
    ),
    fixed=st.sampled_from([None, None, "EUR", "PLN"]),
    mode=st.sampled_from(["none", "any", "only"]),
    named=st.booleans(),
    for_offers=st.sampled_from(["all", "this", "other"]),
    bound=st.booleans(),
    grants=grants,
    uses=st.lists(st.tuples(st.sampled_from(["held", "spent", "given_back"]), instants), max_size=3),
)
def test_a_coupon_works_in_the_mail_exactly_where_it_works_at_the_checkout(
    story, coupon, fixed, mode, named, for_offers, bound, grants, uses
):
    from tests.support import make_contact, make_offer

    ada = make_contact()
    size = {"kind": "fixed", "amount": 5, "currency": fixed, "percent": None} if fixed else {
        "kind": "percent", "percent": 15, "amount": None, "currency": "",
    }  # fmt: skip
    m.Coupon.objects.filter(pk=story.coupon.pk).update(**coupon, **size)
    m.Offer.objects.filter(pk=story.offer.pk).update(coupon_mode=mode)
    gates.name_coupons(story.offer, [story.coupon.pk] if named else [])
    story.coupon.contact_lists.set([story.list] if bound else [])
    story.coupon.offers.set({"all": [], "this": [story.offer], "other": [make_offer()]}[for_offers])
    for source, until, removed_at in grants:
        if m.ListMembership.objects.filter(contact=ada, source=source, removed_at__isnull=True).exists():
            continue
        m.ListMembership.objects.create(
            list=story.list, contact=ada, source=source, added_at=START, until=until, removed_at=removed_at
        )
    for state, held_until in uses:
        m.CouponUse.objects.create(
            coupon=story.coupon, contact=ada, state=state, held_at=START, held_until=held_until or after(days=9)
        )
    offer = m.Offer.objects.get(pk=story.offer.pk)
    run = m.Run(
        pk=1, scenario=story.scenario, version=story.scenario.version, contact=ada, offer=offer, position="step-0",
        due_at=START, stepped_at=START, entered_at=START,
    )  # fmt: skip

    known = facts.load([run], START).cases[1].facts
    verdict = eligibility.check_coupon(story.coupon, offer=offer, contact=ada, now=START)

    refusal = known.coupon_refusal(story.coupon.pk, START)
    same = {"other_address": "not_on_list", "ended_for_you": "not_on_list", "ok": ""}
    assert refusal == same.get(str(verdict.reason), str(verdict.reason))
    if verdict.ok:
        assert known.coupon_until(story.coupon.pk, START) == verdict.until


def test_what_a_case_knows(story):
    order = story.place()
    run = story.run_of(order)
    batch = facts.load([run], START)
    case = batch.cases[run.pk]
    assert case.run.source == f"run:{run.pk}"
    assert [one.id for one in case.facts.orders] == [order.pk]
    assert case.facts.offer.not_for_sale == ""
    assert case.facts.templates[story.template.pk].tells_end
    assert case.definition.event.kind == "order_unpaid"
    assert batch.language_of(run, order.pk) == "en"


def test_a_withdrawn_offer_is_known_as_such(story):
    run = story.run_of(story.place())
    m.Offer.objects.update(state="withdrawn")
    assert facts.load([run], START).cases[run.pk].facts.offer.not_for_sale == "withdrawn"


def test_one_faulty_template_does_not_take_the_others_with_it(story):
    from tests.automations.story import make_template, stream

    other = make_template(("text", {"text": "<p>{{ no.such }}</p>"}))
    from wagtail_kwiga.automations import mail_facts

    found = mail_facts.load([story.template.pk, other.pk, 999_999], ["en"]).in_language("en")
    assert (found[story.template.pk].fault, bool(found[other.pk].fault), bool(found[999_999].fault)) == ("", True, True)
    m.EmailTemplate.objects.filter(pk=other.pk).update(body=stream(("text", {"text": "<p>Hi</p>"})))
    assert mail_facts.load([other.pk], ["en"]).in_language("en")[other.pk].fault == ""


def test_bought_before_is_about_other_purchases():
    from tests.automations.story import stream, tell
    from tests.orders.shop import books_receive
    from tests.support import make_contact
    from wagtail_kwiga.automations import engine

    asked = [{"type": "bought_before", "value": {"expected": "no"}, "id": "c"}]
    story = tell(steps=stream(("wait", {"minutes": 30}), ("continue_if", {"condition": asked})))
    ada, new = make_contact(), make_contact()
    order = story.place(ada, payment_kind="transfer")
    books_receive(order, "120.00", now=after(minutes=1))
    story.place(ada, now=after(minutes=2))
    story.place(new, now=after(minutes=2))
    summary = engine.run_due(after(minutes=32))
    assert (summary.left, summary.done) == (1, 1)
    assert m.Run.objects.get(contact=ada).reason == "condition_fails"


def test_loading_costs_the_same_for_one_and_for_twenty(story, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    runs = [story.run_of(story.place()) for _ in range(20)]
    facts.load(runs[:1], START)  # the template is compiled once
    with CaptureQueriesContext(connection) as one:
        facts.load(runs[:1], START)
    with django_assert_num_queries(len(one)):
        facts.load(runs, START)
    assert len(one) <= 20


def test_instants_are_aware(story):
    run = story.run_of(story.place())
    assert facts.snapshot_of(m.Run.objects.get(pk=run.pk)).due_at.tzinfo is not None
    assert facts.snapshot_of(run).due_at - dt.timedelta(minutes=30) == START
