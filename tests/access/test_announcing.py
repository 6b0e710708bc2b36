"""Access that opens without a receipt to tell it: whom the sweep tells of, once, and whom it does not."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.mailing.conftest import smtp  # noqa: F401  (a fixture)
from tests.mailing.making import settings_of_default_site
from tests.mailing.sending.test_order_mails import parts, sent
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga import tasks
from wagtail_kwiga.access import adjustments, announcing, grants
from wagtail_kwiga.catalogue.access_rules import Start
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db

NEXT_WEEK = AccessTerms(start=Start("days_after", n=7))


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


def starting_later(*titles: str, **given) -> m.Offer:
    offer = make_offer(
        *(make_product(title, entry_url=f"/{title.lower()}/") for title in titles or ["Course"]), **given
    )
    m.OfferProduct.objects.filter(offer=offer).update(access_terms=NEXT_WEEK.to_json())
    return offer


def paid(offer: m.Offer, contact: m.Contact | None = None) -> m.Order:
    order = order_for(contact or make_contact("ada@example.com"), offer, language="en")
    books_receive(order, "120.00", now=START)
    return m.Order.objects.get(pk=order.pk)


def told() -> list[m.OutgoingEmail]:
    return list(m.OutgoingEmail.objects.filter(purpose="access").order_by("pk"))


def given_by_staff(contact: m.Contact, product: m.Product, source: str = "staff:1") -> m.AccessGrant:
    return m.AccessGrant.objects.create(
        contact=contact, product=product, source=source, reason="staff", terms=AccessTerms().to_json(),
        granted_at=START, starts_at=START, announce_at=START,
    )  # fmt: skip


def test_what_opens_on_its_day_is_told_on_that_day_and_once(smtp):  # noqa: F811
    paid(starting_later("Watercolour"))
    sent(smtp)  # the receipt
    assert m.AccessGrant.objects.get().announce_at == after(days=7)
    assert announcing.announce_due(after(days=7) - dt.timedelta(seconds=1)) == 0
    assert announcing.announce_due(after(days=7)) == 1
    assert announcing.announce_due(after(days=7)) == 0
    (message,) = sent(smtp, after(days=7))
    plain, html = parts(message)
    assert "Watercolour" in plain
    assert "Watercolour" in html
    assert "http://localhost/watercolour/" in plain
    assert message["List-Unsubscribe"] is None
    assert m.AccessGrant.objects.get().announce_at is None


def test_what_the_receipt_tells_is_not_told_again():
    paid(make_offer())
    assert m.AccessGrant.objects.get().announce_at is None
    assert announcing.announce_due(after(days=30)) == 0


def test_what_staff_give_is_told_in_the_contacts_language_with_each_way_in(smtp):  # noqa: F811
    contact = make_contact("ada@example.com", language="en")
    given_by_staff(contact, make_product("Oils", entry_url="/oils/"), "staff:1")
    given_by_staff(contact, make_product("Inks", entry_url="/inks/"), "staff:2")
    announcing.announce_due(START)
    (message,) = sent(smtp)
    plain, html = parts(message)
    for words in ("Oils", "/oils/", "Inks", "/inks/"):
        assert words in plain
        assert words in html
    assert 'href=""' not in html
    assert ">Open it<" not in html


def test_a_course_of_several_products_is_one_mail():
    paid(starting_later("Oils", "Inks", "Chalk"))
    assert announcing.announce_due(after(days=7)) == 3
    (row,) = told()
    assert row.context["access.opened"].splitlines() == ["Oils", "Inks", "Chalk"]


def test_more_than_a_mail_holds_is_told_in_several():
    contact = make_contact()
    for number in range(9):
        given_by_staff(contact, make_product(f"Course {number}"), f"staff:{number}")
    announcing.announce_due(START)
    assert [len(row.context["access.opened"].splitlines()) for row in told()] == [8, 1]


@pytest.mark.parametrize(
    "happens",
    [
        lambda grant: grants.revoke(grant, now=after(days=1)),
        lambda grant: adjustments.freeze(grant, now=after(days=1)),
        lambda grant: adjustments.end(grant, now=after(days=1)),
    ],
    ids=["revoked", "frozen", "ended"],
)
def test_nobody_is_told_of_what_is_closed_by_then(happens):
    paid(starting_later())
    happens(m.AccessGrant.objects.get())
    assert announcing.announce_due(after(days=7)) == 0
    assert told() == []
    assert m.AccessGrant.objects.get().announce_at is None


def test_what_closes_before_the_mail_leaves_keeps_it_back_and_the_rest_is_told_anew(smtp):  # noqa: F811
    paid(starting_later("Oils", "Inks"))
    sent(smtp)
    announcing.announce_due(after(days=7))
    grants.revoke(m.AccessGrant.objects.get(product__title="Oils"), now=after(days=7))
    delivery.deliver_due(after(days=7))
    (row,) = told()
    assert (row.status, row.why) == ("cancelled", "access_closed")
    assert announcing.announce_due(after(days=7, minutes=1)) == 1
    (message,) = sent(smtp, after(days=7, minutes=1))
    plain, _html = parts(message)
    assert "Inks" in plain
    assert "Oils" not in plain


def test_money_that_comes_again_after_a_refund_opens_it_with_a_mail():
    order = paid(make_offer())
    ledger.record_refund(order=order, amount=order.total, now=after(minutes=2))
    books_receive(m.Order.objects.get(), "120.00", now=after(minutes=3), reference="second")
    assert announcing.announce_due(after(minutes=4)) == 1


def test_it_is_part_of_every_pass():
    paid(starting_later())
    names = {one.name: one.result for one in tasks.one_pass(after(days=7))}
    assert names["announce_access"] == 1
    assert told()[0].status == "sent"


def test_a_mail_that_cannot_be_queued_leaves_the_day_where_it_is(monkeypatch):
    from wagtail_kwiga import reactions

    paid(starting_later())

    def broken(*args, **kwargs):
        raise RuntimeError("no mail today")

    monkeypatch.setattr(reactions.access_mails, "access_opened", broken)
    with pytest.raises(RuntimeError):
        announcing.announce_due(after(days=7))
    assert m.AccessGrant.objects.get().announce_at == after(days=7)


def test_it_costs_the_same_for_one_and_for_many():
    offer = starting_later("Oils", "Inks")

    def cost(buyers: int) -> int:
        for _ in range(buyers):
            paid(offer, make_contact())
        with CaptureQueriesContext(connection) as asked:
            assert announcing.announce_due(after(days=7)) == 2 * buyers
        return len(asked)

    cost(1)  # compiles the words
    assert cost(1) == cost(6)


def test_an_idle_sweep_is_one_query(django_assert_num_queries):
    paid(make_offer())
    with django_assert_num_queries(1):
        announcing.announce_due(after(days=7))
