"""The order list, the order's card, and *Money arrived*."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook
from wagtail.users.models import UserProfile

from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_offer
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.statuses import Status

pytestmark = pytest.mark.django_db

INDEX = "wagtail_kwiga_orders:index"


@pytest.fixture
def order():
    return order_for(
        make_contact("ada@example.com"),
        make_offer(coupon_mode="any"),
        coupon=make_coupon("SPRING"),
        method="transfer",
    )


def url(name, order):
    return reverse(f"wagtail_kwiga_orders:{name}", args=[order.pk])


@pytest.fixture
def clerk(client):
    """Somebody who may look at orders and confirm money, and nothing else."""
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    group.permissions.set(Permission.objects.filter(codename__in=["access_admin", "view_order", "record_payment"]))
    user.groups.add(group)
    client.force_login(user)
    return client


def test_the_empty_list_is_a_page(admin_client):
    assert admin_client.get(reverse(INDEX)).status_code == 200


def test_list_search_and_filters(admin_client, order):
    order_for(make_contact("bob@example.com"), make_offer(title="Ink"))
    page = admin_client.get(reverse(INDEX)).content.decode()
    assert order.number in page
    assert "€102.00" in page
    assert "bob@<wbr>example.com" in page
    for query in ("q=ada@example.com", "q=SPRING", f"q={order.number}", "payment_kind=transfer"):
        found = admin_client.get(f"{reverse(INDEX)}?{query}").content.decode()
        assert order.number in found, query
        assert "bob@<wbr>" not in found, query
    assert order.number not in admin_client.get(f"{reverse(INDEX)}?status=paid").content.decode()


def test_the_list_costs_the_same_for_one_and_for_many(admin_client):
    offer = make_offer()

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(reverse(INDEX)).status_code == 200
        return len(queries)

    order_for(make_contact(), offer)
    cost()
    one = cost()
    for _ in range(20):
        order_for(make_contact(), offer)
    assert cost() == one <= 12


def test_the_card_shows_terms_money_and_what_happened(admin_client, order):
    page = admin_client.get(url("inspect", order)).content.decode()
    for words in (
        "ada@example.com",
        "€120.00",
        "€18.00",
        "€102.00",
        "SPRING",
        "Order placed: €102.00",
        "Money arrived",
    ):
        assert words in page, (words, page[page.find("Order placed") :][:200])


def test_money_arrived_is_looked_at_first_and_booked_once(admin_client, order):
    form = admin_client.get(url("money_arrived", order))
    assert 'value="102.00"' in form.content.decode()
    order.refresh_from_db()
    assert order.status == Status.OPEN
    for _ in range(2):
        answer = admin_client.post(url("money_arrived", order), {"amount": "102.00", "reference": "B-1"})
        assert answer.status_code == 302
    order.refresh_from_db()
    assert (order.status, str(order.received)) == (Status.PAID, "102.00 EUR")
    card = admin_client.get(url("inspect", order)).content.decode()
    assert "Money arrived</" not in card
    assert "admin" in card


@pytest.mark.parametrize("amount", ["", "0", "-5", "NaN", "1e40", "ten"])
def test_nonsense_is_refused_and_nothing_is_booked(admin_client, order, amount):
    answer = admin_client.post(url("money_arrived", order), {"amount": amount})
    assert answer.status_code == 200
    order.refresh_from_db()
    assert (order.status, order.paid_amount) == (Status.OPEN, 0)


@pytest.mark.parametrize(
    ("currency", "language", "typed", "booked"),
    [
        ("EUR", "en", "1,234.50", "1234.50"),
        ("EUR", "de", "1.234,50", "1234.50"),
        ("EUR", "de", "1.234", "1234.00"),
        ("EUR", "en", "1.234", None),
        ("EUR", "de", "120.50", None),
        ("JPY", "en", "120.50", None),
        ("JPY", "en", "1,200", "1200"),
        ("JPY", "en", "120.00", "120"),
        ("KWD", "en", "1.234", "1.234"),
    ],
)
def test_money_is_booked_as_its_reader_typed_it_or_not_at_all(client, admin_user, currency, language, typed, booked):
    placed = order_for(make_contact(), make_offer(amount="5000", currency=currency), method="transfer")
    UserProfile.get_for_user(admin_user)
    UserProfile.objects.filter(user=admin_user).update(preferred_language=language)
    client.force_login(admin_user)
    answer = client.post(url("money_arrived", placed), {"amount": typed, "reference": "B-1"})
    placed.refresh_from_db()
    if booked is None:
        assert answer.status_code == 200
        assert placed.received.amount == 0
        assert f'value="{typed}"' in answer.content.decode()  # to be put right, not to be typed again
    else:
        assert answer.status_code == 302
        assert str(placed.received) == f"{booked} {currency}"


def test_more_than_is_to_be_paid_is_booked_only_once_that_was_looked_at(admin_client, order):
    typed = {"amount": "1,020.00", "reference": "", "known": "0.00"}
    assert 'type="checkbox" name="is_more"' not in admin_client.get(url("money_arrived", order)).content.decode()
    asked = admin_client.post(url("money_arrived", order), typed).content.decode()
    assert "€102.00 is to be paid. If more arrived, tick the box below" in asked
    assert 'type="checkbox" name="is_more"' in asked
    order.refresh_from_db()
    assert order.received.amount == 0
    assert admin_client.post(url("money_arrived", order), {**typed, "is_more": "on"}).status_code == 302
    order.refresh_from_db()
    assert order.received.amount == 1020


def test_what_is_to_be_paid_is_shown_as_the_reader_types_it(client, admin_user, order):
    UserProfile.get_for_user(admin_user)
    UserProfile.objects.filter(user=admin_user).update(preferred_language="de")
    client.force_login(admin_user)
    form = client.get(url("money_arrived", order)).content.decode()
    assert '<input type="text" name="amount" value="102,00" inputmode="decimal"' in form


def test_a_reference_used_for_other_money_is_refused_in_words(admin_client, order):
    other = order_for(make_contact(), make_offer(), method="transfer")
    books_receive(other, "120.00", now=after(minutes=1), method="manual", reference="B-1")
    order.payment_kind = "online"
    order.save()
    answer = admin_client.post(url("money_arrived", order), {"amount": "102.00", "reference": "B-1"})
    assert "B-1" in answer.content.decode()
    order.refresh_from_db()
    assert order.status == Status.OPEN


def test_a_clerk_may_look_and_confirm_but_nobody_edits(clerk, order):
    assert clerk.get(reverse(INDEX)).status_code == 200
    assert clerk.get(url("inspect", order)).status_code == 200
    assert clerk.get(url("money_arrived", order)).status_code == 200


def test_without_the_permission_the_button_and_the_form_are_not_there(clerk, order):
    Group.objects.get(name="Clerks").permissions.remove(Permission.objects.get(codename="record_payment"))
    assert "Money arrived" not in clerk.get(url("inspect", order)).content.decode()
    assert clerk.post(url("money_arrived", order), {"amount": "102.00"}).status_code in (302, 403)
    order.refresh_from_db()
    assert order.status == Status.OPEN


@pytest.mark.parametrize("name", ["add", "edit", "delete", "copy"])
def test_there_is_no_way_to_type_in_an_order(admin_client, name):
    from django.urls import NoReverseMatch

    for args in ([], [1]):
        with pytest.raises(NoReverseMatch):
            reverse(f"wagtail_kwiga_orders:{name}", args=args)


def test_visitors_are_sent_to_the_login(client, order):
    for address in (reverse(INDEX), url("inspect", order), url("money_arrived", order)):
        assert client.get(address).status_code == 302


def test_the_empty_list_says_what_to_do_next(admin_client):
    page = admin_client.get(reverse(INDEX)).content.decode()
    assert "No orders yet: publish an offer page" in page
    assert f'href="{reverse("wagtail_kwiga_offers:list")}"' in page
    assert "No orders yet" not in admin_client.get(f"{reverse(INDEX)}?status=paid").content.decode()


def test_filters_by_method_and_by_what_needs_a_person(admin_client, order):
    other = order_for(make_contact("bob@example.com"), make_offer(title="Ink"), method="sandbox")
    writing.write(other, "order.paid_twice", now=START, attention=True)
    writing.attend(writing.write(order, "order.paid_twice", now=START, attention=True))
    for query in ("attention=yes", "payment_method=sandbox"):
        page = admin_client.get(f"{reverse(INDEX)}?{query}").content.decode()
        assert other.number in page, query
        assert order.number not in page, query
    assert "look here" in page


def test_a_list_without_a_readable_provider_is_a_list(admin_client, order, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"bank": {"class": "nowhere.Bank"}}}
    assert order.number in admin_client.get(reverse(INDEX)).content.decode()


def spreadsheet(client, kind):
    answer = client.get(f"{reverse(INDEX)}?export={kind}")
    return b"".join(answer.streaming_content)


def test_spreadsheets_hold_sums_as_numbers_and_no_formulas(admin_client):
    contact = make_contact("ada@example.com", name="=1+1")
    order_for(
        contact, make_offer(coupon_mode="any"), coupon=make_coupon("SPRING"), name="@SUM(A1)", phone="+48 600-100"
    )
    row = next(csv.DictReader(io.StringIO(spreadsheet(admin_client, "csv").decode())))
    assert (row["List price"], row["Discount"], row["Total"], row["Received"]) == ("120.00", "18.00", "102.00", "0.00")
    assert (row["Name"], row["Name as given"], row["Phone as given"]) == ("'=1+1", "'@SUM(A1)", "+48 600-100")
    sheet = load_workbook(io.BytesIO(spreadsheet(admin_client, "xlsx"))).active
    values = [cell.value for cell in sheet[2]]
    assert 102 in values
    assert "'=1+1" in values


def test_spreadsheets_cost_the_same_for_one_and_for_many(admin_client):
    offer = make_offer()

    def cost(kind):
        with CaptureQueriesContext(connection) as queries:
            assert spreadsheet(admin_client, kind)
        return len(queries)

    order_for(make_contact(), offer)
    cost("csv")
    one = [cost(kind) for kind in ("csv", "xlsx")]
    for _ in range(12):
        order_for(make_contact(), offer)
    assert [cost(kind) for kind in ("csv", "xlsx")] == one
    assert max(one) <= 8
