"""Who is on a contact list, since when and why; putting people on and taking them off by hand."""

from __future__ import annotations

import datetime as dt
import io
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from wagtail.models import ModelLogEntry

from tests.automations.story import tell
from tests.backoffice.list_screens import DAY, bulk, url
from tests.backoffice.screens import (
    cost,
    html_of,
    lacks,
    members_of,
    page_of,
    says,
    somebody_who_may,
    timeline_of,
)
from tests.mailing.making import queue_one
from tests.support import make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.core.snapshots import source_of
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import eligibility

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("way", ["one", "ticked"])
def test_taking_off_says_what_people_were_told_and_ends_it(admin_client, admin_user, come_back, ada, way):
    """“1 person was told …” stands above the button that does it; then it is recorded."""
    now = conf.now()
    grant = lists.add(come_back, ada, until=now + 9 * DAY, source="run:1")
    mail = queue_one(ada, coupon=make_coupon("SPRING", lists=[come_back]), coupon_until=now + DAY, now=now)
    m.OutgoingEmail.objects.filter(pk=mail.pk).update(status="sent")
    where = url("remove_member", come_back, ada.pk) if way == "one" else bulk(grant)
    says(page_of(admin_client, where), "This breaks what people were told by mail", "1 person was told €102.00 until")
    mail.refresh_from_db()
    assert mail.promise_ended_at is None, "a look changes nothing"
    admin_client.post(where)
    mail.refresh_from_db()
    assert members_of(come_back) == set()
    assert mail.promise_ended_at is not None and mail.promise_ended_by == admin_user
    history = ModelLogEntry.objects.get(action="wagtail_kwiga.end_promises")
    assert history.object_id == str(come_back.pk) and history.data == {"people": 1}


def test_taking_off_says_nothing_where_nobody_was_told_anything(admin_client, come_back, ada):
    lists.add(come_back, ada)
    lacks(page_of(admin_client, url("remove_member", come_back, ada.pk)), "told by mail")


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
