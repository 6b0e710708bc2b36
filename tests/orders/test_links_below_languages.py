"""Links of a site that has our URLs below ``i18n_patterns``."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.utils import translation

from tests.orders.shop import order_for
from tests.support import make_contact, make_offer
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments import attempts, registry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.orders.urls_below_languages")]


def order_in(language):
    return order_for(make_contact(), make_offer(), language=language)


@pytest.mark.parametrize("active", ["en", "pl"])
def test_they_carry_the_language_of_the_order(active):
    order = order_in("de")
    with translation.override(active):
        for url in (links.pay_url(order), links.order_url(order), links.resume_url(order, None)):
            assert urlsplit(url).path.startswith("/de/shop/")


@pytest.mark.parametrize(("language", "prefix"), [("xx", "en"), ("", "en"), ("de-at", "de"), ("pt-br", "en")])
def test_a_language_that_the_site_does_not_have_leads_somewhere_all_the_same(client, language, prefix):
    url = urlsplit(links.order_url(order_in(language)))
    assert url.path.startswith(f"/{prefix}/shop/")
    assert client.get(url.path).status_code == 200


def test_the_sandbox_gateway_is_no_exception():
    order = order_in("de")
    started = attempts.start(order, method="sandbox")
    assert urlsplit(started.next_action.url).path.startswith("/de/shop/sandbox-gateway/")
    assert registry.get("sandbox").continue_url(started.attempt) == started.next_action.url
