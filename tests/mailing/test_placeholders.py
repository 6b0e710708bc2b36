"""The registry, and building the values of one mail."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wagtail import hooks
from wagtail.models import Site

from tests.mailing.making import settings_of_default_site, situation_for
from tests.orders.shop import order_for
from tests.support import START, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import ConfigurationFault
from wagtail_kwiga.mailing import classification, placeholders
from wagtail_kwiga.mailing.authoring import sample_data
from wagtail_kwiga.mailing.placeholders import Placeholder, build_context

pytestmark = pytest.mark.django_db


def text(name, situation):
    return build_context([name], situation)[0][name]


@pytest.mark.parametrize(
    ("language", "until", "deadline", "before", "size"),
    [
        (
            "en", "Tuesday, March 2, 2027, 1:00\xa0PM CET",
            "Valid for 24 hours, until Tuesday, March 2, 2027, 1:00\xa0PM CET", "€120.00", "15%",
        ),
        ("de", "Dienstag, 2. März 2027, 13:00 MEZ", None, "120,00\xa0€", "15\xa0%"),
        ("pl", "wtorek, 2 marca 2027, 13:00 CET", None, "120,00\xa0€", "15%"),
        ("uk", "вівторок, 2 березня 2027\xa0р., 13:00 CET", None, "120,00\xa0EUR", "15%"),
    ],
)  # fmt: skip
def test_values_speak_the_language_of_the_situation(language, until, deadline, before, size):
    situation = situation_for(language=language)
    texts, links = build_context(["coupon.valid_until", "coupon.deadline", "price.before", "coupon.size"], situation)
    assert texts["coupon.valid_until"] == until
    assert until in texts["coupon.deadline"]
    assert deadline is None or texts["coupon.deadline"] == deadline
    assert texts["price.before"] == before
    assert texts["coupon.size"] == size
    assert links == {}


def test_only_what_is_asked_for_is_built(django_assert_num_queries):
    situation = situation_for()
    with django_assert_num_queries(0):
        texts, links = build_context(["contact.first_name", "order.total", "resume_url"], situation)
    assert texts == {"contact.first_name": "Ada", "order.total": "€120.00"}
    assert links == {
        "resume_url": {
            "order": situation.order.pk,
            "at": int(START.timestamp()),
            "coupon": situation.coupon.token,
        }
    }


def test_the_seller():
    settings_of_default_site()
    texts, _links = build_context(["seller.name", "seller.address"], situation_for())
    assert texts == {"seller.name": "Riverside Studio", "seller.address": "Riverside Studio Ltd\n1 Mill Lane, Dublin"}


def test_a_site_without_settings_still_has_a_seller():
    site = Site.objects.get(is_default_site=True)
    site.site_name = "Little School"
    site.save()
    assert text("seller.name", situation_for(site=site)) == "Little School"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Ada Lovelace", "Ada"),
        ("  Ada  ", "Ada"),
        ("Lovelace, Ada", "Ada"),
        ("Dr. Ada Lovelace", "Ada"),
        ("Frau Dr. Ada Lovelace", "Ada"),
        ("Łucja", "Łucja"),
        ("Оксана Петренко", "Оксана"),
        ("", ""),
        ("Dr.", "Dr."),
        ("<b>{{ coupon.code }}</b>", "<b>{{"),
        # Nobody sends their advertisement through our mail by calling themselves so.
        ("WIN 1000 at https://evil.example/x", ""),
        ("Visit evil.example now", ""),
        ("www.evil.example", ""),
        ("ada@example.com", ""),
    ],
)
def test_first_names(name, first):
    contact = make_contact(name=name)
    assert text("contact.first_name", situation_for(contact)) == first


def test_what_is_known_beats_what_a_form_said():
    contact = make_contact(name="Ada Lovelace")
    order = order_for(contact, make_offer(), name="Somebody Else")
    assert text("contact.name", situation_for(contact, order=order)) == "Ada Lovelace"
    contact.name = ""
    assert text("contact.name", situation_for(contact, order=order)) == "Somebody Else"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_no_name_brings_control_characters_or_lines(name):
    line = placeholders.decent_name(name)
    assert len(line) <= 80
    assert not set(line) & set("\r\n\x00\u2028\u202e")
    assert "://" not in line


def test_a_coupon_without_end_says_nothing_about_one():
    situation = situation_for(now=START)
    endless = replace(situation, coupon_until=None)
    names = ["coupon.valid_until", "coupon.valid_hours", "coupon.deadline"]
    assert build_context(names, endless)[0] == dict.fromkeys(names, "")
    ended = replace(situation, coupon_until=START - dt.timedelta(minutes=1))
    assert text("coupon.valid_hours", ended) == ""


def test_prices_default_to_the_order():
    coupon = make_coupon(percent="25")
    contact = make_contact()
    order = order_for(contact, make_offer(), coupon=coupon)
    situation = replace(situation_for(contact, order=order), quote_before=None, quote_after=None)
    texts, _links = build_context(["price.before", "price.after", "price.saved"], situation)
    assert texts == {"price.before": "€120.00", "price.after": "€90.00", "price.saved": "€30.00"}


def test_the_way_in_goes_straight_to_a_single_product():
    contact = make_contact()
    single = order_for(contact, make_offer(make_product(entry_url="/course/")))
    assert build_context(["access_url"], situation_for(contact, order=single))[1] == {"access_url": {"to": "/course/"}}
    several = order_for(contact, make_offer(make_product(entry_url="/a/"), make_product(entry_url="/b/")))
    assert build_context(["access_url"], situation_for(contact, order=several))[1] == {
        "access_url": {"order": several.pk, "at": int(START.timestamp())}
    }


def test_a_name_that_nobody_knows_is_left_out():
    assert build_context(["gone.away", "contact.email"], situation_for())[0].keys() == {"contact.email"}


def test_a_site_adds_placeholders_but_does_not_replace_ours():
    weather = Placeholder(
        "site.weather", "weather", "sunny", "text", lambda situation: f"rain in {situation.language}\nnow"
    )
    chat = Placeholder("chat_url", "chat", "#chat", "url", lambda situation: "https://chat.example/1")
    fake = Placeholder("coupon.code", "code", "x", "text", lambda situation: "FAKE")
    with hooks.register_temporarily("register_kwiga_placeholders", lambda: [weather, chat, fake]):
        texts, links = build_context(
            ["site.weather", "chat_url", "coupon.code"], situation_for(coupon=make_coupon("REAL"))
        )
    assert texts == {"site.weather": "rain in en now", "coupon.code": "REAL"}
    assert links == {"chat_url": {"url": "https://chat.example/1"}}
    assert "site.weather" not in placeholders.registry()


def test_a_link_must_be_told_by_its_name():
    with pytest.raises(ConfigurationFault):
        Placeholder("chat.link", "chat", "#", "url", lambda situation: "https://x.example")
    with pytest.raises(ConfigurationFault):
        Placeholder("chat_url", "chat", "#", "text", lambda situation: "x")


def test_every_placeholder_has_a_label_a_sample_and_builds():
    settings_of_default_site(tax_number="IE1234567T")
    situation = situation_for()
    order, example = situation.order, sample_data.situation(language="en", now=START)
    order.discount_amount, order.coupon_code, order.payment_method = Decimal(18), "SPRING", "transfer"
    order.paid_at = order.agreed_terms_at = START
    order.accepted_terms = m.LegalText(title="Terms")
    by_link = situation
    by_transfer = replace(
        situation, transfer=example.transfer, has_transfer_code=True, failure="declined", opened=example.opened
    )
    ours = placeholders.OURS
    texts, links = build_context(ours, by_transfer)
    for name, placeholder in ours.items():
        assert placeholder.internal or (str(placeholder.label) and str(placeholder.sample)), name
        if name not in ("payment.by_link", "access.opens"):
            assert texts.get(name) or links.get(name), name
    assert texts["payment.by_link"] == texts["access.opens"] == ""
    assert build_context(["payment.by_link", "payment.by_transfer"], by_link)[0] == {
        "payment.by_link": "1", "payment.by_transfer": "",
    }  # fmt: skip


def test_what_is_of_an_order_is_known_to_be():
    """A scenario that begins without an order refuses mails that name one."""
    of_order = {name for name in placeholders.OURS if name.startswith(("order.", "payment."))}
    internal = {name for name, one in placeholders.OURS.items() if one.internal}
    assert of_order - internal <= classification.OF_ORDER
    assert classification.OF_ORDER - {"pay_url", "order_url", "access_url"} <= of_order


def test_a_mail_without_an_order_says_nothing_about_one():
    situation = replace(
        situation_for(), order=None, coupon=None, coupon_until=None, quote_before=None, quote_after=None
    )
    texts, links = build_context(placeholders.OURS, situation)
    assert texts["order.number"] == texts["price.before"] == texts["coupon.size"] == ""
    assert set(links) == {"unsubscribe_url", "site.root"}
