"""What an order agrees to, line by line: own prices, shares, and sums that agree to the last unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.orders.shop import order_for
from tests.support import START, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue.terms import AccessTerms, Length, OfferTerms, ProductTerms
from wagtail_kwiga.orders import placing
from wagtail_kwiga.orders.drafts import Joining, LineDraft, Method, OrderDraft, price_lines
from wagtail_kwiga.orders.statuses import OrderKind, Origin, PaymentKind
from wagtail_kwiga.payments import registry
from wagtail_kwiga.pricing.discounts import Fixed, Percent
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote


def eur(amount: str | int | Decimal) -> Money:
    return Money(Decimal(amount), "EUR")


def line(**given) -> LineDraft:
    return LineDraft(product_id=given.pop("product_id", 1), title="Ink", **given)


def of_own_prices(*prices: str) -> tuple[LineDraft, ...]:
    return tuple(line(list_amount=eur(price)) for price in prices)


# --- pure -------------------------------------------------------------------------------------------------------------


def amounts(lines, quote) -> list[tuple[str, str, str]]:
    return [
        tuple(str(money.amount) for money in (one.list_price, one.discount, one.amount))
        for one in price_lines(lines, quote)
    ]


@pytest.mark.parametrize(
    ("lines", "quote", "expected"),
    [
        (of_own_prices("80", "20"), make_quote(eur(100)), [("80.00", "0.00", "80.00"), ("20.00", "0.00", "20.00")]),
        (
            of_own_prices("80", "20"),
            make_quote(eur(100), Percent(Decimal(15))),
            [("80.00", "12.00", "68.00"), ("20.00", "3.00", "17.00")],
        ),
        (  # a unit that cannot be halved goes to the first
            of_own_prices("50", "50"),
            make_quote(eur(100), Fixed(eur("0.01"))),
            [("50.00", "0.01", "49.99"), ("50.00", "0.00", "50.00")],
        ),
        (
            (line(share=Decimal(80)), line(share=Decimal(20))),
            make_quote(eur(50)),
            [("40.00", "0.00", "40.00"), ("10.00", "0.00", "10.00")],
        ),
        (  # added at the till: its own price, and the offer's lines share the rest
            (line(), line(), line(list_amount=eur(9), is_main=False)),
            make_quote(eur(110)),
            [("50.50", "0.00", "50.50"), ("50.50", "0.00", "50.50"), ("9.00", "0.00", "9.00")],
        ),
        (of_own_prices("0"), make_quote(eur(0)), [("0.00", "0.00", "0.00")]),
        ((), make_quote(eur(100)), []),
    ],
)
def test_lines_are_priced(lines, quote, expected):
    assert amounts(lines, quote) == expected


@pytest.mark.parametrize(
    "lines",
    [
        of_own_prices("80", "21"),
        of_own_prices("80", "19.99"),
        (line(), line(list_amount=eur("100.01"))),
        of_own_prices("120", "-20"),
    ],
)
def test_lines_that_cannot_sum_to_the_price_are_refused(lines):
    with pytest.raises(ValueError, match="do not sum"):
        OrderDraft(contact=m.Contact(), quote=make_quote(eur(100)), lines=lines)


_UNITS = {"EUR": 2, "JPY": 0, "KWD": 3}


@given(data=st.data(), currency=st.sampled_from(sorted(_UNITS)))
def test_lines_always_sum_to_the_quote_and_none_is_negative(data, currency):
    def money(units: int) -> Money:
        return Money(Decimal(units).scaleb(-_UNITS[currency]), currency)

    own = [money(units) for units in data.draw(st.lists(st.integers(0, 10**7), max_size=4))]
    shares = data.draw(st.lists(st.integers(0, 1000), max_size=4))
    rest = money(data.draw(st.integers(0, 10**7)) if shares else 0)
    assume(own or shares)
    price = sum(own, rest)
    percent = st.decimals(1, 100, places=2).map(Percent)
    fixed = st.integers(1, 10**8).map(lambda units: Fixed(money(units)))
    quote = make_quote(price, data.draw(st.one_of(st.none(), percent, fixed)))
    drafts = data.draw(
        st.permutations([*(line(list_amount=m) for m in own), *(line(share=Decimal(s)) for s in shares)])
    )
    priced = price_lines(tuple(drafts), quote)
    zero = Money.zero(currency)
    assert [one.draft for one in priced] == list(drafts)
    assert sum((one.list_price for one in priced), zero) == quote.list_price
    assert sum((one.discount for one in priced), zero) == quote.discount
    assert sum((one.amount for one in priced), zero) == quote.total
    assert all(one.list_price >= zero and one.discount >= zero and one.amount >= zero for one in priced)
    assert all(one.list_price == one.draft.list_amount for one in priced if one.draft.list_amount is not None)


@pytest.mark.parametrize(
    ("method", "price", "kind"),
    [
        (Method("transfer", PaymentKind.TRANSFER), 100, "transfer"),
        (Method("sandbox"), 100, "online"),
        (None, 100, "online"),
        (Method("transfer", PaymentKind.TRANSFER), 0, "none"),
    ],
)
def test_the_kind_of_payment_follows_from_the_method(method, price, kind):
    assert OrderDraft(contact=m.Contact(), quote=make_quote(eur(price)), method=method).payment_kind == kind


def test_what_a_draft_and_its_lines_are_where_nothing_is_said():
    ada, quote = m.Contact(), make_quote(eur(100))
    draft = OrderDraft(contact=ada, quote=quote)
    assert draft == OrderDraft(
        contact=ada, quote=quote, offer=None, lines=(), method=None, kind=OrderKind.ONE_TIME, site=None, language="",
        title="", origin=Origin.WEB, slot="", joins_purchase=Joining.AUTO, name="", phone="", agreed_terms=False,
        accepted_terms=None, page_revision=None, answers={}, reserve_until=None,
    )  # fmt: skip
    assert LineDraft(product_id=1, title="Ink") == LineDraft(
        product_id=1, title="Ink", access=AccessTerms(), offer_id=None, list_amount=None, share=Decimal(1), is_main=True
    )


def test_lines_are_kept_as_they_are_when_the_draft_is_made():
    lines = [line(share=Decimal(1))]
    draft = OrderDraft(contact=m.Contact(), quote=make_quote(eur(100)), lines=lines)
    lines.clear()
    assert draft.lines == (line(share=Decimal(1)),)


def test_what_an_order_is_called():
    """The title given; else the offer's; else those of the lines, as far as there is room."""
    given = {"contact": m.Contact(), "quote": make_quote(eur(100))}
    offer = m.Offer(title="Ink and paper")
    lines = tuple(LineDraft(product_id=n, title=f"{n}" * 100) for n in (1, 2, 3))
    assert OrderDraft(offer=offer, lines=lines, title="Tusche", **given).called == "Tusche"
    assert OrderDraft(offer=offer, lines=lines, **given).called == "Ink and paper"
    told = OrderDraft(lines=lines, **given).called
    assert told == "1" * 100 + ", " + "2" * 100 + ", " + "3" * 51
    assert len(told) == m.Order._meta.get_field("title").max_length


def test_the_products_that_it_is_about():
    lines = (line(product_id=1), line(product_id=2, is_main=False), line(product_id=3))
    assert OrderDraft(contact=m.Contact(), quote=make_quote(eur(100)), lines=lines).main_products == {1, 3}


def test_terms_that_are_at_hand_are_not_read_again():
    """No database is needed for it; and what they say is sold, in their order and by their shares."""
    month = AccessTerms(length=Length.months(1))
    terms = OfferTerms(
        (ProductTerms(7, "Ink", month, Decimal(80)), ProductTerms(5, "Paper", AccessTerms(), Decimal(20)))
    )
    draft = OrderDraft.for_offer(m.Offer(pk=3), terms, contact=m.Contact(), quote=make_quote(eur(100)), name="Ada")
    assert draft.lines == (
        LineDraft(product_id=7, title="Ink", access=month, offer_id=3, share=Decimal(80)),
        LineDraft(product_id=5, title="Paper", access=AccessTerms(), offer_id=3, share=Decimal(20)),
    )
    assert draft.name == "Ada"


# --- placed -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_provider_of_the_registry_is_a_method():
    """The order is a transfer because the way to pay is one, and nobody has to say so (review A21)."""
    order = order_for(make_contact(), make_offer(), method=registry.get("transfer"))
    order.refresh_from_db()
    assert (order.payment_method, order.payment_kind) == ("transfer", "transfer")


def rows_of(order: m.Order) -> list[tuple]:
    kept = order.lines.values_list("position", "title", "list_amount", "discount_amount", "amount", "offer", "is_main")
    return [tuple(str(value) if isinstance(value, Decimal) else value for value in row) for row in kept]


@pytest.mark.django_db
def test_an_order_without_an_offer():
    """Staff sell something of its own price and terms to one person."""
    contact, course, talk = make_contact(), make_product("Course"), make_product("Talk")
    month = AccessTerms(length=Length.months(1))
    order = placing.place_order(
        OrderDraft(
            contact=contact,
            quote=make_quote(eur(100), Percent(Decimal(10))),
            lines=(
                LineDraft(product_id=course.pk, title="Course, one month", access=month, list_amount=eur(80)),
                LineDraft(product_id=talk.pk, title="Talk", list_amount=eur(20)),
            ),
            origin="staff",
            kind=OrderKind.RENEWAL,
        ),
        now=START,
    )
    order.refresh_from_db()
    assert (order.offer, order.title, str(order.total), order.kind, order.status) == (
        None,
        "Course, one month, Talk",
        "90.00 EUR",
        "renewal",
        "open",
    )
    assert rows_of(order) == [
        (0, "Course, one month", "80.0000", "8.0000", "72.0000", None, True),
        (1, "Talk", "20.0000", "2.0000", "18.0000", None, True),
    ]
    assert [AccessTerms.from_json(one.access_terms).length for one in order.lines.all()] == [Length.months(1), Length()]
    assert m.Purchase.objects.get().offer is None


@pytest.mark.django_db
def test_lines_know_what_they_were_sold_by():
    offer, coupon = make_offer(make_product("Ink"), make_product("Paper"), coupon_mode="any"), make_coupon()
    assert rows_of(order_for(make_contact(), offer, coupon=coupon)) == [
        (0, "Ink", "60.0000", "9.0000", "51.0000", offer.pk, True),
        (1, "Paper", "60.0000", "9.0000", "51.0000", offer.pk, True),
    ]


@pytest.mark.django_db
def test_products_of_one_offer_have_their_own_prices():
    """80/20, not 50/50; and so is the discount, and what an order of 50 is split into."""
    ink, paper = make_product("Ink"), make_product("Paper")
    offer, coupon = make_offer(ink, paper, amount="100", coupon_mode="any"), make_coupon("HALF", percent="50")
    offer.offer_products.filter(product=ink).update(price_share=80)
    offer.offer_products.filter(product=paper).update(price_share=20)
    assert rows_of(order_for(make_contact(), offer, coupon=coupon)) == [
        (0, "Ink", "80.0000", "40.0000", "40.0000", offer.pk, True),
        (1, "Paper", "20.0000", "10.0000", "10.0000", offer.pk, True),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "change"),
    [
        (m.Order, {"total_amount": Decimal("119.99")}),
        (m.Order, {"discount_amount": Decimal("0.01")}),
        (m.OrderLine, {"amount": Decimal("119.99")}),
        (m.OrderLine, {"list_amount": Decimal("0.01")}),
        (m.OrderLine, {"list_amount": Decimal(-1), "amount": Decimal(-1)}),
    ],
)
def test_the_database_itself_refuses_sums_that_do_not_agree(model, change):
    order_for(make_contact(), make_offer())
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(**change)


@pytest.mark.django_db
@pytest.mark.parametrize("amounts", [("0.3", "0.1", "0.2"), ("9999999999.9999", "0.0003", "9999999999.9996")])
def test_the_database_reckons_in_decimals(amounts):
    """In binary fractions 0.3 - 0.1 is not 0.2."""
    order_for(make_contact(), make_offer())
    names = ("list_amount", "discount_amount", "amount")
    assert m.OrderLine.objects.update(**dict(zip(names, map(Decimal, amounts), strict=True))) == 1
