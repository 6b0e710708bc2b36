"""The language of a page governs the whole way: form, order, paying, coming back, mails. One walk for each mode."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from tests.offers import making
from tests.offers.making import BUYER, fields_of, make_page, text_of, translate
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db


@dataclass
class Walk:
    """A visitor whose browser speaks ``browser`` on a page that must speak ``language``."""

    url: str
    language: str
    browser: str
    client: Client = field(default_factory=Client)
    order: m.Order | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"accept-language": self.browser}

    def say(self, text: str, **values: Any) -> str:
        """Our words in the language of the page; a test that compares them with English would prove nothing."""
        with translation.override(self.language):
            said = translation.gettext(text) % values
        assert self.language == "en" or said != text % values, text
        return said

    def speaks(self, answer: Any, *texts: str, **values: Any) -> None:
        html = answer.content.decode()
        assert re.search(r'<html lang="([\w-]+)"', html)[1] == self.language
        assert answer["Content-Language"] == self.language or "unsubscribe" in answer.request["PATH_INFO"]
        words = text_of(answer)
        for text in texts:
            assert self.say(text, **values) in words, text

    def go(self) -> None:
        self.look_and_be_refused()
        self.place()
        self.pay_and_come_back()
        self.mails()

    def look_and_be_refused(self) -> None:
        self.speaks(self.client.get(self.url, headers=self.headers), "Your name", "How would you like to pay?")
        sent = fields_of(self.client.get(self.url, headers=self.headers))
        refused = self.client.post(self.url, {**sent, "name": "Ada"}, headers=self.headers)
        self.speaks(refused, "Please give your e-mail address.", "Please look at this again")
        wrong = self.client.post(self.url, {**sent, "apply": "1", "coupon": "NOPE"}, headers=self.headers)
        self.speaks(wrong, "We do not know this code. Please check it for typing mistakes.")

    def place(self) -> None:
        sent = {**fields_of(self.client.get(self.url, headers=self.headers)), **BUYER, "payment_method": "transfer"}
        answer = self.client.post(self.url, sent, headers=self.headers)
        assert answer.status_code == 302
        self.order = m.Order.objects.latest("pk")
        assert self.order.language == self.language
        self.speaks(
            self.client.get(answer["Location"], headers=self.headers), "Waiting for your payment", "Please transfer"
        )

    def pay_and_come_back(self) -> None:
        pay = self._path(links.pay_url(self.order, START))
        self.speaks(self.client.get(pay, headers=self.headers), "How would you like to pay?")
        self.speaks(self.client.post(pay, {"method": "cash"}, headers=self.headers))
        gateway = self.client.post(pay, {"method": "sandbox"}, headers=self.headers)["Location"]
        self.speaks(self.client.get(self._path(gateway), headers=self.headers), "Test payment. No money moves.")
        back = self.client.post(self._path(gateway), {"choice": "success"}, headers=self.headers)["Location"]
        self.speaks(self.client.get(self._path(back), headers=self.headers), "Paid. Thank you!")
        order = self._path(links.order_url(self.order, START))
        self.speaks(self.client.get(order, headers=self.headers), "Everything is settled.")
        making.set_clock(after(days=400))
        self.speaks(
            self.client.get(order, headers=self.headers), "This link has expired.", "This link is no longer good"
        )
        making.set_clock(START)

    def mails(self) -> None:
        (receipt,) = m.OutgoingEmail.objects.filter(purpose="receipt")
        assert receipt.language == self.language
        goodbye = link_building.unsubscribe_url(
            self.order.contact.token, to=receipt.to_email, at=START, site_id=None, language=receipt.language
        )
        self.speaks(self.client.get(self._path(goodbye), headers=self.headers), "No more offers by e-mail?")

    @staticmethod
    def _path(url: str) -> str:
        return re.sub(r"^https?://[^/]+", "", url)


def test_as_the_page(seller):
    german = translate(make_page(coupon_mode="any"), "de")
    Walk(german.url, "de", browser="pl").go()


def test_as_the_page_in_english(seller):
    Walk(make_page(coupon_mode="any").url, "en", browser="de").go()


def test_as_the_visitors_browser(seller):
    page = make_page(coupon_mode="any", language_mode="visitor")
    Walk(page.url, "uk", browser="uk-UA,uk;q=0.9,en;q=0.5").go()


def test_as_the_visitors_browser_on_a_translation(seller):
    page = translate(make_page(coupon_mode="any", language_mode="visitor"), "de")
    Walk(page.url, "es", browser="es-MX,es").go()


def test_one_fixed_language(seller):
    Walk(make_page(coupon_mode="any", language_mode="fixed", fixed_language="pl").url, "pl", browser="de").go()


def test_a_language_we_have_no_words_in_falls_back_to_english(seller, settings):
    settings.LANGUAGES = [*settings.LANGUAGES, ("it", "Italiano")]
    page = make_page(language_mode="fixed", fixed_language="it")
    client = Client()
    answer = client.get(page.url)
    assert '<html lang="it">' in answer.content.decode()
    assert "How would you like to pay?" in text_of(answer)
    sent = {**fields_of(answer), **BUYER, "payment_method": "transfer"}
    shown = client.get(re.sub(r"^https?://[^/]+", "", client.post(page.url, sent)["Location"]))
    order = m.Order.objects.get()
    assert order.language == "it"  # what the site has translated itself, mails among it, may still be in Italian
    assert "Waiting for your payment" in text_of(shown)
    assert "120,00 €" in text_of(shown)


def test_caches_are_told_what_the_page_goes_by(client, seller):
    page = make_page(language_mode="visitor")
    for answer in (
        client.get(page.url),
        client.get(page.url, headers={"accept-language": "de"}),
        client.post(page.url, {}),
    ):
        assert {"Accept-Language", "Cookie"} <= {each.strip() for each in answer["Vary"].split(",")}
