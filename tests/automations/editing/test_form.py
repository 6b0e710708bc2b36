"""An editor's way through the admin: the form opens, refuses in words what cannot run, and publishes what can."""

from __future__ import annotations

import pytest
from django.urls import reverse
from wagtail.test.utils.form_data import nested_form_data, streamfield

from tests.automations.story import make_template, told
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.automations.wording import descriptions

pytestmark = pytest.mark.django_db


def filled_in(story, *steps):
    start = streamfield([("order_unpaid", {"include_free": ""})])
    data = nested_form_data({"title": "By hand", "start": start, "steps": streamfield(steps), "action-publish": "1"})
    chosen = {"offers": [str(story.offer.pk)], "payment_kinds": ["online"], "origins": ["web"]}
    return {**data, **{f"start-0-value-{name}": values for name, values in chosen.items()}}


def post(client, data):
    return client.post(reverse("wagtail_kwiga_scenarios:add"), data)


def wait(amount, unit="minutes"):
    return ("wait", {"amount": str(amount), "unit": unit})


def test_the_form_opens_with_every_step_on_offer(admin_client, story):
    page = admin_client.get(reverse("wagtail_kwiga_scenarios:add")).content.decode()
    for words in ("Order: unpaid", "Order: paid", "Continue only if", "Add to list", "Send e-mail"):
        assert words in page, words
    edit = admin_client.get(reverse("wagtail_kwiga_scenarios:edit", args=[story.scenario.pk]))
    assert edit.status_code == 200


def test_the_story_written_by_hand(admin_client, story):
    story.scenario.unpublish()
    chosen = {"list": str(story.list.pk)}
    data = filled_in(
        story,
        wait(30),
        ("add_to_list", {**chosen, "until": "scenario", "hours": ""}),
        ("send_email", {"template": str(story.template.pk), "coupon": ""}),
        wait(24, "hours"),
        ("remove_from_list", chosen),
    )
    response = post(admin_client, data)
    assert response.status_code == 302, response.context["form"].errors
    scenario = m.Scenario.objects.get(title="By hand")
    assert scenario.live and scenario.version.published_by.username == "admin"
    definition = Definition.from_json(scenario.version.definition)
    assert definition.event.offers == (story.offer.pk,)
    assert descriptions.sentence(definition).startswith("30 minutes after an unpaid order for Watercolour")
    run = story.run_of(story.place())
    engine.run_due(after(minutes=30))
    assert told(run)[-1] == ("send_email", "acted", "due")


def test_what_cannot_run_is_refused_in_words(admin_client, story):
    template = make_template()
    response = post(
        admin_client, filled_in(story, wait(5), ("send_email", {"template": str(template.pk), "coupon": ""}))
    )
    page = response.content.decode()
    assert response.status_code == 200 and not m.Scenario.objects.filter(title="By hand").exists()
    assert "Begin with a wait of at least 10 minutes" in page
    assert "speaks of a coupon. Choose one here" in page


def test_a_draft_may_be_anything(admin_client, story):
    data = filled_in(story, wait(5))
    del data["action-publish"]
    assert post(admin_client, data).status_code == 302
    assert m.Scenario.objects.get(title="By hand").version is None
