"""Products: the list, the form, making one in a chooser."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from tests.backoffice.screens import MARKUP, cost, html_of, is_refused, lacks, page_of, says, somebody_who_may
from tests.offers.making import make_page
from tests.support import make_offer, make_product
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

LIST = "/admin/kwiga/products/"
ADD = "/admin/kwiga/products/add/"
CHOOSE = "/admin/snippets/choose/wagtail_kwiga/product/"


def url(name, product):
    return reverse(f"wagtail_kwiga_products:{name}", args=[product.pk])


def typed(**given):
    return {"title": "Ink", "slug": "ink", "kind": "course", "entry_url": "/ink/", "description": "", **given}


def test_no_product_yet_says_what_one_is(admin_client):
    says(page_of(admin_client, LIST), "A product is what buyers get access to", "Add product")


def test_a_product_is_made_and_its_slug_is_what_was_typed(admin_client):
    html = html_of(admin_client, ADD)
    says(html, "w-slug")
    lacks(html, "data-w-sync-target-value")
    assert admin_client.post(ADD, typed()).status_code == 302
    assert m.Product.objects.get().slug == "ink"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Ink for all", "ink-for-all"),
        ("Żółta łódź", "zolta-lodz"),
        ("Акварель", "akvarel"),
        ("!!!", "product"),
        ("Ink", "ink-2"),
    ],
)
def test_a_slug_left_empty_is_made_from_the_title(admin_client, title, slug):
    make_product(slug="ink")
    assert admin_client.post(ADD, typed(title=title, slug="")).status_code == 302
    made = m.Product.objects.get(title=title)
    assert made.slug == slug or (title == "Акварель" and made.slug.isascii())


def test_a_slug_taken_already_is_refused(admin_client):
    make_product(slug="ink")
    assert "already exists" in admin_client.post(ADD, typed()).content.decode()
    product = make_product(slug="pen")
    assert admin_client.post(url("edit", product), typed(slug="", title="Ink")).status_code == 302
    product.refresh_from_db()
    assert product.slug == "ink-2"


@pytest.mark.parametrize("address", ["", "/course/", "/", "https://example.com/x?y=1", "http://example.com"])
def test_ways_in_that_lead_somewhere(admin_client, address):
    assert admin_client.post(ADD, typed(entry_url=address)).status_code == 302


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "course/",
        "ftp://example.com",
        "https://",
        "/a b",
        "data:x",
    ],
)
def test_ways_in_that_lead_nowhere_are_refused_in_words(admin_client, address):
    answer = admin_client.post(ADD, typed(entry_url=address))
    assert answer.status_code == 200
    assert "begins with a slash" in answer.content.decode()
    assert not m.Product.objects.exists()


def test_the_form_and_the_list_say_which_offers_sell_it(admin_client):
    product = make_product("Ink")
    says(page_of(admin_client, url("edit", product)), "No offer sells this product yet")
    make_offer(product, title="Everything about ink")
    says(page_of(admin_client, url("edit", product)), "Everything about ink", "It has no address to lead buyers to")
    says(page_of(admin_client, url("inspect", product)), "Everything about ink")
    says(page_of(admin_client, LIST), "Everything about ink")
    page = make_page("Ink page", products=[product])
    says(page_of(admin_client, url("usage", product)), page.title)


def test_the_screens_cost_the_same_for_one_and_for_many(admin_client):
    product = make_product("First")
    make_offer(product)
    before = [cost(admin_client, address) for address in (LIST, url("edit", product), url("inspect", product))]
    for number in range(12):
        make_offer(product, title=f"Offer {number}")
        make_offer(make_product(f"Product {number}"))
    after = [cost(admin_client, address) for address in (LIST, url("edit", product), url("inspect", product))]
    assert after == before
    assert before[0] <= 14


def test_search_filters_and_sorting(admin_client):
    make_product("Ink", kind="course")
    make_product("Talk", kind="consultation")
    for query in ("q=ink", "kind=course"):
        page = page_of(admin_client, f"{LIST}?{query}").split("Sold by")[-1]
        says(page, "Ink")
        lacks(page, "Talk")
    says(page_of(admin_client, f"{LIST}?ordering=-kind"), "Ink")


def test_who_may_only_look():
    product = make_product("Ink")
    client = somebody_who_may("view_product")
    says(page_of(client, LIST), "Ink")
    says(page_of(client, url("inspect", product)), "Ink")
    for address in (ADD, url("edit", product), url("delete", product)):
        assert is_refused(client.get(address))
    assert is_refused(client.post(f"{CHOOSE}create/", typed(slug="x")))
    assert m.Product.objects.count() == 1


def test_the_chooser_searches_and_makes_one_on_the_spot(admin_client):
    make_product("Ink")
    make_product("Pen")
    dialogue = json.loads(admin_client.get(CHOOSE).content)["html"]
    says(dialogue, "Ink", "Make a new one", 'name="slug"')
    found = admin_client.get(f"{CHOOSE}results/?q=pen").content.decode()
    says(found, "Pen")
    lacks(found, "Ink")
    made = json.loads(admin_client.post(f"{CHOOSE}create/", {"title": "Brush", "slug": "", "kind": "course"}).content)
    assert made["step"] == "chosen"
    assert m.Product.objects.get(title="Brush").slug == "brush"


def test_a_product_that_an_offer_sells_is_not_deleted_but_explained(admin_client):
    product = make_product("Ink")
    make_offer(product)
    answer = admin_client.post(url("delete", product), follow=True)
    assert "cannot be deleted, because it is in use" in answer.content.decode()
    admin_client.post(f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'product', 'delete'])}?id={product.pk}")
    assert m.Product.objects.exists()


def test_markup_is_shown_as_it_was_typed(admin_client):
    product = make_product(MARKUP, description=MARKUP, entry_url="/x/")
    make_offer(product, title=MARKUP)
    for address in (LIST, url("edit", product), url("inspect", product)):
        lacks(html_of(admin_client, address), MARKUP)
