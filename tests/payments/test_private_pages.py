"""Whatever concerns one person stays out of caches, search engines and other sites' logs: every URL of ours, every answer."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.middleware.cache import UpdateCacheMiddleware

from tests.offers.making import BUYER, fields_of, make_page, offer_of
from tests.orders.shop import order_for
from tests.payments.shop import new_attempt, new_order, path_of, signed
from tests.support import START, after, make_contact, make_coupon
from wagtail_kwiga import models as m
from wagtail_kwiga import urls
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db


def examples() -> dict[str, str]:
    """URL name → an address of it that works."""
    page = make_page(coupon_mode="any")
    order = order_for(make_contact(), offer_of(page), site=m.OfferPage.objects.get().get_site())
    attempt = new_attempt(order)
    return {
        "pay": path_of(links.pay_url(order, START)),
        "order": path_of(links.order_url(order, START)),
        "return": path_of(links.return_url(order, START, attempt=attempt.token)),
        "resume": path_of(links.resume_url(order, None, START)),
        "sandbox_gateway": f"/shop/sandbox-gateway/{attempt.token}/",
        "notify": "/shop/notify/sandbox/",
        "offer": f"/shop/offer/{order.offer.uid}/",
        "unsubscribe": path_of(
            link_building.unsubscribe_url(
                order.contact.token, to=order.contact.email, at=START, site_id=None, language="en"
            )
        ),
    }


def keeps_to_itself(answer) -> None:
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Robots-Tag"].startswith("noindex")
    assert answer["Referrer-Policy"] == "same-origin"


#: What concerns nobody and is shown to everybody: the pictures of mails, which caches are welcome to keep.
PUBLIC = {"picture"}


def test_every_url_of_ours_is_here():
    assert set(examples()) | PUBLIC == {pattern.name for pattern in urls.urlpatterns}


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_every_answer_keeps_to_itself(client, method):
    for name, path in examples().items():
        answer = getattr(client, method)(path)
        assert answer.status_code < 500, name
        keeps_to_itself(answer)
        if method == "get" and answer.status_code == 200 and name != "notify":  # which has nothing to show
            assert b'<meta name="robots" content="noindex">' in answer.content, name


@pytest.mark.parametrize("name", ["pay", "order", "return", "resume", "unsubscribe"])
def test_so_does_the_answer_to_a_link_that_is_wrong_or_too_old(client, name, settings):
    from tests.payments import clock

    path = examples()[name]
    wrong = client.get(path[:-3] + "xx/")
    assert wrong.status_code == 404
    keeps_to_itself(wrong)
    clock.put(after(days=4000))
    keeps_to_itself(client.get(path))


def test_a_webhook_is_answered_so_as_well(client):
    webhook = signed(new_attempt(new_order()))
    headers = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in webhook.headers.items()}
    answer = client.post("/shop/notify/sandbox/", webhook.body, content_type="application/json", **headers)
    assert answer.status_code == 200
    keeps_to_itself(answer)


@pytest.mark.parametrize("query", ["coupon=SPRING", "coupon=nonsense", "resume={resume}", "resume=nonsense"])
def test_an_offer_page_with_a_coupon_or_a_way_back(client, query):
    make_coupon("SPRING", percent="20")
    found = examples()
    token = found["resume"].split("/")[-2]
    answer = client.get(f"/watercolour/?{query.format(resume=token)}")
    keeps_to_itself(answer)
    assert b'<meta name="robots" content="noindex">' in answer.content
    assert b"itemprop" not in answer.content
    assert b"product:price" not in answer.content


def test_an_offer_page_that_was_sent_a_form(client):
    examples()
    keeps_to_itself(client.post("/watercolour/", {}))
    keeps_to_itself(client.post("/watercolour/", {**fields_of(client.get("/watercolour/")), **BUYER}))


def is_cached(rf, path, answer) -> bool:
    request = rf.get(path)
    request._cache_update_cache = True
    UpdateCacheMiddleware(lambda request: answer).process_response(request, answer)
    return any("cache_page" in key for key in cache._cache)


def test_a_cache_in_front_of_the_site_keeps_none_of_it(client, rf):
    for name, path in examples().items():
        assert not is_cached(rf, path, client.get(path)), name
    assert not is_cached(rf, "/watercolour/?coupon=X", client.get("/watercolour/?coupon=X"))
    assert is_cached(rf, "/elsewhere/", HttpResponse("for everybody"))
