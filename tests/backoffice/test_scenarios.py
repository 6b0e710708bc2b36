"""Scenarios in the admin: drafted, published as versions, compared, told in words, counted, stopped."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from wagtail.test.utils.form_data import nested_form_data, streamfield

from tests.automations.story import make_template, stream, tell
from tests.mailing.making import settings_of_default_site
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import counting
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.mailing.sending import delivery

pytestmark = pytest.mark.django_db

LIST = "wagtail_kwiga_scenarios:list"


@pytest.fixture
def story(db):
    return tell()


def url(name, scenario):
    return reverse(f"wagtail_kwiga_scenarios:{name}", args=[scenario.pk])


def page_of(client, address, **given):
    answer = client.get(address, **given)
    assert answer.status_code == 200, (address, answer.status_code, answer.headers)
    return answer.content.decode()


def says(page, *words):
    for one in words:
        assert one in page or escape(one) in page, (one, page[page.find("<main") :][:3000])


def wait(amount, unit="minutes"):
    return ("wait", {"amount": str(amount), "unit": unit})


def form(story, *steps, title="By hand", publish=False):
    data = nested_form_data(
        {"title": title, "start": streamfield([("order_unpaid", {"include_free": ""})]), "steps": streamfield(steps)}
    )
    chosen = {"offers": [str(story.offer.pk)], "payment_kinds": ["online"], "origins": ["web"]}
    data |= {f"start-0-value-{name}": values for name, values in chosen.items()}
    return data | ({"action-publish": "1"} if publish else {})


def story_steps(story, minutes=30):
    chosen = {"list": str(story.list.pk)}
    return [
        wait(minutes),
        ("add_to_list", {**chosen, "until": "scenario", "hours": ""}),
        ("send_email", {"template": str(story.template.pk), "coupon": ""}),
        wait(24, "hours"),
        ("remove_from_list", chosen),
    ]


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


# --- the list -------------------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(admin_client):
    says(page_of(admin_client, reverse(LIST)), "No scenarios yet", "in one form", "make a scenario step by step")


def test_the_list_counts_who_is_inside_was_written_to_and_paid(admin_client, story):
    paid_late, paid_at_once, unpaid = (story.place(make_contact()) for _ in range(3))
    books_receive(paid_at_once, "120.00", now=after(minutes=5))
    engine.run_due(after(minutes=30))
    counted = counting.with_counts(m.Scenario.objects.all()).get()
    assert (counted.inside_now, counted.mailed, counted.paid_afterwards) == (2, 0, 0)  # nothing has left yet
    delivery.deliver_due(after(minutes=31))
    books_receive(paid_late, "120.00", now=after(hours=2))
    page = page_of(admin_client, reverse(LIST))
    row = page[page.index("Win back") :]
    says(row, "15% for 24 hours, one e-mail")
    people = reverse("wagtail_kwiga_runs:index") + f"?scenario={story.scenario.pk}&amp;state=active&amp;state=paused"
    assert f'<a href="{people}">1</a>' in row
    counted = counting.with_counts(m.Scenario.objects.all()).get()
    assert (counted.inside_now, counted.mailed, counted.paid_afterwards) == (1, 2, 1)
    assert unpaid.status == "open"
    says(page_of(admin_client, f"{reverse(LIST)}?ordering=-paid_afterwards"), "Win back")
    assert "15% for 24 hours" not in page_of(admin_client, f"{reverse(LIST)}?live=false")


@pytest.mark.parametrize("status", ["cancelled", "missed", "suppressed", "failed", "queued"])
def test_a_mail_that_has_not_left_is_not_counted(story, status):
    story.place()
    engine.run_due(after(minutes=30))
    m.OutgoingEmail.objects.update(status=status)
    assert counting.with_counts(m.Scenario.objects.all()).get().mailed == 0


def test_one_sale_is_claimed_by_the_scenario_whose_mail_left_last_before_the_payment(story):
    settings_of_default_site(promo_mails_per_day=0)
    second = m.Scenario.objects.create(
        title="An hour later",
        start=stream(("order_unpaid", {"offers": []})),
        steps=stream(
            ("wait", {"minutes": 90}),
            ("send_email", {"template": make_template(("text", {"text": "<p>Hello</p>"})).pk, "coupon": None}),
        ),
    )
    versions.publish(second, now=START)
    order = story.place()
    for minutes in (30, 90):
        engine.run_due(after(minutes=minutes))
        delivery.deliver_due(after(minutes=minutes))
    books_receive(order, "120.00", now=after(hours=2))
    found = {one.title: (one.mailed, one.paid_afterwards) for one in counting.with_counts(m.Scenario.objects.all())}
    assert found == {"Win back": (1, 0), "An hour later": (1, 1)}


def test_what_only_an_old_version_uses_can_be_deleted_once_nobody_is_in_it(admin_client, story):
    order, old = story.place(), story.list
    new = make_list("Another list")
    story.scenario.steps = stream(
        ("wait", {"minutes": 30}), ("add_to_list", {"list": new.pk, "until": "hours", "hours": 3})
    )
    story.scenario.save()
    versions.publish(m.Scenario.objects.get(pk=story.scenario.pk), now=after(minutes=1))
    story.coupon.contact_lists.clear()
    gates.name_coupons(story.offer, [])
    delete = reverse("wagtail_kwiga_lists:delete", args=[old.pk])
    page = admin_client.post(delete, follow=True).content.decode()
    says(page, "in use by: the scenario “Win back”")
    assert m.ContactList.objects.filter(pk=old.pk).exists()
    books_receive(order, "120.00", now=after(minutes=2))  # nobody is inside any more
    m.ListMembership.objects.all().delete()
    admin_client.get(delete)
    assert m.ScenarioVersionLink.objects.filter(contact_list=old).exists()  # a look changes nothing
    admin_client.post(delete)
    assert not m.ContactList.objects.filter(pk=old.pk).exists()
    page = admin_client.post(reverse("wagtail_kwiga_lists:delete", args=[new.pk]), follow=True)
    says(page.content.decode(), "in use by: the scenario “Win back”")


def test_unpublishing_an_email_names_the_scenarios_that_send_it(admin_client, story):
    page = page_of(admin_client, reverse("wagtail_kwiga_emails:unpublish", args=[story.template.pk]))
    says(page, "These scenarios send it", "<li>Win back</li>")
    other = make_template(title="Nobody's")
    says(page_of(admin_client, reverse("wagtail_kwiga_emails:unpublish", args=[other.pk])), "No scenario sends it.")


def test_two_steps_with_one_id_are_told_and_no_crash(admin_client, story):
    blocks = stream(("wait", {"minutes": 30}), ("wait", {"minutes": 40}))
    blocks[1]["id"] = blocks[0]["id"]
    story.scenario.steps = blocks
    story.scenario.save()
    story.scenario.save_revision()
    page = page_of(admin_client, url("edit", story.scenario))
    says(page, "Step 2 (Wait): It has the same identity as step 1, of which it is a copy. Delete it and add it anew.")


def another(number):
    list_ = make_list(f"List {number}")
    coupon = make_coupon(lists=[list_])
    offer = make_offer(title=f"Offer {number}", coupon_mode="only")
    gates.name_coupons(offer, [coupon.pk])
    scenario = m.Scenario.objects.create(
        title=f"Scenario {number}",
        start=stream(("order_unpaid", {"offers": [offer.pk]})),
        steps=stream(
            ("wait", {"minutes": 30}), ("add_to_list", {"list": list_.pk, "until": "hours", "hours": 5}),
            ("send_email", {"template": make_template(title=f"Mail {number}").pk, "coupon": None}),
        ),
    )  # fmt: skip
    versions.publish(scenario, now=START)
    return scenario


@pytest.mark.parametrize("name", ["list", "versions"])
def test_lists_cost_the_same_for_one_and_for_many(admin_client, story, name):
    address = reverse(LIST) if name == "list" else url("versions", story.scenario)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            page_of(admin_client, address)
        return len(queries)

    cost()
    one = cost()
    for number in range(12):
        another(number)
        story.scenario.steps = stream(("wait", {"minutes": 40 + number}), ("remove_from_list", {"list": story.list.pk}))
        story.scenario.save()
        versions.publish(story.scenario, now=after(days=number + 1))
        story.place(make_contact())
    assert cost() == one <= 40


def test_the_editor_costs_no_more_for_many_people(admin_client, story):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            page_of(admin_client, url("edit", story.scenario))
        return len(queries)

    story.place(make_contact())
    cost()
    one = cost()
    for _ in range(6):
        story.place(make_contact())
    assert cost() == one <= 80


# --- stop all -------------------------------------------------------------------------------------------------------------------


def test_stop_all_asks_counts_and_calls_mail_back(admin_client, story):
    for _ in range(3):
        story.place(make_contact())
    engine.run_due(after(minutes=30))
    page = page_of(admin_client, url("stop_all", story.scenario))
    says(
        page,
        "3 people inside “Win back” leave now",
        "3 mails that wait in the outbox are called back",
        "Let nobody new in",
    )
    assert m.Run.objects.filter(state="active").count() == 3  # looking has changed nothing
    answer = admin_client.post(url("stop_all", story.scenario), {"unpublish": "on"}, follow=True)
    says(answer.content.decode(), "3 people were taken out of “Win back”", "lets nobody new in")
    assert set(m.OutgoingEmail.objects.values_list("status", "why")) == {("cancelled", "scenario_stopped")}
    assert set(m.Run.objects.values_list("state", "reason")) == {("stopped", "stopped")}
    assert not m.Scenario.objects.get().live
    says(page_of(admin_client, url("stop_all", story.scenario)), "Nobody is inside “Win back”")


def test_stop_all_without_unpublishing_lets_people_in_as_before(admin_client, story):
    story.place(make_contact())
    assert admin_client.post(url("stop_all", story.scenario), {}).status_code == 302
    assert m.Scenario.objects.get().live and not m.Run.objects.filter(state="active").exists()
    assert story.run_of(story.place(make_contact())).state == "active"


def test_what_takes_too_long_goes_on_with_the_next_click(admin_client, story, settings, monkeypatch):
    from wagtail_kwiga.backoffice.scenarios import stopping

    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "SWEEP_BATCH": 2}
    monkeypatch.setattr(stopping, "SECONDS", 0)
    for _ in range(5):
        story.place(make_contact())
    answer = admin_client.post(url("stop_all", story.scenario), {}, follow=True)
    says(
        answer.content.decode(),
        "2 people were taken out",
        "3 people are still inside. Please go on.",
        "3 people inside",
    )


# --- who may ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk(client):
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    user.groups.add(group)
    client.force_login(user)

    def allow(*codes):
        group.permissions.set(Permission.objects.filter(codename__in=["access_admin", *codes]))
        return client

    return allow


def test_who_may_only_look_stops_nobody(clerk, story):
    client = clerk("view_scenario", "view_run")
    story.place(make_contact())
    page = page_of(client, reverse(LIST))
    assert "Stop all" not in page
    page_of(client, url("versions", story.scenario))
    assert client.get(url("stop_all", story.scenario)).status_code in (302, 403)
    assert client.post(url("stop_all", story.scenario)).status_code in (302, 403)
    assert m.Run.objects.filter(state="active").exists()


def test_who_may_stop_but_not_publish_cannot_unpublish(clerk, story):
    client = clerk("view_scenario", "stop_runs")
    story.place(make_contact())
    assert "Let nobody new in" not in page_of(client, url("stop_all", story.scenario))
    client.post(url("stop_all", story.scenario), {"unpublish": "on"})
    assert m.Scenario.objects.get().live
    assert not m.Run.objects.filter(state="active").exists()


def test_visitors_and_strangers_see_nothing(client, clerk, story):
    for name in ("versions", "stop_all", "edit"):
        assert client.get(url(name, story.scenario)).status_code == 302
    stranger = clerk("view_order")
    assert stranger.get(url("versions", story.scenario)).status_code in (302, 403)


def test_planned_for_later_is_said_as_wagtail_says_it(admin_client, story):
    data = form(story, *story_steps(story), publish=True)
    data["go_live_at"] = (timezone.now() + dt.timedelta(days=2)).strftime("%Y-%m-%d %H:%M")
    answer = admin_client.post(reverse("wagtail_kwiga_scenarios:add"), data, follow=True)
    page = answer.content.decode()
    says(page, "scheduled for publishing")
    assert "is published as version" not in page
