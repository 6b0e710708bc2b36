"""Attacked: one person's mailbox, and one person's patience. Somebody types their address again and again.

What goes out because a form was sent (receipts of free orders, "your order is waiting", recovery) is bounded per mailbox, however
the address is spelt; and whoever floods an address does not keep its owner from buying.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core import mail as outgoing
from django.test import Client

from tests.attacks.ground import holds
from tests.journeys.school import make_school
from tests.offers import making
from tests.offers.making import fill_in, make_page, offer_of, text_of
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import new_attempt, path_of, tell
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

SPELLINGS = [
    "ada@gmail.com",
    "ADA@gmail.com",
    "ada+1@gmail.com",
    "a.da@gmail.com",
    "ada@googlemail.com",
    *(f"ada+x{n}@gmail.com" for n in range(15)),
]


@pytest.fixture
def limited(shopfront, settings):
    """The shop with the limits every site begins with."""
    kept = {
        name: value for name, value in settings.WAGTAIL_KWIGA.items() if not name.endswith(("_PER_ADDRESS", "_PER_IP"))
    }
    settings.WAGTAIL_KWIGA = kept
    return shopfront


def order(client, page, **typed):
    _page, sent = fill_in(client, page.url, **typed)
    return holds(client.post(page.url, sent))


def is_limited(answer) -> bool:
    if answer.status_code != 429:
        return False
    assert int(answer["Retry-After"]) > 0
    assert "Too many tries" in text_of(answer)
    return True


def test_orders_for_one_mailbox_however_it_is_spelt(limited):
    told = [is_limited(order(Client(), limited, email=spelling)) for spelling in SPELLINGS]
    assert told.index(True) <= 10
    assert all(told[10:])
    assert m.Contact.objects.count() <= 6  # the mailbox itself, and five spellings of it a day
    for hour in range(1, 24, 2):
        making.set_clock(after(hours=hour))
        order(Client(), limited, email=f"ada+h{hour}@gmail.com")
    assert m.Contact.objects.count() <= 12  # noon is in between: two days


def test_one_browser_orders_only_so_often_for_an_address(limited):
    browser = Client()
    told = [is_limited(order(browser, limited, email="ada@example.com")) for _n in range(14)]
    assert sum(not limited for limited in told) <= 10


def test_one_place_orders_only_so_often_for_anybody(limited, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CHECKOUTS_PER_IP": 5}
    told = []
    for n in range(8):
        client = Client(REMOTE_ADDR=f"2a00:1450:4001:81b::{n:x}")
        told.append(is_limited(order(client, limited, email=f"person{n}@example.com")))
    assert told == [False] * 5 + [True] * 3


def test_receipts_of_free_orders(limited):
    gifts = [make_page(f"Gift {n}", price=Decimal(0)) for n in range(6)]
    for n, spelling in enumerate(SPELLINGS[:12]):
        order(Client(), gifts[n % 6], email=spelling)
    assert m.OutgoingEmail.objects.count() <= 2
    delivery.deliver_due(after(minutes=5))
    assert len(outgoing.outbox) <= 2


@pytest.mark.parametrize("state", ["processing", "partly_paid"])
def test_your_order_is_waiting(limited, state):
    ada = make_contact("ada@example.com")
    mine = order_for(ada, offer_of(limited), site=limited.get_site(), language="en")
    if state == "processing":
        tell(new_attempt(mine), "pending")
    else:
        books_receive(mine, "50", now=START)
    for minutes in range(0, 60 * 23, 150):
        making.set_clock(after(minutes=minutes))
        order(Client(), limited, email="ada@example.com")
    assert m.OutgoingEmail.objects.filter(purpose="service").count() == 1


def test_who_is_unsubscribed_or_bounced_gets_no_waiting_mail_it_must_not_get(limited):
    ada = make_contact("ada@example.com")
    mine = order_for(ada, offer_of(limited), site=limited.get_site(), language="en")
    tell(new_attempt(mine), "pending")
    m.Suppression.objects.create(email="ada@example.com", scope="all", reason="bounced", at=START)
    order(Client(), limited, email="ada@example.com")
    delivery.deliver_due(after(minutes=5))
    assert outgoing.outbox == []


def test_recovery_reaches_a_person_once_however_often_a_stranger_orders(settings):
    school = make_school()
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "CLOCK": "tests.offers.making.clock",
        "CHECKOUTS_PER_ADDRESS": 1000,
    }
    making.set_clock(START)
    moment = 0
    for _day in range(6):
        for _try in range(3):
            making.set_clock(after(minutes=moment))
            assert order(Client(), school.page, email="ada@example.com").status_code == 302
            moment += 40
            engine.run_due(after(minutes=moment))
            delivery.deliver_due(after(minutes=moment))
        moment += 60 * 20
    assert m.OutgoingEmail.objects.filter(purpose="recovery").count() == 1


def test_a_stranger_who_uses_up_an_address_locks_its_owner_out_of_nothing_they_have_a_link_to(limited):
    ada = make_contact("ada@example.com")
    mine = order_for(ada, offer_of(limited), site=limited.get_site(), language="en")
    for _n in range(12):
        order(Client(), limited, email="ada@example.com")
    assert is_limited(order(Client(), limited, email="ada@example.com"))
    token = path_of(links.resume_url(mine, None, START)).rstrip("/").rsplit("/", 1)[1]
    owner = Client()
    _page, sent = fill_in(owner, f"{limited.url}?resume={token}", email="ada@example.com")
    assert owner.post(limited.url, sent).status_code == 302
    assert owner.get(path_of(links.pay_url(mine, START)), follow=True).status_code == 200


def test_what_is_refused_by_the_trap_counts_and_mails_nobody(limited):
    for _n in range(12):
        answer = order(Client(), limited, email="ada@example.com", website="http://evil.example")
        assert "filled in by a program" in text_of(answer)
    assert not m.Contact.objects.exists()
    assert not m.OutgoingEmail.objects.exists()


def test_the_books_of_tries_hold_no_address_and_stay_small(limited):
    for n in range(10):
        order(Client(REMOTE_ADDR="9.9.9.9"), limited, email=f"person{n}@example.com", coupon="SPRING")
    kept = str(list(m.RateLimitWindow.objects.values()))
    assert "person" not in kept
    assert "9.9.9.9" not in kept
    assert m.RateLimitWindow.objects.count() <= 25


def test_starting_to_pay_is_limited_by_order(limited, visitor):
    mine = order_for(make_contact(), offer_of(limited), site=limited.get_site(), language="en")
    path = path_of(links.pay_url(mine, START))
    told = [visitor.post(path, {"method": "sandbox"}) for _n in range(35)]
    assert [answer.status_code for answer in told] == [302] * 30 + [429] * 5
    assert int(told[-1]["Retry-After"]) > 0
    assert "Too many tries" in text_of(told[-1])
    assert m.PaymentAttempt.objects.count() == 30
