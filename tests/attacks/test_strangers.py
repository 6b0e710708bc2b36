"""Attacked: a person, by a stranger who types their address. The stranger learns nothing, changes nothing and takes nothing.

Ada left an order, has a name, a phone and a discount of her own; Eve knows her address and nothing else.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from decimal import Decimal

import pytest
from django.test import Client

from tests.attacks.ground import holds
from tests.offers import making
from tests.offers.making import BUYER, fields_of, fill_in, make_page, offer_of, text_of
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import new_attempt, path_of, tell
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga import signing
from wagtail_kwiga.contacts import consent, lists
from wagtail_kwiga.mailing import permission, suppression
from wagtail_kwiga.orders import links

pytestmark = pytest.mark.django_db

SECRETS = ("Ada Buyer", "Ada", "600 100 200", "600100200", "SECRET15")
EVE = {"name": "Eve", "email": "ADA@Example.com", "phone": "+1 666 666 666"}


@pytest.fixture
def eve():
    return Client(raise_request_exception=False)


@pytest.fixture
def ada(shopfront):
    return make_contact("ada@example.com", name="Ada Buyer", phone="+48 600 100 200", language="pl")


@pytest.fixture
def discount(ada):
    """A coupon of Ada's list; its code is known to many, because it stands in every mail of that kind."""
    people = make_list("Come back")
    coupon = make_coupon("SECRET15", percent="15", lists=[people])
    coupon.people = people
    return coupon


def send(client, url, **typed):
    _page, sent = fill_in(client, url, **{**EVE, **typed})
    return holds(client.post(url, sent))


def order_of(ada, shopfront, **given) -> m.Order:
    given.setdefault("phone", ada.phone)
    return order_for(ada, offer_of(shopfront), site=shopfront.get_site(), language="en", **given)


def as_told(answer) -> str:
    """What an answer says, without what differs between any two: tokens, and the address that was typed."""
    words = text_of(answer) if answer.status_code == 200 else answer["Location"].rsplit("/", 2)[0]
    return words.replace("nobody@example.com", "…").replace("ADA@Example.com", "…").replace("ada@example.com", "…")


def told_apart(shopfront, **typed) -> bool:
    """Whether the answers for Ada's address and for one that nobody knows differ in anything but the address."""
    answers = [
        send(Client(), shopfront.url, **{**typed, "email": email})
        for email in ("ada@example.com", "nobody@example.com")
    ]
    cookies = [sorted(answer.cookies) for answer in answers]
    return (as_told(answers[0]), answers[0].status_code, cookies[0]) != (
        as_told(answers[1]),
        answers[1].status_code,
        cookies[1],
    )


def person(ada) -> tuple:
    ada.refresh_from_db()
    return ada.name, ada.phone, ada.language, ada.is_verified, ada.consented_at, ada.unsubscribed_at


# --- sees nothing -----------------------------------------------------------------------------------------------------


def test_whether_an_address_is_known_is_not_told(shopfront, ada):
    assert not told_apart(shopfront)
    assert not told_apart(shopfront, name="")
    assert not told_apart(shopfront, coupon="SPRING", apply="1")
    assert not told_apart(shopfront, coupon="NOBODYS")


@pytest.mark.parametrize("state", ["open", "paid", "cancelled", "expired", "superseded"])
def test_nor_whether_it_is_a_customers(shopfront, ada, state):
    order = order_of(ada, shopfront)
    if state == "paid":
        books_receive(order, "120", now=START)
    m.Order.objects.filter(pk=order.pk).update(status=state)
    assert not told_apart(shopfront)
    assert not told_apart(shopfront, coupon="SPRING")


def test_nor_what_there_is_about_the_person(eve, shopfront, ada, discount):
    lists.add(discount.people, ada, until=after(hours=24), now=START)
    order_of(ada, shopfront, coupon=discount)
    for typed in ({}, {"name": ""}, {"apply": "1"}, {"coupon": "SPRING"}, {"phone": "x"}, {"payment_method": "none"}):
        answer = send(eve, shopfront.url, **typed)
        while answer.status_code == 302:
            answer = holds(eve.get(path_of(answer["Location"])))
        shown = text_of(answer) + str(fields_of(answer))
        assert not [secret for secret in SECRETS if secret in shown], typed
        assert not any(secret in str(eve.cookies) for secret in SECRETS)


def test_nor_that_a_coupon_for_everybody_was_used(shopfront, ada):
    """At the button nobody is asked about. The order itself must keep the coupon's limit, and says no more than that."""
    once = make_coupon("ONCE", percent="10", limit_per_contact=1)
    order = order_of(ada, shopfront, coupon=once)
    books_receive(order, "108", now=START)
    assert not told_apart(shopfront, coupon="ONCE", apply="1")


def test_nor_how_things_stand_on_a_list(shopfront, ada, discount):
    """Never on it, on it once, used already: one sentence. (That it is on the list now is what the lower price says.)"""
    page = make_page("Lists", coupon_mode="any")
    said = {}
    for name in ("never", "ended", "removed", "used"):
        who = make_contact(f"{name}@example.com")
        if name != "never":
            lists.add(
                discount.people, who, until=after(minutes=-5) if name == "ended" else None, now=after(minutes=-60)
            )
        if name == "removed":
            lists.remove(discount.people, who, now=after(minutes=-1))
        if name == "used":
            books_receive(order_for(who, offer_of(page), coupon=discount), "102", now=START)
    for name in ("unknown", "never", "ended", "removed", "used"):
        for apply in ({}, {"apply": "1"}):
            answer = send(Client(), page.url, email=f"{name}@example.com", coupon="SECRET15", **apply)
            said.setdefault(bool(apply), set()).add(text_of(answer).replace(name, "…"))
    assert {kind: len(words) for kind, words in said.items()} == {True: 1, False: 1}, said


def test_a_cookie_got_by_ordering_tells_nothing_more(eve, shopfront, ada, discount):
    """Eve orders something else in Ada's name; her browser now carries that order. It must not speak for Ada."""
    assert send(eve, make_page("Other", coupon_mode="any").url).status_code == 302
    lists.add(discount.people, ada, until=after(minutes=-5), now=after(minutes=-60))
    words = [text_of(send(client, shopfront.url, coupon="SECRET15", apply="1")) for client in (eve, Client())]
    assert words[0] == words[1]


# --- changes nothing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [True, False])
def test_a_stranger_renames_nobody(eve, shopfront, ada, verified):
    m.Contact.objects.filter(pk=ada.pk).update(is_verified=verified)
    before = person(ada)
    assert send(eve, shopfront.url, promo="on").status_code == 302
    assert person(ada) == before
    assert m.Contact.objects.count() == 1


def test_a_stranger_subscribes_nobody_again(eve, shopfront, ada):
    m.KwigaSettings.objects.update(promo_policy="consented")
    consent.unsubscribe(ada, source="link", now=START)
    before = person(ada)
    send(eve, shopfront.url, promo="on")
    ada.refresh_from_db()
    assert ada.unsubscribed_at == before[-1]
    reader = suppression.recipient(ada, {})
    for policy in ("consented", "everybody"):
        assert permission.refusal(reader, kind="promotion", policy=policy) == "unsubscribed"


def test_a_stranger_gets_no_link_that_unsubscribes(eve, shopfront, ada):
    answer = send(eve, shopfront.url)
    token = answer["Location"].rstrip("/").rsplit("/", 1)[1]
    for key in (token, m.Order.objects.get().token, str(ada.pk)):
        assert eve.post(f"/shop/unsubscribe/{key}/", {"List-Unsubscribe": "One-Click"}).status_code == 404
    ada.refresh_from_db()
    assert ada.unsubscribed_at is None


# --- takes nothing ----------------------------------------------------------------------------------------------------


def under_way(order, state):
    attempt = new_attempt(order, now=START)
    if state == "processing":
        tell(attempt, "pending")
    else:
        books_receive(order, "50", now=START)
    order.refresh_from_db()
    assert order.status == state
    return attempt


@pytest.mark.parametrize("state", ["processing", "partly_paid"])
def test_what_is_being_paid_is_neither_shown_nor_replaced(eve, shopfront, ada, state):
    order = order_of(ada, shopfront)
    under_way(order, state)
    answer = send(eve, shopfront.url)
    assert answer.status_code == 200
    words = text_of(answer)
    assert not [secret for secret in (*SECRETS, order.number, "€70", "€50") if secret in words], words
    assert m.Order.objects.get() == order
    order.refresh_from_db()
    assert order.status == state
    mail = m.OutgoingEmail.objects.get(purpose="service")
    assert (mail.to_email, mail.order_id, mail.purpose) == ("ada@example.com", order.pk, "service")


@pytest.mark.parametrize("state", ["processing", "partly_paid"])
def test_nor_by_a_browser_that_once_ordered_in_that_name(eve, shopfront, ada, state):
    """Eve's own order with Ada's address is old; what Ada pays since is not Eve's."""
    send(eve, shopfront.url)
    making.set_clock(after(minutes=5))
    order = order_of(ada, shopfront, now=after(minutes=5))
    under_way(order, state)
    assert send(eve, shopfront.url).status_code == 200
    order.refresh_from_db()
    assert order.status == state


@pytest.mark.parametrize("state", ["processing", "partly_paid"])
def test_whoever_has_the_link_or_placed_it_goes_on(shopfront, ada, state):
    mine = Client()
    _page, sent = fill_in(mine, shopfront.url, **BUYER)
    assert mine.post(shopfront.url, sent).status_code == 302
    order = m.Order.objects.get()
    under_way(order, state)
    link = path_of(links.resume_url(order, None, START))
    by_link = Client()
    token = link.rstrip("/").rsplit("/", 1)[1]
    _page, sent = fill_in(by_link, f"{shopfront.url}?resume={token}", **BUYER)
    assert holds(by_link.post(shopfront.url, sent)).status_code == 302
    if state == "partly_paid":
        assert m.Order.objects.count() == 1


@pytest.mark.parametrize("spoil", ["cut", "other", "older", "pasted"])
def test_a_cookie_that_is_not_of_this_browser_proves_nothing(shopfront, ada, spoil):
    mine, eve = Client(), Client(raise_request_exception=False)
    _page, sent = fill_in(mine, shopfront.url, **BUYER)
    mine.post(shopfront.url, sent)
    order = m.Order.objects.get()
    under_way(order, "processing")
    name, cookie = next(
        (name, each.value) for name, each in mine.cookies.items() if name not in ("csrftoken", "sessionid")
    )
    forged = {
        "cut": cookie[:-2],
        "other": signing.make("pay", expires=after(days=9), orders=[order.token]),
        "older": signing.make("browser", expires=after(days=-1), orders=[order.token]),
        "pasted": cookie.swapcase(),
    }
    eve.cookies[name] = forged[spoil]
    assert send(eve, shopfront.url).status_code == 200
    order.refresh_from_db()
    assert order.status == "processing"


def test_the_cookie_of_the_browser_is_well_kept(shopfront):
    client = Client()
    _page, sent = fill_in(client, shopfront.url, **BUYER)
    client.post(shopfront.url, sent, secure=True)
    kept = {name: each for name, each in client.cookies.items() if name not in ("csrftoken", "sessionid")}
    for name, each in kept.items():
        assert each["httponly"], name
        assert each["secure"], name
        assert each["samesite"] == "Lax", name
        told, _dot, _signature = each.value.rpartition(".")  # three letters may stand in a signature by chance
        words = urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode().lower()
        assert words.startswith("{") and not any(typed.lower() in words for typed in BUYER.values()), name
        opened = [
            client.get(f"/shop/{door}/{each.value}/").status_code
            for door in ("pay", "order", "return", "resume", "unsubscribe")
        ]
        assert opened == [404] * 5, name


def test_a_stranger_takes_no_discount_away_and_gets_none(eve, shopfront, ada, discount):
    lists.add(discount.people, ada, until=after(hours=24), now=START)
    order = order_of(ada, shopfront, coupon=discount)
    assert send(eve, shopfront.url).status_code == 302
    newest = m.Order.objects.get(status="open")
    assert (newest.total_amount, newest.coupon_use_id) == (order.total_amount, order.coupon_use_id)
    assert m.CouponUse.objects.filter(state="reserved").count() == 1
    assert "made for" in text_of(send(eve, shopfront.url, email="eve@example.com", coupon="SECRET15")) or (
        m.Order.objects.filter(contact__email="eve@example.com").count() == 0
    )


def test_what_is_paid_through_the_old_link_is_honoured_all_the_same(eve, shopfront, ada):
    order = order_of(ada, shopfront)
    attempt = new_attempt(order)
    assert send(eve, shopfront.url).status_code == 302
    tell(attempt)
    order.refresh_from_db()
    assert (order.status, order.paid_amount) == ("paid", Decimal(120))
    assert not m.Order.objects.filter(status="open").exists()


def pay_by(client, url):
    """Follow a pay link, begin to pay, and press *success* at the bank."""
    page = client.get(path_of(url))
    where = path_of(page["Location"]) if page.status_code == 302 else path_of(url)
    bank = path_of(holds(client.post(where, {"method": "sandbox"}))["Location"])
    assert client.post(bank, {"choice": "success"}).status_code == 302


def test_the_money_of_the_owner_does_not_stand_up_for_the_strangers_name(eve, shopfront, ada):
    """Eve's order took the place of Ada's; Ada follows her own old link, which leads to it, and pays."""
    order = order_of(ada, shopfront, name="Ada Buyer")
    assert send(eve, shopfront.url).status_code == 302
    pay_by(Client(), links.pay_url(order, START))
    assert m.Order.objects.get(status="paid").buyer_name == "Eve"
    assert person(ada)[:2] == ("Ada Buyer", "+48 600 100 200")


def test_nor_does_a_stranger_who_was_there_first_keep_the_name(shopfront):
    """Eve ordered before Ada ever did; Ada orders and pays in one go. Her money stands up for her own name."""
    send(Client(), shopfront.url)
    buyer = Client()
    _page, sent = fill_in(buyer, shopfront.url, **BUYER)
    bank = path_of(buyer.post(shopfront.url, sent)["Location"])
    assert buyer.post(bank, {"choice": "success"}).status_code == 302
    contact = m.Contact.objects.get()
    assert (contact.name, contact.phone, contact.is_verified) == (BUYER["name"], BUYER["phone"], True)


def test_whoever_pays_later_by_their_own_link_is_known_by_their_name(shopfront):
    buyer = Client()
    _page, sent = fill_in(buyer, shopfront.url, **BUYER)
    buyer.post(shopfront.url, sent)
    pay_by(Client(), links.pay_url(m.Order.objects.get(), START))
    assert m.Contact.objects.get().is_verified
