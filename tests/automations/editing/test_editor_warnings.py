"""What an editor is told to look at before publishing, and that it costs the same for one scenario and for many."""

from __future__ import annotations

import uuid

import pytest
from wagtail.models import Locale, Page, Site

from tests.automations.story import make_template, stream, tell, write
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.editing import compiling, editor_warnings, versions
from wagtail_kwiga.automations.wording import offer_languages
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.mailing.authoring import versions as mail_versions

pytestmark = pytest.mark.django_db

WAIT = ("wait", {"minutes": 30})
DAY = ("wait", {"amount": 1, "unit": "days"})


def warned(scenario=None):
    return editor_warnings.warnings(scenario or m.Scenario.objects.get(), START)


def only(scenario=None):
    found = warned(scenario)
    assert len(found) == 1, found
    return found[0]


def test_the_story_is_as_it_should_be(story):
    assert warned() == []


def test_what_cannot_be_read_yet_has_problems_and_no_warnings(story):
    assert warned(m.Scenario(title="Empty")) == []


def test_an_offer_that_does_not_take_the_coupon(story):
    m.Offer.objects.update(coupon_mode="none")
    assert only() == (
        "Step 3 (Send e-mail): The coupon COMEBACK15 does not work for “Watercolour for beginners”, so nobody gets this mail "
        "about it. The offer takes no coupons."
    )
    assert versions.problems(m.Scenario.objects.get()) == []  # the offer page may follow


def test_where_no_offer_is_named_all_that_are_not_withdrawn_are_looked_at(story):
    for title in "ABCD":
        make_offer(title=title, coupon_mode="none")
    make_offer(title="Gone", coupon_mode="only", state="withdrawn")
    story.scenario.start = stream(("order_unpaid", {"offers": []}))
    assert "does not work for 4 offers" in only(story.scenario)


def test_a_discount_that_never_ends(story):
    plain = make_template(("text", {"text": "<p>{{ coupon.code }} {{ coupon.size }} {{ coupon.valid_until }}</p>"}))
    mail = ("send_email", {"template": plain.pk, "coupon": None})
    endless = write(story, WAIT, ("add_to_list", {"list": story.list.pk}), mail)
    assert any("never ends for these people" in words for words in warned(endless))
    for ending in (
        write(story, WAIT, ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 3}), mail),
        write(
            story,
            WAIT,
            ("add_to_list", {"list": story.list.pk}),
            mail,
            DAY,
            ("remove_from_list", {"list": story.list.pk}),
        ),
    ):
        assert not any("never ends" in words for words in warned(ending))
    m.Coupon.objects.update(valid_until=after(days=9))
    assert not any("never ends" in words for words in warned(endless))


def test_a_coupon_without_a_limit_per_person_is_told_once(story):
    m.Coupon.objects.update(limit_per_contact=None)
    assert only() == (
        "Step 2 (Add to list): One person may use the coupon COMEBACK15 as often as they like: it has no limit per person."
    )


def test_a_list_that_others_add_to(story):
    other = tell(offer=make_offer(title="Ink"), coupon=make_coupon("OTHER")).scenario
    other.title, other.live = "Second", True
    other.steps = stream(WAIT, ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 2}))
    other.save()
    versions.publish(other, now=START)
    lists.add(story.list, make_contact(), now=START)
    lists.add(story.list, make_contact(), source="import:3", now=START)
    lists.add(story.list, make_contact(), source="run:77", now=START)
    assert only(story.scenario) == (
        "Step 2 (Add to list): People get on the list “Come back” in other ways too: the scenario “Second” and 2 people added "
        "by your team. The coupon works for them as well, for as long as they are on it."
    )
    other.refresh_from_db()
    other.live = False  # unpublished, nobody inside: adds nobody any more
    other.save()
    m.ListMembership.objects.update(removed_at=START)
    assert warned(story.scenario) == []


def test_a_coupon_for_everybody_makes_the_list_pointless(story):
    everybody = make_coupon("ALL20", percent="20")
    gates.name_coupons(story.offer, [story.coupon.pk, everybody.pk])
    plain = make_template(("coupon_card", {"title": "", "show_prices": True, "show_deadline": False}))
    found = warned(
        write(
            story,
            WAIT,
            ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 2}),
            ("send_email", {"template": plain.pk, "coupon": everybody.pk}),
        )
    )
    assert any("works for everybody, so being on the list “Come back” changes nothing" in words for words in found)
    assert any("ALL20 works for everybody and never ends" in words for words in found)


def test_what_the_mail_leaves_open_is_passed_on(story):
    bare = make_template(("text", {"text": "<p>{{ coupon.valid_until }} {{ coupon.size }}</p>"}), title="Bare")
    found = warned(
        write(
            story,
            WAIT,
            ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 2}),
            ("send_email", {"template": bare.pk, "coupon": None}),
        )
    )
    assert any("The e-mail “Bare”: " in words and "code" in words for words in found)


def test_winning_back_that_is_switched_off(story):
    for site in Site.objects.all():
        m.KwigaSettings.objects.update_or_create(site=site, defaults={"recovery_on": False})
    assert "switched off" in only()


# --- languages --------------------------------------------------------------------------------------------------------------------


def page_of(offer, locale="en", **given):
    page = m.OfferPage(
        title=offer.title, price=120, currency="EUR", sells_no_access=True, translation_key=offer.translation_key,
        locale=Locale.objects.get_or_create(language_code=locale)[0], slug=f"{locale}-{offer.pk}", **given,
    )  # fmt: skip
    Page.objects.get(depth=1).add_child(instance=page)
    return page


@pytest.fixture
def sold(story):
    story.offer.translation_key = uuid.uuid4()
    story.offer.save()
    page_of(story.offer)
    return story


def test_a_translation_that_is_missing(sold):
    page_of(sold.offer, "de")
    assert only() == (
        "Step 3 (Send e-mail): The e-mail “Your place is free” is not there in German. Those buyers get it in English."
    )
    german = make_template(locale="de", translation_key=sold.template.translation_key, live=False)
    assert "German" in only()
    german.live = True
    german.save()
    assert warned() == []


def test_languages_are_those_in_which_orders_come_in(sold):
    assert offer_languages.of_offers([sold.offer]) == {sold.offer.pk: ["en"]}
    page_of(sold.offer, "de", live=False)
    page_of(sold.offer, "es", language_mode="fixed", fixed_language="pl")
    assert offer_languages.of_offers([sold.offer]) == {sold.offer.pk: ["en", "pl"]}
    page_of(sold.offer, "uk", language_mode="visitor")
    assert offer_languages.of_offers([sold.offer]) == {sold.offer.pk: ["en", "de", "es", "pl", "uk"]}
    assert "German, Spanish, Polish and Ukrainian" in only()


def test_the_rule_is_that_of_the_mailing_room(sold):
    make_template(locale="de", translation_key=sold.template.translation_key)
    make_template(locale="es", translation_key=sold.template.translation_key, live=False)
    wanted = ["en", "de-at", "es", "pl", "en-gb"]
    assert offer_languages.missing({1: sold.template}, {1: wanted}) == {
        1: mail_versions.languages_missing(sold.template, wanted)
    }


# --- cost -------------------------------------------------------------------------------------------------------------------------


def test_many_scenarios_cost_as_much_as_one(sold, django_assert_max_num_queries):
    def told(number):
        rows = m.Scenario.objects.select_related("version").order_by("pk")[:number]
        definitions = {row.pk: Definition.from_json(row.version.definition) for row in rows}
        with django_assert_max_num_queries(21) as queries:
            found = editor_warnings.of_many(definitions, START)
        assert set(found) == set(definitions)
        return len(queries)

    one = told(1)
    for number in range(5):
        list_ = make_list(f"List {number}")
        steps = [
            WAIT,
            ("add_to_list", {"list": list_.pk}),
            ("send_email", {"template": make_template().pk, "coupon": None}),
        ]
        more = tell(offer=make_offer(title=f"Offer {number}"), coupon=make_coupon(), steps=stream(WAIT))
        more.coupon.contact_lists.set([list_])
        m.Coupon.objects.filter(pk=more.coupon.pk).update(valid_until=after(days=4))
        more.scenario.steps = stream(*steps)
        more.scenario.save()
        versions.publish(more.scenario, now=START)
    assert told(6) == one


def test_problems_know_their_place(story):
    scenario = write(story, ("wait", {"minutes": 5}), ("add_to_list", {"list": 999_999}))
    assert [(one.stream, one.index, one.step) for one in compiling.read(scenario).found] == [
        ("steps", 1, "Add to list")
    ]
    scenario = write(story, ("wait", {"minutes": 5}), ("send_email", {"template": story.template.pk, "coupon": None}))
    assert [(one.stream, one.index) for one in compiling.read(scenario).found] == [("steps", 0), ("steps", 1)]
    assert compiling.read(m.Scenario(title="Empty")).found[0].stream == "start"


# --- promises nobody can read in time, and what leads a buyer astray ----------------------------------------------------------


@pytest.mark.parametrize(
    ("pause", "words"),
    [
        ((), "in the same moment: what is promised holds for 0 minutes"),
        ((("wait", {"minutes": 1}),), "for only 1 minute: the email promises that"),
    ],
)
def test_nothing_between_adding_and_removing_is_told_with_the_length_of_the_promise(story, pause, words):
    add, remove = (("add_to_list", {"list": story.list.pk}), ("remove_from_list", {"list": story.list.pk}))
    mail = ("send_email", {"template": story.template.pk, "coupon": None})
    assert words in only(write(story, WAIT, add, mail, *pause, remove))
    assert warned(write(story, WAIT, add, mail, DAY, remove)) == []


def test_a_promise_that_is_over_before_the_mail_about_it_is_told(story):
    """Published without a word, every mail of it would be skipped: the time on the list has run out while people waited."""
    add = ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 2})
    mail = ("send_email", {"template": story.template.pk, "coupon": None})
    two_hours = ("wait", {"amount": 2, "unit": "hours"})
    assert "for 2 hours, and that is over before this email leaves: nobody gets it" in only(
        write(story, WAIT, add, two_hours, mail)
    )
    assert "for 2 hours, and that is over" in only(write(story, WAIT, add, DAY, mail))
    late = ("wait", {"minutes": 90})
    assert "Of their 2 hours on the list" in only(write(story, WAIT, add, late, mail))
    assert "only 30 minutes left when this email leaves" in only(write(story, WAIT, add, late, mail))
    assert warned(write(story, WAIT, add, ("wait", {"minutes": 60}), mail)) == []
    assert warned(write(story, WAIT, add, mail)) == []


def test_who_is_put_on_the_list_anew_has_the_time_of_the_last_step(story):
    add = ("add_to_list", {"list": story.list.pk, "until": "hours", "hours": 2})
    mail = ("send_email", {"template": story.template.pk, "coupon": None})
    assert warned(write(story, WAIT, add, DAY, add, mail)) == []


def test_a_coupon_for_two_lists_may_have_no_end_to_tell(story):
    story.coupon.contact_lists.add(make_list("Friends"))
    assert "Whoever is on one of the others for good has no end to be told" in only()
    m.Coupon.objects.update(valid_until=after(days=9))
    assert warned() == []


@pytest.mark.parametrize(
    ("block", "is_told"),
    [
        (("button", {"label": "Go", "where": "pay", "url": ""}), True),
        (("button", {"label": "Go", "where": "resume", "url": ""}), True),
        (("text", {"text": '<p><a href="{{ pay_url }}">Pay</a></p>'}), True),
        (("text", {"text": "<p>{{ resume_url }}</p>"}), True),
        (("button", {"label": "Go", "where": "access", "url": ""}), False),
        (("button", {"label": "Go", "where": "order", "url": ""}), False),
    ],
)
def test_after_a_sale_a_button_to_paying_or_ordering_is_warned_about(story, block, is_told):
    mail = ("send_email", {"template": make_template(block, subject="Thank you").pk, "coupon": None})
    thanks = write(story, WAIT, mail, start=stream(("order_paid", {"offers": []})))
    assert any("has paid already" in words for words in warned(thanks)) is is_told
    before = write(story, WAIT, mail, start=stream(("order_unpaid", {"offers": [story.offer.pk]})))
    assert not any("has paid already" in words for words in warned(before))


def test_a_link_to_a_page_that_nobody_can_see(story):
    page = Site.objects.get().root_page.add_child(instance=Page(title="Lessons", slug="lessons", live=False))
    block = ("text", {"text": f'<p><a id="{page.pk}" linktype="page">Lessons</a></p>'})
    mail = ("send_email", {"template": make_template(block, subject="Hello").pk, "coupon": None})
    assert "A link leads to the page “Lessons”, which is not published." in only(write(story, WAIT, mail))
    page.save_revision().publish()
    assert warned(write(story, WAIT, mail)) == []


@pytest.mark.parametrize(("amount", "unit", "times"), [(100_000, "days", 30), (366, "days", 6), (100_000, "hours", 1)])
def test_waits_of_more_than_five_years_are_refused_and_no_crash(story, amount, unit, times):
    endless = write(story, *[("wait", {"amount": amount, "unit": unit})] * times)
    assert versions.problems(endless) == ["All waits together come to more than 5 years. Choose shorter ones."]


def test_a_year_of_waiting_is_fine(story):
    assert versions.problems(write(story, *[("wait", {"amount": 366, "unit": "days"})] * 5)) == []
