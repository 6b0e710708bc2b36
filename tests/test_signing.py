"""A link is not a login: signed, single-purpose, expiring (promise 10)."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.signing import Signer
from django.utils.crypto import salted_hmac
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, after, make_contact, make_list
from wagtail_kwiga import signing
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.signing import Purpose

LINKS = [Purpose.PAY, Purpose.ORDER, Purpose.RETURN, Purpose.RESUME]


def test_a_token_carries_its_payload_until_it_expires():
    token = signing.make(Purpose.PAY, expires=after(days=1), order=17)
    assert signing.read(Purpose.PAY, token, after(hours=23)) == {"order": 17}
    with pytest.raises(BadToken) as refusal:
        signing.read(Purpose.PAY, token, after(days=1))
    assert refusal.value.code == "expired_token"


@pytest.mark.parametrize("other", [p for p in Purpose if p != Purpose.PAY])
def test_a_token_serves_one_purpose(other):
    token = signing.make(Purpose.PAY, expires=after(days=1), order=17)
    with pytest.raises(BadToken):
        signing.read(other, token, START)


@given(st.text(max_size=600))
def test_rubbish_is_refused_kindly(rubbish):
    with pytest.raises(BadToken):
        signing.read(Purpose.PAY, rubbish, START)


@given(st.integers(min_value=0, max_value=10_000), st.characters(codec="ascii"))
def test_one_changed_character_is_noticed(position, character):
    token = signing.make(Purpose.PAY, expires=after(days=1), order=17)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(BadToken):
            signing.read(Purpose.PAY, changed, START)


def test_a_token_longer_than_any_of_ours_is_not_even_looked_at():
    longest = signing.make(Purpose.PAY, expires=after(days=1), note="x" * 200)
    assert signing.read(Purpose.PAY, longest, START)
    with pytest.raises(BadToken):
        signing.read(Purpose.PAY, signing.make(Purpose.PAY, expires=after(days=1), note="x" * 400), START)


# --- purposes and ages


@pytest.mark.parametrize("made_for", Purpose)
@pytest.mark.parametrize("read_for", Purpose)
def test_what_is_signed_for_one_purpose_is_nothing_to_another(made_for, read_for):
    token = signing.make(made_for, expires=after(days=1), order=17)
    sealed = signing.seal(made_for, "1:20.00:EUR")
    if made_for == read_for:
        assert signing.read(read_for, token, START) == {"order": 17}
        assert signing.unseal(read_for, sealed) == "1:20.00:EUR"
    else:
        with pytest.raises(BadToken):
            signing.read(read_for, token, START)
        assert signing.unseal(read_for, sealed) is None
    with pytest.raises(BadToken):
        signing.read(read_for, sealed, START)  # one sort of signature is not the other
    assert signing.unseal(read_for, token) is None
    assert (signing.keyed_hash(made_for, "a") == signing.keyed_hash(read_for, "a")) is (made_for == read_for)


def test_a_purpose_that_nobody_knows_is_a_mistake():
    for ask in (
        lambda: signing.make("login", START),
        lambda: signing.read("login", "x", START),
        lambda: signing.seal("x", "x"),
    ):
        with pytest.raises(ValueError, match="not a valid"):
            ask()


@pytest.mark.parametrize("purpose", LINKS)
def test_a_link_is_good_for_as_long_as_the_site_says(settings, purpose):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "LINK_DAYS": 3}
    token = signing.make(purpose, START, order=17)
    assert signing.read(purpose, token, after(days=3, seconds=-1)) == {"order": 17}
    with pytest.raises(BadToken, match="expired"):
        signing.read(purpose, token, after(days=3))


def test_ages_that_the_setting_does_not_touch():
    assert signing.max_age(Purpose.BROWSER) == dt.timedelta(days=14)
    assert signing.max_age(Purpose.UNSUBSCRIBE) > dt.timedelta(days=3 * 365)


@pytest.mark.parametrize("purpose", [Purpose.SHOWN_TOTAL, Purpose.RATE_LIMIT])
def test_what_has_no_age_is_no_token_of_a_link(purpose):
    with pytest.raises(ValueError, match="expire"):
        signing.make(purpose, START)


# --- what is out there stays good


@pytest.mark.parametrize("purpose", ["pay", "order", "return", "resume", "unsubscribe", "browser"])
def test_tokens_are_signed_as_they_ever_were(purpose):
    """Mails with such links lie in mailboxes."""
    payload = {"order": 17, "x": int(after(days=1).timestamp())}
    written = Signer(sep=".", salt=f"wagtail_kwiga.{purpose}").sign_object(payload)
    assert signing.make(purpose, expires=after(days=1), order=17) == written
    assert signing.read(purpose, written, START) == {"order": 17}


def test_seals_and_hashes_are_made_as_they_ever_were():
    assert signing.seal(Purpose.SHOWN_TOTAL, "7:20:EUR") == Signer(salt="wagtail_kwiga.offers.shown").sign("7:20:EUR")
    kept = salted_hmac("wagtail_kwiga.contacts.limits", "60:x", algorithm="sha256").hexdigest()
    assert signing.keyed_hash(Purpose.RATE_LIMIT, "60:x") == kept


def test_random_tokens():
    made = {signing.random_token() for _ in range(100)}
    assert len(made) == 100
    assert {len(token) for token in made} == {22}


# --- handles


@pytest.mark.django_db
def test_a_handle_finds_its_row_and_no_other():
    ada, _other = make_contact(), make_contact("grace@example.com")
    handle = signing.handle_of(ada)
    assert signing.is_handle(handle)
    assert list(signing.with_handle(Contact.objects.all(), handle)) == [ada]
    assert list(signing.with_handle(Contact.objects.exclude(pk=ada.pk), handle)) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "odd", [None, True, "1", 17, 1.0, [1], {"pk": 1}, "a" * 44, "a" * 21 + "\x00", "é" * 22, "a" * 22 + "\n"]
)
def test_what_is_no_handle_finds_nothing_and_asks_nothing(odd, django_assert_num_queries):
    make_contact()
    assert not signing.is_handle(odd)
    with django_assert_num_queries(0):
        assert list(signing.with_handle(Contact.objects.all(), odd)) == []


# --- whom a link was written to


def test_an_address_is_known_by_its_digest(settings):
    digest = signing.address_digest("ada@example.com")
    assert len(digest) == 11
    assert "ada" not in digest
    assert signing.is_written_to(digest, "Ada@Example.com")
    for other in ("eve@example.com", "ada@example.org", ""):
        assert not signing.is_written_to(digest, other)
    for odd in (None, 7, "", [digest], digest[:-1]):
        assert not signing.is_written_to(odd, "ada@example.com")


def test_a_digest_is_of_no_use_without_the_secret_and_outlives_its_change(settings):
    old = settings.SECRET_KEY
    digest = signing.address_digest("ada@example.com")
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    settings.SECRET_KEY_FALLBACKS = []
    assert signing.address_digest("ada@example.com") != digest
    assert not signing.is_written_to(digest, "ada@example.com")
    settings.SECRET_KEY_FALLBACKS = [old]
    assert signing.is_written_to(digest, "ada@example.com")


@pytest.mark.django_db
def test_a_row_has_no_handle_without_a_random_token():
    with pytest.raises(AttributeError, match="token"):
        signing.handle_of(make_list())
    assert signing.handle_of(make_contact()) != signing.handle_of(make_contact())
