"""Attacked: the request itself. Wrong methods, wrong content types, broken bodies, hosts, cookies, languages, query strings.

Every address of ours that a visitor can reach answers each of them with what fits: a page, 400, 404, 405 or 413; never a failure.
"""

from __future__ import annotations

import io
from urllib.parse import quote

import pytest

from tests.attacks import hostile
from tests.attacks.ground import holds, money_books, nothing_half_done
from tests.offers.making import fields_of, fill_in, offer_of
from tests.orders.shop import order_for
from tests.payments.shop import new_attempt, path_of
from tests.support import START, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga import urls
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

#: name of a URL of ours → the methods it takes.
METHODS = {
    "pay": {"GET", "HEAD", "POST"},
    "order": {"GET", "HEAD"},
    "return": {"GET", "HEAD", "POST"},
    "resume": {"GET", "HEAD"},
    "notify": {"GET", "HEAD", "POST"},
    "sandbox_gateway": {"GET", "HEAD", "POST"},
    "unsubscribe": {"GET", "HEAD", "POST", "OPTIONS"},
    "offer": {"GET", "HEAD", "POST", "OPTIONS"},
}
ALL_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "BREW")


@pytest.fixture
def addresses(shopfront) -> dict[str, str]:
    """Name of a URL → an address of it that works."""
    order = order_for(make_contact("ada@example.com"), offer_of(shopfront), site=shopfront.get_site(), language="en")
    attempt = new_attempt(order)
    return {
        "pay": path_of(links.pay_url(order, START)),
        "order": path_of(links.order_url(order, START)),
        "return": path_of(links.return_url(order, START, attempt=attempt.token)),
        "resume": path_of(links.resume_url(order, None, START)),
        "sandbox_gateway": f"/shop/sandbox-gateway/{attempt.token}/",
        "notify": "/shop/notify/sandbox/",
        "unsubscribe": path_of(
            link_building.unsubscribe_url(
                order.contact.token, to=order.contact.email, at=START, site_id=None, language="en"
            )
        ),
        "offer": shopfront.url,
    }


def test_no_address_is_left_out(addresses):
    known = {pattern.name for pattern in urls.urlpatterns} - {"picture"}  # no page: tests/mailing/test_references.py
    assert set(METHODS) == set(addresses) == known | {"offer"}


def test_wrong_methods(visitor, addresses):
    for name, path in addresses.items():
        for method in ALL_METHODS:
            answer = holds(visitor.generic(method, path), (name, method))
            if method in METHODS[name]:
                assert answer.status_code != 405, (name, method)
            else:
                assert answer.status_code == 405, (name, method, answer.status_code)
                assert {each.strip() for each in answer["Allow"].split(",")} == METHODS[name], (name, method)


def test_heads_have_no_body_and_the_same_headers(visitor, addresses):
    for name in METHODS.keys() - {"notify"}:
        seen, head = visitor.get(addresses[name]), visitor.head(addresses[name])
        assert (head.status_code, head.content) == (seen.status_code, b""), name
        assert set(head.headers) == set(seen.headers), name


BODIES = {
    "JSON": ("application/json", b'{"name": "Ada", "email": "ada@example.com"}'),
    "broken JSON": ("application/json", b"{"),
    "XML": ("text/xml", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'),
    "no type": ("", b"name=Ada"),
    "nonsense type": ("\x01;;;=", b"name=Ada"),
    "unknown charset": ("application/x-www-form-urlencoded; charset=klingon", b"name=Ada&email=x"),
    "a charset that is no text": ("application/x-www-form-urlencoded; charset=base64", b"name=Ada&email=x"),
    "UTF-7": ("application/x-www-form-urlencoded; charset=utf-7", b"name=%2BADw-script%2BAD4-"),
    "UTF-16": ("application/x-www-form-urlencoded; charset=utf-16", "name=Ada".encode("utf-16")),
    "bytes that are no text": ("application/x-www-form-urlencoded", b"name=%ff%fe%00&email=\xff\xfe"),
    "percent nonsense": ("application/x-www-form-urlencoded", b"name=%zz%&=&&==&%00=%00&email=%"),
    "many fields": ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(5_000))),
    "one field a hundred thousand times": ("application/x-www-form-urlencoded", b"name=1&" * 100_000),
    "multipart without a boundary": ("multipart/form-data", b"--x\r\n\r\n"),
    "multipart with a wild boundary": ("multipart/form-data; boundary=" + "x" * 300, b"--x\r\n"),
    "multipart with a boundary of nothing": ("multipart/form-data; boundary=", b"--\r\n"),
    "multipart cut off": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nA'),
    "multipart nonsense": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: nonsense\r\n\r\n\x00\r\n--x--"),
    "multipart base64": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="name"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--\r\n',
    ),
    "multipart with a file for a name": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="email"; filename="../../x.php"\r\n\r\n<?php\r\n--x--\r\n',
    ),
    "many parts": (
        "multipart/form-data; boundary=x",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(1_500)) + b"--x--\r\n",
    ),
    "parts in parts": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--\r\n--x--\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_no_form(visitor, addresses, what):
    kind, body = BODIES[what]
    before = money_books()
    for name in ("offer", "pay", "return", "sandbox_gateway", "notify"):
        answer = holds(visitor.generic("POST", addresses[name], body, content_type=kind), (what, name))
        if name != "return":  # whoever is sent back there is only sent on
            assert answer.status_code in (200, 400, 413), (what, name, answer.status_code)
    assert money_books() == before


def test_whatever_a_mail_program_posts_to_unsubscribe_unsubscribes(visitor, addresses):
    for what, (kind, body) in BODIES.items():
        answer = holds(visitor.generic("POST", addresses["unsubscribe"], body, content_type=kind), what)
        assert answer.status_code in (200, 400), what
    assert m.Contact.objects.get().unsubscribed_at == START


def test_a_body_that_breaks_off(visitor, addresses):
    class Broken(io.BytesIO):
        def read(self, *size):
            raise OSError("the line is dead")

    before = money_books()
    for name in ("offer", "pay", "notify", "unsubscribe"):
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            broken = {"wsgi.input": Broken(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": kind}
            answer = visitor.generic("POST", addresses[name], **broken)
            if name == "notify":  # Django's own answer, which nobody is there to read, is 500
                assert answer.status_code == 400, kind
    assert money_books() == before


def test_hosts(visitor, addresses, settings):
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    for name, path in addresses.items():
        for host in hostile.HOSTS:
            answer = holds(visitor.get(path, HTTP_HOST=host), (name, host))
            assert answer.status_code in (400, 405) or host.startswith("localhost:"), (name, host, answer.status_code)
            assert "evil" not in answer.get("Location", "")
            assert b"99999" not in answer.content


def test_a_host_that_nobody_checks_is_not_believed(visitor, addresses):
    """ALLOWED_HOSTS = ["*"] is what many sites have behind a proxy. Links must be those of the Wagtail site all the same."""
    _page, sent = fill_in(visitor, addresses["offer"])
    for extra in (
        {"HTTP_HOST": "evil.example"},
        {"HTTP_X_FORWARDED_HOST": "evil.example"},
        {"HTTP_FORWARDED": "host=evil.example"},
    ):
        for name, path in addresses.items():
            if name in ("offer", "notify"):
                continue
            answer = holds(visitor.get(path, **extra), (name, extra))
            assert b"evil.example" not in answer.content, (name, extra)
            assert "evil.example" not in answer.get("Location", ""), (name, extra)
        ordered = visitor.post(addresses["offer"], sent, **extra)
        assert "evil.example" not in ordered["Location"]
    assert "evil" not in "".join(str(row) for row in m.PaymentAttempt.objects.values_list("data", flat=True))


def test_cookies_languages_and_forwarded_addresses(visitor, addresses, settings, shopfront):
    shopfront.language_mode = "visitor"
    shopfront.save_revision().publish()
    _page, sent = fill_in(visitor, addresses["offer"])
    for language in hostile.LANGUAGES:
        holds(visitor.get(addresses["offer"], headers={"Accept-Language": language}), language)
        holds(visitor.get(addresses["offer"], HTTP_COOKIE=f"django_language={language}"), language)
    for cookie in hostile.COOKIES:
        crumbs = "; ".join(
            f"{name}={cookie}" for name in ("sessionid", "csrftoken", "django_language", "messages", "kwiga")
        )
        for name, path in addresses.items():
            holds(visitor.get(path, HTTP_COOKIE=crumbs), (name, cookie))
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLIENT_IP_HEADER": "HTTP_X_FORWARDED_FOR"}
    for address in hostile.FORWARDED:
        assert (
            holds(visitor.post(addresses["offer"], {**sent, "name": ""}, HTTP_X_FORWARDED_FOR=address)).status_code
            == 200
        )
        assert holds(visitor.post(addresses["offer"], sent, HTTP_X_FORWARDED_FOR=address)).status_code == 302
    nothing_half_done()


def test_query_strings(visitor, addresses):
    for name, path in addresses.items():
        for query in ("coupon", "resume", "next", "lang", "page"):
            for value in ("%00", "%ff", "a" * 8_000, "[]", "%E2%80%AE", "<script>alert(1)</script>", "SPRING%00", "é"):
                for asked in (f"{query}={value}", f"{query}[]={value}&{query}={value}&{query}"):
                    answer = holds(visitor.get(f"{path}?{asked}"), (name, asked))
                    assert answer.status_code in (200, 302, 405), (name, asked)


def test_every_text_as_a_coupon_in_the_address(visitor, addresses):
    for what, text in hostile.TEXTS.items():
        sent = text.encode("utf-8", "replace").decode()
        answer = holds(visitor.get(addresses["offer"], {"coupon": sent, "resume": sent}), what)
        assert answer.status_code == 200
        assert fields_of(answer)["coupon"] == fields_of(answer)["resume"] == ""


def test_texts_in_the_place_of_a_token_or_an_alias(visitor, addresses):
    for what, text in hostile.TEXTS.items():
        sent = text.encode("utf-8", "replace").decode().replace("/", "")[:2_000]
        if not sent.strip("."):
            continue
        sent = quote(sent)
        for name in ("pay", "order", "return", "resume", "unsubscribe", "sandbox-gateway", "picture"):
            answer = holds(visitor.get(f"/shop/{name}/{sent}/"), (name, what))
            assert answer.status_code == 404, (name, what)
        answer = holds(visitor.post(f"/shop/notify/{sent}/", b"{}", content_type="application/json"), what)
        assert answer.status_code == 404, what
