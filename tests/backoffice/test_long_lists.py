"""Lists that are too long to be counted, read through, or fetched whole, and the same lists while they are short.

The limits are made small here; what is attacked is what they could get wrong: a number that is not true, an order that can
no longer be found, a page with other rows than its place, a spreadsheet that is cut off without a word.
"""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.backoffice.screens import cost, lacks, page_of, says
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_purchases
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.parts import long_lists

pytestmark = pytest.mark.django_db

ORDERS = "wagtail_kwiga_orders:index"


@pytest.fixture
def small(monkeypatch):
    """A list is long from five rows on; the newest two are read, three are found."""
    for name, value in {"COUNTED": 4, "READ": 2, "FOUND": 3, "NEAR": 1}.items():
        monkeypatch.setattr(long_lists, name, value)


def many(number: int, **given) -> list[m.Order]:
    """Orders of as many people, each a minute after the one before: ``nr00@example.com``, ``N00``, …"""
    offer = make_offer()
    contacts = [make_contact(f"nr{place:02}@example.com", name=f"Ada Nr{place:02}") for place in range(number)]
    rows = [
        m.Order(
            number=f"N{place:02}", token=f"token-{place}", purchase=one, contact=one.contact, offer=offer, title="Ink", currency="EUR",
            list_amount=120, total_amount=120, language="en", buyer_name=one.contact.name, placed_at=after(minutes=place),
            price_holds_until=after(days=7), expires_at=after(days=14), **given,
        )
        for place, one in enumerate(make_purchases(contacts, offer))
    ]  # fmt: skip
    return m.Order.objects.bulk_create(rows)


def numbers_in(page: str, orders: list[m.Order]) -> list[str]:
    """Which of ``orders`` the page shows, in its order."""
    shown = [order.number for order in orders if f" {order.number} " in page]
    return sorted(shown, key=page.index)


def look(client, query: str = "") -> str:
    return page_of(client, f"{reverse(ORDERS)}{query}")


# --- how many there are ---------------------------------------------------------------------------------------------------


def test_a_short_list_says_how_many_there_are(admin_client, small):
    many(4)
    page = look(admin_client)
    says(page, "4 orders", "Page 1 of 1")
    lacks(page, "ore than")


def test_a_long_list_says_more_than_and_shows_the_newest(admin_client, small):
    orders = many(7)
    page = look(admin_client)
    says(page, "More than 4 orders")
    assert numbers_in(page, orders) == ["N06", "N05", "N04", "N03"]
    says(look(admin_client, "?status=open"), "There are more than 4 matches")
    says(look(admin_client, "?status=paid"), "No orders match your query")


def test_the_other_order_begins_at_the_other_end(admin_client, small):
    orders = many(7)
    assert numbers_in(look(admin_client, "?ordering=placed_at"), orders) == ["N00", "N01", "N02", "N03"]


def test_late_pages_hold_the_rows_of_their_place(admin_client, monkeypatch):
    monkeypatch.setattr(long_lists, "COUNTED", 70)
    monkeypatch.setattr(long_lists, "NEAR", 1)
    orders = many(75)
    shown = [numbers_in(look(admin_client, f"?p={page}"), orders) for page in (1, 2, 3)]
    assert [len(page) for page in shown] == [30, 30, 10]
    assert [number for page in shown for number in page] == [f"N{place:02}" for place in range(74, 4, -1)]
    assert numbers_in(look(admin_client, "?p=9999"), orders) == shown[2]
    says(look(admin_client, "?p=9999"), "Page 3 of 3", "More than 70 orders")


# --- searching ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["r00@", "nr00@example", "Nr00", "00", "N00", "n00"])
def test_a_short_list_is_searched_anywhere_in_the_words(admin_client, small, words):
    orders = many(4)
    assert numbers_in(look(admin_client, f"?q={words}"), orders) == ["N00"]


@pytest.mark.parametrize("words", ["N00", "n00", "nr00@", "NR00@Example.com", "Ada Nr00", "ada nr00"])
def test_in_a_long_list_old_orders_are_found_by_how_they_begin(admin_client, small, words):
    orders = many(7)
    assert numbers_in(look(admin_client, f"?q={words}"), orders) == ["N00"]


def test_in_a_long_list_only_new_orders_are_found_by_the_middle_of_a_word(admin_client, small):
    orders = many(7)
    assert numbers_in(look(admin_client, "?q=r06@"), orders) == ["N06"]
    assert numbers_in(look(admin_client, "?q=r00@"), orders) == []


def test_a_number_is_found_with_and_without_the_letters_of_the_shop(admin_client, small, settings):
    orders = many(7)
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ORDER_NUMBER_PREFIX": "Kw-"}
    m.Order.objects.filter(number="N00").update(number="Kw-N00")
    orders[0].refresh_from_db()
    for words in ("N00", "kw-n00", "Kw-N0"):
        assert "Kw-N00" in look(admin_client, f"?q={words}"), words


def test_an_old_order_is_found_by_its_coupon(admin_client, small):
    coupon = make_coupon("SPRING")
    first = order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon, now=START)
    many(7)
    page = look(admin_client, "?q=spring")
    says(page, first.number, "There is 1 match")


def test_a_search_within_a_filter_finds_what_fits_both(admin_client, small):
    orders = many(7)
    m.Order.objects.filter(number="N01").update(status="cancelled")
    assert numbers_in(look(admin_client, "?q=nr0&status=cancelled"), orders) == ["N01"]


def test_too_many_matches_are_told_as_such(admin_client, small):
    orders = many(7)
    page = look(admin_client, "?q=nr0")
    says(page, "There are more than 3 matches", "More than 3 orders")
    assert len(numbers_in(page, orders)) == 3
    assert "N06" in page  # the newest are always among them


@pytest.mark.parametrize("words", ["%25", "_", "%5C", "'", "nr0_@", "%00", "x" * 300, "İ", "ß"])
def test_odd_words_are_only_words(admin_client, small, words):
    many(7)
    answer = admin_client.get(f"{reverse(ORDERS)}?q={words}")
    assert answer.status_code == 200
    assert "N00" not in answer.content.decode()


# --- spreadsheets ---------------------------------------------------------------------------------------------------------


def exported(client, query: str) -> list[dict[str, str]]:
    answer = client.get(f"{reverse(ORDERS)}?export=csv{query}")
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_a_spreadsheet_holds_everything_that_fits(admin_client, small):
    many(7)
    assert len(exported(admin_client, "")) == 7
    assert len(exported(admin_client, "&q=nr0")) == 7
    assert {row["Payment"] for row in exported(admin_client, "&q=Ada%20Nr00")} == {"open"}


def test_choices_in_a_spreadsheet_are_those_of_each_row(admin_client, small):
    many(5)
    m.Order.objects.filter(number="N01").update(status="cancelled", origin="staff")
    rows = {row["Order number" if "Order number" in row else "Number"]: row for row in exported(admin_client, "")}
    order = m.Order.objects.get(number="N01")
    assert (rows["N01"]["Payment"], rows["N01"]["Made by"]) == (order.get_status_display(), order.get_origin_display())
    assert rows["N00"]["Payment"] != rows["N01"]["Payment"]


# --- what it costs --------------------------------------------------------------------------------------------------------


def test_a_long_list_costs_a_fixed_number_of_queries(admin_client, small, monkeypatch):
    many(7)
    looks = {"": 11, "?q=nr0": 13, "?status=open&status=paid": 11, "?p=2": 11}
    found = {query: cost(admin_client, f"{reverse(ORDERS)}{query}") for query in looks}
    assert all(found[query] <= most for query, most in looks.items()), found


def test_no_filter_puts_every_row_in_order_to_be_rid_of_doubles(admin_client):
    """DISTINCT over all columns made the list of paid orders take seconds; nothing here can yield a row twice."""
    (order, *_others) = many(2)
    asked = f"?status=open&payment_kind=online&origin=web&payment_method=sandbox&offer={order.offer_id}"
    for name, query in (("orders", asked), ("mail", "?status=sent&purpose=recovery"), ("runs", "?state=active")):
        with CaptureQueriesContext(connection) as queries:
            page_of(admin_client, f"{reverse(f'wagtail_kwiga_{name}:index')}{query}")
        assert not [one for one in queries if "DISTINCT" in one["sql"] and f"wagtail_kwiga_{name[:3]}" in one["sql"]]


@pytest.mark.parametrize("name", ["mail", "runs"])
def test_the_lists_of_mail_and_of_people_are_searched_the_same_way(admin_client, small, name):
    for words in ("nobody", "N00", "Ada"):
        page_of(admin_client, f"{reverse(f'wagtail_kwiga_{name}:index')}?q={words}")


def test_the_search_asks_only_for_beginnings_that_have_an_index(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "ORDER_NUMBER_PREFIX": ""}
    assert long_lists.by_order_number("k7m") == Q(number__startswith="K7M")
    mail, name = long_lists.by_contact("Ada")
    assert mail == Q(contact__email__startswith="ada")
    assert {lookup for lookup, _value in name.children} == {"contact__name__startswith"}


@pytest.mark.postgres
@pytest.mark.parametrize(("model", "field"), [(m.Order, "number"), (m.Contact, "email"), (m.Contact, "name")])
def test_each_beginning_has_an_index_whatever_the_collation(model, field):
    """LIKE 'ada%' may use a plain index only where the database sorts by bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [model._meta.db_table])
        found = [definition for (definition,) in cursor.fetchall()]
    assert [one for one in found if f"({field} varchar_pattern_ops)" in one and "WHERE" not in one], found


# --- mail in doubt comes first -------------------------------------------------------------------------------------------


def test_mail_in_doubt_stands_on_top_of_every_page_of_its_place(admin_client, monkeypatch):
    """Without putting a million mails in order for it: 35 mails, of which the oldest and the 20th are unknown."""
    version = m.EmailTemplateVersion.objects.create(
        language="en", kind="service", checksum="x", subject="x", html="x", text="x", compiled_at=START
    )
    m.OutgoingEmail.objects.bulk_create(
        m.OutgoingEmail(
            key=f"k{place}", purpose="service", kind="service", status="unknown" if place in (0, 20) else "sent",
            version=version, language="en", to_email="ada@example.com", subject=f"Mail{place:02}",
            queued_at=after(minutes=place), due_at=START, sending_at=START,
        )
        for place in range(35)
    )  # fmt: skip
    wanted = [f"Mail{place:02}" for place in (20, 0, *(place for place in range(34, -1, -1) if place not in (0, 20)))]
    index = reverse("wagtail_kwiga_mail:index")

    def shown(query: str) -> list[str]:
        page = page_of(admin_client, f"{index}{query}")
        return sorted((words for words in wanted if words in page), key=page.index)

    assert shown("") == wanted[:30]
    assert shown("?p=2") == wanted[30:]
    assert shown("?status=sent") == wanted[2:32]
    assert shown("?ordering=-queued_at")[0] == "Mail34"
    assert cost(admin_client, index) <= 13
