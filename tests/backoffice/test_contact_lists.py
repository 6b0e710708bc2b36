"""Contact lists: what they open, who may see and change them, choosing and deleting one."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from tests.backoffice.list_screens import ADD, DAY, LIST, bulk, url
from tests.backoffice.screens import (
    MARKUP,
    cost,
    html_of,
    is_refused,
    lacks,
    members_of,
    page_of,
    says,
    somebody_who_may,
)
from tests.support import make_contact, make_coupon, make_list
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists

pytestmark = pytest.mark.django_db


# --- the lists --------------------------------------------------------------------------------------------------------


def test_no_list_yet_says_what_a_list_is(admin_client):
    says(page_of(admin_client, LIST), "A list holds exactly the people", "Add contact list")


def test_the_lists_say_how_many_are_on_now_and_what_that_opens(admin_client, come_back, ada):
    make_list("Empty")
    make_coupon("SPRING", lists=[come_back])
    lists.add(come_back, ada)
    lists.add(come_back, ada, source="run:1")
    lists.add(come_back, make_contact(), until=conf.now() - DAY)
    page = page_of(admin_client, LIST)
    says(page, "1 person", "nobody", "SPRING")
    says(html_of(admin_client, LIST), url("members", come_back))
    first = page_of(admin_client, f"{LIST}?ordering=-members_now")
    assert first.index("Come back") < first.index("Empty")
    last = page_of(admin_client, f"{LIST}?ordering=members_now")
    assert last.index("Empty") < last.index("Come back")


def test_the_lists_cost_the_same_for_one_and_for_many(admin_client, come_back, ada):
    lists.add(come_back, ada)
    make_coupon(lists=[come_back])
    one = cost(admin_client, LIST)
    for number in range(12):
        other = make_list(f"List {number}")
        lists.add(other, ada)
        make_coupon(lists=[other])
    assert cost(admin_client, LIST) == one <= 14


def test_the_form_says_who_is_on_it_and_what_that_opens(admin_client, come_back, ada):
    edit = url("edit", come_back)
    says(
        page_of(admin_client, edit),
        "Nobody is on this list now.",
        "Put somebody on it",
        "No coupon asks for this list.",
    )
    make_coupon("SPRING", lists=[come_back])
    make_coupon("AUTUMN", lists=[come_back])
    page = page_of(admin_client, edit)
    says(page, "opens the coupons AUTUMN, SPRING", "the coupons AUTUMN, SPRING work for nobody")
    other = make_list("Other")
    m.Coupon.objects.get(code="AUTUMN").contact_lists.add(other)
    lists.add(other, ada)
    says(page_of(admin_client, edit), "the coupon SPRING works for nobody")
    lists.add(come_back, ada)
    page = page_of(admin_client, edit)
    says(page, "1 person is on this list now.")
    lacks(page, "works for nobody")


def test_a_list_is_made_and_changed(admin_client):
    assert admin_client.post(ADD, {"title": "Friends", "description": ""}).status_code == 302
    made = m.ContactList.objects.get()
    lacks(page_of(admin_client, ADD), "At present")
    admin_client.post(url("edit", made), {"title": "Good friends", "description": "x"})
    made.refresh_from_db()
    assert (made.title, made.description) == ("Good friends", "x")
    assert "required" in admin_client.post(ADD, {"title": ""}).content.decode()


def test_the_card_for_those_who_may_only_look(come_back, ada):
    lists.add(come_back, ada)
    client = somebody_who_may("view_contactlist")
    page = page_of(client, url("inspect", come_back))
    says(page, "1 person is on this list now.", "No coupon asks")
    lacks(page, "Show the people", "ada@example.com")
    assert is_refused(client.get(url("edit", come_back)))


# --- who may ----------------------------------------------------------------------------------------------------------


def test_each_verb_asks_for_its_permission(come_back, ada):
    lists.add(come_back, ada)
    grant = m.ListMembership.objects.get()
    looker = somebody_who_may("view_listmembership", name="looker")
    people = page_of(looker, url("members", come_back))
    says(people, "ada@example.com")
    lacks(people, "Put somebody on it", "Take off the list", "Download CSV")
    nobody = somebody_who_may("change_contactlist", "view_contact", name="nobody")
    lacks(page_of(nobody, url("edit", come_back)), "Show the people")
    for client, address in (
        (nobody, url("members", come_back)),
        (nobody, url("members", come_back) + "?export=csv"),
        (looker, url("members", come_back) + "?export=csv"),
        (looker, url("add_member", come_back)),
        (looker, url("remove_member", come_back, ada.pk)),
    ):
        assert is_refused(client.get(address)), address
    looker.post(url("remove_member", come_back, ada.pk))
    looker.post(url("add_member", come_back), {"email": "eve@example.com"})
    assert is_refused(looker.get(bulk(grant)))
    looker.post(bulk(grant))
    assert members_of(come_back) == {"ada@example.com"}

    adder = somebody_who_may("add_listmembership", name="adder")
    assert adder.post(url("add_member", come_back), {"email": "eve@example.com"}).status_code == 302
    changer = somebody_who_may("change_listmembership", "export_contacts", name="changer")
    assert changer.get(url("members", come_back) + "?export=csv").status_code == 200
    changer.post(url("remove_member", come_back, ada.pk))
    assert members_of(come_back) == {"eve@example.com"}


def test_strangers_are_sent_away(client, come_back, ada):
    lists.add(come_back, ada)
    for address in (
        LIST,
        url("members", come_back),
        url("add_member", come_back),
        url("remove_member", come_back, ada.pk),
    ):
        assert client.get(address).status_code == 302
        assert client.post(address).status_code in (302, 405)
    assert members_of(come_back) == {"ada@example.com"}


def test_membership_permissions_can_be_given_to_a_group(admin_client):
    page = html_of(admin_client, reverse("wagtailusers_groups:add"))
    says(page.lower(), "list membership")


def test_markup_is_shown_as_it_was_typed(admin_client, admin_user):
    hostile = make_list(MARKUP)
    eve = make_contact("eve@example.com", name=MARKUP)
    lists.staff_add(hostile, eve, by=admin_user)
    grant = lists.add(hostile, eve, source="<b>x</b>")
    make_coupon("<b>C</b>", lists=[hostile])
    for address in (
        LIST, url("edit", hostile), url("inspect", hostile), url("members", hostile), url("add_member", hostile),
        url("remove_member", hostile, eve.pk), bulk(grant), f"{url('members', hostile)}?q={MARKUP}",
    ):  # fmt: skip
        lacks(html_of(admin_client, address), MARKUP, "<b>x</b>", "<b>C</b>")
    answer = admin_client.post(url("remove_member", hostile, eve.pk), follow=True)
    lacks(answer.content.decode(), MARKUP)


def test_odd_addresses_are_not_found(admin_client, come_back, ada):
    assert admin_client.get(f"{LIST}people/999/").status_code == 404
    assert admin_client.get(url("remove_member", come_back, ada.pk)).status_code == 404
    assert admin_client.get(url("remove_member", come_back, 999)).status_code == 404


# --- choosing, deleting -----------------------------------------------------------------------------------------------

CHOOSE = "/admin/snippets/choose/wagtail_kwiga/contactlist/"


def test_the_chooser_searches_and_makes_one_on_the_spot(admin_client):
    make_list("Come back")
    make_list("Friends")
    dialogue = json.loads(admin_client.get(CHOOSE).content)["html"]
    says(dialogue, "Come back", "Make a new one", 'name="title"')
    found = admin_client.get(f"{CHOOSE}results/?q=frie").content.decode()
    says(found, "Friends")
    lacks(found, "Come back")
    made = json.loads(admin_client.post(f"{CHOOSE}create/", {"title": "New"}).content)
    assert made["result"]["string"] == "New"
    assert m.ContactList.objects.filter(title="New").exists()
    client = somebody_who_may("view_contactlist")
    lacks(json.loads(client.get(CHOOSE).content)["html"], "Make a new one")
    assert is_refused(client.post(f"{CHOOSE}create/", {"title": "Mine"}))


def test_a_list_that_a_coupon_is_for_is_not_deleted_so_the_coupon_stays_closed(admin_client, come_back):
    coupon = make_coupon(lists=[come_back])
    answer = admin_client.post(url("delete", come_back), follow=True)
    assert "cannot be deleted, because it is in use" in answer.content.decode()
    admin_client.post(
        f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'contactlist', 'delete'])}?id={come_back.pk}"
    )
    assert list(coupon.contact_lists.all()) == [come_back]
