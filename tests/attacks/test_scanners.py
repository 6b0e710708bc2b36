"""Attacked: promise 9. Programs open every link of every mail, again and again, before and after its reader does.

Every kind of mail that the package sends, in its languages, is read from the bytes that left; every link in it, and the address
in its ``List-Unsubscribe``, is opened five times by GET and HEAD, with the headers, cookies and small mistakes of scanners. No
row of any table may differ afterwards, and the person can still do it all.
"""

from __future__ import annotations

import email
import email.policy
import random
import re
from html import unescape
from io import StringIO
from urllib.parse import urljoin

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import translation
from wagtail.users.models import UserProfile

from tests.journeys.school import make_school
from tests.mailing.making import make_template
from tests.offers import making
from tests.offers.making import BUYER, fields_of
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import new_attempt, snapshot, tell
from tests.support import after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import builtin_mails, versions
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import outbox

pytestmark = pytest.mark.django_db

HOST = "http://localhost"
LANGUAGES = ["en", "de", "es", "pl", "uk"]
#: One button of each kind an editor may choose.
WAYS = [("button", {"label": where, "where": where, "url": ""}) for where in ("resume", "pay", "order", "access")]

SCANNERS: list[dict[str, str]] = [
    {},
    {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/2.1)", "Accept": "*/*", "X-Forwarded-For": "203.0.113.9"},
    {"User-Agent": "curl/8.0", "Range": "bytes=0-99", "If-None-Match": "*", "If-Modified-Since": "Mon, 01 Mar 2027 12:00:00 GMT"},
    {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch", "Referer": "https://mail.example/"},
    {"X-HTTP-Method-Override": "POST", "X-Method-Override": "DELETE", "Content-Type": "application/x-www-form-urlencoded"},
    {"X-Requested-With": "XMLHttpRequest", "Origin": "https://evil.example", "Accept-Language": "uk;q=0.1, xx"},
]  # fmt: skip
#: What gets lost or added when a program finds a link in a text.
MANGLED = [
    lambda link: link.rstrip("/"),
    lambda link: link + ".",
    lambda link: link + ")",
    lambda link: link + "%3E",
    lambda link: link + "&gt;",
    lambda link: link.upper().replace("HTTP://LOCALHOST", HOST),
    lambda link: link.swapcase().replace("HTTP://LOCALHOST", HOST),
    lambda link: link[: len(link) * 2 // 3],
    lambda link: link.replace("/shop/", "//shop//"),
    lambda link: (
        f"{link}?utm_source=scanner&_method=POST&List-Unsubscribe=One-Click&undo=1&method=sandbox&choice=success"
    ),
]


def at(**span):
    making.set_clock(after(**span))
    return after(**span)


@pytest.fixture
def school(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    at()
    return make_school()


def queue(version, order, now, key):
    situation = Situation(contact=order.contact, order=order, site=order.site, language=order.language, now=now)
    outbox.queue(key=key, purpose="service", version=version, situation=situation, now=now)


def rest_due(offer, site, language):
    order = order_for(make_contact(), offer, site=site, language=language)
    books_receive(order, "20", now=after())
    return order


def under_way(offer, site, language):
    order = order_for(make_contact(), offer, site=site, language=language)
    tell(new_attempt(order), "pending")
    return order


def owned(offer, site, language):
    order = order_for(make_contact(), offer, site=site, language=language)
    books_receive(order, "120", now=after())
    return order


def at_a_better_price(offer, site, language):
    order = order_for(make_contact(), offer, site=site, language=language)
    m.Offer.objects.filter(pk=offer.pk).update(amount=150)
    return order


#: The order that a reminder is true of; what is not true does not leave.
REMINDED_OF = {
    "waiting_rest": rest_due, "waiting_payment": under_way, "already_owned": owned, "waiting_price": at_a_better_price,
}  # fmt: skip


def send_every_kind(school):
    """Recovery with its coupon by the real scenario; all mails the package brings and one with all ways, in all languages."""
    site = making.Site.objects.get(is_default_site=True)
    Client(SERVER_NAME="localhost").get(school.page.url)
    making.order(Client(SERVER_NAME="localhost"), school.page.url)
    for language in LANGUAGES:
        offer = making.offer_of(making.make_page(f"Course {language}"))
        order = order_for(make_contact(f"{language}@example.com"), offer, site=site, language=language)
        for name in sorted(builtin_mails.BUILTINS):
            about = REMINDED_OF[name](offer, site, language) if name in REMINDED_OF else order
            queue(versions.builtin(name, language), about, after(), f"{name}:{language}")
        with translation.override(language):
            template = make_template([*WAYS, ("order_summary", {"title": ""})], language=language, kind="promotion",
                                     title=f"All ways {language}", subject="All ways", preheader="")  # fmt: skip
        queue(versions.for_template(template, language), order, after(), f"ways:{language}")
    books_receive(order, "120", now=after())  # the last one is paid, and gets its receipt by itself
    tell(new_attempt(site=site, contact=make_contact("slow@example.com")), "pending")
    at(minutes=30)
    call_command("kwiga_work", stdout=StringIO())
    kinds = set(m.OutgoingEmail.objects.filter(status="sent").values_list("purpose", flat=True))
    assert kinds >= {"recovery", "receipt", "service"}
    assert not m.OutgoingEmail.objects.exclude(status="sent").exists()
    assert len(mail.outbox) == m.OutgoingEmail.objects.count() > 5 * (len(builtin_mails.BUILTINS) + 1)


def links_in(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    found = set(re.findall(r"<([^<>\s]+)>", message["List-Unsubscribe"] or ""))
    found |= set(re.findall(r"https?://[^\s<>\")\]]+", message.get_body(("plain",)).get_content()))
    html = message.get_body(("html",)).get_content()
    found |= {unescape(each) for each in re.findall(r"""(?:href|src)=["'](http[^"']+)["']""", html)}
    return found


def every_link():
    links = set()
    for message in mail.outbox:
        links |= links_in(message.message().as_bytes())
    return {link for link in links if link.startswith(HOST)}  # others are not ours to answer


def kinds_of(links):
    return {re.sub(r"^/(?:shop/)?([^/?]*).*", r"\1", link.removeprefix(HOST)) for link in links}


def look(client, link, chance):
    """GET and HEAD as a scanner does, redirects followed by hand; they must answer alike."""
    headers = chance.choice(SCANNERS)
    for _ in range(4):
        methods = ["get", "head"]
        chance.shuffle(methods)
        answers = {method: getattr(client, method)(link.removeprefix(HOST), headers=headers) for method in methods}
        get, head = answers["get"], answers["head"]
        assert get.status_code == head.status_code < 500, (link, get.status_code, head.status_code)
        assert head.content == b""
        for name in ("Content-Type", "Location", "Cache-Control", "Referrer-Policy", "X-Robots-Tag", "Set-Cookie"):
            assert get.get(name) == head.get(name), (link, name)
        if get.status_code not in (301, 302):
            return get
        assert urljoin(HOST, get["Location"]).startswith(HOST), (link, get["Location"])
        link = urljoin(link, get["Location"]).partition("#")[0]
    raise AssertionError(f"{link} leads round and round")


def clients():
    """A scanner without cookies, one that keeps them, and the browser of a signed-in colleague."""
    colleague = Client(SERVER_NAME="localhost")
    chief = get_user_model().objects.create_superuser("chief", "chief@example.com", "x")
    UserProfile.get_for_user(chief)  # Wagtail's bar would make it at the first look
    colleague.force_login(chief)
    return [Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost", enforce_csrf_checks=True), colleague]


def differing(before, now):
    return [name for name in before if before[name] != now[name]]


def test_every_link_of_every_mail_opened_five_times_changes_nothing(school):
    send_every_kind(school)
    links = sorted(every_link())
    assert kinds_of(links) >= {"resume", "pay", "order", "unsubscribe", "course"}
    chance, browsers = random.Random(4), clients()
    before, sent = snapshot(), len(mail.outbox)
    for _round in range(5):
        chance.shuffle(links)
        for link in links:
            client = chance.choice(browsers)
            if client is browsers[0]:
                client.cookies.clear()
            answer = look(client, link, chance)
            assert answer.status_code in (200, 404), (link, answer.status_code)  # /course/ is no page of this site
            assert answer.status_code == 200 or "/course/" in link
    assert differing(before, snapshot()) == []
    assert len(mail.outbox) == sent
    # A month later, when all has ended, and again by whoever keeps old mail.
    at(days=40)
    for link in links:
        look(browsers[0], link, chance)
    assert differing(before, snapshot()) == []


def test_links_that_programs_mangle_change_nothing_and_fail_politely(school):
    send_every_kind(school)
    chance, browsers = random.Random(5), clients()
    one_of_each = {kind: min(link for link in every_link() if f"/{kind}" in link) for kind in
                   ("resume", "pay", "order", "unsubscribe")}  # fmt: skip
    before = snapshot()
    for kind, link in one_of_each.items():
        for mangle in MANGLED:
            answer = look(chance.choice(browsers), mangle(link), chance)
            assert answer.status_code in (200, 404, 410), (kind, mangle(link), answer.status_code)
        # Any other method is refused, or looks as well; OPTIONS is what mail programs ask before they post.
        for method in ("options", "put", "patch", "delete", "trace"):
            answer = getattr(browsers[0], method)(link.removeprefix(HOST))
            assert answer.status_code in (200, 405), (kind, method)
    assert differing(before, snapshot()) == []


def test_after_all_that_the_person_can_still_do_it(school):
    send_every_kind(school)
    recovery = next(each for each in mail.outbox if "COMEBACK15" in each.body)
    links = {kind: link for link in links_in(recovery.message().as_bytes()) for kind in kinds_of([link])}
    chance, browsers = random.Random(6), clients()
    for _ in range(5):
        for link in links.values():
            look(browsers[0], link, chance)
    reader = Client(SERVER_NAME="localhost", enforce_csrf_checks=True)
    page = reader.get(links["resume"].removeprefix(HOST), follow=True)
    fields = fields_of(page)
    assert (fields["coupon"], fields["email"]) == ("COMEBACK15", BUYER["email"])
    answer = reader.post(page.request["PATH_INFO"], {**fields, **{k: v for k, v in BUYER.items() if k not in fields}})
    assert answer.status_code == 302
    order = m.Order.objects.latest("pk")
    assert (order.contact.email, str(order.total)) == (BUYER["email"], "102.00 EUR")
    # One click of a mail program: no cookie, no token of a form (RFC 8058).
    assert m.Contact.objects.get(email=BUYER["email"]).unsubscribed_at is None
    answer = Client(SERVER_NAME="localhost", enforce_csrf_checks=True).post(
        links["unsubscribe"].removeprefix(HOST), {"List-Unsubscribe": "One-Click"}
    )
    assert answer.status_code == 200
    assert m.Contact.objects.get(email=BUYER["email"]).unsubscribed_at is not None


def test_the_links_of_a_trial_mail_lead_nowhere(school):
    outbox.send_test(school.email, to="editor@example.com", now=at(minutes=1))
    call_command("kwiga_work", stdout=StringIO())
    (message,) = mail.outbox
    assert kinds_of(link for link in links_in(message.message().as_bytes()) if "/shop/" in link) == set()


@pytest.mark.parametrize("kind", ["resume", "pay", "order", "unsubscribe"])
def test_a_link_of_one_kind_opens_no_other_door(school, kind):
    send_every_kind(school)
    link = min(link for link in every_link() if f"/shop/{kind}/" in link).removeprefix(HOST)
    before = snapshot()
    for other in {"resume", "pay", "order", "unsubscribe", "return"} - {kind}:
        for method in ("get", "head", "post"):
            answer = getattr(Client(SERVER_NAME="localhost"), method)(link.replace(f"/{kind}/", f"/{other}/"))
            assert answer.status_code in (404, 405), (other, method, answer.status_code)
    assert differing(before, snapshot()) == []
