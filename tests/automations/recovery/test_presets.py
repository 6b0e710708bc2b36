"""*Win back unpaid orders* ready-made: what is made, what is published, what is refused, and what is removed again."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from wagtail.models import ModelLogEntry, Page, PageLogEntry

from tests.automations.recovery.starting import recovery, start
from tests.offers.making import make_page, offer_of, translate
from tests.support import after, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import compiling, editor_warnings
from wagtail_kwiga.automations.recovery import presets, readiness
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing
from wagtail_kwiga.offers import coupon_gate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _reactions():
    """The whole table of reactions here, not only this room's: the story goes through all rooms."""


def counts():
    return [model.objects.count() for model in (m.ContactList, m.Coupon, m.EmailTemplate, m.Scenario)]


def mode_of(page):
    page = m.OfferPage.objects.get(pk=page.pk)
    return page.coupon_mode, [block.value.code for block in page.coupons]


# --- drafts -----------------------------------------------------------------------------------------------------------------


def test_drafts_write_to_nobody_and_leave_the_gate_alone(page, offer, editor):
    made = presets.draft_recovery(page, recovery(percent=Decimal("12.5"), hours=48), by=editor, now=after())
    assert counts() == [1, 1, 1, 1]
    assert made.contact_list.title == made.template.title == made.scenario.title == "Win back: Watercolour"
    coupon = made.coupon
    assert (coupon.is_active, coupon.percent, coupon.limit_per_contact) == (False, Decimal("12.5"), 1)
    assert (list(coupon.contact_lists.all()), list(coupon.offers.all())) == ([made.contact_list], [offer])
    assert coupon.code.startswith("BACK-") and len(coupon.code) == 11
    assert not made.template.live and made.template.latest_revision and made.template.kind == "promotion"
    assert not made.scenario.live and made.scenario.latest_revision and made.scenario.version is None
    assert mode_of(page) == ("none", [])
    assert not m.ScenarioVersion.objects.exists()


def test_what_was_drafted_is_found_again_with_what_editors_changed_since(offer, editor):
    made = presets.draft_recovery(offer, recovery(), by=editor, now=after())
    assert list(presets.drafts(offer)) == [made.scenario]
    other = make_coupon("MINE")
    scenario = made.scenario
    scenario.steps[2].value["coupon"] = other
    scenario.save_revision()
    found = presets.drafted(m.Scenario.objects.get(), offer)
    assert (found.contact_list, found.coupon, found.template) == (made.contact_list, other, made.template)
    del scenario.steps[2]
    scenario.save_revision()
    assert presets.drafted(m.Scenario.objects.get(), offer) is None


def test_the_drafts_of_one_offer_are_not_those_of_another(offer):
    presets.draft_recovery(offer, recovery(), now=after())
    assert not presets.drafts(offer_of(make_page("Ink"))).exists()


def test_titles_are_numbered_where_they_are_taken(offer):
    titles = [presets.draft_recovery(offer, recovery(), now=after()).scenario.title for _ in range(3)]
    assert titles == ["Win back: Watercolour", "Win back: Watercolour (2)", "Win back: Watercolour (3)"]


def test_the_longest_title_fits():
    long = offer_of(make_page("W" * 255, slug="long"))
    assert len(presets.draft_recovery(long, recovery(), now=after()).contact_list.title) <= 120


def test_the_same_form_makes_one_recovery(offer):
    once = presets.draft_recovery(offer, recovery(code="BACK-ONCE"), now=after())
    with pytest.raises(KwigaError) as refusal:
        presets.draft_recovery(offer, recovery(code="back-once"), now=after())
    assert refusal.value.code == "made_already"
    assert refusal.value.facts["scenario"] == once.scenario
    assert counts() == [1, 1, 1, 1]


def test_a_code_that_somebody_else_has_is_refused_without_a_scenario(offer):
    make_coupon("SPRING")
    with pytest.raises(KwigaError) as refusal:
        presets.draft_recovery(offer, recovery(code="Spring"), now=after())
    assert (refusal.value.code, refusal.value.facts["scenario"]) == ("made_already", None)


@pytest.mark.parametrize(
    "given",
    [
        {"percent": Decimal(0)}, {"percent": Decimal("100.01")}, {"percent": Decimal(-5)}, {"wait_minutes": 9},
        {"wait_minutes": 10_081}, {"hours": 0}, {"hours": 721},
    ],
)  # fmt: skip
def test_out_of_bounds_is_no_recovery(given):
    with pytest.raises(ValueError, match="goes from"):
        recovery(**given)


# --- publishing -------------------------------------------------------------------------------------------------------------


def test_publishing_starts_it_and_nothing_stands_in_the_way(page, offer, editor):
    made = start(offer, by=editor)
    assert made.scenario.live and made.template.live
    assert m.Coupon.objects.get().is_active
    assert mode_of(page) == ("only", [made.coupon.code])
    offer.refresh_from_db()
    assert offer.coupon_mode == "only"
    assert list(offer.named_coupons.values_list("coupon__code", flat=True)) == [made.coupon.code]
    version = made.scenario.version
    assert (version.number, version.published_at, version.published_by) == (1, after(), editor)
    assert compiling.problems(made.scenario) == [] == editor_warnings.warnings(made.scenario)
    assert set(version.links.values_list("offer", flat=True)) == {offer.pk, None}


def test_publishing_twice_changes_nothing(page, offer, editor):
    made = start(offer, by=editor)
    before = Page.objects.get(pk=page.pk).latest_revision_id
    presets.publish_recovery(made, by=editor, now=after(minutes=1))
    assert Page.objects.get(pk=page.pk).latest_revision_id == before
    assert m.ScenarioVersion.objects.count() == 1


def test_a_second_recovery_of_the_offer_is_refused_whole(offer):
    first = start(offer)
    second = presets.draft_recovery(offer, recovery(), now=after())
    with pytest.raises(KwigaError) as refusal:
        presets.publish_recovery(second, now=after())
    assert (refusal.value.code, refusal.value.facts["scenario"]) == ("already_live", first.scenario)
    assert not m.Coupon.objects.get(pk=second.coupon.pk).is_active


def test_after_unpublishing_another_may_be_made(offer):
    start(offer).scenario.unpublish()
    assert start(offer).scenario.live


def test_a_scenario_of_all_offers_is_told_and_not_refused(page, offer):
    other = start(offer_of(make_page("Ink")))
    scenario = other.scenario
    scenario.start = [("order_unpaid", {"offers": [], "payment_kinds": ["online"], "origins": ["web"]})]
    scenario.save_revision().publish()
    assert not readiness.live_scenarios(offer).exists()
    assert any("about unpaid orders of all offers" in words for words in readiness.cautions(offer, page, now=after()))


# --- the gate of the page -----------------------------------------------------------------------------------------------------


def test_a_page_that_took_some_coupons_takes_this_one_as_well():
    old = make_coupon("OLD")
    page = make_page(coupon_mode="only", coupons=[old])
    made = start(offer_of(page))
    assert mode_of(page) == ("only", ["OLD", made.coupon.code])


def test_a_page_that_takes_any_coupon_is_not_touched():
    page = make_page(coupon_mode="any")
    revision = Page.objects.get(pk=page.pk).latest_revision_id
    start(offer_of(page))
    assert mode_of(page) == ("any", [])
    assert Page.objects.get(pk=page.pk).latest_revision_id == revision


def test_what_was_left_in_the_list_of_a_page_without_coupons_does_not_come_back():
    page = make_page(coupon_mode="none", coupons=[make_coupon("HALF-PRICE")])
    made = start(offer_of(page))
    assert mode_of(page) == ("only", [made.coupon.code])


def test_an_unfinished_draft_of_the_page_is_never_published(page, offer):
    page.title = "Half a thought"
    page.save_revision()
    drafts = presets.draft_recovery(offer, recovery(), now=after())
    with pytest.raises(KwigaError, match="changes that are not published yet") as refusal:
        presets.publish_recovery(drafts, now=after())
    assert refusal.value.code == "page_not_nameable"
    assert not m.Coupon.objects.get().is_active
    assert not m.EmailTemplate.objects.get().live and not m.Scenario.objects.get().live
    assert Page.objects.get(pk=page.pk).title == "Watercolour"
    assert mode_of(page) == ("none", [])


def test_a_locked_page_is_left_alone(page, offer):
    page.locked = True
    page.save()
    with pytest.raises(KwigaError, match="locked"):
        start(offer)


def test_a_draft_of_a_page_that_takes_any_coupon_is_no_obstacle():
    page = make_page(coupon_mode="any")
    page.title = "Half a thought"
    page.save_revision()
    assert coupon_gate.why_not_nameable(m.OfferPage.objects.get()) == ""
    assert start(offer_of(page)).scenario.live


def test_who_may_not_publish_the_page_starts_nothing(offer):
    nobody = get_user_model().objects.create_user("nobody")
    with pytest.raises(PermissionDenied):
        start(offer, by=nobody)
    assert not m.Coupon.objects.filter(is_active=True).exists()


# --- what cannot be won back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"price": Decimal(0)}, "costs nothing"),
        ({"publish": False}, "not published"),
        ({"sales_until": after(days=-1)}, "Sales have ended"),
    ],
)
def test_where_nobody_leaves_an_order_unpaid_nothing_is_made(given, words):
    page = make_page(**given)
    offer = m.Offer.objects.filter(translation_key=page.translation_key).first()
    with pytest.raises(KwigaError, match=words):
        presets.draft_recovery(offer or page, recovery(), now=after())
    assert counts() == [0, 0, 0, 0]


def test_an_offer_without_a_page_has_no_way_back():
    with pytest.raises(KwigaError, match="has no page"):
        presets.draft_recovery(make_offer(), recovery(), now=after())


def test_an_offer_that_is_not_sold_yet_may_be_prepared(page, offer):
    page.sales_from = after(days=1)
    page.save_revision().publish()
    offer.refresh_from_db()
    assert readiness.why_not(offer, page, now=after()) == ""
    assert any("Not on sale yet" in words for words in readiness.cautions(offer, page, now=after()))


def test_cautions_name_what_keeps_it_from_working(page, offer, settings):
    assert readiness.cautions(offer, page, now=after()) == []
    m.KwigaSettings.objects.update_or_create(
        site=page.get_site(), defaults={"recovery_on": False, "promo_policy": "consented"}
    )
    settings.WAGTAIL_KWIGA = {
        "PAYMENT_PROVIDERS": {"transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"}}
    }
    off, online, ticked = readiness.cautions(offer, page, now=after())
    assert "switched off" in off and "pay this offer online" in online and "ticked the box" in ticked


# --- removing -------------------------------------------------------------------------------------------------------------------


def test_drafts_can_be_removed(page, offer, editor):
    translate(page, "de")
    made = presets.draft_recovery(offer, recovery(also_in=("de",)), by=editor, now=after())
    assert presets.discard_recovery(made, by=editor, now=after()) == []
    assert counts() == [0, 0, 0, 0]
    assert not presets.drafts(offer).exists()


def test_what_is_used_elsewhere_stays(offer):
    made = presets.draft_recovery(offer, recovery(), now=after())
    make_page("Ink", coupon_mode="only", coupons=[made.coupon])
    kept = presets.discard_recovery(made, now=after())
    assert made.coupon in kept
    assert m.Coupon.objects.filter(pk=made.coupon.pk).exists()


def test_what_was_ever_live_is_not_removed(offer):
    made = start(offer)
    made.scenario.unpublish()
    with pytest.raises(KwigaError, match="Unpublish"):
        presets.discard_recovery(made, now=after())
    assert counts() == [1, 1, 1, 1]


# --- who did it -----------------------------------------------------------------------------------------------------------------


def test_everything_is_on_record(page, offer, editor):
    made = start(offer, by=editor)
    logged = {(entry.content_type.model, entry.action) for entry in ModelLogEntry.objects.filter(user=editor)}
    assert logged >= {
        ("contactlist", "wagtail.create"), ("coupon", "wagtail.create"), ("coupon", "wagtail.edit"),
        ("emailtemplate", "wagtail.create"), ("emailtemplate", "wagtail.publish"),
        ("scenario", "wagtail.create"), ("scenario", "wagtail.publish"),
    }  # fmt: skip
    assert set(PageLogEntry.objects.filter(user=editor, page=page.pk).values_list("action", flat=True)) >= {
        "wagtail.edit", "wagtail.publish",
    }  # fmt: skip
    told = [writing.sentence(entry) for entry in writing.timeline(offer)]
    assert told[-2:] == [
        "Drafts made for winning back its unpaid orders: “Win back: Watercolour”.",
        "Its unpaid orders are won back from now on: “Win back: Watercolour”.",
    ]
    assert [entry.code for entry in writing.timeline(made.scenario)] == ["automations.published"]
