"""Attacked: the door for webhooks. Whoever has not the secret books nothing and leaves nothing behind, however it is sent;
and what has the secret but says something that cannot be is held for a person, never booked, and bounded in size.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from decimal import Decimal

import pytest
from django.core.handlers.asgi import ASGIRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks import hostile
from tests.attacks.ground import holds, money_books
from tests.offers import making
from tests.offers.making import offer_of
from tests.orders.shop import order_for
from tests.payments.shop import flagged, new_attempt, standing, told
from tests.payments.test_providers import SANDBOX
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import registry, views
from wagtail_kwiga.payments.providers.sandbox import SIGNATURE

pytestmark = pytest.mark.django_db

JSON = "application/json"


@pytest.fixture
def attempt(shopfront):
    order = order_for(make_contact("ada@example.com"), offer_of(shopfront), site=shopfront.get_site(), language="en")
    return new_attempt(order)


def seal(body: bytes, *, at=START, secret: str | None = None) -> str:
    secret = secret or registry.get("sandbox").options["secret"]
    stamp = int(at.timestamp())
    return f"t={stamp},v1={hmac.new(secret.encode(), b'%d.' % stamp + body, hashlib.sha256).hexdigest()}"


def post(visitor, body: bytes, signature: str, *, alias: str = "sandbox", kind: str = JSON, **extra):
    headers = {"HTTP_SANDBOX_SIGNATURE": signature} if signature else {}
    return visitor.generic("POST", f"/shop/notify/{alias}/", body, content_type=kind, **headers, **extra)


def said(attempt, **given) -> bytes:
    return json.dumps(told(attempt, **given)).encode()


# --- without the secret -----------------------------------------------------------------------------------------------


def test_signatures_that_are_none(visitor, attempt):
    body = said(attempt)
    good = seal(body)
    stamp, mark = good.split(",")
    forged = [
        "",
        "x",
        ",",
        "t=,v1=",
        mark,
        stamp,
        f"{mark},{stamp}",
        f"{stamp},v1=",
        f"{stamp},{mark[:-1]}",
        f"{stamp},{mark}0",
        f"{stamp},{mark.upper()}",
        f"{stamp},{mark},{mark}",
        f"t=0,{mark}",
        f"t=-1,{mark}",
        f"t=NaN,{mark}",
        f"t=1e400,{mark}",
        f"t={'9' * 400},{mark}",
        f"t={'9' * 5_000},{mark}",
        f"t=٣,{mark}",
        f"{stamp},v1=ÿ{mark[4:]}",
        f"{stamp},v0={mark[3:]}",
        seal(body, secret="guess"),
        seal(body, secret=" "),
        seal(body + b" "),
        seal(b""),
        seal(body, at=after(minutes=-6)),
        seal(body, at=after(minutes=6)),
        "\x00" + good,
    ]
    before = money_books()
    for signature in forged:
        answer = holds(post(visitor, body, signature), signature)
        assert answer.status_code == 400, signature
        assert b"ada" not in answer.content
    assert money_books() == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300),
    signature=st.text(max_size=100).filter(lambda text: "\n" not in text and "\r" not in text),
)
def test_whatever_comes_unsigned_is_refused(visitor, shopfront, body, signature):
    answer = post(visitor, body, signature.encode("utf-8", "replace").decode("latin-1"))
    assert answer.status_code == 400
    assert not m.ProviderEvent.objects.exists()


def test_the_right_seal_on_other_words_or_at_another_door(visitor, attempt, settings):
    body = said(attempt)
    good = seal(body)
    other = {**SANDBOX, "secret": "of the other shop"}
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "PAYMENT_PROVIDERS": {**settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"], "other": other},
    }
    before = money_books()
    for changed in (body.replace(b"12000", b"1"), body + b"\n", body[:-1], b"", body.swapcase(), b"[" + body + b"]"):
        assert post(visitor, changed, good).status_code == 400
    assert post(visitor, body, good, alias="other").status_code == 400
    assert post(visitor, body, good, alias="transfer").status_code == 400
    for alias in ("SANDBOX", "sandbox ", "sandbox%00", "nobody", "__class__", "PAYMENT_PROVIDERS", "a" * 5_000):
        assert holds(post(visitor, body, good, alias=alias), alias).status_code == 404, alias
    assert money_books() == before


def test_what_is_signed_by_another_provider_of_the_shop_pays_nothing_of_this_one(visitor, attempt, settings):
    """Two accounts, two secrets: whoever holds one may not speak of attempts made with the other."""
    other = {**SANDBOX, "secret": "of the other account"}
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "PAYMENT_PROVIDERS": {**settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"], "other": other},
    }
    body = said(attempt)
    answer = post(visitor, body, seal(body, secret=other["secret"]), alias="other")
    assert answer.status_code == 200
    assert m.ProviderEvent.objects.get().result == "unknown"
    assert standing(attempt.payment.order) == ("open", 0)


# --- how it is sent ---------------------------------------------------------------------------------------------------


def test_too_much_is_not_read(visitor, attempt):
    before = money_books()
    for body in (
        hostile.HUGE.encode(),
        b" " * (views.WEBHOOK_MAX_BYTES + 1),
        said(attempt) + b" " * views.WEBHOOK_MAX_BYTES,
    ):
        answer = holds(post(visitor, body, seal(body)))
        assert answer.status_code == 413
        assert len(answer.content) < 200
    assert money_books() == before


def test_too_much_in_chunks_is_not_taken_in_either(attempt):
    """Without a length, as it comes in chunks; an ASGI server hands such a body over whole."""
    for body, status in ((said(attempt) + b" " * views.WEBHOOK_MAX_BYTES, 413), (said(attempt), 200)):
        headers = [(b"content-type", JSON.encode()), (SIGNATURE.lower().encode(), seal(body).encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/shop/notify/sandbox/",
            "headers": headers,
            "query_string": b"",
        }
        line = io.BytesIO(body)
        assert views.notify(ASGIRequest(scope, line), "sandbox").status_code == status
        assert line.tell() <= views.WEBHOOK_MAX_BYTES + 1
    assert m.ProviderEvent.objects.count() == 1


@pytest.mark.parametrize("length", ["-1", "many", "1e9", "99999999999999999999", "", " 5", "0x10", "5, 5"])
def test_lengths_that_are_none(visitor, attempt, length):
    before = money_books()
    body = said(attempt)
    answer = holds(post(visitor, body, seal(body), CONTENT_LENGTH=length), length)
    assert answer.status_code in (200, 400, 413)
    if answer.status_code != 200:
        assert money_books() == before


def test_the_kind_of_body_does_not_matter_to_the_seal(visitor, attempt):
    body = said(attempt)
    kinds = [
        "text/plain",
        "application/x-www-form-urlencoded; charset=klingon",
        "multipart/form-data; boundary=",
        "",
        "\x01",
        JSON,
    ]
    for kind in kinds:
        assert holds(post(visitor, body, seal(body), kind=kind), kind).status_code == 200
    assert standing(attempt.payment.order) == ("paid", Decimal(120))
    assert m.ProviderEvent.objects.count() == 1


# --- with the secret --------------------------------------------------------------------------------------------------


def tell(visitor, attempt, *, at=START, **given):
    body = said(attempt, **given)
    return holds(post(visitor, body, seal(body, at=at)), given)


@pytest.mark.parametrize(
    "what",
    [
        {"amount": 0},
        {"amount": -12000},
        {"amount": None},
        {"currency": "USD"},
        {"currency": "JPY"},
        {"live": True},
        {"token": "", "payment": ""},
        {"token": "", "payment": "SBX-OF-SOMEBODY-ELSE"},
        {"token": "x" * 5_000, "payment": ""},
        {"outcome": "pending"},
        {"outcome": "failed"},
    ],
    ids=repr,
)
def test_what_does_not_fit_is_never_booked(visitor, attempt, what):
    assert tell(visitor, attempt, **what).status_code == 200
    status, paid = standing(attempt.payment.order)
    assert (status in ("open", "processing"), paid) == (True, 0)


@pytest.mark.parametrize(
    "what",
    [
        {"amount": "12000"},
        {"amount": 1.5},
        {"amount": 120.0},
        {"amount": True},
        {"amount": [12000]},
        {"amount": 10**30},
        {"amount": float("nan")},
        {"amount": float("inf")},
        {"currency": None},
        {"currency": "E\x00R"},
        {"currency": "EUREUR"},
        {"currency": ""},
        {"currency": 978},
        {"outcome": "paid"},
        {"outcome": None},
        {"outcome": ["confirmed"]},
        {"live": None},
        {"live": "false"},
        {"id": None},
        {"id": 7},
        {"id": ["x"]},
        {"id": "\x00"},
        {"id": "e" * 100_000},
        {"token": "\x00"},
        {"payment": "\x00"},
        {"token": None},
        {"token": 7},
        {"token": {"a": 1}},
        {"payment": None},
        {"payment": 7},
        {"payment": "r" * 100_000},
        {"reason": {"a": ["\x00" * 10]}},
    ],
    ids=lambda what: repr(what)[:40],
)
def test_what_cannot_be_read_is_no_failure(visitor, attempt, what):
    """Only somebody with the secret can send it: a provider with a fault, or a new version of one."""
    answer = tell(visitor, attempt, **what)
    assert answer.status_code in (200, 400), answer.status_code
    _status, paid = standing(attempt.payment.order)
    assert paid in (0, 120), paid
    for stored in m.ProviderEvent.objects.all():
        assert len(stored.event_id) <= 200
        assert len(stored.body) <= views.WEBHOOK_MAX_BYTES


def test_another_amount_is_booked_as_what_it_is_and_shown_to_a_person(visitor, attempt):
    tell(visitor, attempt, amount=1)
    assert standing(attempt.payment.order) == ("partly_paid", Decimal("0.01"))
    assert "payments.other_amount" in flagged(attempt.payment.order)


def test_said_again_within_five_minutes_and_after(visitor, attempt):
    body = said(attempt)
    good = seal(body)
    for _time in range(4):
        assert post(visitor, body, good).status_code == 200
    making.set_clock(after(minutes=6))
    assert post(visitor, body, good).status_code == 400
    assert m.ProviderEvent.objects.count() == 1
    assert standing(attempt.payment.order) == ("paid", Decimal(120))


def test_the_same_words_under_a_new_name_book_nothing_twice(visitor, attempt):
    for number in range(4):
        tell(visitor, attempt, id=f"evt_{number}")
    assert standing(attempt.payment.order) == ("paid", Decimal(120))
    assert m.ProviderEvent.objects.count() == 4


def test_a_webhook_about_somebody_elses_payment_in_the_name_of_this_one(visitor, attempt):
    theirs = new_attempt(order_for(make_contact("eve@example.com"), attempt.payment.order.offer, language="en"))
    tell(visitor, theirs)
    tell(visitor, attempt, id="evt_x", payment=theirs.reference)
    assert standing(theirs.payment.order) == ("paid", Decimal(120))
    assert standing(attempt.payment.order) == ("open", 0)
