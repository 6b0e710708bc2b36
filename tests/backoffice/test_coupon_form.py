"""The form of a coupon: what it refuses, what is true of the coupon at this moment, and the links that carry it."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from wagtail.admin.widgets import AdminDateTimeInput
from wagtail.users.models import UserProfile

from tests.backoffice.coupon_screens import ADD, LIST, edit, inspect, typed
from tests.backoffice.screens import (
    cost,
    html_of,
    page_of,
    says,
)
from tests.offers.making import make_page, offer_of, translate
from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists

pytestmark = pytest.mark.django_db


# --- the form ---------------------------------------------------------------------------------------------------------


def test_an_editor_makes_a_coupon_and_the_code_is_there_already(admin_client):
    page = html_of(admin_client, ADD)
    assert re.search(r'name="code" value="[C-Y34679]{8}"', page)
    assert "At present" not in page
    answer = admin_client.post(ADD, typed(currency="junk", amount="7"))
    assert answer.status_code == 302
    coupon = m.Coupon.objects.get()
    assert (coupon.percent, coupon.amount, coupon.currency) == (15, None, "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"percent": ""}, "How many percent"),
        ({"percent": "0"}, "How many percent"),
        ({"percent": "101"}, "less than or equal to 100"),
        ({"kind": "fixed", "percent": ""}, "How much does it take off"),
        ({"kind": "fixed", "percent": "", "amount": "5"}, "In which currency"),
        ({"kind": "fixed", "percent": "", "amount": "5", "currency": "EU"}, "no such currency"),
        ({"kind": "fixed", "percent": "", "amount": "5", "currency": "QQQ"}, "no such currency"),
        ({"kind": "fixed", "percent": "", "amount": "5.001", "currency": "EUR"}, "no such small unit"),
        ({"code": ""}, "required"),
        ({"code": "SPR\u200bING"}, "characters that cannot be seen"),
        ({"code": "A  B"}, "No spaces at the ends"),
        ({"limit_total": "0"}, "At least 1"),
        ({"limit_per_contact": "0"}, "At least 1"),
        ({"valid_from": "2027-03-02 10:00", "valid_until": "2027-03-01 10:00"}, "before it begins"),
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused_in_words(admin_client, given, words):
    answer = admin_client.post(ADD, typed(**given))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not m.Coupon.objects.exists()


@pytest.mark.parametrize(("known", "code"), [("spring", "SPRING"), ("Frühling", "FRÜHLING"), ("ZNIŻKA", "zniżka")])
def test_a_code_taken_already_in_other_letters_is_refused_at_its_field(admin_client, known, code):
    make_coupon(known)
    page = admin_client.post(ADD, typed(code=code)).content.decode()
    assert f"There is a coupon with this code already: {known}." in page
    assert m.Coupon.objects.count() == 1


def test_a_coupon_keeps_its_own_code_and_its_count(admin_client):
    coupon = make_coupon("spring", limit_total=3)
    m.Coupon.objects.filter(pk=coupon.pk).update(used_count=2)
    assert admin_client.post(edit(coupon), typed(code="SPRING", limit_total="3")).status_code == 302
    coupon.refresh_from_db()
    assert (coupon.code, coupon.used_count) == ("SPRING", 2)


def test_a_code_is_kept_in_the_form_in_which_buyers_type_it(admin_client):
    admin_client.post(ADD, typed(code="CAFE\u0301"))
    assert m.Coupon.objects.get().code == "CAF\u00c9"


def test_a_copy_brings_a_code_of_its_own_and_everything_else(admin_client):
    members, offer = make_list(), make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", lists=[members], offers=[offer], limit_total=7)
    page = html_of(admin_client, reverse("wagtail_kwiga_coupons:copy", args=[coupon.pk]))
    assert 'value="SPRING"' not in page
    assert page.count("checked") >= 3  # the list, the offer, active
    assert "At present" not in page
    sent = typed(code="AUTUMN", contact_lists=[members.pk], offers=[offer.pk])
    assert admin_client.post(ADD, sent).status_code == 302
    assert m.Coupon.objects.count() == 2
    assert m.Coupon.objects.get(pk=coupon.pk).code == "SPRING"


def test_saving_warns_at_once_of_what_will_never_work(admin_client):
    members, offer = make_list("Come back"), make_offer(coupon_mode="none", title="Ink")
    answer = admin_client.post(ADD, typed(contact_lists=[members.pk], offers=[offer.pk]), follow=True)
    page = answer.content.decode()
    says(page, "the list “Come back” is empty", "which takes no coupons", "Look at it")


def test_a_coupon_valid_until_a_date_is_good_on_that_day(admin_client):
    answer = admin_client.post(ADD, typed(valid_until="2027-10-31"))
    assert answer.status_code == 302
    coupon = m.Coupon.objects.get()
    assert coupon.valid_until == dt.datetime(2027, 11, 1, tzinfo=ZoneInfo("Europe/Warsaw"))
    says(page_of(admin_client, LIST), "10/31/2027 11:59 p.m.")
    says(page_of(admin_client, f"/admin/kwiga/coupons/edit/{coupon.pk}/"), "A date without a time ends with that day")


def test_both_ends_of_a_coupon_are_chosen_in_wagtails_calendar(admin_client):
    fields = admin_client.get(ADD).context["form"].fields
    assert isinstance(fields["valid_from"].widget, AdminDateTimeInput)
    assert isinstance(fields["valid_until"].widget, AdminDateTimeInput)


# --- at present -------------------------------------------------------------------------------------------------------


def test_the_form_says_for_whom_it_works(admin_client):
    empty, full = make_list("Come back"), make_list("Friends")
    for _ in range(2):
        lists.add(full, make_contact())
    says(page_of(admin_client, edit(make_coupon("ALL"))), "Works for everybody: no list is chosen.")
    nobody = page_of(admin_client, edit(make_coupon("NONE", lists=[empty])))
    says(nobody, "Works for nobody: the list “Come back” is empty. A scenario or you can put people on it.")
    says(nobody, "Put people on it")
    two = make_coupon("TWO", lists=[empty, full])
    says(page_of(admin_client, edit(two)), "the 2 people who are on one of these lists: “Come back”, “Friends”.")
    lists.add(empty, make_contact())
    says(page_of(admin_client, edit(m.Coupon.objects.get(code="NONE"))), "the 1 person who is on “Come back”.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"is_active": False}, "It is not active"),
        ({"valid_until": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "It ended on"),
        ({"valid_from": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}, "It begins on"),
        ({"limit_total": 2, "used_count": 2}, "It has been used as often as it may be"),
    ],
)
def test_the_form_says_what_stands_in_the_way(admin_client, given, words):
    says(page_of(admin_client, edit(make_coupon(**given))), words)


def test_uses_are_counted_in_words(admin_client):
    coupon = make_coupon("SPRING", limit_total=5)
    order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon, now=conf.now())
    says(page_of(admin_client, edit(coupon)), "Spent: 0. Held by orders that are not paid yet: 1. Left: 4.")


# --- links ------------------------------------------------------------------------------------------------------------


def test_a_link_for_every_live_page_of_every_offer_that_takes_it(admin_client):
    page = make_page("Watercolour", coupon_mode="any")
    make_page("Oil", coupon_mode="none")
    make_page("Draft", coupon_mode="any", publish=False)
    coupon = make_coupon("A&B C")
    html = html_of(admin_client, edit(coupon))
    assert f'value="{page.full_url}?coupon=A%26B+C"' in html
    assert html.count('data-w-clipboard-target="value"') == 1
    assert "readonly" in html
    translate(page, "de")
    html = html_of(admin_client, edit(coupon))
    assert html.count('data-w-clipboard-target="value"') == 2
    says(html, "Watercolour (English)", "Watercolour (Deutsch)")
    opened = admin_client.get("/watercolour/?coupon=A%26B+C")
    assert "102.00" in opened.content.decode()


def test_without_an_offer_on_sale_it_says_so(admin_client):
    says(page_of(admin_client, edit(make_coupon())), "No offer on sale takes this coupon")


def test_the_form_costs_the_same_for_one_and_for_many(admin_client):
    first = make_page("First", coupon_mode="any")
    members = make_list("A")
    coupon = make_coupon("SPRING", lists=[members], offers=[offer_of(first)])
    bad = make_offer(coupon_mode="none", title="Bad")
    coupon.offers.add(bad)
    one = cost(admin_client, edit(coupon))
    for number in range(12):
        coupon.offers.add(offer_of(make_page(f"Page {number}", coupon_mode="any")))
        coupon.offers.add(make_offer(coupon_mode="none", title=f"Bad {number}"))
        coupon.contact_lists.add(make_list(f"List {number}"))
    assert cost(admin_client, edit(coupon)) == one <= 40
    # The card has no form, so it costs less.
    assert cost(admin_client, inspect(coupon)) <= 30


@pytest.mark.parametrize(
    ("language", "amount", "currency", "kept"),
    [
        ("de", "1.234,50", "EUR", "1234.5"),
        ("en", "1,234.50", "EUR", "1234.5"),
        ("de", "12.5", "EUR", None),
        ("en", "12,5", "EUR", None),
        ("en", "120.50", "JPY", None),
    ],
)
def test_a_fixed_discount_is_kept_as_its_reader_typed_it_or_not_at_all(
    client, admin_user, language, amount, currency, kept
):
    UserProfile.get_for_user(admin_user)
    UserProfile.objects.filter(user=admin_user).update(preferred_language=language)
    client.force_login(admin_user)
    answer = client.post(ADD, typed(kind="fixed", percent="", amount=amount, currency=currency))
    assert answer.status_code == (200 if kept is None else 302)
    assert list(m.Coupon.objects.values_list("amount", flat=True)) == ([] if kept is None else [Decimal(kept)])
    if kept is not None:
        assert 'name="amount" value="' + amount.replace("." if language == "de" else ",", "") in html_of(
            client, edit(m.Coupon.objects.get())
        )
