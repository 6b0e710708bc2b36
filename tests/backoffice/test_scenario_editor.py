"""The editor of scenarios: drafted, published as versions, compared, told in words."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.automations.story import stream, tell
from tests.backoffice.scenario_screens import LIST, form, page_of, says, story_steps, url, wait
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(db):
    return tell()


# --- the editor -----------------------------------------------------------------------------------------------------------------


def test_a_new_scenario_opens_with_an_unpaid_order_and_half_an_hour(admin_client, story):
    answer = admin_client.get(reverse("wagtail_kwiga_scenarios:add"))
    scenario = answer.context["form"].instance
    assert [(block.block_type, block.value.get("payment_kinds")) for block in scenario.start] == [
        ("order_unpaid", ["online"])
    ]
    assert [(block.block_type, dict(block.value)) for block in scenario.steps] == [
        ("wait", {"amount": 30, "unit": "minutes"})
    ]
    page = answer.content.decode()
    says(
        page,
        "Once you have saved a draft",
        "30 minutes are a good measure",
        "Orders that your team or an import has made",
    )


def test_from_draft_to_version_two_with_people_inside_staying(admin_client, story):
    story.scenario.unpublish()
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), form(story, *story_steps(story)))
    scenario = m.Scenario.objects.get(title="By hand")
    assert (answer.status_code, scenario.live, scenario.version) == (302, False, None)
    says(
        page_of(admin_client, url("edit", scenario)),
        "30 minutes after an unpaid order for Watercolour for beginners, unless paid: 15% for 24 hours, one e-mail",
        "Publishing lets in only orders placed from then on",
        "Until then nobody is let in",
    )
    answer = admin_client.post(url("edit", scenario), form(story, *story_steps(story), publish=True), follow=True)
    says(
        answer.content.decode(),
        "“By hand” is published as version 1. It lets in only orders placed from now on",
        "unless paid: 15% for 24 hours, one e-mail.",
    )
    run = story.run_of(story.place(now=timezone.now()))
    assert run.version.number == 1

    answer = admin_client.post(url("edit", scenario), form(story, *story_steps(story, 45), publish=True), follow=True)
    says(answer.content.decode(), "published as version 2", "45 minutes after")
    run.refresh_from_db()
    assert (run.version.number, m.Scenario.objects.get(pk=scenario.pk).version.number) == (1, 2)
    says(page_of(admin_client, url("edit", scenario)), "1 person inside stays on the version they came in with")

    first, *_others, last = m.Scenario.objects.get(pk=scenario.pk).revisions.order_by("pk")
    compared = page_of(
        admin_client, reverse("wagtail_kwiga_scenarios:revisions_compare", args=[scenario.pk, first.pk, last.pk])
    )
    says(compared, "30", "45")
    says(page_of(admin_client, url("history", scenario)), "Published", "Compare with previous version")
    told = page_of(admin_client, url("versions", scenario))
    says(told, "30 minutes after", "45 minutes after", "lets people in", "admin")


def test_saving_in_the_background_brings_the_summary_along(admin_client, story):
    answer = admin_client.post(
        url("edit", story.scenario), form(story, wait(5)), headers={"Accept": "application/json"}
    )
    assert answer.status_code == 200, answer.content
    html = json.loads(answer.content)["html"]
    says(html, "kwiga-scenario-summary", "Begin with a wait of at least 10 minutes", "5 minutes after")


def test_problems_stand_where_they_are_mended(admin_client, story):
    steps = [wait(5), ("send_email", {"template": str(story.template.pk), "coupon": ""})]
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), form(story, *steps, publish=True))
    assert answer.status_code == 200 and not m.Scenario.objects.filter(title="By hand").exists()
    fault = answer.context["form"].errors["steps"].as_data()[0]
    assert sorted(fault.block_errors) == [0, 1]
    assert "Payment systems may be slow" in str(fault.block_errors[0].as_json_data())
    assert "speaks of a coupon. Choose one here" in str(fault.block_errors[1].as_json_data())
    says(answer.content.decode(), "Begin with a wait of at least 10 minutes; 30 are recommended")


def test_a_scenario_without_steps_is_refused_at_the_steps(admin_client, story):
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), form(story, publish=True))
    assert "Add at least one step" in str(answer.context["form"].errors["steps"].as_data()[0].as_json_data())


def test_publishing_says_what_to_look_at(admin_client, story):
    m.Coupon.objects.update(limit_per_contact=None)
    answer = admin_client.post(url("edit", story.scenario), form(story, *story_steps(story), publish=True), follow=True)
    says(answer.content.decode(), "Published, and worth a look:", "it has no limit per person")
    says(page_of(admin_client, url("edit", story.scenario)), "Worth a look:", "it has no limit per person")
    says(page_of(admin_client, reverse(LIST)), "1 thing to look at")


def test_a_coupon_that_changes_between_form_and_publishing_leaves_a_draft(admin_client, story, monkeypatch):
    from wagtail_kwiga.backoffice.scenarios import scenario_editor

    judge = scenario_editor.compiling.read

    def read(scenario, revision=None):
        reading = judge(scenario, revision)
        m.Coupon.objects.update(is_active=False)  # somebody else, right after the form has looked
        return reading

    monkeypatch.setattr(scenario_editor.compiling, "read", read)
    chosen = {**dict(story_steps(story)[2][1]), "coupon": str(story.coupon.pk)}
    steps = [*story_steps(story)[:2], ("send_email", chosen), *story_steps(story)[3:]]
    answer = admin_client.post(url("edit", story.scenario), form(story, *steps, publish=True), follow=True)
    says(answer.content.decode(), "The scenario could not be published. It is saved as a draft.", "is not active")
    assert m.ScenarioVersion.objects.count() == 1


def test_the_copy_has_no_version_yet(admin_client, story):
    page_of(admin_client, url("copy", story.scenario))
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), form(story, *story_steps(story), title="Copy"))
    assert answer.status_code == 302
    assert m.Scenario.objects.get(title="Copy").version is None


def test_unpublishing_says_what_becomes_of_people(admin_client, story):
    story.place(now=timezone.now())
    says(page_of(admin_client, url("unpublish", story.scenario)), "1 person is inside now", "Stop all instead")
    assert admin_client.post(url("unpublish", story.scenario)).status_code == 302
    assert not m.Scenario.objects.get().live


def test_a_published_scenario_is_not_deleted_but_explained(admin_client, story):
    answer = admin_client.post(url("delete", story.scenario), follow=True)
    says(answer.content.decode(), "cannot be deleted, because it is in use")
    assert m.Scenario.objects.exists()
    page_of(admin_client, url("usage", story.scenario))


def test_a_scenario_that_names_something_unknown_still_shows(admin_client, story):
    version = m.ScenarioVersion.objects.get()
    version.definition["steps"].append({"kind": "teleport", "id": "x"})
    version.save()
    says(page_of(admin_client, reverse(LIST)), "It names something that nobody here knows")
    says(page_of(admin_client, url("versions", story.scenario)), "It cannot be read here any more.")


def test_a_scenario_with_an_unknown_step_is_not_opened_so_that_saving_cannot_lose_it(admin_client, story):
    revision = story.scenario.save_revision()
    content = revision.content
    content["steps"] = json.dumps([*json.loads(content["steps"]), {"type": "teleport", "value": {}, "id": "x"}])
    revision.content = content
    revision.save()
    for name in ("edit", "copy"):
        says(admin_client.get(url(name, story.scenario), follow=True).content.decode(), "cannot be opened", "teleport")
    says(
        admin_client.post(url("edit", story.scenario), form(story, wait(45)), follow=True).content.decode(), "teleport"
    )
    answer = admin_client.post(
        url("edit", story.scenario), form(story, wait(45)), headers={"Accept": "application/json"}
    )
    assert json.loads(answer.content)["error_code"] == "unknown_steps"
    assert m.Scenario.objects.get().latest_revision == revision


def test_an_older_draft_is_brought_back(admin_client, story):
    old = story.scenario.save_revision()
    story.scenario.steps = stream(("wait", {"minutes": 50}))
    story.scenario.save_revision()
    address = reverse("wagtail_kwiga_scenarios:revisions_revert", args=[story.scenario.pk, old.pk])
    says(page_of(admin_client, address), "30 minutes after")
    content = old.content
    content["steps"] = json.dumps([{"type": "teleport", "value": {}, "id": "x"}])
    old.content = content
    old.save()
    says(admin_client.get(address, follow=True).content.decode(), "cannot be opened")


def test_steps_preview_in_the_picker(admin_client, story):
    blocks = m.Scenario._meta.get_field("steps").stream_block.child_blocks
    for block in blocks.values():
        assert block.is_previewable and block.get_description()
        preview = reverse("wagtailadmin_block_preview") + f"?id={block.definition_prefix}"
        says(page_of(admin_client, preview), str(block.meta.preview_words or block.label))


def test_planned_for_later_is_said_as_wagtail_says_it(admin_client, story):
    data = form(story, *story_steps(story), publish=True)
    data["go_live_at"] = (timezone.now() + dt.timedelta(days=2)).strftime("%Y-%m-%d %H:%M")
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), data, follow=True)
    page = answer.content.decode()
    says(page, "scheduled for publishing")
    assert "is published as version" not in page
