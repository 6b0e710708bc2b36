"""Visitors who use the site over HTTP, without a browser: what they open, type and press, and what lies in their mailbox."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Sequence
from email.message import EmailMessage
from html import unescape
from io import StringIO
from typing import Any

from django.core import mail
from django.core.management import call_command
from django.test import Client

from tests.journeys.confirmations import besides_confirmations
from tests.journeys.school import School
from tests.offers import making
from tests.offers.making import BUYER, fields_of, text_of
from tests.support import after
from wagtail_kwiga import models as m

HOST = "http://localhost"
PHONE = re.compile(r"600[\s\-]*100[\s\-]*200")


def at(**span: float) -> None:
    """Now it is so much later than the beginning of the story."""
    making.set_clock(after(**span))


def work() -> None:
    """One pass of a worker, as cron would start it. Raises where a sweep failed."""
    call_command("kwiga_work", stdout=StringIO())


def work_at(**moments: Sequence[float]) -> None:
    """A pass at each of these moments, such as ``minutes=(5, 30)``."""
    for unit, amounts in moments.items():
        for amount in amounts:
            at(**{unit: amount})
            work()


class Visitor:
    """A browser without JavaScript, with cookies of its own, whose forgeries are noticed."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")

    def open(self, url: str) -> Any:
        """The page behind ``url``, redirects followed."""
        response = self.client.get(url, follow=True)
        assert response.status_code == 200, (url, response.status_code)
        response.url = response.request["PATH_INFO"]
        return response

    def send(self, page: Any, **typed: str) -> Any:
        """The form on ``page`` with these fields typed over what stands in it; redirects are not followed."""
        return self.client.post(page.url, {**fields_of(page), **typed})

    def pay(self, gateway: str, choice: str = "success") -> Any:
        """Press a button of the bank; the page of the shop to which one is sent back."""
        bank = self.open(gateway)
        assert f'name="choice" value="{choice}"' in bank.content.decode()
        return self.open(self.send(bank, choice=choice)["Location"])

    def try_to_order(self, school: School, **typed: str) -> Any:
        """Open the offer, fill in the form and send it; the answer."""
        return self.send(self.open(school.page.url), **{**BUYER, **typed})

    def order(self, school: School, **typed: str) -> str:
        """The same with success: where one is sent to pay."""
        response = self.try_to_order(school, **typed)
        assert response.status_code == 302, text_of(response)
        return response["Location"]


def says(page: Any, *sentences: str) -> None:
    assert [each for each in sentences if each not in text_of(page)] == [], text_of(page)


def order_of(address: str = "ada@example.com") -> m.Order:
    return m.Order.objects.filter(contact__email=address).latest("pk")


def received() -> list[EmailMessage]:
    """Every mail that went out but those that confirm an order, read from the bytes that went out."""
    return [read(each) for each in besides_confirmations()]


def read(message: Any) -> EmailMessage:
    return email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return body.get_content().replace("\xa0", " ").replace("\u202f", " ")


def purposes() -> list[str]:
    """What the mails that went out are for, in order, but those that confirm an order."""
    sent = m.OutgoingEmail.objects.filter(status="sent").order_by("sent_at", "pk")
    assert len(mail.outbox) == len(sent)
    return [each.purpose for each in sent if not each.key.startswith("order_received:")]


def hrefs(html: str) -> list[str]:
    return [unescape(href) for href in re.findall(r"<a\b[^>]*?\bhref=\"([^\"]*)\"", html)]


def resume_link(message: EmailMessage) -> str:
    (link,) = set(re.findall(rf"{HOST}/shop/resume/[^\s>\"]+", part(message, "plain")))
    return link


def unsubscribe_link(message: EmailMessage) -> str:
    return message["List-Unsubscribe"].strip().strip("<>")


def left_unpaid(school: School) -> EmailMessage:
    """Ada orders and leaves; thirty minutes later she has mail."""
    Visitor().order(school)
    work_at(minutes=[30])
    return received()[-1]
