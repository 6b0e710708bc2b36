"""What a site adds by hooks, used as people use it: ``tests/example`` is installed like any other app of a site."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from wagtail.models import Locale
from wagtail.test.utils.form_data import nested_form_data, streamfield

from tests.example.models import CoursePage
from tests.example.scenarios import lesson_finished
from tests.journeys.http_visitor import Visitor, at, order_of, part, received, says, work_at
from tests.offers import making
from tests.offers.making import BUYER, text_of
from tests.support import after, make_contact, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.registry import kinds
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
FIRST_WAIT = ("wait", {"amount": "30", "unit": "minutes"})


@pytest.fixture(autouse=True)
def _clock(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    at()


@pytest.fixture
def studio(db) -> m.OfferPage:
    return making.make_page("Studio day", body=[("guarantee", {"days": 30, "text": "Write to us and it is yours."})])


def publish(client, event, *steps) -> m.Scenario:
    """A scenario written in the admin and published there."""
    data = nested_form_data({"title": "Calls", "start": streamfield([event]), "steps": streamfield(steps)})
    if event[0] == "order_unpaid":
        data |= {"start-0-value-payment_kinds": ["online"], "start-0-value-origins": ["web"]}
    answer = client.post(reverse("wagtail_kwiga_scenarios:add"), {**data, "action-publish": "1"})
    assert answer.status_code == 302, answer.context["form"].errors
    return m.Scenario.objects.get(title="Calls", live=True)


def send(page, **typed):
    """Open the page, fill in the form, send it."""
    visitor = Visitor()
    return visitor.send(visitor.open(page.url), **{**BUYER, **typed})


def calls(contact: m.Contact) -> list[str]:
    return [writing.sentence(entry) for entry in writing.timeline(contact).filter(needs_attention=True)]


def told(run: m.Run) -> list[tuple[str, str, str]]:
    return list(run.records.values_list("kind", "outcome", "reason"))


def template(subject: str = "Your place", text: str = "<p>Hello</p>") -> m.EmailTemplate:
    made = m.EmailTemplate(title="Studio", kind="service", subject=subject, locale=Locale.get_default(), live=False)
    made.body = [{"type": "text", "value": {"text": text}}]
    made.save()
    made.save_revision().publish()
    return made


# --- pages and scenarios ----------------------------------------------------------------------------------------------


def test_the_block_stands_on_a_published_page_and_in_the_editors_picker(studio, admin_client):
    page = Visitor().open(studio.url)
    says(page, "30 days: Write to us and it is yours.")
    editor = admin_client.get(reverse("wagtailadmin_pages:edit", args=[studio.pk])).content.decode()
    assert "Guarantee" in editor


def test_a_page_type_of_the_sites_own_sells_like_ours(admin_client):
    """``OfferPageMixin`` on another page: edited, published, ordered, withdrawn."""
    page = CoursePage(title="Ink course", slug="ink-course", subtitle="Black and white", price="45.00", currency="EUR")
    page.products = [("product", {"product": make_product()})]
    page.live = False
    making.root().add_child(instance=page)
    editor = text_of(admin_client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])))
    assert "Subtitle" in editor and "Selling" in editor
    page.save_revision().publish()
    says(Visitor().open(page.url), "Black and white", "Order and pay €45.00")
    assert send(page).status_code == 302
    assert (str(order_of().total), order_of().title) == ("45.00 EUR", "Ink course")
    CoursePage.objects.get().unpublish()
    assert making.offer_of(page).state == "withdrawn"


def test_the_step_acts_in_a_sweep_for_those_who_can_be_called(studio, admin_client):
    publish(
        admin_client, ("order_unpaid", {"include_free": ""}), FIRST_WAIT, ("studio_ask_to_call", {"about": "the key"})
    )
    ink = making.make_page("Ink")
    assert send(ink, email="ada@example.com").status_code == 302
    assert send(ink, email="bob@example.com", phone="").status_code == 302
    work_at(minutes=[29])
    ada, bob = order_of("ada@example.com"), order_of("bob@example.com")
    assert calls(ada.contact) == []
    work_at(minutes=[30, 31])
    assert calls(ada.contact) == ["Call them on +48 600 100 200: the key"]
    assert calls(bob.contact) == []
    assert told(m.Run.objects.get(order=ada))[-1] == ("studio_ask_to_call", "acted", "due")
    assert told(m.Run.objects.get(order=bob))[-1] == ("studio_ask_to_call", "skipped", "studio_no_phone")
    assert descriptions.reason_text("studio_no_phone") == "They gave no phone number."


def test_the_condition_decides_who_goes_on(studio, admin_client):
    scenario = publish(
        admin_client,
        ("order_unpaid", {"include_free": ""}),
        FIRST_WAIT,
        ("continue_if", {"condition": streamfield([("studio_came_back", {"times": "2"})])}),
        ("studio_ask_to_call", {"about": "the key"}),
    )
    assert send(studio, email="ada@example.com").status_code == 302
    assert send(studio, email="bob@example.com").status_code == 302
    at(minutes=10)
    assert send(studio, email="bob@example.com").status_code == 302
    work_at(minutes=[30, 40])
    assert calls(order_of("ada@example.com").contact) == []
    assert calls(order_of("bob@example.com").contact) == ["Call them on +48 600 100 200: the key"]
    left = m.Run.objects.get(contact__email="ada@example.com")
    assert (left.state, left.reason) == ("left", "condition_fails")
    assert descriptions.sentence(Definition.from_json(scenario.version.definition, kinds())) == (
        "30 minutes after any unpaid order, unless paid: only if: has tried at least 2 times, "
        "ask staff to call about “the key”"
    )


def test_the_start_event_lets_people_in_when_the_site_says_so(admin_client):
    made = template("Well done")
    scenario = publish(
        admin_client,
        ("studio_lesson_finished", {}),
        ("wait", {"amount": "1", "unit": "hours"}),
        ("send_email", {"template": str(made.pk), "coupon": ""}),
    )
    ada = make_contact("ada@example.com", language="en")
    for _again in range(2):
        runs = lesson_finished(ada, 17)
    assert runs == [] and m.Run.objects.count() == 1
    work_at(minutes=[59, 60])
    assert [message["Subject"] for message in received()] == ["Well done"]
    assert descriptions.sentence(Definition.from_json(scenario.version.definition, kinds())) == (
        "1 hour after a lesson seen to its end: one e-mail"
    )


@pytest.mark.parametrize("module", ["tests.settings", "tests.example.without"])
def test_there_is_no_migration_to_make_with_the_app_and_without_it(module):
    command = ["makemigrations", "--check", "--dry-run", f"--settings={module}"]
    answer = subprocess.run([sys.executable, "-m", "django", *command], cwd=ROOT, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout.strip()) == (0, "No changes detected"), answer.stderr


# --- mail -------------------------------------------------------------------------------------------------------------


def test_the_placeholder_and_the_header_in_a_mail(studio, admin_client):
    made = template("Studio: {{ studio.days_left }} days left", "<p>Your place waits {{ studio.days_left }} days.</p>")
    publish(
        admin_client,
        ("order_unpaid", {"include_free": ""}),
        FIRST_WAIT,
        ("send_email", {"template": str(made.pk), "coupon": ""}),
    )
    assert send(studio).status_code == 302
    work_at(minutes=[30])
    (message,) = received()
    assert message["Subject"] == "Studio: 13 days left"
    assert "Your place waits 13 days." in part(message, "plain")
    assert "Your place waits 13 days." in part(message, "html")
    assert message["X-Studio"] == "visit"


# --- the order form ---------------------------------------------------------------------------------------------------


def test_the_veto_refuses_in_words_on_the_form(studio):
    refused = send(studio, phone="")
    says(refused, "We call before a visit to the studio. Please give your phone number.")
    assert refused.status_code == 200
    assert not m.Order.objects.exists() and not m.Contact.objects.exists()
    assert 'value="ada@example.com"' in refused.content.decode()  # what was typed is still there
    assert send(studio).status_code == 302
    assert send(making.make_page("Ink"), phone="").status_code == 302


def test_the_quote_is_shaped_for_some(studio):
    says(Visitor().open(studio.url), "€120.00")
    assert send(studio, email="bob@friends.example").status_code == 302
    assert send(studio, email="eve@example.com").status_code == 302
    assert str(order_of("bob@friends.example").total) == "60.00 EUR"
    assert str(order_of("eve@example.com").total) == "120.00 EUR"


def test_the_form_is_shaped(studio):
    says(send(studio, email="x@throwaway.example"), "Please give an address that you will still have next week.")
    assert not m.Order.objects.exists()


def test_what_the_site_asks_is_kept_and_told(studio, admin_client):
    says(Visitor().open(studio.url), "Apron")
    assert send(studio, apron="l").status_code == 302
    assert order_of().answers == {"apron": "l"}
    card = admin_client.get(reverse("wagtail_kwiga_orders:inspect", args=[order_of().pk]))
    assert "Apron Large" in text_of(card)


# --- the admin --------------------------------------------------------------------------------------------------------


def test_the_panel_on_the_order_card(studio, admin_client):
    assert send(studio).status_code == 302
    card = admin_client.get(reverse("wagtail_kwiga_orders:inspect", args=[order_of().pk]))
    assert f"Easel {order_of().pk % 12 + 1}" in text_of(card)
    assert send(making.make_page("Ink")).status_code == 302
    card = admin_client.get(reverse("wagtail_kwiga_orders:inspect", args=[order_of().pk]))
    assert "Easel" not in text_of(card).replace("Easels", "")


def test_the_item_in_the_sales_menu(admin_client):
    assert "Easels" in admin_client.get(reverse("wagtailadmin_home")).content.decode()


# --- after commit -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_listeners_are_called_after_commit_with_the_event(studio, caplog):
    assert send(studio).status_code == 302
    order = order_of()

    def easels() -> int:
        return writing.timeline(order).filter(code="studio.easel").count()

    with transaction.atomic():
        ledger.record_payment(order=order, amount=order.total.amount, method="sandbox", now=after(minutes=1))
        assert easels() == 0
        transaction.set_rollback(True)
    order.refresh_from_db()
    assert (order.status, easels()) == ("open", 0)

    with transaction.atomic():
        ledger.record_payment(order=order, amount=order.total.amount, method="sandbox", now=after(minutes=2))
        assert easels() == 0
    (entry,) = writing.timeline(order).filter(code="studio.easel")
    assert (entry.at, writing.sentence(entry)) == (after(minutes=2), "An easel is set up.")

    with caplog.at_level(logging.INFO, logger="studio"):
        consent.unsubscribe(order.contact, now=after(minutes=3), source="link")
    assert [record.getMessage() for record in caplog.records if record.name == "studio"] == [
        f"Contact {order.contact_id} wants no more offers (link)"
    ]
    assert not mail.outbox
