"""Attacked: the order form, field by field. Never a failure, never half an order, never something hostile kept or echoed.

What is refused is refused with a sentence in the page's language; what is taken is kept clean.
"""

from __future__ import annotations

import pytest

from tests.attacks import hostile
from tests.attacks.ground import holds, nothing_dirty, nothing_half_done, told
from tests.offers.making import fill_in, translate
from wagtail_kwiga import models as m

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shopfront")]


@pytest.fixture
def form(visitor, shopfront):
    """``form(name="…")`` fills in the form and sends it; what is opened once is sent many times."""
    _page, sent = fill_in(visitor, shopfront.url)

    def send(url=shopfront.url, **typed):
        return visitor.post(url, {**sent, **typed})

    return send


#: Every field but the name and the address, which have tests of their own.
OTHERS = ("phone", "coupon", "website", "shown", "resume", "payment_method", "apply", "next", "csrfmiddlewaretoken")


def sent_as(text: str) -> str:
    """``text`` as it can travel at all: half a surrogate pair cannot."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def test_any_text_for_a_name(form):
    for what, text in hostile.TEXTS.items():
        answer = holds(form(name=sent_as(text)), what)
        assert answer.status_code == 302 or 'href="#id_name"' in told(answer), what
    nothing_half_done()
    nothing_dirty()


def test_any_text_in_all_other_fields(form):
    for what, text in hostile.TEXTS.items():
        answer = holds(form(**dict.fromkeys(OTHERS, sent_as(text))), what)
        assert answer.status_code in (200, 302), what
    nothing_half_done()
    nothing_dirty()


def test_addresses_that_are_none(form):
    for what, address in hostile.ADDRESSES.items():
        answer = holds(form(email=sent_as(address)), what)
        assert answer.status_code == 200, (what, address, list(m.Contact.objects.values_list("email", flat=True)))
        assert 'href="#id_email"' in told(answer), what
    assert not m.Order.objects.exists()
    assert not m.Contact.objects.exists()


def test_every_spelling_of_an_address_is_one_person(form):
    for typed, kept in hostile.SPELLINGS:
        assert holds(form(email=typed), typed).status_code == 302, typed
        assert m.Order.objects.latest("pk").contact.email == kept
    assert m.Contact.objects.count() == len({kept for _typed, kept in hostile.SPELLINGS})
    nothing_half_done()


def test_ten_megabytes(form, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None  # a site that has opened the gate
    for field in ("name", "email", "phone", "coupon", "website", "payment_method", "shown"):
        answer = holds(form(**{field: hostile.HUGE}), field)
        assert answer.status_code == 200, field
        assert len(answer.content) < 100_000, f"{field}: what was sent comes back whole"
    assert not m.Order.objects.exists()


def test_ten_megabytes_where_the_site_has_changed_nothing(form):
    assert holds(form(name=hostile.HUGE)).status_code == 400
    assert not m.Order.objects.exists()


def test_numbers(form):
    for field in ("payment_method", "shown", "phone"):
        for number in hostile.NUMBERS:
            holds(form(**{field: number}), (field, number))
    nothing_half_done()
    nothing_dirty()


def test_a_price_nobody_sealed(form, visitor, shopfront):
    _page, sent = fill_in(visitor, shopfront.url)
    for shown in [*hostile.spoilt(sent["shown"]), "1:1:EUR", "1:0.01:EUR:x", "1:NaN:EUR", sent["shown"] + "\x00"]:
        if shown.strip() == sent["shown"]:
            continue  # spaces around it are nobody's doing
        answer = holds(form(shown=shown), shown)
        assert answer.status_code == 200, shown
        assert "The price has changed" in told(answer) or "\x00" in shown
    assert not m.Order.objects.exists()


def test_a_form_of_which_everything_is_missing(visitor, shopfront):
    for sent in ({}, {"name": ""}, {"email": "ada@example.com"}, {"csrfmiddlewaretoken": "x"}, {"": ""}, {"apply": ""}):
        answer = holds(visitor.post(shopfront.url, sent), sent)
        assert answer.status_code == 200
        assert "apply" in sent or told(answer)
    assert not m.Order.objects.exists()


def test_fields_that_come_twice(visitor, shopfront):
    _page, sent = fill_in(visitor, shopfront.url)
    for field in sent:
        answer = visitor.post(shopfront.url, {**sent, field: [sent[field], "eve@example.com", sent[field]]})
        assert holds(answer, field).status_code == 302
    assert set(m.Contact.objects.values_list("email", flat=True)) == {"ada@example.com"}
    nothing_half_done()


def test_it_is_said_in_the_language_of_the_page(visitor, shopfront):
    german = translate(shopfront, "de", title="Aquarell")
    _page, sent = fill_in(visitor, german.url)
    for wrong in ({"email": "x"}, {"name": "\u202eadA"}, {"phone": "abc"}, {"coupon": "\x00"}, {"website": "x"}):
        answer = holds(visitor.post(german.url, {**sent, **wrong}, headers={"Accept-Language": "pl"}))
        assert answer["Content-Language"] == "de"
        assert "Bitte" in told(answer) or "Formular" in told(answer) or "kennen" in told(answer), told(answer)
