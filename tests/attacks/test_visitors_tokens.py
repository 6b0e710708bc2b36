"""Attacked: the links. Tampered, cut off, decorated, of another purpose, of another person, too old, or simply guessed.

A link opens what it was made for and nothing else (promise 10), says kindly that it does not work, and gives no session.
"""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

import pytest
from django.core.signing import Signer
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks import hostile
from tests.attacks.ground import holds, money_books
from tests.offers import making
from tests.offers.making import offer_of, text_of
from tests.orders.shop import order_for
from tests.payments.shop import new_attempt, path_of
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga import signing
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import links
from wagtail_kwiga.signing import Purpose

pytestmark = pytest.mark.django_db

PURPOSES = ("pay", "order", "return", "resume", "unsubscribe")
#: What belongs to the owner of the order and to no page that a stranger's token opens.
PERSONAL = ("Ada Buyer", "ada@example.com", "600 100 200")


@pytest.fixture
def order(shopfront):
    ada = make_contact("ada@example.com", phone="+48 600 100 200")
    return order_for(ada, offer_of(shopfront), site=shopfront.get_site(), language="en")


@pytest.fixture
def tokens(order):
    attempt = new_attempt(order)
    addresses = {
        "pay": links.pay_url(order, START),
        "order": links.order_url(order, START),
        "return": links.return_url(order, START, attempt=attempt.token),
        "resume": links.resume_url(order, None, START),
        "unsubscribe": link_building.unsubscribe_url(
            order.contact.token, to=order.contact.email, at=START, site_id=None, language="en"
        ),
    }
    return {name: path_of(url).rstrip("/").rsplit("/", 1)[1] for name, url in addresses.items()}


def refused(answer, what) -> None:
    holds(answer, what)
    assert answer.status_code == 404, (what, answer.status_code)
    words = text_of(answer)
    assert "link" in words, (what, words)
    assert not any(private in words for private in PERSONAL), what


@pytest.mark.parametrize("purpose", PURPOSES)
def test_spoilt_tokens(visitor, tokens, purpose):
    before = money_books()
    for spoilt in hostile.spoilt(tokens[purpose]):
        path = f"/shop/{purpose}/{quote(spoilt, safe='%')}/"
        for method in ("get", "post"):
            if method == "post" and purpose in ("order", "resume"):
                continue
            answer = getattr(visitor, method)(path)
            if "/" in spoilt or "%2f" in spoilt:
                assert holds(answer, spoilt).status_code == 404
            else:
                refused(answer, (method, spoilt))
    assert money_books() == before


def test_every_token_at_every_other_door(visitor, tokens, shopfront):
    before = money_books()
    attempt = m.PaymentAttempt.objects.get()
    keys = {
        **tokens,
        "gateway": attempt.token,
        "number": m.Order.objects.get().number,
        "public": m.Order.objects.get().token,
    }
    for made_for, token in keys.items():
        for door in PURPOSES:
            if made_for == door:
                continue
            refused(visitor.get(f"/shop/{door}/{token}/"), (made_for, door))
            if door in ("pay", "return", "unsubscribe"):
                refused(visitor.post(f"/shop/{door}/{token}/", {"method": "sandbox"}), (made_for, door))
        if made_for != "gateway":
            assert visitor.get(f"/shop/sandbox-gateway/{token}/").status_code == 404
            assert visitor.post(f"/shop/sandbox-gateway/{token}/", {"choice": "success"}).status_code == 404
        if made_for != "resume":
            words = text_of(holds(visitor.get(shopfront.url, {"resume": token}), made_for))
            assert not any(private in words for private in PERSONAL), made_for
    assert money_books() == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_a_token_is_read(data):
    token = signing.make(Purpose.PAY, expires=START + dt.timedelta(days=1), order=7)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(exclude_characters=token[at]))
    spoilt = data.draw(
        st.sampled_from(
            [token[:at] + other + token[at + 1 :], token[:at] + other + token[at:], token[:at] + token[at + 1 :]]
        )
    )
    if spoilt != token:
        with pytest.raises(BadToken):
            signing.read(Purpose.PAY, spoilt, START)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"order": 1},
        {"x": "soon"},
        {"x": None, "order": 1},
        {"x": 1e400, "order": 1},
        {"x": 2**70},
        {"x": 2**70, "order": None},
        {"x": 2**70, "order": "1; DROP"},
        {"x": 2**70, "order": [1]},
        {"x": 2**70, "order": {"pk": 1}},
        {"x": 2**70, "order": 2**70},
        {"x": 2**70, "order": -1},
        {"x": 2**70, "order": True, "attempt": {"a": 1}, "coupon": [1], "instead": "x", "contact": {}, "lang": 7},
        {"x": 2**70, "contact": "1 OR 1=1"},
        {"x": 2**70, "contact": 2**70, "lang": "../../x"},
        [1, 2],
        "text",
        None,
        7,
    ],
    ids=repr,
)
def test_sealed_nonsense_of_an_older_or_newer_version(visitor, order, payload):
    """Only somebody with the key can make these; an upgrade or a downgrade has it."""
    for purpose in PURPOSES:
        token = Signer(sep=".", salt=f"wagtail_kwiga.{purpose}").sign_object(payload)
        for method in ("get", "post"):
            answer = holds(getattr(visitor, method)(f"/shop/{purpose}/{token}/"), (purpose, payload))
            assert answer.status_code in (200, 302, 400, 404, 405, 410), (purpose, payload, answer.status_code)


def test_a_token_of_another_secret_or_another_site_is_no_token(visitor, tokens, settings):
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    settings.SECRET_KEY_FALLBACKS = []
    for purpose, token in tokens.items():
        refused(visitor.get(f"/shop/{purpose}/{token}/"), purpose)


def test_links_outlive_a_change_of_the_secret_where_the_site_keeps_the_old_one(visitor, tokens, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    for purpose in ("pay", "order", "resume", "unsubscribe"):
        assert visitor.get(f"/shop/{purpose}/{tokens[purpose]}/").status_code in (200, 302), purpose


def test_links_end_but_the_one_to_unsubscribe(visitor, tokens):
    making.set_clock(after(days=91))
    for purpose, token in tokens.items():
        answer = holds(visitor.get(f"/shop/{purpose}/{token}/"), purpose)
        assert answer.status_code == (200 if purpose == "unsubscribe" else 410), purpose
        assert not any(private in text_of(answer) for private in PERSONAL), purpose
    before = money_books()
    for purpose in ("pay", "return"):
        assert visitor.post(f"/shop/{purpose}/{tokens[purpose]}/", {"method": "sandbox"}).status_code == 410
    assert money_books() == before


def test_the_attempt_of_one_order_is_nothing_to_the_return_link_of_another(visitor, order, tokens):
    theirs = order_for(make_contact("eve@example.com"), order.offer, site=order.site, language="en")
    attempt = m.PaymentAttempt.objects.get()
    path = path_of(links.return_url(theirs, START, attempt=attempt.token))
    before = money_books()
    assert visitor.post(path).status_code == 302
    words = text_of(visitor.get(path))
    assert "ada" not in words.lower()
    assert money_books() == before


def test_no_link_gives_a_session_or_shows_the_person(tokens):
    for purpose, token in tokens.items():
        stranger = Client()
        answer = stranger.get(f"/shop/{purpose}/{token}/", follow=True)
        assert "sessionid" not in stranger.cookies, purpose
        assert stranger.get("/admin/").status_code == 302, purpose
        shown = [private for private in PERSONAL if private in text_of(answer) or private.encode() in answer.content]
        # The mail that brings somebody back names its reader, and so does the form it fills in; nothing else does.
        assert shown == ([] if purpose != "resume" else ["Ada Buyer", "ada@example.com"]), (purpose, shown)


def test_the_keys_of_rows_open_nothing(visitor, order):
    for key in (order.pk, order.number, order.token, str(order.purchase_id), order.contact_id, 0, -1):
        for door in PURPOSES:
            assert visitor.get(f"/shop/{door}/{key}/").status_code == 404, (door, key)
