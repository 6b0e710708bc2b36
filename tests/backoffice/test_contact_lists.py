"""Contact lists: what they open, who is on them and why, putting on and taking off by hand."""

from __future__ import annotations

import datetime as dt
import io
import json
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.urls import reverse

from tests.automations.story import tell
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
    timeline_of,
)
from tests.support import make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.snapshots import source_of
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import eligibility

pytestmark = pytest.mark.django_db

LIST = "/admin/kwiga/lists/"
ADD = "/admin/kwiga/lists/add/"
DAY = dt.timedelta(days=1)


def url(name, contact_list, *more):
    return reverse(f"wagtail_kwiga_lists:{name}", args=[contact_list.pk, *more])


def bulk(*grants, more=""):
    query = "&".join(f"id={grant.pk}" for grant in grants) + more
    return f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'listmembership', 'take_off'])}?{query}"


@pytest.fixture
def come_back():
    return make_list("Come back")


@pytest.fixture
def ada():
    return make_contact("ada@example.com", name="Ada")


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


# --- who is on it -----------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do(admin_client, come_back):
    says(page_of(admin_client, url("members", come_back)), "Nobody is on this list.", "Put somebody on it")
    says(page_of(admin_client, url("members", come_back) + "?state=ended"), "Nobody has left this list yet")
    admin_says = page_of(somebody_who_may("view_listmembership"), url("members", come_back))
    lacks(admin_says, "Put somebody on it")


def test_a_date_without_a_time_keeps_somebody_on_the_list_for_that_day(admin_client, come_back, ada):
    day = conf.now().date() + 30 * DAY
    admin_client.post(url("add_member", come_back), {"email": "ada@example.com", "name": "", "until": f"{day}"})
    end = dt.datetime.combine(day + DAY, dt.time(), tzinfo=ZoneInfo("Europe/Warsaw"))
    assert lists.member_until(come_back, ada) == end


def test_the_people_are_those_on_it_now_with_since_until_and_by_whom(admin_client, admin_user, come_back, ada):
    now = conf.now()
    lists.staff_add(come_back, ada, by=admin_user)
    lists.add(come_back, make_contact("bob@example.com"), until=now + DAY, source="run:404")
    lists.add(come_back, make_contact("eve@example.com"), until=now - DAY)
    lists.add(make_list("Other"), make_contact("zoe@example.com"))
    page = page_of(admin_client, url("members", come_back))
    says(page, "Ada", "ada@example.com", "by hand (admin)", "no end", "bob@example.com", "a scenario")
    lacks(page, "eve@example.com", "zoe@example.com")


def test_a_scenario_is_named_and_why_somebody_left_is_said(admin_client, admin_user):
    story = tell()
    now = conf.now()
    order = story.place(make_contact("ada@example.com"), now=now - dt.timedelta(minutes=40))
    engine.run_due(now=now)
    run = story.run_of(order)
    says(page_of(admin_client, url("members", story.list)), "ada@example.com", "scenario “Win back”")
    says(html_of(admin_client, url("members", story.list)), f"/admin/kwiga/people/inspect/{run.pk}/")

    bob, eve = make_contact("bob@example.com"), make_contact("eve@example.com")
    lists.staff_add(story.list, bob, by=admin_user, now=now - DAY)
    lists.staff_remove(story.list, [bob.pk], by=admin_user)
    lists.add(story.list, eve, until=now - DAY, now=now - 2 * DAY)
    lists.remove(story.list, order.contact, source=source_of(run.pk))
    page = page_of(admin_client, url("members", story.list) + "?state=ended")
    says(page, "taken off by hand, by admin", "its end came", "taken off by the scenario “Win back”")
    lacks(page_of(admin_client, url("members", story.list)), "bob@example.com", "eve@example.com", "ada@example.com")


@pytest.mark.parametrize(
    ("query", "found", "not_found"),
    [
        ("q=ada@", "ada@example.com", "bob@example.com"),
        ("q=Robert", "bob@example.com", "ada@example.com"),
        ("source=run", "bob@example.com", "ada@example.com"),
        ("source=hand", "ada@example.com", "bob@example.com"),
        ("state=nonsense", "ada@example.com", "eve@example.com"),
        ("state=ended", "eve@example.com", "ada@example.com"),
        ("added_at_from=2020-01-01&added_at_to=2020-01-02", "No people match", "ada@example.com"),
        ("ordering=contact__email", "ada@example.com", "eve@example.com"),
        ("ordering=-until", "ada@example.com", "eve@example.com"),
    ],
)
def test_search_filters_and_sorting(admin_client, come_back, ada, query, found, not_found):
    lists.add(come_back, ada)
    lists.add(come_back, make_contact("bob@example.com", name="Robert"), source="run:1", until=conf.now() + DAY)
    lists.add(come_back, make_contact("eve@example.com"), until=conf.now() - DAY)
    page = page_of(admin_client, f"{url('members', come_back)}?{query}")
    says(page, found)
    lacks(page, not_found)


def test_the_people_cost_the_same_for_one_and_for_many(admin_client, admin_user, come_back):
    story = tell()

    def more(number):
        for _ in range(number):
            order = story.place(now=conf.now() - dt.timedelta(minutes=40))
            lists.add(come_back, order.contact, source=source_of(story.run_of(order).pk))
            lists.staff_add(come_back, make_contact(), by=admin_user)
            gone = make_contact()
            lists.staff_add(come_back, gone, by=admin_user)
            lists.staff_remove(come_back, [gone.pk], by=admin_user)

    more(1)
    queries = ("", "?state=ended", "?export=csv", "?export=xlsx", "?export=csv&state=ended")
    before = [cost(admin_client, url("members", come_back) + query) for query in queries]
    more(12)
    assert [cost(admin_client, url("members", come_back) + query) for query in queries] == before
    assert before[0] <= 16
    assert before[2] <= 10


def test_spreadsheets_hold_what_the_list_shows_and_nothing_that_runs(admin_client, admin_user, come_back):
    lists.staff_add(come_back, make_contact("eve@example.com", name="=HYPERLINK(1)"), by=admin_user)
    lists.add(come_back, make_contact("old@example.com"), until=conf.now() - DAY)
    answer = admin_client.get(url("members", come_back) + "?export=csv")
    text = b"".join(answer.streaming_content).decode()
    says(text, "E-mail", "eve@example.com", "by hand (admin)", "'=HYPERLINK(1)")
    lacks(text, "old@example.com")
    assert f"list-{come_back.pk}-people.csv" in answer.headers["Content-Disposition"]
    answer = admin_client.get(url("members", come_back) + "?export=xlsx&state=ended")
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert len(rows) == 2
    assert rows[1][0] == "old@example.com" and rows[1][-1] == "its end came"


# --- putting on by hand -----------------------------------------------------------------------------------------------


def test_putting_somebody_on_who_is_not_known_yet(admin_client, come_back):
    make_coupon("SPRING", lists=[come_back])
    says(page_of(admin_client, url("add_member", come_back)), "can use: SPRING", "No mail is sent")
    answer = admin_client.post(url("add_member", come_back), {"email": " Ada@Example.COM ", "name": "Ada"}, follow=True)
    says(answer.content.decode(), "is on “Come back”")
    contact = m.Contact.objects.get()
    assert (contact.email, contact.name, contact.is_verified) == ("ada@example.com", "Ada", False)
    assert members_of(come_back) == {"ada@example.com"}
    assert timeline_of(contact) == [("Put on the list “Come back” by hand.", "admin")]


def test_a_known_person_is_found_and_not_rewritten(admin_client, come_back):
    make_contact("ada@example.com", name="Ada Lovelace", is_verified=True)
    until = conf.now() + DAY
    sent = {"email": "ADA@example.com", "name": "Somebody else", "until": f"{until:%Y-%m-%d %H:%M}"}
    admin_client.post(url("add_member", come_back), sent)
    contact = m.Contact.objects.get()
    assert contact.name == "Ada Lovelace"
    assert lists.member_until(come_back, contact) is not None
    admin_client.post(url("add_member", come_back), {"email": "ada@example.com"})
    assert m.ListMembership.objects.count() == 1
    assert lists.member_until(come_back, contact) is None
    assert "until" in timeline_of(contact)[0][0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"email": ""}, "required"),
        ({"email": "nobody"}, "address"),
        ({"email": "a@b\x00.com"}, ""),
        ({"email": "ada@example.com", "until": "2020-01-01 10:00"}, "over already"),
        ({"email": "ada@example.com", "until": "soon"}, "valid date"),
    ],
)
def test_what_cannot_be_is_refused_in_words(admin_client, come_back, given, words):
    answer = admin_client.post(url("add_member", come_back), given)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not m.Contact.objects.exists()


# --- taking off by hand -----------------------------------------------------------------------------------------------


def test_taking_off_ends_every_grant_of_that_list_and_says_so_before(admin_client, come_back, ada):
    coupon = make_coupon("SPRING", lists=[come_back])
    other = make_list("Other")
    for source in ("", "run:1", "import:3"):
        lists.add(come_back, ada, source=source)
    lists.add(other, ada)
    look = page_of(admin_client, url("remove_member", come_back, ada.pk))
    says(
        look,
        "ada@example.com",
        "Whatever keeps them on this list ends at once",
        "SPRING",
        "does not do so again by itself",
    )
    says(look, "hand", "a scenario", "import:3")
    assert members_of(come_back) == {"ada@example.com"}, "a look changes nothing"
    answer = admin_client.post(url("remove_member", come_back, ada.pk), follow=True)
    says(answer.content.decode(), "1 person was taken off “Come back”.")
    assert members_of(come_back) == set()
    assert members_of(other) == {"ada@example.com"}
    assert timeline_of(ada) == [("Taken off the list “Come back” by hand.", "admin")]
    offer = make_offer(coupon_mode="any")
    assert eligibility.check_coupon(coupon, offer=offer, contact=ada).reason == "ended_for_you"
    again = admin_client.post(url("remove_member", come_back, ada.pk), follow=True)
    says(again.content.decode(), "None of them was on")
    assert len(timeline_of(ada)) == 1
    says(page_of(admin_client, url("remove_member", come_back, ada.pk)), "is not on “Come back” any more")


def test_several_are_taken_off_through_the_checkboxes(admin_client, come_back, ada):
    bob, eve = make_contact("bob@example.com"), make_contact("eve@example.com")
    grants = [lists.add(come_back, ada), lists.add(come_back, ada, source="run:1"), lists.add(come_back, bob)]
    lists.add(come_back, eve)
    page = html_of(admin_client, url("members", come_back))
    says(page, "data-bulk-action-footer", "bulk-actions.js", f'data-bulk-action-parent-id="{come_back.pk}"')
    lacks(html_of(admin_client, url("members", come_back) + "?state=ended"), "data-bulk-action-footer")
    look = page_of(admin_client, bulk(*grants))
    says(
        look,
        "2 people will be taken off",
        "ada@example.com",
        "bob@example.com",
        "Whatever keeps them on this list ends at once",
    )
    answer = admin_client.post(bulk(*grants, more=f"&next={url('members', come_back)}"), follow=True)
    says(answer.content.decode(), "2 people were taken off “Come back”.")
    assert members_of(come_back) == {"eve@example.com"}
    assert [words for words, _by in timeline_of(bob)] == ["Taken off the list “Come back” by hand."]
    says(page_of(admin_client, bulk(*grants)), "None of them is on the list any more")


def test_everybody_in_the_list_means_those_who_were_shown(admin_client, come_back, ada):
    lists.add(come_back, ada)
    lists.add(come_back, make_contact("bob@example.com"), source="run:1")
    other = make_list("Other")
    lists.add(other, make_contact("zoe@example.com"))
    to = bulk(more=f"&id=all&childOf={come_back.pk}&q=ada@")
    says(page_of(admin_client, to), "1 person will be taken off")
    admin_client.post(to)
    assert members_of(come_back) == {"bob@example.com"}
    admin_client.post(bulk(more=f"&id=all&childOf={come_back.pk}&source=hand"))
    assert members_of(come_back) == {"bob@example.com"}
    admin_client.post(bulk(more=f"&id=all&childOf={come_back.pk}"))
    assert (members_of(come_back), members_of(other)) == (set(), {"zoe@example.com"})
    for nonsense in ("&id=all", "&id=all&childOf=x", "&id=abc", "&id=99999999999999999999", ""):
        assert admin_client.get(bulk(more=nonsense)).status_code == 200, nonsense
        admin_client.post(bulk(more=nonsense))
    assert members_of(other) == {"zoe@example.com"}


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
