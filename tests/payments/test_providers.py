"""The interface's edges: settings, minor units, signatures, bank data."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.payments.shop import bank_data, new_attempt, new_order, signed, told
from tests.payments.systems import Polled
from tests.support import START, after, make_offer
from wagtail_kwiga.exceptions import BadSignature, ConfigurationFault, MoneyMismatch, PaymentRefused
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.payments.provider import ReportedEvent, WebhookRequest
from wagtail_kwiga.payments.providers.sandbox import SIGNATURE, SandboxProvider
from wagtail_kwiga.payments.providers.transfer import TransferProvider, grouped
from wagtail_kwiga.pricing.money import Money, precision

SANDBOX = {"class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider", "enabled": True, "secret": "s"}
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "HUF", "UAH"])


@given(st.integers(min_value=-(10**12), max_value=10**12), CURRENCIES)
def test_minor_units_go_there_and_back(units, currency):
    money = from_minor(units, currency)
    assert to_minor(money) == units
    assert money.amount * 10 ** precision(currency) == units


@pytest.mark.parametrize("odd", [1.5, "100", True, None, Decimal(1)])
def test_minor_units_are_whole_numbers(odd):
    with pytest.raises(TypeError):
        from_minor(odd, "EUR")


def test_an_event_has_one_of_three_outcomes():
    with pytest.raises(ValueError, match="refunded"):
        ReportedEvent("e", "t", "r", "refunded", None, True)


def test_headers_are_found_whatever_their_capitals():
    request = WebhookRequest("POST", b"", {"sandbox-SIGNATURE": "x"})
    assert request.header("Sandbox-Signature") == "x"
    assert request.header("Other") == ""


# --- the registry


def test_a_provider_is_made_of_its_alias_and_options(providers):
    providers(card={**SANDBOX, "label": "Card"})
    card = registry.get("card")
    assert isinstance(card, SandboxProvider)
    assert (card.alias, card.label, card.options["secret"]) == ("card", "Card", "s")
    assert "class" not in card.options


@pytest.mark.parametrize("alias", ["", "nobody", "sandbox"])
def test_unknown_and_disabled_ways_to_pay_are_refused(providers, alias):
    providers(sandbox={**SANDBOX, "enabled": False})
    with pytest.raises(PaymentRefused) as refusal:
        registry.get(alias)
    assert refusal.value.code == "unknown_method"
    assert registry.label(alias) == alias


@pytest.mark.parametrize("truthy", ["yes", 1, "True"])
def test_the_sandbox_is_enabled_by_true_and_nothing_else(providers, truthy):
    providers(sandbox={**SANDBOX, "enabled": truthy})
    assert registry.enabled() == []
    assert not SandboxProvider.is_dangerous({"enabled": truthy})
    assert SandboxProvider.is_dangerous({"enabled": True})
    assert not TransferProvider.is_dangerous({"enabled": True})


@pytest.mark.parametrize(
    "entry", [{}, {"class": ""}, "dotted.path", {"class": "nowhere.Provider"}, {"class": "decimal.Decimal"}]
)
def test_an_entry_that_is_no_provider_is_the_builders_fault(providers, entry):
    providers(odd=entry)
    with pytest.raises(ConfigurationFault, match="odd"):
        registry.get("odd")


@pytest.mark.django_db
def test_what_a_buyer_may_choose_from(providers):
    providers(
        second=SANDBOX,
        zloty={**SANDBOX, "class": "tests.payments.systems.Posting"},
        off={**SANDBOX, "enabled": False},
        transfer={"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
        first=SANDBOX,
    )

    def aliases(offer, currency="EUR"):
        return [each.alias for each in registry.available(offer, currency=currency)]

    assert aliases(make_offer()) == ["second", "first"]
    assert aliases(make_offer(), "PLN") == ["second", "zloty", "first"]
    bank_data()
    assert aliases(make_offer()) == ["second", "transfer", "first"]
    assert aliases(make_offer(payment_methods=["first", "zloty", "gone"])) == ["first"]
    assert aliases(None) == ["second", "transfer", "first"]
    assert registry.label("transfer") == "Bank transfer"


# --- the transfer


@pytest.mark.parametrize(
    ("raw", "shown"), [("de89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"), ("NO9386011117947", "NO93 8601 1117 947"), ("", "")]
)  # fmt: skip
def test_an_iban_is_shown_in_groups_of_four(raw, shown):
    assert grouped(raw) == shown


@pytest.mark.django_db
def test_a_transfer_tells_where_to_send_what(django_assert_num_queries):
    bank_data(bank_name="Commerzbank")
    attempt = new_attempt(method="transfer", amount="99.90")
    with django_assert_num_queries(1):
        told_to_buyer = registry.get("transfer").instructions(attempt).context
    assert told_to_buyer["iban"] == "DE89 3704 0044 0532 0130 00"
    assert (told_to_buyer["holder"], told_to_buyer["bank"]) == ("School Ltd", "Commerzbank")
    assert told_to_buyer["amount"] == Money(Decimal("99.90"), "EUR")
    assert told_to_buyer["reference"] == attempt.payment.reference


@pytest.mark.django_db
def test_asking_for_bank_data_makes_no_settings():
    from wagtail_kwiga.models import KwigaSettings

    assert not TransferProvider("transfer").is_ready(None)
    assert not KwigaSettings.objects.exists()


# --- the sandbox's signature


@pytest.fixture
def attempt(db):
    return new_attempt()


def test_a_signed_webhook_is_read(attempt):
    (told_so,) = registry.get("sandbox").verify(signed(attempt))
    assert told_so.attempt_token == attempt.token
    assert (told_so.outcome, told_so.amount, told_so.live) == ("confirmed", Money(Decimal(120), "EUR"), False)


def forgeries(request: WebhookRequest):
    body, header = request.body, request.header(SIGNATURE)
    stamp, mac = header.split(",")
    yield "no header", WebhookRequest("POST", body, {}, at=START)
    yield "empty", WebhookRequest("POST", body, {SIGNATURE: ""}, at=START)
    yield "other order of parts", WebhookRequest("POST", body, {SIGNATURE: f"{mac},{stamp}"}, at=START)
    yield "no stamp", WebhookRequest("POST", body, {SIGNATURE: f"t=,{mac}"}, at=START)
    yield "other stamp", WebhookRequest("POST", body, {SIGNATURE: f"t=1,{mac}"}, at=START)
    yield "cut", WebhookRequest("POST", body, {SIGNATURE: header[:-1]}, at=START)
    yield "letters of other scripts", WebhookRequest("POST", body, {SIGNATURE: f"{stamp},v1=äöü"}, at=START)
    yield "dearer", WebhookRequest("POST", body.replace(b"12000", b"12001"), {SIGNATURE: header}, at=START)
    yield "other body", WebhookRequest("POST", b"", {SIGNATURE: header}, at=START)
    yield "old", WebhookRequest("POST", body, {SIGNATURE: header}, at=after(minutes=6))
    yield "from the future", WebhookRequest("POST", body, {SIGNATURE: header}, at=after(minutes=-6))
    other = SandboxProvider("sandbox", {"secret": "another"}).signed({"id": "x"}, START)
    yield "another secret", other


def test_whatever_is_not_beyond_doubt_is_refused(attempt):
    sandbox = registry.get("sandbox")
    for what, request in forgeries(signed(attempt)):
        with pytest.raises(BadSignature):
            sandbox.verify(request)
            pytest.fail(what)


@pytest.mark.parametrize(
    "odd",
    [{"amount": "120.00"}, {"amount": 1.5}, {"outcome": "maybe"}, {"currency": None}],
)
def test_a_signed_webhook_that_makes_no_sense_is_refused(attempt, odd):
    sandbox = registry.get("sandbox")
    with pytest.raises(BadSignature):
        sandbox.verify(sandbox.signed({**told(attempt), **odd}, START))
    with pytest.raises(BadSignature):
        sandbox.verify(sandbox.signed([], START))


def test_a_sandbox_without_a_secret_is_the_builders_fault(providers):
    providers(sandbox={**SANDBOX, "secret": ""})
    with pytest.raises(ConfigurationFault, match="secret"):
        registry.get("sandbox").signed({}, START)


# --- what a provider gets for nothing


@pytest.mark.django_db
def test_the_defaults_suit_a_provider_that_is_only_asked():
    polled, order = Polled("polled"), new_order()
    assert polled.takes("XXX")
    assert polled.live
    assert not Polled("polled", {"test": True}).live
    assert polled.reserve_for(order) == after(hours=1) - START
    assert polled.instructions(None) is None
    assert polled.continue_url(None) == ""
    assert polled.acknowledge([], START).body == "OK"
    with pytest.raises(BadSignature):
        polled.verify(WebhookRequest("POST", b""))
    with pytest.raises(PaymentRefused) as refusal:
        polled.refund(None, START)
    assert refusal.value.code == "refund_by_hand"


def test_money_of_two_currencies_never_mixes():
    with pytest.raises(MoneyMismatch):
        assert Money(Decimal(1), "EUR") < Money(Decimal(1), "PLN")
