"""Coupons: the list, the form, what is true of one at this moment, its uses, and making one in a chooser."""

from __future__ import annotations

import datetime as dt
import json
import re
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from wagtail.admin.widgets import AdminDateTimeInput

from tests.backoffice.screens import (
    MARKUP,
    cost,
    html_of,
    is_refused,
    lacks,
    page_of,
    says,
    somebody_who_may,
)
from tests.offers.making import make_page, offer_of, translate
from tests.orders.shop import books_receive, order_for
from tests.support import make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates

pytestmark = pytest.mark.django_db

LIST = "/admin/kwiga/coupons/"
ADD = "/admin/kwiga/coupons/add/"


def edit(coupon):
    return reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk])


def uses(coupon):
    return reverse("wagtail_kwiga_coupons:uses", args=[coupon.pk])


def inspect(coupon):
    return reverse("wagtail_kwiga_coupons:inspect", args=[coupon.pk])


def typed(**given):
    return {
        "code": "SPRING", "kind": "percent", "percent": "15", "amount": "", "currency": "", "valid_from": "",
        "valid_until": "", "limit_total": "", "limit_per_contact": "1", "is_active": "on", "note": "", **given,
    }  # fmt: skip


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


# --- the list ---------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_a_coupon_is_and_how_to_make_one(admin_client):
    page = page_of(admin_client, LIST)
    says(page, "A coupon takes something off", "Add coupon")
    lacks(page_of(somebody_who_may("view_coupon"), LIST), "Add coupon")


def test_the_list_says_for_whom_how_much_is_left_and_until_when(admin_client):
    full, empty = make_list("Come back"), make_list("Nobody yet")
    for contact in (make_contact(), make_contact()):
        lists.add(full, contact)
        lists.add(full, contact, source="run:1")
    make_coupon("ALL")
    make_coupon("SOME", lists=[full, empty], limit_total=5, valid_until=conf.now() + dt.timedelta(days=3))
    make_coupon("NONE", lists=[empty])
    offer = make_offer(coupon_mode="any")
    order_for(make_contact(), offer, coupon=m.Coupon.objects.get(code="ALL"), now=conf.now())
    paid = order_for(make_contact(), offer, coupon=m.Coupon.objects.get(code="ALL"), now=conf.now())
    books_receive(paid, "102.00", now=conf.now())
    page = page_of(admin_client, LIST)
    says(page, "everybody", "2 people on “Come back”, “Nobody yet”", "nobody: “Nobody yet” is empty", "no limit", "15%")
    found = {coupon.code: coupon for coupon in m.Coupon.snippet_viewset.get_queryset(None)}
    assert (found["ALL"].held_now, found["ALL"].spent_uses, found["ALL"].left_now) == (1, 1, None)
    assert found["SOME"].left_now == 5


def test_the_list_costs_the_same_for_one_and_for_many(admin_client):
    offer = make_offer(coupon_mode="any")
    members = make_list()
    lists.add(members, make_contact())
    order_for(make_contact(), offer, coupon=make_coupon(), now=conf.now())
    make_coupon(lists=[members])
    one = cost(admin_client, LIST)
    for number in range(12):
        order_for(make_contact(), offer, coupon=make_coupon(), now=conf.now())
        another = make_list(f"List {number}")
        lists.add(another, make_contact())
        make_coupon(lists=[another, members])
    assert cost(admin_client, LIST) == one <= 16
    assert cost(admin_client, f"{LIST}?export=csv") <= 8
    assert cost(admin_client, f"{LIST}?export=xlsx") <= 8


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("q=autumn", "AUTUMN", "SPRING"),
        ("working=full", "FULL", "SPRING"),
        ("working=over", "OVER", "SPRING"),
        ("working=not_yet", "LATER", "SPRING"),
        ("working=yes", "SPRING", "OVER"),
        ("is_active=False", "ASLEEP", "SPRING"),
        ("kind=fixed", "TENNER", "SPRING"),
        ("ordering=-left_now", "AUTUMN", "nothing"),
        ("ordering=held_now", "AUTUMN", "nothing"),
        ("working=nonsense&kind=x", "SPRING", "nothing"),
    ],
)
def test_search_filters_and_sorting(admin_client, query, found, not_found):
    now, day = conf.now(), dt.timedelta(days=1)
    make_coupon("SPRING")
    make_coupon("AUTUMN", limit_total=3)
    make_coupon("FULL", limit_total=1)
    m.Coupon.objects.filter(code="FULL").update(used_count=1)
    make_coupon("OVER", valid_until=now - day)
    make_coupon("LATER", valid_from=now + day)
    make_coupon("ASLEEP", is_active=False)
    make_coupon("TENNER", percent=None, amount=10, currency="EUR")
    page = page_of(admin_client, f"{LIST}?{query}")
    says(page, found)
    lacks(page.split("Active", 1)[-1], not_found)


def test_filters_by_list_and_offer(admin_client):
    members, offer = make_list(), make_offer()
    make_coupon("FORLIST", lists=[members])
    make_coupon("FOROFFER", offers=[offer])
    says(page_of(admin_client, f"{LIST}?contact_lists={members.pk}"), "FORLIST")
    lacks(page_of(admin_client, f"{LIST}?contact_lists={members.pk}"), "FOROFFER")
    lacks(page_of(admin_client, f"{LIST}?offers={offer.pk}"), "FORLIST")


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


# --- uses -------------------------------------------------------------------------------------------------------------


def test_the_uses_say_who_with_which_order_and_how_it_stands(admin_client):
    coupon, offer = make_coupon("SPRING"), make_offer(coupon_mode="any")
    ada = order_for(make_contact("ada@example.com"), offer, coupon=coupon, now=conf.now())
    bob = order_for(make_contact("bob@example.com"), offer, coupon=coupon, now=conf.now())
    books_receive(bob, "102.00", now=conf.now())
    page = page_of(admin_client, uses(coupon))
    says(page, "ada@example.com", ada.number, "held", "bob@example.com", bob.number, "spent")
    lacks(page_of(admin_client, f"{uses(coupon)}?q=ada@"), "bob@example.com")
    lacks(page_of(admin_client, f"{uses(coupon)}?state=redeemed"), "ada@example.com")
    csv = b"".join(admin_client.get(f"{uses(coupon)}?export=csv").streaming_content).decode()
    assert ada.number in csv and "bob@example.com" in csv
    says(page_of(admin_client, uses(make_coupon())), "Nobody has ordered with this coupon yet")


def test_the_uses_cost_the_same_for_one_and_for_many(admin_client):
    coupon, offer = make_coupon("SPRING"), make_offer(coupon_mode="any")
    order_for(make_contact(), offer, coupon=coupon, now=conf.now())
    before = [cost(admin_client, uses(coupon) + query) for query in ("", "?export=csv", "?export=xlsx")]
    for _ in range(12):
        order_for(make_contact(), offer, coupon=coupon, now=conf.now())
    assert [cost(admin_client, uses(coupon) + query) for query in ("", "?export=csv", "?export=xlsx")] == before
    assert before[0] <= 14


# --- who may ----------------------------------------------------------------------------------------------------------


def test_who_may_only_look_gets_a_card_and_no_form():
    client = somebody_who_may("view_coupon")
    coupon = make_coupon("SPRING", note="For the fair")
    card = page_of(client, inspect(coupon))
    says(card, "Works for everybody", "For the fair", "Links with this coupon applied")
    lacks(card, "Show the uses")
    for address in (edit(coupon), ADD, uses(coupon), reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk])):
        assert is_refused(client.get(address)), address
    assert is_refused(client.post(edit(coupon), typed()))
    assert is_refused(client.post(ADD, typed(code="OTHER")))
    assert list(m.Coupon.objects.values_list("code", flat=True)) == ["SPRING"]


def test_the_uses_are_for_people_who_may_see_orders():
    coupon = make_coupon("SPRING")
    assert is_refused(somebody_who_may("change_coupon", name="editor").get(uses(coupon)))
    assert is_refused(somebody_who_may("view_order", name="clerk").get(uses(coupon)))
    both = somebody_who_may("view_coupon", "view_order", name="both")
    assert both.get(uses(coupon)).status_code == 200
    says(page_of(both, inspect(coupon)), "Show the uses")


def test_strangers_are_sent_away(client):
    coupon = make_coupon()
    for address in (LIST, ADD, edit(coupon), inspect(coupon), uses(coupon)):
        assert client.get(address).status_code == 302


def test_markup_is_shown_as_it_was_typed(admin_client):
    coupon = make_coupon("<b>X</b>", note=MARKUP, lists=[make_list(MARKUP)])
    page = make_page(MARKUP, slug="markup", coupon_mode="any")
    coupon.offers.add(offer_of(page), make_offer(title=MARKUP))
    order_for(make_contact(name=MARKUP), make_offer(coupon_mode="any"), coupon=coupon, now=conf.now())
    for address in (LIST, edit(coupon), inspect(coupon), uses(coupon), ADD):
        html = html_of(admin_client, address)
        lacks(html, MARKUP, "<b>X</b>")
        assert "onerror" in html or address in (ADD, LIST, uses(coupon)), address


def test_odd_addresses_are_not_found(admin_client):
    for address in ("uses/999/", "inspect/999/", "edit/999/"):
        assert admin_client.get(LIST + address).status_code == 404


# --- choosing ---------------------------------------------------------------------------------------------------------

CHOOSE = "/admin/snippets/choose/wagtail_kwiga/coupon/"


def test_the_chooser_searches_and_makes_one_on_the_spot(admin_client):
    make_coupon("SPRING", note="fair")
    make_coupon("AUTUMN")
    members = make_list("Come back")
    dialogue = json.loads(admin_client.get(CHOOSE).content)["html"]
    says(dialogue, "SPRING", "15%", "Make a new one", 'name="code"', "Come back")
    found = admin_client.get(f"{CHOOSE}results/?q=fair").content.decode()
    says(found, "SPRING")
    lacks(found, "AUTUMN")
    sent = {
        "code": "WINTER",
        "kind": "percent",
        "percent": "20",
        "amount": "",
        "currency": "EUR",
        "contact_lists": [members.pk],
    }
    made = json.loads(admin_client.post(f"{CHOOSE}create/", sent).content)
    assert made["step"] == "chosen"
    coupon = m.Coupon.objects.get(code="WINTER")
    assert made["result"]["id"] == str(coupon.pk)
    assert (coupon.percent, coupon.limit_per_contact, coupon.is_active) == (20, 1, True)
    assert list(coupon.contact_lists.all()) == [members]
    refused = json.loads(admin_client.post(f"{CHOOSE}create/", {**sent, "code": "winter"}).content)
    assert refused["step"] == "reshow_creation_form"
    says(refused["htmlFragment"], "There is a coupon with this code already: WINTER.")


def test_who_may_not_make_coupons_only_chooses():
    client = somebody_who_may("view_coupon")
    dialogue = json.loads(client.get(CHOOSE).content)["html"]
    lacks(dialogue, "Make a new one")
    says(dialogue, "There is nothing to choose from yet")
    assert is_refused(client.post(f"{CHOOSE}create/", {"code": "X", "kind": "percent", "percent": "5"}))
    assert not m.Coupon.objects.exists()


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_a_coupon_in_use_is_not_deleted_but_explained(admin_client):
    coupon, free = make_coupon("USED"), make_coupon("FREE")
    order_for(make_contact(), make_offer(coupon_mode="any"), coupon=coupon)
    answer = admin_client.post(reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk]), follow=True)
    assert "cannot be deleted, because it is in use" in answer.content.decode()
    bulk = f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'coupon', 'delete'])}?id={coupon.pk}&id={free.pk}"
    admin_client.post(bulk)
    assert m.Coupon.objects.count() == 2
    admin_client.post(reverse("wagtail_kwiga_coupons:delete", args=[free.pk]))
    assert list(m.Coupon.objects.values_list("code", flat=True)) == ["USED"]


def test_usage_and_history_are_there(admin_client):
    coupon = make_coupon("SPRING")
    page = make_page(coupon_mode="only", coupons=[coupon])
    gates.name_coupons(offer_of(page), [coupon.pk])
    admin_client.post(edit(coupon), typed(percent="20"))
    says(page_of(admin_client, reverse("wagtail_kwiga_coupons:usage", args=[coupon.pk])), "Watercolour")
    says(page_of(admin_client, reverse("wagtail_kwiga_coupons:history", args=[coupon.pk])), "Edited")


def test_an_end_to_come_is_told_as_a_day_and_not_as_just_now(admin_client):
    """Wagtail's own column of instants knows only the past."""
    coupon = make_coupon("SPRING", valid_until=conf.now() + dt.timedelta(days=400))
    year = timezone.localtime(coupon.valid_until).strftime("%Y")
    html = admin_client.get(LIST).content.decode()
    assert re.search(rf'<time datetime="{year}-[^"]+"', html)
    order_for(make_contact("ada@example.com"), make_offer(coupon_mode="any"), coupon=coupon, now=conf.now())
    held = m.CouponUse.objects.get().reserved_until
    assert timezone.localtime(held).isoformat() in admin_client.get(uses(coupon)).content.decode()
