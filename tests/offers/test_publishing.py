"""From page to ``catalogue.Offer``: its terms, rows and prices, what publishing refuses, and the way back to the page."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.offers.making import make_page, offer_of, translate
from tests.support import START, after, make_coupon, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.offers import publishing

pytestmark = pytest.mark.django_db


def test_publishing_writes_the_terms(db):
    course, wheel = make_product("Course"), make_product("Wheel")
    coupon = make_coupon()
    page = make_page(
        price=Decimal("19.90"),
        products=[course, wheel],
        coupons=[coupon],
        coupon_mode="only",
        is_listed=False,
        sales_until=after(days=9),
        access={"length": "days", "length_number": 30},
    )
    offer = offer_of(page)
    assert (offer.title, offer.amount, offer.currency, offer.state) == (
        "Watercolour",
        Decimal("19.90"),
        "EUR",
        "on_sale",
    )
    assert (offer.coupon_mode, offer.is_listed, offer.sales_until) == ("only", False, after(days=9))
    assert [row.title for row in selling.terms_of(offer).products] == ["Course", "Wheel"]
    assert selling.terms_of(offer).products[0].access.length.n == 30
    assert {row.product for row in offer.offer_products.all()} == {course, wheel}
    assert [row.coupon for row in offer.named_coupons.all()] == [coupon]


def test_a_draft_changes_nothing_that_is_sold(seller):
    page = make_page()
    page.price = Decimal(200)
    page.save_revision()
    assert offer_of(page).amount == 120


def test_publishing_again_writes_the_same_row_anew(seller):
    page = make_page(coupons=[make_coupon()], coupon_mode="only")
    before = offer_of(page)
    page.products = [("product", {"product": make_product("Other")})]
    page.coupons = []
    page.price = Decimal("99")
    page.save_revision().publish()
    offer = offer_of(page)
    assert (offer.pk, offer.amount) == (before.pk, 99)
    assert [row.product.title for row in offer.offer_products.all()] == ["Other"]
    assert not offer.named_coupons.exists()
    publishing.publish_terms(page)
    assert m.Offer.objects.count() == 1


def test_no_currency_means_the_sites_own(seller):
    seller.default_currency = "PLN"
    seller.save()
    assert offer_of(make_page(currency="")).currency == "PLN"


def test_a_price_is_rounded_to_what_the_currency_has(db):
    page = make_page(publish=False)
    page.price = Decimal("10.009")  # as an import may write it, past the editor's form
    assert publishing.publish_terms(page).amount == Decimal("10.01")


def test_a_product_deleted_meanwhile_is_left_out(seller):
    gone = make_product("Gone")
    page = make_page(products=[make_product("Kept"), gone], publish=False)
    m.Product.objects.filter(pk=gone.pk)._raw_delete("default")  # past Django, which protects what a draft sells
    page = m.OfferPage.objects.get(pk=page.pk)
    page.save_revision().publish()
    assert [row.title for row in selling.terms_of(offer_of(page)).products] == ["Kept"]


# --- the rows of an offer ---------------------------------------------------------------------------------------------


def rows_of(page) -> list[tuple]:
    sold = offer_of(page).offer_products.all()
    return [(row.position, row.title, row.price_share, row.access_terms["length"]["n"]) for row in sold]


def with_products(page, *rows):
    page.products = [("product", row) for row in rows]
    page.save_revision().publish()


def test_products_keep_the_editors_order_their_title_share_and_access(seller):
    course, wheel = make_product("Course"), make_product("Wheel")
    page = make_page(products=[course])
    month = {"length": "days", "length_number": 30}
    with_products(
        page, {"product": wheel, "price_share": Decimal(20)}, {"product": course, "price_share": Decimal(80), **month}
    )
    assert rows_of(page) == [(0, "Wheel", 20, 0), (1, "Course", 80, 30)]
    wheel.title = "Wheel, second edition"
    wheel.save()
    assert rows_of(page)[0][1] == "Wheel", "a product's new title is sold from the next publication on"
    with_products(page, {"product": course}, {"product": wheel})
    assert rows_of(page) == [(0, "Course", None, 0), (1, "Wheel, second edition", None, 0)]


def writes(captured) -> list[str]:
    return [
        q["sql"].split(" WHERE ")[0]
        for q in captured
        if "offerproduct" in q["sql"] and not q["sql"].startswith("SELECT")
    ]


def test_rows_are_written_in_two_statements_however_many_and_only_where_they_changed(seller):
    page = make_page(products=[make_product() for _each in range(9)])
    with CaptureQueriesContext(connection) as same:
        publishing.publish_terms(page)
    assert writes(same) == []
    page.products = [("product", {"product": each}) for each in m.Product.objects.order_by("-pk")]
    with CaptureQueriesContext(connection) as turned:
        publishing.publish_terms(page)
    assert [statement.split()[0] for statement in writes(turned)] == ["DELETE", "INSERT"]


@pytest.mark.parametrize(("shares", "fine"), [(("80", "20"), True), ((None, None), True), (("80", None), False)])
def test_all_products_have_a_share_of_the_price_or_none_has(seller, shares, fine):
    page = make_page(publish=False)
    sold = [(make_product(), share and Decimal(share)) for share in shares]
    page.products = [("product", {"product": product, "price_share": share}) for product, share in sold]
    try:
        page.clean()
    except ValidationError as refusal:
        assert not fine
        assert "to each product, or to none" in refusal.message_dict["products"][0]
    else:
        assert fine


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/New_York"])
def test_days_are_those_of_the_site_and_stay_so(seller, settings, zone):
    settings.TIME_ZONE = zone
    page = make_page(access={"length": "until", "length_until": dt.date(2027, 12, 31)})
    settings.TIME_ZONE = "Pacific/Auckland"
    (sold,) = selling.terms_of(offer_of(page)).products
    ends = sold.access.ends_at(START)
    assert ends == dt.datetime(2028, 1, 1, tzinfo=ZoneInfo(zone))


# --- prices -----------------------------------------------------------------------------------------------------------


def prices_of(page) -> list[tuple]:
    return [(one.amount, one.currency, one.valid_from, one.by) for one in offer_of(page).price_records.all()]


def test_prices_are_put_on_record_when_they_change(seller, admin_user):
    page = make_page(publish=False)
    publishing.prepare(page)
    assert prices_of(page) == [], "nobody could buy a draft"
    page.live = True
    page.save()
    publishing.publish_terms(page, now=START)
    publishing.publish_terms(page, now=after(days=1))
    page.price = Decimal(100)
    publishing.publish_terms(page, now=after(days=2), by_id=admin_user.pk)
    page.currency = "USD"
    publishing.publish_terms(page, now=after(days=3))
    assert prices_of(page) == [
        (120, "EUR", START, None),
        (100, "EUR", after(days=2), admin_user),
        (100, "USD", after(days=3), None),
    ]


def test_whoever_publishes_in_the_admin_is_named(seller, admin_user):
    page = make_page(publish=False)
    page.save_revision(user=admin_user).publish(user=admin_user)
    assert [by for *_price, by in prices_of(page)] == [admin_user]


# --- finding the page -------------------------------------------------------------------------------------------------


def test_the_page_of_a_language(seller):
    page = make_page()
    german = translate(page, "de")
    offer = offer_of(page)
    site = seller.site
    assert publishing.page_for(offer, "de", site).pk == german.pk
    assert publishing.page_for(offer, "de-at", site).pk == german.pk
    assert publishing.page_for(offer, "en", site).pk == page.pk
    assert publishing.page_for(offer, "fr", site).pk == page.pk
    assert publishing.page_for(offer, "", None).pk == page.pk
    german.unpublish()
    assert publishing.page_for(offer, "de", site).pk == page.pk
    page.unpublish()
    assert publishing.page_for(offer, "de", site) is None


def test_an_offer_made_without_a_page_has_none(db):
    from tests.support import make_offer

    assert publishing.page_for(make_offer(), "en", None) is None


# --- the editor's mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"price": Decimal("10.009")}, "price"),
        ({"price": Decimal("10.5"), "currency": "JPY"}, "price"),
        ({"sales_from": after(days=2), "sales_until": after(days=1)}, "sales_until"),
        ({"sales_from": dt.datetime(1999, 12, 31, 23, tzinfo=dt.UTC)}, "sales_from"),
        ({"sales_until": dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC)}, "sales_until"),
        ({"sales_from": START, "sales_until": dt.datetime(1, 1, 1, tzinfo=dt.UTC)}, "sales_until"),
        ({"language_mode": "fixed"}, "fixed_language"),
    ],
)
def test_mistakes_are_told_at_their_field(seller, given, field):
    page = make_page()
    for name, value in given.items():
        setattr(page, name, value)
    with pytest.raises(ValidationError) as refusal:
        page.full_clean()
    assert list(refusal.value.message_dict) == [field]


def test_a_product_twice_is_refused(seller):
    page = make_page()
    course = make_product()
    page.products = [("product", {"product": course}), ("product", {"product": course})]
    with pytest.raises(ValidationError, match="twice"):
        page.full_clean()
