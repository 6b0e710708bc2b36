"""What needs a person: the list, ticking off, and the panel of the home page."""

from __future__ import annotations

import ast
import datetime as dt
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation
from wagtail.models import Site

import wagtail_kwiga
from tests.automations import story
from tests.mailing.making import make_template, queue_one
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import background, conf
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice import homepage
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import timeline
from wagtail_kwiga.mailing.authoring import unsendable
from wagtail_kwiga.mailing.sending import account_watch

pytestmark = pytest.mark.django_db

INDEX = "/admin/kwiga/attention/"
HOME = "/admin/"
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
def worker_runs():
    background.beat(background.SWEEP, at=conf.now())


@pytest.fixture
def order():
    return order_for(make_contact("ada@example.com"), make_offer())


@pytest.fixture
def entry(order):
    return writing.write(order, "order.coupon_over_limit", now=START, attention=True, coupon="SPRING")


@pytest.fixture
def clerk(client):
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    group.permissions.set(Permission.objects.filter(codename__in=["access_admin", "view_timelineentry"]))
    user.groups.add(group)
    client.force_login(user)
    return client


def test_a_translation_that_cannot_be_sent_leads_to_its_editor(admin_client):
    template = make_template(title="Come back")
    words = {"title": "Come back", "language": "Deutsch", "problems": "subject: There is no placeholder “x”."}
    writing.write(template, unsendable.CODE, now=START, attention=True, **words)
    page = admin_client.get(INDEX).content.decode()
    assert "in Deutsch cannot be sent" in page and "There is no placeholder" in page
    assert reverse("wagtail_kwiga_emails:edit", args=[template.pk]) in page


def test_an_account_at_fault_leads_to_the_mail_that_waits(admin_client):
    site = Site.objects.get(is_default_site=True)
    words = {"account_fault": "sender", "said": "The a.example domain is not verified", "not_before": START.isoformat()}
    writing.write(site, account_watch.CODE, now=START, attention=True, **words)
    page = admin_client.get(INDEX).content.decode()
    assert "has not confirmed the sender address or its domain as yours" in page and "a.example domain" in page
    assert page.count(f"{reverse('wagtail_kwiga_mail:index')}?status=queued") == 2  # what happened, and about what


def test_the_mail_that_waits_is_shown_to_nobody_who_may_not_see_it(clerk):
    writing.write(Site.objects.get(is_default_site=True), account_watch.CODE, now=START, attention=True)
    assert reverse("wagtail_kwiga_mail:index") not in clerk.get(INDEX).content.decode()


def may(*codes):
    Group.objects.get(name="Clerks").permissions.add(*Permission.objects.filter(codename__in=codes))


def text(answer) -> str:
    return answer.content.decode()


def done(entry, verb="done"):
    return reverse(f"wagtail_kwiga_attention:{verb}", args=[entry.pk])


def held_run():
    told = story.tell()
    run = told.run_of(told.place(make_contact("bob@example.com", name="Bob")))
    m.Run.objects.update(state="paused", reason="error", error="boom")
    return run


def test_an_empty_list_says_what_it_is_for(admin_client):
    assert "Nothing needs you." in text(admin_client.get(INDEX))


def test_it_says_what_happened_about_what_and_since_when(admin_client, order, entry):
    writing.write(order, "order.paid", now=START, received="1")
    page = text(admin_client.get(INDEX))
    assert "Coupon SPRING was used up when this late payment came" in page
    assert f"Order {order.number}, Ada Buyer &lt;ada@example.com&gt;" in page
    assert page.count(reverse("wagtail_kwiga_orders:inspect", args=[order.pk])) == 2
    assert "Paid:" not in page


def test_real_trouble_gets_there_oldest_first(admin_client, order):
    books_receive(order, "120.00", now=after(days=1))
    books_receive(order, "20.00", now=after(days=2))
    mail = queue_one(order=order)
    timeline.note(mail, "mailing.unknown", now=after(hours=1), attention=True)
    page = text(admin_client.get(INDEX))
    assert page.index("It is not known whether this mail arrived") < page.index("More money than agreed")
    assert f'href="{reverse("wagtail_kwiga_mail:inspect", args=[mail.pk])}"' in page


def test_each_kind_of_subject_has_words_and_one_that_is_gone_too(admin_client, order):
    run = held_run()
    attempt = books_receive(order, "120.00", now=START).attempt
    event = m.ProviderEvent.objects.create(method="sandbox", event_id="1", received_at=START)
    mail = queue_one(order=order)
    for subject in (order, run, run.scenario, attempt, event, mail, make_contact("cyd@example.com")):
        writing.write(subject, "room.thing", now=START, attention=True)
    writing.write((m.Order, 10**6), "room.thing", now=START, attention=True)
    page = text(admin_client.get(INDEX))
    for words in (order.number, "Bob &lt;bob@example.com&gt; in “Win back”", "An event of Card (test)", "cyd@example.com",
                  "something that is gone", mail.subject, "Room: thing"):  # fmt: skip
        assert words in page, words


def test_done_is_one_click_and_bears_a_name(admin_client, entry):
    answer = admin_client.post(done(entry), {"next": f"{INDEX}?p=1"})
    assert answer["Location"] == f"{INDEX}?p=1"
    entry.refresh_from_db()
    assert (entry.attended_by.username, entry.attended_at is not None) == ("admin", True)
    assert "Nothing needs you." in text(admin_client.get(INDEX))
    assert "Coupon SPRING" in text(admin_client.get(f"{INDEX}?state=done"))


def test_whoever_was_first_stays_on_record(admin_client, entry):
    other = User.objects.create_user("first")
    writing.attend(entry, other, START)
    answer = admin_client.post(done(entry), follow=True)
    assert "Somebody has ticked this off already" in text(answer)
    entry.refresh_from_db()
    assert (entry.attended_by, entry.attended_at) == (other, START)


def test_put_back(admin_client, entry):
    admin_client.post(done(entry))
    assert "Back on the list" in text(admin_client.post(done(entry, "put_back"), follow=True))
    entry.refresh_from_db()
    assert (entry.attended_by, entry.attended_at) == (None, None)
    assert not writing.put_back(entry)


def test_looking_ticks_nothing_off(admin_client, entry):
    for verb in ("done", "put_back"):
        assert admin_client.get(done(entry, verb)).status_code == 405
    entry.refresh_from_db()
    assert entry.attended_at is None


def test_only_what_asks_for_a_person_can_be_ticked_off(admin_client, order):
    plain = writing.write(order, "order.paid", now=START)
    assert admin_client.post(done(plain)).status_code == 404


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_it_leads_back_to_this_site_only(admin_client, entry, address):
    assert admin_client.post(done(entry), {"next": address})["Location"] == INDEX


def test_who_may_look_and_who_may_tick_off(clerk, client, order, entry):
    page = text(clerk.get(INDEX))
    assert "Coupon SPRING" in page
    assert done(entry) not in page
    assert reverse("wagtail_kwiga_orders:inspect", args=[order.pk]) not in page
    assert clerk.post(done(entry)).status_code == 302
    entry.refresh_from_db()
    assert entry.attended_at is None
    may("view_timelineentry", "resolve_attention", "view_order")
    page = text(clerk.get(INDEX))
    assert done(entry) in page
    assert reverse("wagtail_kwiga_orders:inspect", args=[order.pk]) in page
    clerk.post(done(entry))
    entry.refresh_from_db()
    assert entry.attended_by.username == "clerk"
    Group.objects.get(name="Clerks").permissions.set(Permission.objects.filter(codename="access_admin"))
    assert clerk.get(INDEX).status_code == 302
    client.logout()
    assert "login" in client.get(INDEX)["Location"]


def test_filters(admin_client, order, entry):
    mail = queue_one(order=order)
    timeline.note(mail, "mailing.unknown", now=after(days=9), attention=True)
    writing.write(order, "room.thing", now=START, attention=True)
    words = {"money": "Coupon SPRING", "mailing": "It is not known whether", "other": "Room: thing"}
    for room, said in words.items():
        page = text(admin_client.get(f"{INDEX}?room={room}"))
        assert {name for name, sentence in words.items() if sentence in page} == {room}, said
    page = text(admin_client.get(f"{INDEX}?room=money&room=other"))
    assert words["money"] in page and words["other"] in page and words["mailing"] not in page
    assert "match your query" in text(admin_client.get(f"{INDEX}?at_from=2028-01-01"))


def test_mail_in_doubt_and_people_held_are_named_and_linked(admin_client, clerk):
    held_run()
    queue_one()
    m.OutgoingEmail.objects.update(status="unknown")
    page = text(admin_client.get(INDEX))
    assert "1 mail of which nobody knows whether it arrived" in page
    assert 'href="/admin/kwiga/mail/?status=unknown"' in page
    client_page = text(clerk.get(INDEX)) if clerk is not admin_client else ""
    assert "nobody knows whether it arrived" not in client_page


def test_hostile_words_are_words(admin_client):
    order = order_for(make_contact("evil@example.com", name=EVIL), make_offer(title=EVIL))
    writing.write(order, "order.coupon_over_limit", now=START, attention=True, coupon=EVIL)
    writing.write(order, EVIL, now=START, attention=True)
    page = text(admin_client.get(INDEX))
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_the_list_costs_the_same_for_one_and_for_many(admin_client, order):
    run = held_run()
    event = m.ProviderEvent.objects.create(method="sandbox", event_id="1", received_at=START)

    def more():
        person = make_contact()
        for subject in (order_for(person, make_offer()), run, event, person):
            writing.write(subject, "room.thing", now=START, attention=True)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(INDEX).status_code == 200
        return len(queries)

    more()
    cost()
    one = cost()
    for _ in range(12):
        more()
    assert cost() == one <= 20


def test_everything_that_asks_for_a_person_has_a_sentence():
    """A code without one would be spelled out: readable, and no help."""
    codes = set()
    for path in Path(wagtail_kwiga.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(k.arg == "attention" for k in node.keywords):
                codes |= {a.value for a in node.args if isinstance(a, ast.Constant) and "." in str(a.value)}
    assert len(codes) > 8
    assert {code for code in codes if code not in writing._sentences} == set()


# --- the home page ------------------------------------------------------------------------------------------------------


def panel_at(now, rf, user) -> str:
    request = rf.get("/")
    request.user = user
    return homepage.SalesPanel(request, now).render_html({"request": request})


def test_the_panel_counts_and_leads_there(rf, admin_user, admin_client, entry):
    order_for(make_contact(), make_offer(), now=after(days=1))
    queue_one(now=after(hours=11))  # its order is of today too: midnight in Warsaw comes first
    m.OutgoingEmail.objects.update(status="unknown")
    panel = panel_at(after(days=1, hours=1), rf, admin_user)
    for words in (
        "2 orders today",
        "3 orders waiting for money",
        "1 thing needs a person",
        "1 email with delivery unknown",
    ):
        assert words in panel, words
    for part in ("?placed_at_from=2027-03-02", "?status=open&amp;status=partly_paid&amp;status=processing",
                 'href="/admin/kwiga/attention/"', 'href="/admin/kwiga/mail/?status=unknown"'):  # fmt: skip
        assert part in panel, part
    waiting = text(admin_client.get("/admin/kwiga/orders/?status=open&status=partly_paid&status=processing"))
    assert "There are 3 matches" in waiting
    assert "There are 2 matches" in text(admin_client.get("/admin/kwiga/orders/?placed_at_from=2027-03-02"))


def test_nothing_is_told_as_nought(admin_client):
    page = text(admin_client.get(HOME))
    assert "0 orders today" in page
    assert "0 things need a person" in page


def test_the_panel_shows_what_one_may_see(clerk):
    page = text(clerk.get(HOME))
    assert "0 things need a person" in page
    assert "orders today" not in page
    Group.objects.get(name="Clerks").permissions.set(Permission.objects.filter(codename="access_admin"))
    assert "kwiga-sales-section" not in text(clerk.get(HOME))


def test_the_panel_costs_two_queries(rf, admin_user, entry):
    with CaptureQueriesContext(connection) as queries:
        assert "1 order today" in panel_at(after(hours=1), rf, admin_user)
    assert len(queries) == 2


@pytest.mark.parametrize(
    ("now", "began"),
    [
        (dt.datetime(2027, 3, 28, 10, tzinfo=dt.UTC), dt.datetime(2027, 3, 27, 23, tzinfo=dt.UTC)),  # clocks go forward
        (dt.datetime(2027, 10, 31, 10, tzinfo=dt.UTC), dt.datetime(2027, 10, 30, 22, tzinfo=dt.UTC)),  # and back
        (dt.datetime(2027, 3, 1, 23, 30, tzinfo=dt.UTC), dt.datetime(2027, 3, 1, 23, tzinfo=dt.UTC)),
    ],
)
def test_today_begins_at_midnight_of_the_reader(now, began):
    assert homepage._today(now) == began


def test_the_numbers_speak_the_readers_language(rf, admin_user):
    with translation.override("pl"):
        assert panel_at(START, rf, admin_user)
