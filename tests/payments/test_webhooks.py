"""The door for webhooks over HTTP, and the sandbox's small bank that uses it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.payments import clock
from tests.payments.shop import new_attempt, new_order, signed, snapshot
from tests.payments.test_providers import SANDBOX
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import polling
from wagtail_kwiga.payments.providers.sandbox import SIGNATURE

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt():
    return new_attempt(new_order(amount="120.00"))


@pytest.fixture
def gateway(attempt):
    return f"/shop/sandbox-gateway/{attempt.token}/"


def post(client, request, alias="sandbox", **headers):
    return client.post(
        f"/shop/notify/{alias}/",
        request.body,
        content_type="application/json",
        headers={SIGNATURE: request.header(SIGNATURE), **headers},
    )


def status() -> str:
    return m.Order.objects.get().status


def test_a_webhook_from_outside_needs_no_csrf_token(attempt):
    answer = post(Client(enforce_csrf_checks=True), signed(attempt))
    assert (answer.status_code, answer.content) == (200, b"OK")
    assert status() == "paid"


def test_the_door_answers_as_the_provider_wants(client, providers):
    providers(post={**SANDBOX, "class": "tests.payments.systems.Posting"})
    attempt = new_attempt(new_order(currency="PLN"), method="post")
    assert post(client, signed(attempt), "post").content == b"TRUE"
    assert post(client, signed(attempt), "post").content == b"TRUE"


@pytest.mark.parametrize("alias", ["sandbox", "transfer", "nobody"])
def test_whoever_looks_whether_anybody_is_there_is_answered_without_effect(client, attempt, alias):
    """Promise 9, and gateways that probe the address; whether an alias is set up is not told to whoever asks."""
    before = snapshot()
    told = signed(attempt)
    headers = {SIGNATURE: told.header(SIGNATURE)}
    for verb in (client.get, client.head):
        answer = verb(f"/shop/notify/{alias}/?token={attempt.token}&outcome=confirmed", headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.generic("GET", f"/shop/notify/{alias}/", told.body, headers=headers).content == b""
    assert snapshot() == before


def test_no_other_verb(client):
    for verb in (client.put, client.patch, client.delete, client.options):
        assert verb("/shop/notify/sandbox/").status_code == 405


def test_what_is_not_beyond_doubt_is_refused(client, attempt):
    request = signed(attempt)
    before = snapshot()
    assert client.post("/shop/notify/sandbox/", b"{}", content_type="application/json").status_code == 400
    assert post(client, request, **{SIGNATURE: "t=1,v1=2"}).status_code == 400
    assert post(client, request, "transfer").status_code == 400
    assert post(client, request, "nobody").status_code == 404
    clock.put(after(minutes=10))
    assert post(client, request).status_code == 400
    assert snapshot() == before


def test_too_much_is_not_read(client):
    answer = client.post("/shop/notify/sandbox/", b"x" * (256 * 1024 + 1), content_type="text/plain")
    assert answer.status_code == 413


def test_a_size_that_is_a_lie_is_not_believed(client):
    answer = client.post("/shop/notify/sandbox/", b"", content_type="text/plain", headers={"Content-Length": "many"})
    assert answer.status_code == 413


def test_only_known_headers_are_kept(client, attempt):
    post(client, signed(attempt), Cookie="secret=1", Authorization="Basic x")
    kept = m.ProviderEvent.objects.get().headers
    assert {name for name in kept if not name.startswith(":")} == {"Content-Type", SIGNATURE}


def test_the_answer_does_not_depend_on_what_becomes_of_it(attempt, monkeypatch, caplog):
    def break_down(*args, **given):
        raise RuntimeError("power cut")

    client = Client(raise_request_exception=False)
    with monkeypatch.context() as patch:
        patch.setattr("wagtail_kwiga.orders.transitions.apply_totals", break_down)
        answer = post(client, signed(attempt))
    assert (answer.status_code, answer.content) == (200, b"OK")
    assert "could not be processed yet" in caplog.text
    assert (status(), m.ProviderEvent.objects.get().result) == ("open", "failed")
    polling.poll_due(after(minutes=1))
    assert status() == "paid"


def test_a_webhook_for_nobody_is_taken_in(client, attempt):
    assert post(client, signed(attempt, token="x", payment="y")).status_code == 200
    assert m.ProviderEvent.objects.get().result == "unknown"


# --- the small bank


def press(client, gateway, choice):
    return client.post(gateway, {"choice": choice})


def test_the_bank_shows_what_is_paid_and_four_buttons(client, gateway):
    page = client.get(gateway).content.decode()
    assert "€120.00" in page
    for choice in ("success", "decline", "pending", "late"):
        assert f'name="choice" value="{choice}"' in page
    assert "No money moves" in page
    assert "<script" not in page
    assert "style=" not in page


def test_success_pays_and_goes_back_to_the_shop(client, gateway):
    answer = press(client, gateway, "success")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/shop/return/")
    assert status() == "paid"
    assert "Paid. Thank you!" in client.get(answer["Location"].removeprefix("http://localhost")).content.decode()
    assert "This payment is done" in client.get(gateway).content.decode()


def test_decline_leaves_the_order_open_and_the_bank_for_another_try(client, gateway):
    answer = press(client, gateway, "decline")
    assert status() == "open"
    assert "did not go through" in client.get(answer["Location"].removeprefix("http://localhost")).content.decode()
    press(client, gateway, "success")
    assert status() == "paid"


def test_pending_is_under_way_until_the_page_is_opened_again(client, gateway):
    press(client, gateway, "pending")
    assert status() == "processing"
    assert polling.in_flight(m.Order.objects.values_list("pk", flat=True))
    press(client, gateway, "success")
    assert status() == "paid"


def test_late_sends_the_buyer_back_at_once_and_tells_twelve_minutes_later(client, gateway):
    answer = press(client, gateway, "late")
    assert "We are checking" in client.get(answer["Location"].removeprefix("http://localhost")).content.decode()
    assert status() == "open"
    assert "It will tell the shop at" in client.get(gateway).content.decode()
    press(client, gateway, "decline")
    assert status() == "open"
    clock.put(after(minutes=11))
    client.post(answer["Location"].removeprefix("http://localhost"))
    assert status() == "open"
    polling.poll_due(after(minutes=12))
    assert status() == "paid"
    assert m.ProviderEvent.objects.get().received_at == after(minutes=12)


def test_every_choice_comes_through_the_signed_door(client, gateway, monkeypatch):
    from wagtail_kwiga.payments.providers import gateway as bank

    seen = []
    real = bank.provider_events.receive
    monkeypatch.setattr(
        bank.provider_events, "receive", lambda alias, request, now: seen.append(request) or real(alias, request, now)
    )
    for choice in ("decline", "pending", "success"):
        press(client, gateway, choice)
    assert [request.header(SIGNATURE)[:2] for request in seen] == ["t="] * 3


def test_pressing_twice_is_paying_once(client, gateway):
    for _ in range(3):
        press(client, gateway, "success")
    assert m.ProviderEvent.objects.count() == 1
    assert m.Order.objects.get().paid_amount == 120


def test_the_bank_does_not_take_other_choices(client, gateway):
    before = snapshot()
    for choice in ("", "free"):
        assert press(client, gateway, choice).status_code == 400
    assert snapshot() == before


def test_the_bank_minds_csrf(gateway):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(gateway, {"choice": "success"}).status_code == 403
    assert status() == "open"


def test_no_bank_without_an_enabled_sandbox(client, gateway, providers):
    for entry in (
        {},
        {"sandbox": {**SANDBOX, "enabled": False}},
        {"sandbox": {"class": "tests.payments.systems.Polled"}},
    ):
        providers(**entry)
        assert client.get(gateway).status_code == 404
        assert press(client, gateway, "success").status_code == 404
    assert client.get("/shop/sandbox-gateway/unknown/").status_code == 404


def test_the_bank_stands_where_the_clock_stands(client, gateway):
    clock.put(after(days=2))
    press(client, gateway, "success")
    assert m.Order.objects.get().paid_at == after(days=2)
    assert m.Order.objects.get().placed_at == START
