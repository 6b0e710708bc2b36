"""The offer page in Wagtail's editor."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from wagtail.test.utils.form_data import nested_form_data, rich_text, streamfield
from wagtail.users.models import UserProfile

from tests.offers.making import make_page, offer_of, root, text_of, translate
from tests.support import make_coupon, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.terms import Length
from wagtail_kwiga.payments import registry

pytestmark = pytest.mark.django_db


def sent(**given):
    return nested_form_data(
        {
            "title": "Watercolour",
            "slug": "watercolour",
            "body": streamfield([("text", rich_text("<p>Hello</p>"))]),
            "products": streamfield([]),
            "coupons": streamfield([]),
            "price": "120.00",
            "currency": "EUR",
            "is_listed": "on",
            "sells_no_access": "on",  # most of these tests are not about products
            "coupon_mode": "none",
            "ask_phone": "optional",
            "language_mode": "page",
            "fixed_language": "",
            "sales_from": "",
            "sales_until": "",
            "comments-TOTAL_FORMS": 0,
            "comments-INITIAL_FORMS": 0,
            "seo_title": "",
            "search_description": "",
            "go_live_at": "",
            "expire_at": "",
            "action-publish": "1",
            **given,
        }
    )


def product_row(product, **given):
    return {
        "product": product.pk, "length": "unlimited", "length_number": "", "length_until": "", "start": "payment",
        "start_date": "", "lessons": "all", "lessons_first": "", "release": "all", "release_days": "",
        "release_dates": streamfield([]), "lessons_chosen": "", "lessons_known": "", "new_lessons": "on",
        "practice": "none", "price_share": "", "start_days": "", "modules_chosen": "",
        "new_lessons_in": "", **given,
    }  # fmt: skip


def test_a_page_is_made_and_published_in_the_editor(admin_client, seller):
    product, coupon = make_product("Course"), make_coupon()
    url = reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])
    assert admin_client.get(url).status_code == 200
    data = sent(
        products=streamfield([("product", product_row(product, length="days", length_number="30"))]),
        coupons=streamfield([("coupon", coupon.pk)]),
        coupon_mode="only",
    )
    response = admin_client.post(url, data)
    page = m.OfferPage.objects.get()
    assert response.status_code == 302, text_of(response)
    offer = offer_of(page)
    assert (offer.state, offer.amount, offer.coupon_mode) == ("on_sale", 120, "only")
    assert selling.terms_of(offer).products[0].access.length == Length.days(30)
    assert offer.named_coupons.get().coupon == coupon


def test_groups_and_help_stand_in_the_editor(admin_client, seller):
    page = make_page()
    words = text_of(admin_client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])))
    for said in ("Selling", "Access", "Coupons", "Language of this page", "This offer is free", "both must agree"):
        assert said in words
    assert "This page is a translation" not in words


def test_a_sale_until_a_date_ends_with_that_day(admin_client, seller):
    page = make_page()
    url = reverse("wagtailadmin_pages:edit", args=[page.pk])
    answer = admin_client.post(url, sent(sales_until="2027-03-28"))
    assert answer.status_code == 302, text_of(answer)
    assert offer_of(page).sales_until == dt.datetime(2027, 3, 29, tzinfo=ZoneInfo("Europe/Warsaw"))
    assert 'name="sales_until" value="2027-03-28"' in admin_client.get(url).content.decode()


def test_a_page_that_is_taken_down_on_a_date_goes_when_that_day_ends(admin_client, seller):
    """It ends the sale as well (promise 13)."""
    page = make_page()
    url = reverse("wagtailadmin_pages:edit", args=[page.pk])
    answer = admin_client.post(url, sent(expire_at="2037-03-28"))
    assert answer.status_code == 302, text_of(answer)
    page.refresh_from_db()
    assert page.expire_at == dt.datetime(2037, 3, 29, tzinfo=ZoneInfo("Europe/Warsaw"))
    assert 'name="expire_at" value="2037-03-28"' in admin_client.get(url).content.decode()


@pytest.mark.parametrize("currency", ["ZZZ", "XXX", "eur", "CLF", "BGN"])
def test_a_currency_that_does_not_exist_is_refused(admin_client, seller, currency):
    page = make_page()
    url = reverse("wagtailadmin_pages:edit", args=[page.pk])
    assert "There is no such currency" in text_of(admin_client.post(url, sent(currency=currency)))
    assert offer_of(page).currency == "EUR"
    seller.default_currency = currency
    with pytest.raises(ValidationError) as refusal:
        seller.full_clean()
    assert list(refusal.value.message_dict) == ["default_currency"]


def test_a_price_has_the_digits_of_its_currency(admin_client, seller):
    for title, price, currency, shown in (
        ("A", "120", "EUR", "120.00"),
        ("B", "1000", "JPY", "1000"),
        ("C", "9.125", "KWD", "9.125"),
        ("D", "12990.5", "HUF", "12990.50"),
    ):
        page = make_page(title, price=Decimal(price), currency=currency)
        html = admin_client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])).content.decode()
        assert f'name="price" value="{shown}"' in html


@pytest.mark.parametrize(
    ("language", "price", "currency", "kept"),
    [
        ("de", "1.234,50", "EUR", "1234.50"),
        ("en", "1,234.50", "EUR", "1234.50"),
        ("pl", "1 234,50", "PLN", "1234.50"),
        ("de", "499.00", "EUR", None),
        ("en", "1.234", "EUR", None),
        ("en", "120.50", "JPY", None),
    ],
)
def test_a_price_is_kept_as_its_reader_typed_it_or_not_at_all(
    client, admin_user, seller, language, price, currency, kept
):
    UserProfile.get_for_user(admin_user)
    UserProfile.objects.filter(user=admin_user).update(preferred_language=language)
    client.force_login(admin_user)
    page = make_page(currency=currency)
    answer = client.post(edit_of(page), sent(price=price, currency=currency))
    assert answer.status_code == (200 if kept is None else 302)
    assert offer_of(page).amount == (120 if kept is None else Decimal(kept))


def test_a_price_has_the_digits_of_the_default_currency_too(admin_client, seller):
    seller.default_currency = "JPY"
    seller.save()
    url = reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])
    data = sent(price="120.50", currency="", products=streamfield([("product", product_row(make_product()))]))
    assert "JPY has no smaller parts" in text_of(admin_client.post(url, data))
    assert not m.OfferPage.objects.exists()


def test_a_translation_shows_what_its_source_decides(admin_client, seller):
    page = make_page(coupons=[make_coupon("SPRING")], coupon_mode="only", price=Decimal("77.00"))
    german = translate(page, "de", title="Aquarell")
    response = admin_client.get(reverse("wagtailadmin_pages:edit", args=[german.pk]))
    words = text_of(response)
    assert "This page is a translation" in words
    assert reverse("wagtailadmin_pages:edit", args=[page.pk]) in response.content.decode()
    assert "77" in words
    assert "SPRING" in words
    assert "Watercolour for beginners" in words
    assert b'name="price"' not in response.content
    assert b'name="coupon_mode"' not in response.content


def test_a_translation_cannot_change_what_is_sold_whatever_is_posted(admin_client, seller):
    page = make_page()
    german = translate(page, "de", title="Aquarell")
    response = admin_client.post(
        reverse("wagtailadmin_pages:edit", args=[german.pk]),
        sent(title="Aquarellkurs", slug="aquarell", price="1.00", coupon_mode="any", ask_phone="no"),
    )
    assert response.status_code == 302, text_of(response)
    german.refresh_from_db()
    assert (german.title, german.price, german.coupon_mode, german.ask_phone) == ("Aquarellkurs", 120, "none", "no")
    assert offer_of(page).amount == 120


def test_mistakes_are_told_in_the_editor(admin_client, seller):
    page = make_page()
    url = reverse("wagtailadmin_pages:edit", args=[page.pk])
    response = admin_client.post(url, sent(language_mode="fixed", price="10.009"))
    words = text_of(response)
    assert response.status_code == 200
    assert "Please choose the language." in words
    assert "2 digits behind the decimal separator" in words
    assert offer_of(page).amount == 120


def test_a_page_not_saved_yet_can_be_previewed(admin_client, seller):
    url = reverse("wagtailadmin_pages:preview_on_add", args=["wagtail_kwiga", "offerpage", root().pk])
    assert admin_client.post(url, sent(price="33.00", currency="")).json()["is_valid"]
    assert "€33.00" in text_of(admin_client.get(url + "?mode="))


def test_the_preview_shows_the_draft(admin_client, seller):
    page = make_page()
    url = reverse("wagtailadmin_pages:preview_on_edit", args=[page.pk])
    posted = admin_client.post(url, sent(price="55.00", title="Renamed"))
    assert posted.json()["is_valid"]
    words = text_of(admin_client.get(url + "?mode="))
    assert "€55.00" in words
    assert offer_of(page).amount == 120


# --- payment methods --------------------------------------------------------------------------------------------------


def ticked(answer):
    """The methods of the editor's check boxes that are ticked, and all of them."""
    boxes = re.findall(r'<input type="checkbox" name="payment_methods" value="(\w+)"([^>]*)>', answer.content.decode())
    return [value for value, rest in boxes if "checked" in rest], [value for value, _rest in boxes]


def edit_of(page):
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def test_payment_methods_are_ticked_and_written_to_the_offer(admin_client, client, seller):
    page = make_page()
    assert ticked(admin_client.get(edit_of(page))) == ([], ["sandbox", "transfer"])
    assert offer_of(page).payment_methods == []
    assert admin_client.post(edit_of(page), {**sent(), "payment_methods": ["transfer"]}).status_code == 302
    assert offer_of(page).payment_methods == ["transfer"]
    assert ticked(admin_client.get(edit_of(page)))[0] == ["transfer"]
    assert [provider.alias for provider in registry.available(offer_of(page), currency="EUR")] == ["transfer"]
    page = m.OfferPage.objects.get(pk=page.pk)
    page.save_revision()  # a draft
    assert admin_client.post(edit_of(page), sent()).status_code == 302
    assert offer_of(page).payment_methods == []


def test_a_method_that_the_site_does_not_have_is_refused(admin_client, seller):
    page = make_page(payment_methods=["transfer"])
    answer = admin_client.post(edit_of(page), {**sent(), "payment_methods": ["cheque"]})
    assert "There is no payment method “cheque” on this site." in text_of(answer)
    assert offer_of(page).payment_methods == ["transfer"]


def test_a_method_taken_out_of_the_settings_stays_ticked(admin_client, seller):
    """Dropped without a word it would leave none ticked: every method, where the editor allowed one."""
    page = make_page(payment_methods=["cheque"])
    shown = admin_client.get(edit_of(page))
    assert ticked(shown) == (["cheque"], ["sandbox", "transfer", "cheque"])
    assert "cheque (not set up)" in text_of(shown)
    assert admin_client.post(edit_of(page), {**sent(), "payment_methods": ["cheque"]}).status_code == 302
    assert offer_of(page).payment_methods == ["cheque"]
    assert registry.available(offer_of(page), currency="EUR") == []


def test_a_provider_that_cannot_be_read_leaves_the_page_editable(admin_client, seller, settings):
    page = make_page(payment_methods=["transfer"])
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"bank": {"class": "nowhere.Bank"}}}
    assert ticked(admin_client.get(edit_of(page))) == (["transfer"], ["transfer"])


@pytest.mark.parametrize(("methods", "said"), [(["transfer"], "Bank transfer"), ([], "all that this site has")])
def test_on_a_translation_the_methods_of_the_source_are_shown(admin_client, seller, methods, said):
    page = make_page(payment_methods=methods)
    german = translate(page, "de")
    shown = admin_client.get(edit_of(german))
    assert ticked(shown)[1] == []
    assert said in text_of(shown)
    assert admin_client.post(edit_of(german), {**sent(), "payment_methods": ["sandbox"]}).status_code == 302
    assert offer_of(page).payment_methods == m.OfferPage.objects.get(pk=german.pk).payment_methods == methods


@pytest.mark.parametrize("given", ["transfer", [1], {"transfer": True}, None])
def test_what_is_no_list_of_methods_is_refused_by_the_model(seller, given):
    page = make_page()
    page.payment_methods = given
    with pytest.raises(ValidationError) as refused:
        page.full_clean()
    assert "payment_methods" in refused.value.message_dict
