"""People in scenarios: who is where and why, what was decided from which facts; stop, and let go on."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils.html import escape

from tests.automations.story import stream, tell, write
from tests.orders.shop import books_receive
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.orders import transitions

pytestmark = pytest.mark.django_db

INDEX = "wagtail_kwiga_runs:index"


@pytest.fixture
def story(db):
    return tell()


def url(name, run):
    return reverse(f"wagtail_kwiga_runs:{name}", args=[run.pk])


def page_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode().replace("<wbr>", "")  # where an address may be broken


def says(page, *words):
    for one in words:
        assert one in page or escape(one) in page, (one, page[page.find("<main") :][:4000])


def lacks(page, *words):
    for one in words:
        assert one not in page, one


# --- the list -------------------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(admin_client):
    says(page_of(admin_client, reverse(INDEX)), "Nobody yet: publish a scenario", "See your scenarios")


def test_the_list_says_where_and_why(admin_client, story):
    order = story.place(make_contact("ada@example.com"))
    page = page_of(admin_client, reverse(INDEX))
    says(page, "ada@example.com", "Win back", "inside", "Wait 30 minutes", order.number, "Waiting.")
    m.Run.objects.update(due_at=conf.now())
    says(page_of(admin_client, reverse(INDEX)), "It is time; the worker comes by once a minute.")
    m.Run.objects.update(in_flight_since=conf.now())
    says(page_of(admin_client, reverse(INDEX)), "A payment is under way")
    m.Run.objects.update(due_at=after(minutes=30), in_flight_since=None)
    engine.run_due(after(minutes=30))
    says(page_of(admin_client, reverse(INDEX)), "Wait 24 hours", "Waiting.")
    books_receive(order, "120.00", now=after(hours=1))
    says(page_of(admin_client, reverse(INDEX)), "left", "Paid: this purchase is made")


def test_who_was_not_let_in_is_listed_with_the_reason(admin_client, story):
    contact = make_contact()
    first = story.place(contact)
    engine.run_due(after(minutes=30))
    m.OutgoingEmail.objects.update(status="sent")
    transitions.cancel(first, now=after(hours=1))
    story.place(contact, now=after(hours=2))
    says(
        page_of(admin_client, f"{reverse(INDEX)}?state=refused"),
        "not let in",
        "Was written to about this offer not long ago",
    )


def test_filters_and_search(admin_client, story):
    other = tell(offer=make_offer(title="Ink", coupon_mode="only"), coupon=make_coupon("INK"))
    other.scenario.title = "Second"
    other.scenario.save()
    ada = story.place(make_contact("ada@example.com"))
    other.place(make_contact("bob@example.com", name="Bob Buyer"))
    for query in (
        f"scenario={story.scenario.pk}", f"offer={story.offer.pk}", "q=ada@example.com", f"q={ada.number}",
        f"scenario={story.scenario.pk}&state=active&state=paused", "q=ada",
    ):  # fmt: skip
        page = page_of(admin_client, f"{reverse(INDEX)}?{query}")
        says(page, "ada@example.com")
        lacks(page, "bob@example.com")
    lacks(page_of(admin_client, f"{reverse(INDEX)}?state=stopped"), "ada@example.com")
    lacks(page_of(admin_client, f"{reverse(INDEX)}?entered_at_from=2099-01-01"), "ada@example.com")


def test_the_list_costs_the_same_for_one_and_for_many(admin_client, story):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            page_of(admin_client, reverse(INDEX))
        return len(queries)

    story.place(make_contact())
    cost()
    one = cost()
    for number in range(12):
        versions.publish(
            write(story, ("wait", {"minutes": 40 + number}), ("remove_from_list", {"list": story.list.pk})), now=START
        )
        story.place(make_contact())
    assert cost() == one <= 20


# --- the card -------------------------------------------------------------------------------------------------------------------


def test_the_card_tells_every_decision_and_its_facts(admin_client, story):
    order = story.place(make_contact("ada@example.com"))
    engine.run_due(after(minutes=30))
    run = story.run_of(order)
    page = page_of(admin_client, url("inspect", run))
    says(
        page,
        "ada@example.com",
        order.number,
        "Win back, version 1",
        "15% for 24 hours, one e-mail",
        "On the list “Come back” for 24 hours",
        "List: Come back",
        "Coupon: COMEBACK15",
        "E-mail: Your place is free",
        "Until March 2, 2027, 1:30\xa0p.m.\xa0CET",
        "Due March 1, 2027, 1:30\xa0p.m.\xa0CET",
        "The wait was over.",
        "done",
        reverse("wagtail_kwiga_mail:inspect", args=[m.OutgoingEmail.objects.get().pk]),
        reverse("wagtail_kwiga_orders:inspect", args=[order.pk]),
    )


def test_a_newer_order_and_a_failed_condition_are_told(admin_client, story):
    asked = [{"type": "bought_before", "value": {"expected": "yes"}, "id": "c"}]
    versions.publish(write(story, ("wait", {"minutes": 30}), ("continue_if", {"condition": asked})), now=START)
    contact = make_contact()
    first = story.place(contact)
    second = story.place(contact, now=after(minutes=10))
    engine.run_due(after(minutes=40))
    page = page_of(admin_client, url("inspect", m.Run.objects.get()))
    says(
        page,
        f"Before: order {first.number}",
        f"Now: order {second.number}",
        "the wait starts afresh",
        "Only who has bought before",
        "The condition is not met.",
        "ended here",
        "At any step",
    )


def test_the_card_of_somebody_not_let_in(admin_client, story):
    m.Contact.objects.update(is_placeholder=True)
    run = story.run_of(story.place(make_contact(is_placeholder=True)))
    page = page_of(admin_client, url("inspect", run))
    says(page, "not let in", "There is no real e-mail address.", "Not let in, so nothing was decided.")
    lacks(page, "Stop</")


def test_a_version_that_cannot_be_read_still_has_a_card(admin_client, story):
    run = story.run_of(story.place(make_contact()))
    version = run.version
    version.definition["steps"].append({"kind": "teleport", "id": "x"})
    version.save()
    engine.run_due(after(minutes=30))
    page = page_of(admin_client, url("inspect", run))
    says(page, "inside", "Waiting.", "a step that nobody knows here")
    says(page_of(admin_client, reverse(INDEX)), "a step that nobody knows here")


def test_the_card_costs_the_same_for_one_decision_and_for_many(admin_client, story):
    run = story.run_of(story.place(make_contact()))
    engine.run_due(after(minutes=30))

    def cost():
        with CaptureQueriesContext(connection) as queries:
            page_of(admin_client, url("inspect", run))
        return len(queries)

    cost()
    one = cost()
    mail = m.OutgoingEmail.objects.get()
    m.StepRecord.objects.bulk_create(
        m.StepRecord(
            run=run, step="step-2", kind="send_email", outcome="skipped", reason="unsubscribed", at=after(hours=number),
            facts={"coupon": story.coupon.pk, "from": run.order_id, "site": {"odd": 1}}, email=mail,
        )
        for number in range(13)
    )  # fmt: skip
    assert cost() <= one + 1 <= 26  # the numbers of the orders


# --- stop, let go on ------------------------------------------------------------------------------------------------------------


def test_stop_is_asked_first_and_calls_mail_back(admin_client, story, django_user_model):
    run = story.run_of(story.place(make_contact("ada@example.com")))
    engine.run_due(after(minutes=30))
    says(page_of(admin_client, url("inspect", run)), "Stop")
    page = page_of(admin_client, url("stop", run))
    says(
        page,
        "leaves the scenario “Win back” now",
        "1 mail that waits in the outbox is called back",
        "csrfmiddlewaretoken",
    )
    run.refresh_from_db()
    assert run.state == "active"
    answer = admin_client.post(url("stop", run), follow=True)
    says(answer.content.decode(), "Stopped: ", "has left “Win back”", "mail that still waited was called back", "admin")
    run.refresh_from_db()
    assert (run.state, run.reason, run.due_at) == ("stopped", "stopped", None)
    mail = m.OutgoingEmail.objects.get()
    assert (mail.status, mail.why) == ("cancelled", "scenario_stopped")
    grant = m.ListMembership.objects.get()
    assert (grant.until, grant.removed_at) == (after(hours=24, minutes=30), None)  # what was told holds
    says(admin_client.post(url("stop", run), follow=True).content.decode(), "is not inside any more")


def test_let_go_on_is_asked_first(admin_client, story):
    run = story.run_of(story.place(make_contact()))
    version, whole = run.version, run.version.definition
    m.ScenarioVersion.objects.filter(pk=version.pk).update(definition={**whole, "steps": "none"})
    engine.run_due(after(minutes=30))
    run.refresh_from_db()
    assert run.state == "paused"
    says(page_of(admin_client, url("inspect", run)), "What went wrong")
    says(page_of(admin_client, url("let_go_on", run)), "Do this once you have mended what was wrong")
    m.ScenarioVersion.objects.filter(pk=version.pk).update(definition=whole)
    answer = admin_client.post(url("let_go_on", run), follow=True)
    says(answer.content.decode(), "goes on with the next run of the worker", "Set going again by staff")
    run.refresh_from_db()
    assert run.state == "active"
    says(admin_client.get(url("let_go_on", run), follow=True).content.decode(), "is not held")
    says(admin_client.post(url("let_go_on", run), follow=True).content.decode(), "is not held")


def bulk(*runs):
    ids = "&".join(f"id={run.pk}" for run in runs)
    return reverse("wagtail_bulk_action", args=["wagtail_kwiga", "run", "stop"]) + f"?{ids}&next=/admin/kwiga/people/"


def test_several_are_stopped_at_once(admin_client, story):
    runs = [story.run_of(story.place(make_contact(f"b{number}@example.com"))) for number in range(4)]
    engine.run_due(after(minutes=30))
    m.Run.objects.filter(pk=runs[3].pk).update(state="completed")
    says(page_of(admin_client, reverse(INDEX)), "Stop the scenario for the people ticked", "bulk-actions.js")
    page = page_of(admin_client, bulk(*runs[1:]))
    says(page, "b1@example.com", "b2@example.com", "are not inside any more")
    answer = admin_client.post(bulk(*runs[1:]), follow=True)
    says(answer.content.decode(), "2 people were stopped.")
    assert list(m.Run.objects.order_by("pk").values_list("state", flat=True)) == [
        "active",
        "stopped",
        "stopped",
        "completed",
    ]
    assert m.OutgoingEmail.objects.filter(status="cancelled").count() == 2


def test_all_rows_of_the_list_are_never_meant(admin_client, story):
    story.place(make_contact())
    address = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "run", "stop"]) + "?id=all"
    admin_client.post(address)
    assert m.Run.objects.get().state == "active"


# --- who may --------------------------------------------------------------------------------------------------------------------


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


def test_who_may_view_sees_and_stops_nobody(clerk, story):
    client = clerk("view_run")
    run = story.run_of(story.place(make_contact("ada@example.com")))
    page = page_of(client, reverse(INDEX))
    says(page, "ada@example.com")
    lacks(page, "bulk-actions.js", ">Stop<")
    lacks(page_of(client, url("inspect", run)), "Stop</")
    for address in (url("stop", run), url("let_go_on", run)):
        assert client.get(address).status_code in (302, 403)
        assert client.post(address).status_code in (302, 403)
    client.post(bulk(run))
    run.refresh_from_db()
    assert run.state == "active"


def test_who_may_stop_runs_sees_the_button(clerk, story):
    client = clerk("view_run", "stop_runs")
    run = story.run_of(story.place(make_contact()))
    page_of(client, reverse(INDEX))
    assert client.post(url("stop", run)).status_code == 302
    run.refresh_from_db()
    assert run.state == "stopped"


def test_visitors_and_strangers_see_nothing(client, clerk, story):
    run = story.run_of(story.place(make_contact()))
    client.logout()
    for address in (reverse(INDEX), url("inspect", run), url("stop", run)):
        assert client.get(address).status_code == 302
    client.force_login(User.objects.get(username="clerk"))
    stranger = clerk("view_order")
    assert stranger.get(reverse(INDEX)).status_code in (302, 403)


@pytest.mark.parametrize("name", ["add", "edit", "delete", "copy"])
def test_nobody_types_in_a_run(name):
    for args in ([], [1]):
        with pytest.raises(NoReverseMatch):
            reverse(f"wagtail_kwiga_runs:{name}", args=args)


def test_a_scenario_about_paid_orders_shows_too(admin_client):
    story = tell(start=stream(("order_paid", {"offers": []})))
    books_receive(story.place(make_contact()), "120.00", now=after(minutes=1))
    says(page_of(admin_client, url("inspect", m.Run.objects.get())), "30 minutes after any paid order")
