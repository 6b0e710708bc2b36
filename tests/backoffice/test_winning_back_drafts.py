"""*Win back unpaid orders* in the admin: drafts that are looked at, published or removed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.backoffice.recovery_screens import counts, form_of, send
from tests.offers import making
from tests.offers.making import fields_of, make_page, offer_of, text_of
from tests.support import after
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())


# --- drafts -----------------------------------------------------------------------------------------------------------------


def test_drafts_are_looked_at_then_published(client, editor, page, offer):
    answer = send(client, offer, press="draft")
    made = answer["Location"]
    screen = client.get(made)
    words = text_of(screen)
    for told in ("These are drafts", "Nobody is written to yet", "not active", "30 minutes after an unpaid order"):
        assert told in words, told
    template, scenario = m.EmailTemplate.objects.get(), m.Scenario.objects.get()
    html = screen.content.decode()
    for model, name in ((template, "emails"), (scenario, "scenarios")):
        assert reverse(f"wagtail_kwiga_{name}:edit", args=[model.pk]) in html
    assert client.get(form_of(offer))["Location"] == made
    assert not m.Scenario.objects.get().live and not m.Coupon.objects.get().is_active  # looking changes nothing
    assert client.post(made).status_code == 302
    assert m.Scenario.objects.get().live
    assert "This is live" in text_of(client.get(made))


def test_what_somebody_changed_meanwhile_is_looked_at_again_before_it_goes_live(client, editor, offer):
    made = send(client, offer, press="draft")["Location"]
    seen = {"seen": fields_of(client.get(made))["seen"]}
    template = m.EmailTemplate.objects.get()
    template.subject = "Half a sen"
    template.save_revision()
    answer = client.post(made, seen)
    assert "Somebody has changed these drafts since you opened this page" in text_of(answer)
    assert not m.Scenario.objects.get().live and not m.Coupon.objects.get().is_active
    assert client.post(made, {"seen": fields_of(answer)["seen"]}).status_code == 302
    assert m.Scenario.objects.get().live


def test_an_old_tab_wakes_no_coupon_that_was_put_to_sleep_since(client, editor, offer):
    made = send(client, offer, press="draft")["Location"]
    client.post(made)
    m.Coupon.objects.update(is_active=False)
    assert client.post(made).status_code == 302
    assert m.Scenario.objects.get().live and not m.Coupon.objects.get().is_active


def test_what_an_editor_spoilt_is_told_and_nothing_is_published(client, editor, offer):
    made = send(client, offer, press="draft")["Location"]
    template = m.EmailTemplate.objects.get()
    template.subject = "{{ nobody.knows }}"
    template.save_revision()
    assert "nobody.knows" in text_of(client.get(made))
    answer = client.post(made)
    assert "cannot be sent" in text_of(answer)
    assert not m.Coupon.objects.get().is_active
    scenario = m.Scenario.objects.get()
    scenario.steps = scenario.steps.raw_data[:2]
    scenario.save_revision()
    assert client.get(made)["Location"] == reverse("wagtail_kwiga_scenarios:edit", args=[scenario.pk])


def test_drafts_are_removed_after_asking(client, editor, offer):
    made = send(client, offer, press="draft")["Location"]
    remove = f"{made}remove/"
    assert remove in client.get(made).content.decode()
    asked = client.get(remove)
    assert "This deletes, for good" in text_of(asked)
    assert counts() == [1, 1, 1, 1]
    answer = client.post(remove, follow=True)
    assert "The drafts are gone." in text_of(answer)
    assert counts() == [0, 0, 0, 0]


def test_what_was_live_cannot_be_removed_here(client, editor, offer):
    made = send(client, offer)["Location"]
    assert client.post(f"{made}remove/").status_code == 404
    m.Scenario.objects.get().unpublish()
    assert "It was live once" in text_of(client.get(made))
    assert client.post(f"{made}remove/").status_code == 404
    assert counts() == [1, 1, 1, 1]


def test_the_scenario_of_another_offer_is_not_shown_here(client, editor, offer):
    send(client, offer)
    other = offer_of(make_page("Ink"))
    address = reverse("wagtail_kwiga_offers:win_back_made", args=[other.pk, m.Scenario.objects.get().pk])
    assert client.get(address).status_code == 404
