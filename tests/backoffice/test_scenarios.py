"""Scenarios in the admin: counted in the list, stopped, and who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.automations.story import make_template, stream, tell
from tests.backoffice.scenario_screens import LIST, page_of, says, url
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


@pytest.fixture
def story(db):
    return tell()


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
    says(page, "These scenarios send it", ">Win back</a></li>")
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
