"""Attacked: everybody who reads. Markup, script, templates and formulas in every text that anybody can fill, stored as it came;
then every screen, dialogue, preview, spreadsheet and visitor's page is opened and read as a browser reads it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.attacks import admin_world, markup
from tests.attacks.admin_walk import Address, addresses
from tests.attacks.admin_world import EVIL, SECRET, body_of, client_of, differences, fingerprint
from tests.support import after
from wagtail_kwiga.mailing import rendering
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return admin_world.build()


def looks(shop: Any) -> list[Address]:
    """Addresses to open by GET, with the sides of a list that are not shown at first."""
    found = [each for each in addresses(shop) if not each.name.startswith("wagtailsnippets_")]
    ended = reverse("wagtail_kwiga_lists:members", args=[shop.list.pk])
    page = shop.page.pk
    more = {
        "wagtailadmin_home": [], "wagtailadmin_pages:edit": [page], "wagtailadmin_pages:history": [page],
        "wagtailadmin_pages:usage": [page], "wagtailadmin_explore": [shop.page.get_parent().pk],
        "wagtailadmin_reports:site_history": [], "wagtailadmin_reports:aging_pages": [],
        "simple_translation:submit_snippet_translation": ["wagtail_kwiga", "emailtemplate", shop.template.pk],
    }  # fmt: skip
    found += [Address(name, reverse(name, args=given)) for name, given in more.items()]
    for row in (shop.order, shop.paid):
        found.append(Address("order", reverse("wagtail_kwiga_orders:inspect", args=[row.pk])))
    for row in (shop.run, shop.paused):
        found.append(Address("run", reverse("wagtail_kwiga_runs:inspect", args=[row.pk])))
    for row in (shop.mail, shop.doubtful):
        found.append(Address("mail", reverse("wagtail_kwiga_mail:inspect", args=[row.pk])))
        found.append(Address("mail", reverse("wagtail_kwiga_mail:shown", args=[row.pk])))
    for name in ("edit", "preview_on_edit", "copy"):
        found.append(Address(name, reverse(f"wagtail_kwiga_emails:{name}", args=[shop.own_words.pk])))
    found.append(Address("coupon", reverse("wagtail_kwiga_coupons:edit", args=[shop.coupon.pk])))
    found.append(Address("ended", f"{ended}?state=ended"))
    found.append(Address("done", reverse("wagtail_kwiga_attention:index") + "?state=done"))
    for list_ in [each for each in found if each.is_list]:
        found.append(Address(f"{list_.name}?q", f"{list_.url}?q={SECRET}%22%3E%3Csvg/onload=kwigaHit()%3E"))
    return found


def test_no_screen_shows_words_as_markup(shop):
    client, wrong, shown = client_of(shop.users["superuser"]), [], 0
    before = fingerprint()
    for address in looks(shop):
        answer = client.get(address.url)
        body = body_of(answer)
        if answer.status_code >= 500:
            wrong.append((address.name, answer.status_code))
        shown += SECRET in body
        wrong += [(address.name, fault) for fault in markup.faults(answer, body)]
    assert wrong == []
    assert shown > 100  # else the words were not there at all
    assert differences(before) == []


def test_no_spreadsheet_holds_a_formula(shop):
    client, wrong, told = client_of(shop.users["superuser"]), [], 0
    for address in [each for each in addresses(shop) if each.is_list]:
        for kind in ("csv", "xlsx"):
            answer = client.get(f"{address.url}?export={kind}")
            if answer.headers["Content-Type"].startswith("text/html"):
                continue  # a list without spreadsheets
            body = b"".join(answer.streaming_content)
            found = markup.formulas(body, kind)
            told += len(body) > 100
            wrong += [(address.name, kind, cell[:80]) for cell in found]
    assert wrong == []
    assert told >= 8


def test_the_finder_finds():
    """What the tests above look with, on words that were not made harmless."""
    assert len(markup.running(f"<p>{EVIL}</p>")) >= 3
    assert markup.running('<a title="x" onclick="1">') and markup.running("<a href=' JavaScript:x()'>")
    assert markup.running("<p>&lt;img src=x onerror=kwigaHit()&gt;</p>") == []
    assert markup.formulas(b"a,=1+1\r\n", "csv") == ["=1+1"]


def test_no_page_of_a_visitor_shows_words_as_markup(shop):
    visitor, wrong = Client(raise_request_exception=False), []
    pages = {"offer": shop.page.url, "with coupon": f"{shop.page.url}?coupon={SECRET}'\"><svg onload=kwigaHit()>"}
    for row in (shop.order, shop.paid):
        pages[f"pay {row.pk}"] = links.pay_url(row, after(hours=1))
        pages[f"order {row.pk}"] = links.order_url(row, after(hours=1))
    pages["resume"] = links.resume_url(shop.order, shop.coupon.token, after(hours=1))
    for name, address in pages.items():
        answer = visitor.get(address, follow=True)
        body = body_of(answer)
        if answer.status_code >= 500:
            wrong.append((name, answer.status_code))
        wrong += [(name, fault) for fault in markup.faults(answer, body)]
    assert wrong == []


def test_no_mail_shows_words_as_markup_nor_obeys_them(shop):
    for mail in (shop.mail, shop.doubtful):
        made = rendering.view_of(mail)
        assert markup.running(made.html) == []
        assert "\n" not in made.subject and "\r" not in made.subject
    for mode in ("", "dark", "text"):
        answer = shop.own_words.make_preview_request(preview_mode=mode)
        body = body_of(answer.render() if hasattr(answer, "render") else answer)
        assert answer.status_code == 200
        assert SECRET in body
        assert markup.faults(answer, body) == []


def test_an_editors_own_words_for_winning_back_stay_words(shop):
    client, where = (
        client_of(shop.users["superuser"]),
        reverse("wagtail_kwiga_offers:win_back", args=[shop.other_offer.pk]),
    )
    words = EVIL.replace("{{7*7}}{%x%}", "")
    form = client.get(where).context["form"]
    sent = {**form.initial, "subject": words, "heading": words, "text": words, "button": words[:60], "also_in": []}
    shown = client.post(where, sent)
    assert shown.status_code == 200 and markup.faults(shown, body_of(shown)) == []
    made = client.post(where, {**sent, "draft": "1"}, follow=True)
    assert made.redirect_chain, made.context["form"].errors
    assert SECRET in body_of(made)
    assert markup.faults(made, body_of(made)) == []
    assert markup.faults(made, body_of(client.get(made.redirect_chain[-1][0] + "remove/"))) == []
