"""Publishing: what is refused and in which words, and what a version is."""

from __future__ import annotations

import json

import pytest
from django.db.models import ProtectedError

from tests.automations.story import make_template, stream, tell, write
from tests.support import START, after, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import compiling, versions
from wagtail_kwiga.exceptions import ScenarioFault

pytestmark = pytest.mark.django_db

WAIT = ("wait", {"minutes": 30})
DAY = ("wait", {"amount": 1, "unit": "days"})


def add(story, **given):
    return ("add_to_list", {"list": story.list.pk, **given})


def off(story):
    return ("remove_from_list", {"list": story.list.pk})


def mail(story, template=None, **given):
    return ("send_email", {"template": (template or story.template).pk, **given})


def problem(scenario):
    found = versions.problems(scenario)
    assert len(found) == 1, found
    return found[0]


def test_a_version_is_the_definition_and_its_links(story):
    version = story.scenario.version
    assert (version.number, version.schema, version.event, version.published_at) == (1, 1, "order_unpaid", START)
    assert version.definition["event"]["filters"]["offers"] == [story.offer.pk]
    assert [step["kind"] for step in version.definition["steps"]] == [
        "wait", "add_to_list", "send_email", "wait", "remove_from_list",
    ]  # fmt: skip
    assert version.definition["steps"][2]["coupon_id"] == story.coupon.pk
    assert version.definition["steps"][3]["minutes"] == 24 * 60
    linked = {link.contact_list or link.coupon or link.template or link.offer for link in version.links.all()}
    assert linked == {story.list, story.coupon, story.template, story.offer}


@pytest.mark.parametrize("name", ["list", "coupon", "template", "offer"])
def test_what_a_version_uses_cannot_be_deleted(story, name):
    with pytest.raises(ProtectedError):
        getattr(story, name).delete()


def test_the_same_words_make_no_new_version(story):
    first = story.scenario.version
    assert versions.publish(m.Scenario.objects.get(), now=after(days=1)) == first
    scenario = write(story, ("wait", {"minutes": 45}), add(story), mail(story), DAY, off(story))
    second = versions.publish(scenario, now=after(days=2))
    assert (second.number, m.Scenario.objects.get().version) == (2, second)


def test_people_inside_stay_on_their_version(story):
    run = story.run_of(story.place())
    versions.publish(write(story, ("wait", {"minutes": 45}), off(story)), now=after(minutes=1))
    later = story.run_of(story.place(now=after(minutes=2)))
    run.refresh_from_db()
    assert (run.version.number, later.version.number) == (1, 2)


# --- what is refused -------------------------------------------------------------------------------------------------------


def test_nothing_written(story):
    scenario = m.Scenario.objects.create(title="Empty")
    assert versions.problems(scenario) == ["Choose what starts the scenario.", "Add at least one step."]
    with pytest.raises(ScenarioFault) as fault:
        versions.publish(scenario)
    assert fault.value.facts["problems"] == versions.problems(scenario)
    assert not scenario.versions.exists()


@pytest.mark.parametrize(
    "first", [[], [("wait", {"minutes": 9})], [("wait", {"minutes": 4}), ("wait", {"minutes": 5})]]
)
def test_a_first_wait_under_ten_minutes(story, first):
    assert "at least 10 minutes" in problem(write(story, *first, add(story), DAY, off(story)))


def test_ten_minutes_are_enough_and_paid_events_need_none(story):
    assert versions.problems(write(story, ("wait", {"minutes": 10}), off(story))) == []
    assert versions.problems(write(story, off(story), start=stream(("order_paid", {"offers": []})))) == []


def test_a_deadline_told_that_nobody_enforces(story):
    assert "nothing ends it" in problem(write(story, WAIT, add(story), mail(story)))
    for_good = write(story, WAIT, add(story, until="none"), mail(story))
    assert "nothing ends it" in problem(for_good)
    assert versions.problems(write(story, WAIT, add(story, until="hours", hours=5), mail(story))) == []
    m.Coupon.objects.update(valid_until=after(days=30))
    assert versions.problems(write(story, WAIT, add(story), mail(story))) == []


def test_a_deadline_told_in_a_translation_only(story):
    plain = make_template(("text", {"text": "<p>{{ coupon.code }}</p>"}))
    assert versions.problems(write(story, WAIT, add(story), mail(story, plain))) == []
    make_template(
        ("text", {"text": "<p>{{ coupon.valid_hours }}</p>"}), locale="de", translation_key=plain.translation_key
    )
    assert "nothing ends it" in problem(write(story, WAIT, add(story), mail(story, plain)))


def test_adding_for_good_what_a_later_step_takes_back(story):
    plain = make_template(("text", {"text": "<p>{{ coupon.code }}</p>"}))
    scenario = write(story, WAIT, add(story, until="none"), mail(story, plain), DAY, off(story))
    assert "It adds for good, but step 5" in problem(scenario)


def test_a_mail_that_speaks_of_a_coupon_needs_one(story):
    assert "speaks of a coupon. Choose one here" in problem(write(story, WAIT, mail(story)))
    make_coupon("OTHER", lists=[story.list])
    several = problem(write(story, WAIT, add(story), mail(story), DAY, off(story)))
    assert "COMEBACK15, OTHER" in several and several.startswith("Step 3 (Send e-mail):")
    chosen = write(story, WAIT, add(story), mail(story, coupon=story.coupon.pk), DAY, off(story))
    assert versions.problems(chosen) == []


def test_an_inactive_coupon_is_no_default_and_no_choice(story):
    old = make_coupon("OLD", lists=[story.list], is_active=False)
    assert versions.problems(m.Scenario.objects.get()) == []
    chosen = write(story, WAIT, add(story), mail(story, coupon=old.pk), DAY, off(story))
    assert "OLD is not active" in problem(chosen)


def test_a_coupon_for_people_on_another_list(story):
    other = make_list("VIP")
    coupon = make_coupon("VIP20", lists=[other])
    chosen = write(story, WAIT, add(story), mail(story, coupon=coupon.pk), DAY, off(story))
    assert "only for people on: VIP" in problem(chosen)
    plain = make_template(("text", {"text": "<p>{{ coupon.code }}</p>"}))
    asked = [{"type": "on_list", "value": {"list": other.pk, "expected": "yes"}, "id": "c"}]
    sure = write(story, WAIT, ("continue_if", {"condition": asked}), mail(story, plain, coupon=coupon.pk))
    assert versions.problems(sure) == []


def test_a_mail_without_a_coupon_needs_none(story):
    plain = make_template(("text", {"text": "<p>Hello</p>"}))
    version = versions.publish(write(story, WAIT, mail(story, plain)))
    assert version.definition["steps"][1]["coupon_id"] is None


def test_mails_that_cannot_be_sent(story):
    draft = make_template(live=False, title="Not yet")
    assert "“Not yet” is a draft" in problem(write(story, WAIT, add(story), mail(story, draft), DAY, off(story)))
    broken = make_template(("text", {"text": "<p>{{ no.such.thing }}</p>"}))
    assert "cannot be sent" in problem(write(story, WAIT, add(story), mail(story, broken), DAY, off(story)))


def test_references_that_are_gone(story):
    gone = write(story, WAIT, ("add_to_list", {"list": 999_999}), ("send_email", {"template": 999_999}))
    assert versions.problems(gone) == [
        "Step 2 (Add to list): What it names is gone, or was never chosen: List.",
        "Step 3 (Send e-mail): What it names is gone, or was never chosen: E-mail.",
    ]


def test_a_condition_must_be_chosen(story):
    assert "was never chosen: Condition" in problem(write(story, WAIT, ("continue_if", {"condition": []})))


# --- steps that nobody knows ---------------------------------------------------------------------------------------------------


def raw(story, *more):
    """Write stream data past the StreamField, as a removed extension leaves it."""
    data = json.dumps([*story.scenario.steps.raw_data, *more])
    column = m.Scenario._meta.get_field("steps").column
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {m.Scenario._meta.db_table} SET {column} = %s", [data])
    return m.Scenario.objects.get()


def test_an_unknown_step_in_the_row_is_refused_and_not_dropped(story):
    scenario = raw(story, {"type": "teleport", "value": {}, "id": "x"})
    assert len(scenario.steps) == 5  # the StreamField has left it out without a word
    assert "teleport" in problem(scenario)
    with pytest.raises(ScenarioFault):
        versions.publish(scenario)


def test_an_unknown_step_in_the_draft_is_refused(story):
    revision = story.scenario.save_revision()
    content = revision.content
    content["steps"] = json.dumps([*json.loads(content["steps"]), {"type": "teleport", "value": {}, "id": "x"}])
    revision.content = content
    revision.save()
    scenario = m.Scenario.objects.get()
    assert compiling.unknown_kinds(scenario) == ["teleport"]
    with pytest.raises(ScenarioFault):
        revision.publish()
    assert m.Scenario.objects.get().version.number == 1


# --- through Wagtail -----------------------------------------------------------------------------------------------------------


def test_publishing_a_revision_compiles_it(story, admin_user):
    scenario = write(story, ("wait", {"minutes": 45}), off(story))
    scenario.save_revision(user=admin_user).publish()
    version = m.Scenario.objects.get().version
    assert (version.number, version.published_by) == (2, admin_user)
    assert m.TimelineEntry.objects.filter(code="automations.published", by=admin_user).exists()


def test_an_older_revision_brings_back_its_words_not_its_version(story):
    old = m.Scenario.objects.get().save_revision()
    versions.publish(write(story, ("wait", {"minutes": 45}), off(story)))
    old.publish()
    version = m.Scenario.objects.get().version
    assert (version.number, version.definition) == (3, story.scenario.version.definition)


def test_saving_a_draft_changes_nothing(story):
    scenario = m.Scenario.objects.get()
    scenario.steps = stream(WAIT)
    scenario.save_revision()
    assert m.Scenario.objects.get().version.number == 1


def test_what_is_planned_for_later_is_not_compiled_yet(story):
    import datetime as dt

    from django.utils import timezone

    scenario = m.Scenario.objects.create(title="Later", live=False)
    scenario.go_live_at = timezone.now() + dt.timedelta(days=1)
    scenario.save_revision().publish()
    assert m.Scenario.objects.get(title="Later").version is None


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_what_cannot_run_does_not_look_live():
    scenario = m.Scenario.objects.create(title="Broken", live=False)
    with pytest.raises(ScenarioFault):
        scenario.save_revision().publish()
    scenario.refresh_from_db()
    assert (scenario.live, scenario.version, scenario.has_unpublished_changes) == (False, None, True)
    assert m.TimelineEntry.objects.get(code="automations.not_published").needs_attention


def test_steps_without_ids_are_not_published(story):
    scenario = m.Scenario(title="New", start=[("order_paid", {"offers": []})], steps=[("wait", {"minutes": 5})])
    assert versions.problems(scenario) == []
    scenario.save()
    assert versions.publish(scenario).number == 1


def test_the_story_is_told_once_more_with_a_paid_event(story):
    assert tell(
        start=stream(("order_paid", {"offers": [story.offer.pk]})), coupon=make_coupon("THANKS")
    ).scenario.version
