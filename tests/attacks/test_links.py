"""Attacked: where our pages send people, who may look over their shoulder, and what their browser carries away.

Open redirects, frames, referrers, caches, third parties, cookies. What every answer of ours says to caches and search engines
is in tests/payments/test_private_pages.py; here is the rest.
"""

from __future__ import annotations

import re
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from tests.attacks import hostile
from tests.attacks.ground import holds
from tests.attacks.test_visitors_requests import addresses  # noqa: F401  (a fixture)
from tests.offers.making import block, fill_in, make_page
from tests.orders.shop import books_receive
from tests.payments.shop import path_of
from tests.payments.test_providers import SANDBOX
from tests.support import START, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments.provider import Form, Provider, Redirect

pytestmark = pytest.mark.django_db

WHITHER = (
    "next",
    "url",
    "return",
    "return_url",
    "back",
    "redirect",
    "redirect_to",
    "continue",
    "resume",
    "coupon",
    "lang",
)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "track", "embed", "object"):
            self.loaded += [given[name] for name in ("src", "poster", "data") if given.get(name)]
        elif tag == "link" and given.get("rel") not in ("canonical", "alternate"):
            self.loaded.append(given.get("href") or "")
        elif tag in ("a", "form", "button", "area"):
            self.followed += [given[name] for name in ("href", "action", "formaction") if given.get(name)]


def links_of(answer) -> _Links:
    parser = _Links()
    parser.feed(answer.content.decode())
    return parser


def stays(location: str) -> bool:
    """Whether a browser on the shop would stay there."""
    return urlsplit(urljoin("http://testserver/here/", location.replace("\\", "/"))).hostname in (
        "testserver",
        "localhost",
    )


@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_in_a_request_says_where_to_go(visitor, addresses, method):  # noqa: F811
    _page, sent = fill_in(visitor, addresses["offer"])
    half = len(WHITHER)
    for evil in (hostile.EVIL_ADDRESSES[:half], hostile.EVIL_ADDRESSES[half:], hostile.EVIL_ADDRESSES[5:]):
        extra = dict(zip(WHITHER, evil, strict=False))
        for name, path in addresses.items():
            if name == "notify":
                continue
            if method == "get":
                answer = visitor.get(path, extra, HTTP_REFERER="https://evil.example/")
            else:
                form = {**sent, **extra} if name == "offer" else {**extra, "method": "sandbox", "choice": "decline"}
                answer = visitor.post(path, form, HTTP_REFERER="https://evil.example/")
            holds(answer, (name, evil))
            if "Location" in answer:
                assert stays(answer["Location"]), (name, evil, answer["Location"])
            elif answer.status_code == 200:
                assert all(stays(link) for link in links_of(answer).followed), (name, evil)


def test_double_slashes_and_backslashes_in_a_path(visitor, addresses):  # noqa: F811
    for name, path in addresses.items():
        for prefix in (
            "//evil.example",
            "/\\evil.example",
            "/%5cevil.example",
            "///evil.example",
            "/%2f%2fevil.example",
            "/;evil",
        ):
            for wanted in (prefix + path, prefix + path.rstrip("/"), path.rstrip("/") + prefix):
                answer = holds(visitor.get(wanted), (name, wanted))
                if "Location" in answer:
                    assert stays(answer["Location"]), (wanted, answer["Location"])


class Hostile(Provider):
    """A gateway whose answer was tampered with on its way."""

    label = "Hostile"

    def start(self, attempt, urls, now):
        where = self.options["where"]
        return Form(where, {"x": '"><script>alert(1)</script>'}) if self.options["form"] else Redirect(where)


def is_web_page(address: str) -> bool:
    """Not even ``http:///evil.example``, which browsers mend into a host."""
    return bool(re.match(r"https?://[^/]", address)) and not any(letter in address for letter in "\x00\t\n\\ ")


def test_a_provider_can_send_a_buyer_to_a_web_page_and_nowhere_else():
    for evil in [*hostile.EVIL_ADDRESSES, "", "/", "pay", "https://pay.example.com/\r\nSet-Cookie: x=1"]:
        for make in (Redirect, lambda where: Form(where, {})):
            if is_web_page(evil):
                make(evil)  # whatever a payment provider names is where one pays
            else:
                with pytest.raises(ValueError, match="web address"):
                    make(evil)


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("evil", ["javascript:alert(1)", "//evil.example/", "data:text/html,x"])
def test_an_answer_of_a_provider_that_was_tampered_with(visitor, shopfront, settings, form, evil):
    entry = {"class": "tests.attacks.test_links.Hostile", "where": evil, "form": form}
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"hostile": entry}}
    _page, sent = fill_in(visitor, shopfront.url)
    answer = holds(visitor.post(shopfront.url, sent))
    assert stays(answer["Location"])
    again = visitor.post(answer["Location"], {"method": "hostile"})
    assert again.status_code == 503
    assert "does not answer at the moment" in again.content.decode()


def test_what_a_provider_wants_sent_along_is_escaped(visitor, shopfront, settings):
    entry = {"class": "tests.attacks.test_links.Hostile", "where": "https://pay.example.com/", "form": True}
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"hostile": entry}}
    _page, sent = fill_in(visitor, shopfront.url)
    assert b"<script>alert" not in holds(visitor.post(shopfront.url, sent)).content


def test_a_way_in_or_terms_that_are_no_web_page(visitor, shopfront):
    for number, evil in enumerate(
        (
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "javascript:alert(1)",
            "\tjavascript:alert(1)",
            "data:text/html,x",
        )
    ):
        page = make_page(f"P{number}", products=[make_product(entry_url=evil[:200])])
        with (
            pytest.raises(ValidationError) if ":" in evil else suppress(ValidationError)
        ):  # the others may be put right
            m.KwigaSettings.legal.field.stream_block.child_blocks["url"].clean(evil)
        _page, sent = fill_in(visitor, page.url, terms="on")
        holds(_page, evil)
        holds(visitor.post(page.url, sent), evil)
        order = m.Order.objects.latest("pk")
        books_receive(order, "120", now=START)
        for url in (links.order_url(order, START), links.resume_url(order, None, START)):
            answer = holds(visitor.get(path_of(url), follow=True), evil)
            assert all(stays(link) for link in links_of(answer).followed), (evil, links_of(answer).followed)


# --- frames, third parties, cookies ----------------------------------------------------------------------------------


def personal(addresses):  # noqa: F811
    return {name: path for name, path in addresses.items() if name not in ("offer", "notify")}


def test_no_page_that_acts_may_be_framed(visitor, addresses, settings):  # noqa: F811
    for middleware in (settings.MIDDLEWARE, [each for each in settings.MIDDLEWARE if "clickjacking" not in each]):
        settings.MIDDLEWARE = middleware
        client = Client()
        for name, path in personal(addresses).items():
            assert client.get(path)["X-Frame-Options"] == "DENY", name
            if name != "sandbox_gateway":  # a wrong token there is the site's own page of what is not found
                assert client.get(path[:-3] + "x/")["X-Frame-Options"] == "DENY", name
    settings.X_FRAME_OPTIONS = "SAMEORIGIN"
    assert Client().get(addresses["pay"])["X-Frame-Options"] == "SAMEORIGIN"


def test_the_offer_page_minds_the_sites_rule(visitor, addresses):  # noqa: F811
    for method in (visitor.get, visitor.post):
        assert method(addresses["offer"])["X-Frame-Options"] == "DENY"


def test_no_page_of_ours_loads_anything_from_a_third_party(visitor, addresses):  # noqa: F811
    shown = make_page(
        "Video", body=[block("video", {"url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ", "caption": "x"})]
    )
    for name, path in {**addresses, "video": shown.url}.items():
        answer = visitor.get(path)
        if answer.status_code == 200:
            assert all(stays(link) for link in links_of(answer).loaded), (name, links_of(answer).loaded)


def test_pages_work_under_a_strict_content_security_policy(visitor, addresses):  # noqa: F811
    """No inline script, no inline style, no handler in an attribute: ``ground.harm_in`` looks for each."""
    for name, path in addresses.items():
        holds(visitor.get(path), name)
        if name in ("offer", "pay", "return"):
            holds(visitor.post(path, {}), name)


def test_the_kind_of_every_answer_is_named(visitor, addresses):  # noqa: F811
    for name, path in addresses.items():
        for answer in (visitor.get(path), visitor.post(path), visitor.get(path[:-3] + "x/")):
            if answer.content:
                assert "charset" in answer["Content-Type"] or "text/plain" in answer["Content-Type"], name
            assert answer["X-Content-Type-Options"] == "nosniff"


def test_looking_sets_no_cookie_but_the_one_against_forgery(addresses):  # noqa: F811
    for name, path in addresses.items():
        client = Client()
        client.get(path, follow=True)
        client.head(path)
        assert set(client.cookies) <= {"csrftoken"}, name
        assert all(each["samesite"] == "Lax" for each in client.cookies.values()), name


def test_forms_mind_forgery_and_only_those_that_others_must_send_do_not(addresses):  # noqa: F811
    """*return* only looks, *notify* is signed, *unsubscribe* must work with one click (RFC 8058) and undoes only that."""
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    minds = {name for name, path in addresses.items() if strict.post(path, {"method": "sandbox"}).status_code == 403}
    assert minds - {"order", "resume"} == {"offer", "pay", "sandbox_gateway"}  # those two take no POST at all


def test_a_webhook_from_the_sandbox_is_worth_nothing_where_it_is_off(visitor, addresses, settings):  # noqa: F811
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"sandbox": {**SANDBOX, "enabled": False}}}
    assert visitor.get(addresses["sandbox_gateway"]).status_code == 404
    assert visitor.post(addresses["notify"], b"{}", content_type="application/json").status_code == 404
