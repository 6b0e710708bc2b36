"""Outgoing mail: the list, the very mail, and what a person decides about a mail in doubt."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook
from wagtail import hooks

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import background, conf
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.mail import mail_card
from wagtail_kwiga.mailing import rendering, timeline
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import delivery, outbox

pytestmark = pytest.mark.django_db

Status = OutgoingEmail.Status
INDEX = "wagtail_kwiga_mail:index"
EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


@pytest.fixture(autouse=True)
def worker_runs():
    background.beat(background.SWEEP, at=conf.now())


def url(name, mail):
    return reverse(f"wagtail_kwiga_mail:{name}", args=[mail.pk])


def text(answer) -> str:
    return answer.content.decode()


def doubtful(status=Status.UNKNOWN, **given) -> OutgoingEmail:
    """A mail whose hand-over had no clear end, with the entry that asks for a person."""
    mail = queue_one(**given)
    mail.status, mail.sending_at, mail.why = status, after(minutes=1), told(Why.NO_ANSWER)
    mail.save()
    timeline.note(mail, timeline.CODES[status], now=after(minutes=1), attention=True)
    return mail


@pytest.fixture
def mail():
    return doubtful()


@pytest.fixture
def clerk(client):
    """Somebody who may look at mail and no more."""
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    group.permissions.set(Permission.objects.filter(codename__in=["access_admin", "view_outgoingemail"]))
    user.groups.add(group)
    client.force_login(user)
    return client


def test_an_empty_list_says_what_will_be_the_first_and_where_to_go(admin_client):
    page = text(admin_client.get(reverse(INDEX)))
    assert "No mail yet: a scenario or a receipt will be the first." in page
    assert f'href="{reverse("wagtail_kwiga_scenarios:list")}"' in page
    assert "No mail yet" not in text(admin_client.get(f"{reverse(INDEX)}?q=nobody"))


def test_the_uncertain_are_on_top_then_the_newest(admin_client, mail):
    template = make_template()
    newest = queue_one(template=template, now=after(days=2))
    newer = queue_one(template=template, now=after(days=1))
    page = text(admin_client.get(reverse(INDEX)))
    places = [page.index(f'href="{url("inspect", one)}"') for one in (mail, newest, newer)]
    assert places == sorted(places)
    assert "it may have arrived or not" in page


def test_search_and_filters(admin_client, mail):
    other = queue_one(make_contact("bob@example.com"), template=m.EmailTemplate.objects.get(), now=after(days=1))
    for query in ("status=unknown", f"q={mail.to_email}", f"q={mail.order.number}", "queued_at_to=2027-03-01"):
        page = text(admin_client.get(f"{reverse(INDEX)}?{query}"))
        assert mail.to_email in page, query
        assert other.to_email not in page, query
    assert "match your query" in text(admin_client.get(f"{reverse(INDEX)}?purpose=receipt"))


def test_list_card_and_spreadsheets_cost_the_same_for_one_and_for_many(admin_client):
    template = make_template()
    first = doubtful(template=template)

    def cost(address):
        admin_client.get(address)
        with CaptureQueriesContext(connection) as queries:
            answer = admin_client.get(address)
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert answer.status_code == 200 and content
        return len(queries)

    addresses = [reverse(INDEX), url("inspect", first), f"{reverse(INDEX)}?export=csv", f"{reverse(INDEX)}?export=xlsx"]
    one = [cost(address) for address in addresses]
    for number in range(12):
        doubtful(template=template, now=after(minutes=number))
        timeline.note(first, "mailing.sent", now=START)
    assert [cost(address) for address in addresses] == one
    assert max(one) <= 15


def test_the_card_says_why_and_shows_the_mail(admin_client, mail):
    settings_of_default_site()
    page = text(admin_client.get(url("inspect", mail)))
    for words in (
        "Nobody knows whether this mail arrived",
        "it may have arrived or not",
        "Mara of Riverside<br>mara@<wbr>riverside.example",
        f"Ada Lovelace<br>{mail.to_email.replace('@', '@<wbr>')}",
        f'href="{reverse("wagtail_kwiga_orders:inspect", args=[mail.order.pk])}"',
        "It is not known whether this mail arrived",
        mail.context["coupon.code"],
    ):
        assert words in page, words
    assert f'src="{url("shown", mail)}" sandbox loading="lazy"' in page


def test_the_frame_lets_nothing_run_nothing_leave_and_nothing_in(admin_client, mail):
    answer = admin_client.get(url("shown", mail))
    policy = answer["Content-Security-Policy"]
    for rule in ("default-src 'none'", "img-src 'self' data:", "form-action 'none'", "frame-ancestors 'self'"):
        assert rule in policy
    assert policy.endswith("; sandbox")
    assert "script" not in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert answer["Cache-Control"].startswith("private, no-store")
    page = text(answer)
    assert "Your place is still free, Ada" in page
    assert '<base target="_blank">' in page
    assert page.count("target=") == 1


def test_the_links_of_the_shown_mail_lead_nowhere(admin_client, mail):
    real = rendering.mail_of(mail)
    shown = text(admin_client.get(url("shown", mail))) + text(admin_client.get(url("inspect", mail)))
    assert "/resume/" in real.html
    for part in ("/resume/", "/pay/", "/unsubscribe/"):
        assert part not in shown
    assert 'href="#resume_url"' in shown


@pytest.mark.parametrize(
    ("html", "inert"),
    [
        ('<html><head lang="en"></head><a href="/x" target="_top">', '<html><head lang="en"><base target="_blank"></head><a href="/x">'),
        ("<p>no head, target=mine</p>", '<base target="_blank"><p>no head, target=mine</p>'),
        ("<a target=_self\thref='/x'>", "<base target=\"_blank\"><a\thref='/x'>"),
    ],
)  # fmt: skip
def test_a_click_does_nothing(html, inert):
    assert mail_card.inert(html) == inert


def test_looking_changes_nothing(admin_client, mail):
    before = OutgoingEmail.objects.values().get()
    for name in ("inspect", "shown", "was_sent", "send_again"):
        assert admin_client.get(url(name, mail)).status_code == 200
    assert OutgoingEmail.objects.values().get() == before
    assert m.TimelineEntry.objects.filter(attended_at__isnull=False).count() == 0


def test_hostile_names_are_words_everywhere(admin_client):
    mail = doubtful(contact=make_contact("evil@example.com", name=EVIL))
    OutgoingEmail.objects.update(
        subject=EVIL, to_name=EVIL, why=f"server_refused: {EVIL}", message_id=EVIL, esp_status=EVIL
    )
    pages = [reverse(INDEX), *(url(name, mail) for name in ("inspect", "shown", "was_sent", "send_again"))]
    for page in pages:
        told = text(admin_client.get(page))
        assert "<img src=x" not in told, page
        assert "<script>alert" not in told, page


def test_a_mail_that_cannot_be_made_is_no_crash(admin_client, mail, caplog):
    def broken(made):
        raise RuntimeError("an extension of the site")

    with hooks.register_temporarily("construct_kwiga_email", broken):
        page = admin_client.get(url("inspect", mail))
        assert "This mail cannot be shown" in text(page)
        assert admin_client.get(url("shown", mail)).content == b""
    assert "cannot be shown" in caplog.text


def test_both_decisions_are_offered_for_the_uncertain_one_for_the_failed_none_for_others(admin_client, mail):
    for status, offered in (
        (Status.UNKNOWN, {"was_sent", "send_again"}),
        (Status.FAILED, {"send_again"}),
        (Status.SENT, set()),
        (Status.QUEUED, set()),
        (Status.CANCELLED, set()),
    ):
        OutgoingEmail.objects.update(status=status)
        for page in (reverse(INDEX), url("inspect", mail)):
            told = text(admin_client.get(page))
            assert {name for name in ("was_sent", "send_again") if url(name, mail) in told} == offered, (status, page)


def test_it_was_sent(admin_client, mail):
    asked = text(admin_client.get(url("was_sent", mail)))
    assert "The mail will count as sent" in asked
    answer = admin_client.post(url("was_sent", mail), follow=True)
    assert "counts as sent" in text(answer)
    mail.refresh_from_db()
    assert (mail.status, mail.sent_at, mail.settled_by) == (Status.SENT, after(minutes=1), "was_sent")
    entry = m.TimelineEntry.objects.get(code="mailing.unknown")
    assert (entry.attended_by.username, entry.attended_at is not None) == ("admin", True)
    assert m.TimelineEntry.objects.get(code="mailing.settled_sent").by.username == "admin"


def test_send_again_asks_all_questions_anew(admin_client, mail, mailoutbox):
    asked = text(admin_client.get(url("send_again", mail)))
    assert "they get it a second time" in asked
    assert "nothing is sent where the purchase has been paid" in asked
    books_receive(mail.order, "120.00", now=after(minutes=5))
    assert "is in the queue again" in text(admin_client.post(url("send_again", mail), follow=True))
    delivery.deliver_due(conf.now() + (after(minutes=1) - START))
    mail.refresh_from_db()
    assert mail.status == Status.CANCELLED
    assert mail.subject not in [sent.subject for sent in mailoutbox]


def test_a_failed_one_is_sent_again(admin_client):
    mail = doubtful(Status.FAILED)
    assert "a second time" not in text(admin_client.get(url("send_again", mail)))
    admin_client.post(url("send_again", mail))
    mail.refresh_from_db()
    assert mail.status == Status.QUEUED


@pytest.mark.parametrize("verdict", ["was_sent", "send_again"])
@pytest.mark.parametrize("status", [Status.SENT, Status.QUEUED, Status.SENDING, Status.SUPPRESSED])
def test_whoever_comes_too_late_is_told_so_and_changes_nothing(admin_client, mail, verdict, status):
    OutgoingEmail.objects.update(status=status)
    answer = admin_client.post(url(verdict, mail), follow=True)
    assert "There is nothing to decide" in text(answer)
    mail.refresh_from_db()
    assert mail.status == status


def test_a_race_that_is_lost_within_the_verb_is_told_too(admin_client, mail, monkeypatch):
    settle = outbox.settle

    def quicker(email, verdict, **given):
        settle(OutgoingEmail.objects.get(pk=email.pk), "was_sent")
        return settle(email, verdict, **given)

    monkeypatch.setattr(outbox, "settle", quicker)
    answer = admin_client.post(url("send_again", mail), follow=True)
    assert "There is nothing to decide" in text(answer)
    assert "sent”" in text(answer)


def test_who_may_look_and_who_may_decide(clerk, client, mail):
    assert "Send again" not in text(clerk.get(reverse(INDEX)))
    assert "Send again" not in text(clerk.get(url("inspect", mail)))
    assert clerk.get(url("shown", mail)).status_code == 200
    for verdict in ("was_sent", "send_again"):
        assert clerk.get(url(verdict, mail)).status_code == 302
        assert clerk.post(url(verdict, mail)).status_code == 302
    mail.refresh_from_db()
    assert mail.status == Status.UNKNOWN
    Group.objects.get(name="Clerks").permissions.set(Permission.objects.filter(codename="access_admin"))
    for name in ("inspect", "shown"):
        assert clerk.get(url(name, mail)).status_code == 302
    client.logout()
    for name in ("inspect", "shown", "was_sent"):
        assert "login" in client.get(url(name, mail))["Location"]


def test_without_the_csrf_token_nothing_is_decided(admin_user, mail):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(url("was_sent", mail)).status_code == 403


def test_spreadsheets_are_harmless_to_open(admin_client):
    contact = make_contact("evil@example.com", name="=HYPERLINK(1)")
    order = order_for(contact, make_offer())
    mail = doubtful(contact=contact, order=order)
    OutgoingEmail.objects.update(to_name="=HYPERLINK(1)\x07")
    answer = admin_client.get(f"{reverse(INDEX)}?export=csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["Status"] for row in rows] == ["delivery unknown"]
    assert rows[0]["Order"] == mail.order.number
    assert rows[0]["Why"].startswith("The connection broke")
    assert "'=HYPERLINK(1)" in rows[0].values()
    answer = admin_client.get(f"{reverse(INDEX)}?export=xlsx")
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    assert "'=HYPERLINK(1)" in [cell.value for cell in sheet[2]]


def test_a_test_mail_has_neither_order_nor_contact_and_is_shown_all_the_same(admin_client):
    mail = outbox.send_test(make_template(), to="me@example.com", now=START)
    assert "me@<wbr>example.com" in text(admin_client.get(url("inspect", mail)))
    assert admin_client.get(url("shown", mail)).status_code == 200
