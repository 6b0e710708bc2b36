"""An offer page as visitors see it: what it says, in every state, and what looking at it costs."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.offers.making import block, fields_of, make_page, offer_of, text_of, translate
from tests.support import after, make_contact, make_coupon, make_list, make_product
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

SIX_BLOCKS = [("text", f"<p>Paragraph {number}.</p>") for number in range(6)]


def test_price_product_seller_and_one_form(client, page):
    response = client.get(page.url)
    words = text_of(response)
    assert response.status_code == 200
    for said in ("€120.00", "Watercolour for beginners", "Access without end", "Sold by School of Watercolour"):
        assert said in words
    assert response.content.count(b"<form") == 1
    assert response.content.count(b"<h1") == 1
    assert {"name", "email", "phone", "coupon", "shown", "csrfmiddlewaretoken"} <= set(fields_of(response))


def test_it_is_a_complete_document_with_its_language(client, page):
    html = client.get(page.url).content.decode()
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    assert f'<link rel="canonical" href="{page.full_url}">' in html
    assert '<meta property="og:title" content="Watercolour">' in html
    assert "hreflang" not in html  # there is but one language


def test_no_inline_script_or_style(client, seller):
    page = make_page(body=[("video", {"url": "https://vimeo.com/76979871"}), *SIX_BLOCKS])
    html = client.get(page.url).content.decode()
    assert " style=" not in html
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\son\w+=", html)


def test_translations_are_named_in_the_head_and_linked(client, page):
    german = translate(page, "de", title="Aquarell")
    html = client.get(page.url).content.decode()
    for code, url in (("en", page.full_url), ("de", german.full_url), ("x-default", page.full_url)):
        assert f'<link rel="alternate" hreflang="{code}" href="{url}">' in html
    assert "Deutsch" in html


def test_the_price_is_told_to_machines_as_well(client, seller):
    german = translate(make_page(price="1234.50"), "de")
    html = client.get(german.url).content.decode()
    assert 'itemprop="price" content="1234.50"' in html
    assert 'itemprop="priceCurrency" content="EUR"' in html
    make_coupon("SPRING", percent="20")
    assert "itemprop" not in client.get(f"{german.url}?coupon=SPRING").content.decode()  # nobody else's price


def test_an_unpublished_translation_is_not_named(client, page):
    translate(page, "de", publish=False)
    assert "hreflang" not in client.get(page.url).content.decode()


def test_looking_changes_nothing(client, page):
    coupon = make_coupon("SPRING", percent="20")
    client.get(page.url)
    with CaptureQueriesContext(connection) as queries:
        client.get(page.url)
        client.head(page.url)
        client.get(f"{page.url}?coupon={coupon.code}")
        client.get(f"{page.url}?coupon=nonsense&resume=nonsense")
    written = [query["sql"] for query in queries if not query["sql"].lstrip().upper().startswith("SELECT")]
    assert written == []
    assert m.Contact.objects.count() == m.Order.objects.count() == m.RateLimitWindow.objects.count() == 0


def test_looking_makes_no_settings_row(client, page):
    m.KwigaSettings.objects.all().delete()
    assert client.get(page.url).status_code == 200
    assert m.KwigaSettings.objects.count() == 0


#: What Wagtail itself asks for a page with blocks: site, page by path, the page's own row, two about view restrictions.
FLOOR = 5


def queries_of(client, url):
    client.get(url)  # site paths are cached from the first visit on
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


@pytest.mark.parametrize(("languages", "floor", "ours"), [(1, FLOOR, 2), (5, FLOOR + 1, 3)])
def test_a_visit_costs_the_floor_and_a_small_constant(client, seller, settings, capsys, languages, floor, ours):
    """Ours: the offer, the settings and, on a site of several languages, the page in each of them; one more for a coupon.

    (With several languages Wagtail itself asks for the active locale.)
    """
    settings.WAGTAIL_I18N_ENABLED = languages > 1
    settings.WAGTAIL_CONTENT_LANGUAGES = settings.LANGUAGES[:languages]
    make_coupon("SPRING", percent="20")
    plain = queries_of(client, make_page("Six", body=SIX_BLOCKS, coupon_mode="any").url)
    with_coupon = queries_of(client, make_page("Coupons", body=SIX_BLOCKS, coupon_mode="any").url + "?coupon=SPRING")
    with capsys.disabled():
        print(
            f"\noffer page, 6 blocks, {languages} language(s): {plain} queries (floor {floor}); with a coupon {with_coupon}"
        )
    assert plain == floor + ours
    assert with_coupon == plain + 1


def test_more_products_and_translations_cost_no_more(client, seller):
    one = make_page("One")
    many = make_page("Many", products=[make_product(f"Course {number}") for number in range(5)])
    for code in ("de", "es", "pl"):
        translate(many, code)
    client.get(one.url), client.get(many.url)
    with CaptureQueriesContext(connection) as few:
        client.get(one.url)
    with CaptureQueriesContext(connection) as lots:
        client.get(many.url)
    assert len(lots) == len(few)


# --- not for sale -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sales_from": after(days=3)}, "You can order from March 4, 2027, 1 p.m. CET on."),
        ({"sales_until": after(days=-3)}, "Sales have ended This was on sale until Feb. 26, 2027, 1 p.m. CET"),
    ],
)
def test_outside_of_its_time_it_says_so_and_has_no_form(client, seller, given, said):
    page = make_page(**given)
    response = client.get(page.url)
    assert response.status_code == 200
    assert said in text_of(response)
    assert b"<form" not in response.content


def test_a_page_whose_offer_was_withdrawn_says_so(client, page):
    m.Offer.objects.update(state="withdrawn")
    response = client.get(page.url)
    assert "No longer on sale" in text_of(response)
    assert b"<form" not in response.content


def test_a_page_without_an_offer_is_not_on_sale_yet(client, page):
    m.Offer.objects.all().delete()
    response = client.get(page.url)
    assert response.status_code == 200
    assert "Not on sale yet" in text_of(response)


def test_without_any_way_to_pay_nobody_fills_in_a_form_in_vain(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {}}
    response = client.get(page.url)
    assert "no way to pay here yet" in text_of(response)
    assert b"<form" not in response.content


def test_a_free_offer_asks_for_no_payment(client, seller):
    page = make_page(price=0)
    response = client.get(page.url)
    words = text_of(response)
    assert "Get it for free" in words
    assert "How would you like to pay" not in words


def test_a_currency_of_three_decimals_keeps_them(client, seller):
    page = make_page(price="1234.567", currency="BHD")
    assert "BHD 1,234.567" in text_of(client.get(page.url))


def test_terms_of_access_in_words(client, seller):
    page = make_page(
        access={"length": "months", "length_number": 6, "release": "every", "release_days": 7, "certificate": True}
    )
    assert "Access for 6 months · a new lesson every 7 days · with a certificate" in text_of(client.get(page.url))


# --- a coupon in the address ------------------------------------------------------------------------------------------


def test_a_coupon_in_the_address_is_applied(client, page):
    make_coupon("SPRING", percent="20", valid_until=after(days=2))
    response = client.get(f"{page.url}?coupon=spring")
    words = text_of(response)
    assert "€96.00 instead of €120.00" in words
    assert "−20%" in words
    assert "until March 3, 2027" in words
    assert fields_of(response)["coupon"] == "SPRING"
    assert response["Cache-Control"] == "private, no-store"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize(("coupon_ends", "sale_ends"), [(2, 9), (9, 2), (None, 2)])
def test_the_deadline_of_a_price_is_the_earlier_of_coupon_and_sale(client, seller, coupon_ends, sale_ends):
    page = make_page(coupon_mode="any", sales_until=after(days=sale_ends))
    make_coupon("SPRING", percent="20", valid_until=coupon_ends and after(days=coupon_ends))
    words = text_of(client.get(f"{page.url}?coupon=SPRING"))
    assert "This price is yours until March 3, 2027, 1 p.m. CET" in words
    assert "€96.00 for you instead of €120.00 , until March 3, 2027, 1 p.m. CET" in words
    assert "yours until March 10" not in words


def test_a_plain_visit_may_be_indexed(client, page):
    response = client.get(page.url)
    assert "X-Robots-Tag" not in response
    assert "no-store" not in response.get("Cache-Control", "")
    assert b'content="noindex"' not in response.content


@pytest.mark.parametrize("code", ["NOPE", "x" * 5000, "%00%0d%0aSet-Cookie:a=b", "<script>alert(1)</script>"])
def test_a_code_nobody_knows_is_told_kindly_and_costs_nothing(client, page, code):
    response = client.get(page.url, {"coupon": code})
    assert response.status_code == 200
    assert "We do not know this code" in text_of(response)
    assert "€120.00" in text_of(response)
    assert b"<script>alert" not in response.content
    assert fields_of(response)["coupon"] == ""


def test_a_list_bound_coupon_asks_for_the_address_that_got_the_mail(client, page):
    people = make_list()
    make_coupon("COMEBACK15", lists=[people])
    response = client.get(f"{page.url}?coupon=COMEBACK15")
    assert "Please type the address that got the mail" in text_of(response)
    assert fields_of(response)["coupon"] == "COMEBACK15"
    assert "€120.00" in text_of(response)


def test_an_offer_that_takes_no_coupons_does_not_ask_for_one(client, seller):
    page = make_page(coupon_mode="none")
    assert "discount code" not in text_of(client.get(page.url))


def test_a_coupon_that_leaves_nothing_to_pay(client, page):
    make_coupon("GIFT", percent="100")
    words = text_of(client.get(f"{page.url}?coupon=GIFT"))
    assert "Free instead of €120.00" in words
    assert "How would you like to pay" not in words


# --- a site's own ways ------------------------------------------------------------------------------------------------


def test_a_sites_own_base_takes_the_place_of_ours(client, page, settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "BASE_TEMPLATE": "tests/own_base.html"}
    settings.TEMPLATES = [
        {
            **settings.TEMPLATES[0],
            "APP_DIRS": False,
            "OPTIONS": {
                **settings.TEMPLATES[0]["OPTIONS"],
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "tests/own_base.html": (
                                "<!doctype html><title>{% block title %}{% endblock %}</title>"
                                "<main class='kwiga'>{% block content %}{% endblock %}</main> the site's own foot"
                            )
                        },
                    ),
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ]
    html = client.get(page.url).content.decode()
    assert "the site's own foot" in html
    assert "kwiga-footer" not in html
    assert 'id="order"' in html


def test_an_editor_sees_the_userbar(admin_client, page):
    assert b"wagtail-userbar" in admin_client.get(page.url).content


def test_other_methods_are_refused(client, page):
    assert client.put(page.url).status_code == 405
    assert client.delete(page.url).status_code == 405


def test_a_draft_is_previewed_as_it_would_be_sold(admin_client, seller):
    page = make_page(publish=False, price="45.00")
    response = page.make_preview_request()
    response.render() if hasattr(response, "render") and not response.is_rendered else None
    assert "€45.00" in text_of(response)
    assert m.Offer.objects.count() == 0


def test_stored_blocks_of_a_page_are_rendered_in_order(client, seller):
    page = make_page(
        body=[block("text", "<p>first</p>")["type"] and ("text", "<p>first</p>"), ("text", "<p>second</p>")]
    )
    words = text_of(client.get(page.url))
    assert words.index("first") < words.index("second") < words.index("Your order")


def test_what_a_member_of_the_list_sees_is_not_what_strangers_see(client, page):
    people = make_list()
    make_coupon("COMEBACK15", lists=[people])
    make_contact("member@example.com")
    assert offer_of(page).coupon_mode == "any"
    assert "€102.00" not in text_of(client.get(f"{page.url}?coupon=COMEBACK15&email=member@example.com"))
