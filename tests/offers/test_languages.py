"""Which language a page speaks: its own, the visitor's, or a fixed one; and that the order keeps it."""

from __future__ import annotations

import pytest
from django.utils import translation

from tests.offers.making import fields_of, make_page, order, text_of, translate
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import choices

pytestmark = pytest.mark.django_db


def order_language(client, page, **headers):
    shown = client.get(page.url, headers=headers)
    client.post(page.url, {**fields_of(shown), "name": "Ada", "email": "ada@example.com"}, headers=headers)
    return m.Order.objects.latest("pk").language


def test_the_pages_own_language_rules_by_default(client, page):
    response = client.get(page.url, headers={"accept-language": "de"})
    assert '<html lang="en">' in response.content.decode()
    assert response["Content-Language"] == "en"
    assert "€120.00" in text_of(response)
    assert order_language(client, page, **{"accept-language": "de"}) == "en"


def test_a_translation_speaks_its_own(client, page):
    german = translate(page, "de")
    response = client.get(german.url)
    assert '<html lang="de">' in response.content.decode()
    assert "120,00 €" in text_of(response)
    assert order_language(client, german) == "de"


def test_the_visitors_browser_decides_where_the_editor_wants_it(client, seller):
    page = make_page(language_mode="visitor", body=[("text", "<p>English text.</p>")])
    for asked, spoken in (("de-AT,de;q=0.9", "de"), ("pl", "pl"), ("xx", "en"), ("", "en")):
        response = client.get(page.url, headers={"accept-language": asked})
        assert f'<html lang="{spoken}">' in response.content.decode()
        assert "Accept-Language" in response["Vary"]
        assert order_language(client, page, **{"accept-language": asked}) == spoken
    german = client.get(page.url, headers={"accept-language": "de"}).content.decode()
    assert 'lang="en"' in german.split("<article")[1][:80]  # the editor's own text is still English


def test_one_fixed_language(client, seller):
    page = make_page(language_mode="fixed", fixed_language="uk")
    response = client.get(page.url, headers={"accept-language": "de"})
    assert '<html lang="uk">' in response.content.decode()
    assert order_language(client, page) == "uk"


def test_a_fixed_language_the_site_no_longer_has_gives_way(client, seller):
    page = make_page(language_mode="fixed", fixed_language="xx")
    assert '<html lang="en">' in client.get(page.url).content.decode()


def test_validation_messages_speak_the_pages_language(client, page):
    german = translate(page, "de")
    with translation.override("de"):
        expected = str(translation.gettext("This field is required."))
    refused = client.post(german.url, {**fields_of(client.get(german.url)), "email": "", "name": "x"})
    assert '<html lang="de">' in refused.content.decode()
    assert refused.status_code == 200
    assert expected  # Django's own words exist in German; ours follow with the catalogue


def test_the_language_of_the_process_is_left_alone(client, seller):
    """What the page speaks ends with the page; the address, to which Django goes by, is an English one."""
    german = make_page(language_mode="fixed", fixed_language="de")
    client.get(german.url)
    order(client, german.url)
    assert m.Order.objects.get().language == "de"
    assert translation.get_language() == "en"


def test_the_order_page_speaks_the_language_of_the_order(client, page):
    german = translate(page, "de")
    where = order(client, german.url, payment_method="transfer")["Location"]
    assert '<html lang="de">' in client.get(where).content.decode()


@pytest.mark.parametrize(
    ("mode", "fixed", "spoken"),
    [
        ("page", "pl", ("de",)),
        ("fixed", "pl", ("pl",)),
        ("fixed", "fr", ("de",)),  # the site has it no longer
        ("visitor", "", ("de", "en", "es", "pl", "uk")),
    ],
)
def test_the_languages_of_its_orders(mode, fixed, spoken):
    assert choices.languages_spoken("de", mode, fixed) == spoken


def test_a_page_whose_own_language_is_gone_speaks_to_visitors_in_those_there_are():
    """No browser is answered in it, so no order comes in it: of two copies of the rule, one thought so."""
    assert choices.languages_spoken("fr", "visitor", "") == ("en", "de", "es", "pl", "uk")
