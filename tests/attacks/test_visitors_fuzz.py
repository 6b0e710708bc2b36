"""Attacked: every door at once, by Hypothesis: any field of any form with any text, in any number and order, at any address.

Then raw bytes to a real server on a socket: what no well-behaved client would ever send.
"""

from __future__ import annotations

import socket

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks import hostile
from tests.attacks.ground import holds, nothing_dirty, nothing_half_done
from tests.attacks.test_visitors_requests import addresses  # noqa: F401  (a fixture)
from tests.offers import making
from tests.support import START
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

FIELDS = (
    "name", "email", "phone", "payment_method", "terms", "promo", "coupon", "website", "shown", "resume", "apply", "method",
    "choice", "undo", "List-Unsubscribe", "csrfmiddlewaretoken", "next", "", "name[]", "__class__",
)  # fmt: skip
TEXT = st.one_of(
    st.sampled_from([text for text in hostile.TEXTS.values() if len(text) < 1_000]),
    st.sampled_from([text for text in hostile.ADDRESSES.values() if len(text) < 1_000]),
    st.sampled_from(
        [
            "ada@example.com",
            "Ada Buyer",
            "+48 600 100 200",
            "SPRING",
            "sandbox",
            "transfer",
            "on",
            "One-Click",
            "success",
        ]
    ),
    st.text(max_size=60),
    st.emails(),
).map(lambda text: text.encode("utf-8", "replace").decode())
FORM = st.dictionaries(st.sampled_from(FIELDS), st.lists(TEXT, min_size=1, max_size=3), max_size=len(FIELDS))
GOOD = st.fixed_dictionaries({"name": st.just(["Ada"]), "email": st.just(["ada@example.com"])})
DOORS = st.sampled_from(["offer", "offer", "offer", "pay", "return", "sandbox_gateway", "unsubscribe"])
PLENTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def throw(addresses, name, form, good, query):  # noqa: F811
    making.set_clock(START)
    client = Client(raise_request_exception=False)
    sent = {**form, **good} if good else form
    path = addresses[name]
    for answer in (
        client.post(path, sent),
        client.get(path, query),
        client.post(f"{path}?x=1", sent, HTTP_X_REAL_IP="9.9.9.9"),
    ):
        holds(answer, (name, sent, query))
        assert answer.status_code in (200, 302, 400, 403, 404, 405, 409, 429), answer.status_code


@settings(PLENTY, max_examples=40)
@given(name=DOORS, form=FORM, good=st.none() | GOOD, query=FORM)
def test_any_form_at_any_door(addresses, name, form, good, query):  # noqa: F811
    with transaction.atomic():
        throw(addresses, name, form, good, query)
        nothing_half_done()
        nothing_dirty()
        transaction.set_rollback(True)


@pytest.mark.long
@settings(PLENTY, max_examples=600)
@given(name=DOORS, form=FORM, good=st.none() | GOOD, query=FORM)
def test_very_many_forms_at_any_door(addresses, name, form, good, query):  # noqa: F811
    with transaction.atomic():
        throw(addresses, name, form, good, query)
        nothing_half_done()
        nothing_dirty()
        transaction.set_rollback(True)


RAW = [
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nnonsense\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nname=Ada",
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1e9\r\n\r\nname=Ada",
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\nname=Ada",
    b"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Type: multipart/form-data; boundary=\x00\r\n\r\n",
    b"POST {path} HTTP/1.0\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET {path}?coupon=%FF%00 HTTP/1.1\r\nHost: localhost\r\nCookie: \xff=\xfe; kwiga_orders=\xff\r\nX_FORWARDED_FOR: 1\r\n\r\n",
    b"GET {path}\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET //evil.example{path} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://evil.example{path} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Language: " + b"de;q=0.1," * 3_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


def speak(server, words: bytes) -> bytes:
    """What a real server answers to bytes on a socket; nothing more is sent, so it must not wait for ever."""
    with socket.create_connection((server.thread.host, server.thread.port), timeout=10) as line:
        line.sendall(words)
        line.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := line.recv(65_536):
            heard += piece
        return heard


def test_raw_bytes_to_a_real_server(addresses, live_server):  # noqa: F811
    for name, path in addresses.items():
        for words in RAW:
            heard = speak(live_server, words.replace(b"{path}", path.encode()))
            status = heard.split(b" ", 2)[1:2]
            assert not heard or status[0][:1] in b"234" or b"HTTP" not in heard[:5], (name, words[:80], heard[:200])
            assert b"Traceback" not in heard
            assert b"\r\nLocation: //evil" not in heard
            assert b"\r\nLocation: http://evil" not in heard
    assert m.Order.objects.get().status == "open"
    assert m.Contact.objects.count() == 1
