"""Where *Win back unpaid orders* is offered, and what it costs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.backoffice.recovery_screens import form_of
from tests.offers import making
from tests.offers.making import make_page, offer_of, translate
from tests.support import after
from wagtail_kwiga.automations.recovery import presets
from wagtail_kwiga.mailing.authoring import default_content

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())


def screens_of(page):
    parent = page.get_parent()
    return [
        reverse("wagtailadmin_pages:edit", args=[page.pk]),
        reverse("wagtailadmin_explore", args=[page.pk]),
        reverse("wagtailadmin_explore", args=[parent.pk]),
    ]


def test_the_button_is_in_the_editor_and_in_the_tree(client, editor, page, offer):
    for address in screens_of(page):
        assert form_of(offer) in client.get(address).content.decode(), address


def test_a_translation_and_a_draft_have_no_button(client, editor, page, offer):
    german = translate(page, "de")
    draft = make_page("Ink", publish=False)
    plain = making.root()
    for each in (german, draft, plain):
        assert "/win-back/" not in client.get(reverse("wagtailadmin_pages:edit", args=[each.pk])).content.decode()


def test_a_list_of_offer_pages_costs_the_same_however_many(client, editor, page):
    address = reverse("wagtailadmin_explore", args=[making.root().pk])

    def cost():
        with CaptureQueriesContext(connection) as queries:
            html = client.get(address).content.decode()
        return html.count("/win-back/"), sum("wagtail_kwiga_offer" in query["sql"] for query in queries)

    cost()
    number, one = cost()
    for each in range(5):
        make_page(f"Ink {each}")
    assert cost() == (number + 5, one)


def test_the_form_costs_a_fixed_number_of_queries(client, editor, page, offer):
    translate(page, "de")

    def cost(address):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    cost(form_of(offer))
    few = cost(form_of(offer))
    for each in range(6):
        presets.draft_recovery(
            offer_of(make_page(f"Ink {each}")),
            presets.Recovery(texts=default_content.standard_texts("en")),
            now=after(),
        )
    assert cost(form_of(offer)) == few <= 32
