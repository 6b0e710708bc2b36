"""Wagtail's public APIs, asked over HTTP as anybody may: what they show of offers, which of them they list, and what they take."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.test import Client
from wagtail import models as wagtail_models
from wagtail.models import Page, get_page_models

from tests.offers.making import make_page, offer_of, order, root, translate
from tests.site.models import FairPage, WorkshopPage
from tests.support import make_coupon, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.checks.page_types import check_public_listings
from wagtail_kwiga.offers import public_listings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("api")]

#: v2 on every Wagtail, v3 where there is one.
APIS = ["/api/v2/pages/", pytest.param("/api/v3/pages/", marks=pytest.mark.api3)]
every_api = pytest.mark.parametrize("pages", APIS)
#: What stands beside ``id``, ``meta`` and ``title`` of any page.
SHOWN = {"body", "price", "currency", "sales_from", "sales_until"}


@pytest.fixture
def api(settings):
    settings.ROOT_URLCONF = "tests.offers.urls_api"


@pytest.fixture
def developer(db) -> Client:
    """Somebody who may do everything, by a token of API v3."""
    user = get_user_model().objects.create_superuser("developer", "developer@example.com", "x")
    _row, token = wagtail_models.APIToken.create_token(user=user, name="test")
    return Client(headers={"Authorization": f"Bearer {token}"})


def found(client: Client, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return [row["title"] for row in answer.json()["items"]]


def sent(client: Client, method: str, address: str, **data):
    ask = getattr(client, method)
    return ask(address, json.dumps(data), content_type="application/json")


def new(*, publish: bool = True, kind: str = "wagtail_kwiga.OfferPage", **fields):
    meta = {"type": kind, "parent_id": root().pk, **({"action": "publish"} if publish else {})}
    return {"meta": meta, "title": "Ink", "slug": "ink", **fields}


class TestWhatIsShown:
    @every_api
    def test_price_time_and_words_and_nothing_of_how_it_is_sold(self, client, seller, pages):
        coupon = make_coupon(code="SECRETCODE")
        page = make_page(
            "Watercolour",
            products=[make_product("Internal name", entry_url="/hidden-way/")],
            coupons=[coupon],
            coupon_mode="only",
            payment_methods=["transfer"],
            body=[("text", "<p>Four calm evenings</p>")],
            sales_until=dt.datetime(2090, 1, 2, tzinfo=dt.UTC),
        )
        order(client, page.url)  # somebody is a customer by now
        answer = client.get(f"{pages}{page.pk}/")
        shown = answer.json()
        assert set(shown) - {"id", "meta", "title"} == SHOWN
        assert (Decimal(shown["price"]), shown["currency"], shown["sales_from"]) == (120, "EUR", None)
        assert shown["sales_until"].startswith("2090-01-02")
        assert "Four calm evenings" in json.dumps(shown["body"])
        whole = json.dumps(shown)
        for hidden in ("SECRETCODE", "Internal name", "hidden-way", "transfer", "ada@example.com", "coupon", "product"):
            assert hidden not in whole

    @pytest.mark.parametrize("asked", ["*", "coupons", "products", "payment_methods", "coupon_mode"])
    def test_nobody_gets_more_by_asking_for_it(self, client, seller, asked):
        page = make_page(coupons=[make_coupon(code="SECRETCODE")], coupon_mode="only")
        answer = client.get(f"/api/v2/pages/{page.pk}/?fields={asked}")
        assert answer.status_code == (200 if asked == "*" else 400)
        assert b"SECRETCODE" not in answer.content

    def test_nobody_may_search_by_what_is_not_shown(self, client, seller):
        make_page(coupon_mode="any")
        listing = "/api/v2/pages/?type=wagtail_kwiga.OfferPage"
        assert found(client, f"{listing}&currency=EUR") == ["Watercolour"]
        for hidden in ("coupon_mode=any", "payment_methods=transfer", "order=coupon_mode"):
            assert client.get(f"{listing}&{hidden}").status_code == 400

    def test_no_other_model_of_the_package_declares_anything_for_an_api(self):
        declaring = {
            model for model in apps.get_app_config("wagtail_kwiga").get_models() if hasattr(model, "api_fields")
        }
        assert {
            model for model in declaring if model.__dict__.get("api_fields") or not issubclass(model, Page)
        } == set()
        assert {field.name for field in m.OfferPage.api_fields} == SHOWN
        assert not any(getattr(field, "writable", False) for field in m.OfferPage.api_fields)

    @every_api
    def test_own_page_types_show_the_same_and_what_they_add(self, client, seller, pages):
        page = WorkshopPage(title="Weekend", slug="weekend", price=80, currency="EUR", sells_no_access=True)
        root().add_child(instance=page)
        page.save_revision().publish()
        assert set(client.get(f"{pages}{page.pk}/").json()) - {"id", "meta", "title"} == SHOWN | {"sells_no_access"}


class TestWhatIsListed:
    @pytest.fixture
    def hidden(self, seller) -> m.OfferPage:
        make_page("Watercolour")
        page = make_page("Only for friends")
        translate(page, "de", title="Nur für Freunde")
        page.is_listed = False
        page.save_revision().publish()
        return page

    @every_api
    @pytest.mark.parametrize(
        "how",
        ["", "type=wagtail_kwiga.OfferPage", "type=wagtail_kwiga.OfferPage,site.WorkshopPage", "child_of={root}",
         "descendant_of={root}", "locale=de", "translation_of={page}", "ancestor_of={page}", "slug=only-for-friends"],
    )  # fmt: skip
    def test_anybody_finds_what_is_shown_in_the_store_and_nothing_else(self, client, hidden, pages, how):
        several = "&".join(f"type={kind}" for kind in how.removeprefix("type=").split(",")) if "," in how else how
        asked = (several if "v3" in pages else how).format(root=root().pk, page=hidden.pk)
        answer = client.get(f"{pages}?{asked}")
        assert answer.status_code in ({400, 422} if "{page}" in how else {200}), answer.content
        assert b"Only for friends" not in answer.content and b"Freunde" not in answer.content
        if how in ("", "type=wagtail_kwiga.OfferPage", "child_of={root}"):
            assert "Watercolour" in found(client, f"{pages}?{asked}")

    @every_api
    def test_counting_through_the_numbers_finds_it_as_little(self, client, hidden, pages):
        german = hidden.get_translation(wagtail_models.Locale.objects.get(language_code="de"))
        for page in (hidden, german):
            assert client.get(f"{pages}{page.pk}/").status_code == 404
            assert client.get(f"{pages}find/?id={page.pk}").status_code == 404
        assert client.get(hidden.url).status_code == 200

    @every_api
    def test_listed_again_it_is_there_again(self, client, hidden, pages):
        hidden.is_listed = True
        hidden.save_revision().publish()
        assert "Only for friends" in found(client, pages)
        assert client.get(f"{pages}{hidden.pk}/").status_code == 200

    @every_api
    def test_it_costs_no_query_more(self, client, hidden, pages, django_assert_max_num_queries, monkeypatch):
        client.get(pages)  # what Wagtail keeps is kept now
        with django_assert_max_num_queries(40) as with_it:
            client.get(pages)
        monkeypatch.setattr(public_listings, "listed", lambda pages: pages)
        with django_assert_max_num_queries(40) as without:
            client.get(pages)
        assert len(with_it) <= len(without)

    @pytest.mark.api3
    def test_who_may_edit_it_sees_it(self, developer, hidden):
        assert "Only for friends" in found(developer, "/api/v3/pages/")
        assert developer.get(f"/api/v3/pages/{hidden.pk}/").status_code == 200

    def test_editors_choose_it_in_the_admin(self, admin_client, hidden):
        assert "Only for friends" in found(admin_client, "/admin/api/main/pages/?child_of=" + str(root().pk))

    def test_a_site_leaves_it_out_of_its_own_search(self, hidden):
        pages = public_listings.listed(Page.objects.live())
        assert "Only for friends" not in [page.title for page in pages.search("friends")]
        assert {page.title for page in pages.search("watercolour")} == {"Watercolour"}
        assert hidden.pk in Page.objects.live().values_list("pk", flat=True)


class TestTheCheck:
    def test_a_wagtail_that_lists_as_it_does_now_is_fine(self):
        assert check_public_listings(None) == []

    def test_one_that_begins_elsewhere_is_told(self, monkeypatch):
        from wagtail.api.v2.views import PagesAPIViewSet

        monkeypatch.delattr(PagesAPIViewSet, "get_base_queryset")
        public_listings.connect()
        (message,) = check_public_listings(None)
        assert (message.id, message.is_serious()) == ("wagtail_kwiga.W034", False)
        assert "wagtail.api.v2" in message.msg

    def test_one_without_any_api_is_not_asked(self, without_app):
        without_app("wagtail.api.v2")
        without_app("wagtail.api.v3")
        assert public_listings.unguarded() == []


@pytest.mark.api3
class TestWhatIsTaken:
    """API v3 also writes. It asks the same form as the editor, without the boxes that are not in it, and then the page."""

    def test_nothing_is_published_with_a_title_and_a_slug_alone(self, developer, seller):
        answer = sent(developer, "post", "/api/v3/pages/", **new())
        assert answer.status_code == 422, answer.content
        said = " ".join(error["msg"] for error in answer.json()["errors"])
        assert "give a price" in said and "Buyers would get nothing" in said
        assert not m.OfferPage.objects.exists() and not m.Offer.objects.exists()

    def test_a_draft_may_be_begun(self, developer, seller):
        answer = sent(developer, "post", "/api/v3/pages/", **new(publish=False))
        assert answer.status_code == 201, answer.content
        page = m.OfferPage.objects.get()
        assert (page.live, page.price) == (False, None)
        assert not m.Offer.objects.exists()

    @pytest.mark.parametrize(
        "lacking, said",
        [
            ({"price": None}, "give a price"),
            ({"products": []}, "Buyers would get nothing"),
            ({"currency": "XXX"}, "currency"),
            ({"price": Decimal("1.005")}, "smaller parts"),
            ({"price": Decimal(-1)}, "greater than or equal to 0"),
            ({"payment_methods": "transfer"}, "list of payment methods"),
            ({"coupon_mode": "whenever"}, "not a valid choice"),
            ({"sales_from": dt.datetime(2031, 1, 2, tzinfo=dt.UTC), "sales_until": dt.datetime(2031, 1, 1, tzinfo=dt.UTC)},
             "later than the beginning"),
            ({"sales_until": dt.datetime(1031, 1, 1, tzinfo=dt.UTC)}, "between the years"),
            ({"language_mode": "fixed"}, "choose the language"),
        ],
    )  # fmt: skip
    def test_a_draft_that_is_not_whole_is_not_published(self, developer, seller, lacking, said):
        page = make_page(publish=False)
        for name, value in lacking.items():
            setattr(page, name, value)
        page.save_revision(clean=False)
        for method, address, data in (
            ("post", f"/api/v3/pages/{page.pk}/actions/publish/", {}),
            ("patch", f"/api/v3/pages/{page.pk}/", {"title": "Ink", "meta": {"action": "publish"}}),
        ):
            answer = sent(developer, method, address, **data)
            assert answer.status_code == 422, answer.content
            assert said in " ".join(error["msg"] for error in answer.json()["errors"])
        assert not m.OfferPage.objects.get().live
        assert not m.Offer.objects.filter(state="on_sale").exists()

    def test_a_draft_that_is_whole_is_published_at_its_price(self, developer, seller):
        page = make_page(publish=False)
        page.save_revision()
        assert sent(developer, "post", f"/api/v3/pages/{page.pk}/actions/publish/").status_code == 200
        assert (offer_of(page).state, offer_of(page).amount) == ("on_sale", 120)

    def test_words_change_and_nothing_of_the_sale(self, developer, seller):
        page = make_page()
        answer = sent(
            developer, "patch", f"/api/v3/pages/{page.pk}/",
            title="Ink", price=0, currency="USD", products=[], meta={"action": "publish"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.content
        page.refresh_from_db()
        assert (page.title, page.price, page.currency) == ("Ink", 120, "EUR")
        assert (offer_of(page).title, offer_of(page).amount, offer_of(page).currency) == ("Ink", 120, "EUR")

    def test_a_site_may_let_it_write_prices_and_the_form_reads_them(self, developer, seller):
        page = FairPage(title="Ink", slug="ink", live=False)
        root().add_child(instance=page)
        page.save_revision(clean=False)

        def publish(**fields):
            return sent(developer, "patch", f"/api/v3/pages/{page.pk}/", meta={"action": "publish"}, **fields)

        free = publish(price=0, currency="EUR", sells_no_access=True)
        assert free.status_code == 422, free.content
        assert "tick" in free.json()["errors"][0]["msg"]
        empty = publish(price="80", currency="EUR")
        assert "Buyers would get nothing" in empty.json()["errors"][0]["msg"]
        assert not m.Offer.objects.exists()
        fine = publish(price="80.50", currency="EUR", sells_no_access=True)
        assert fine.status_code == 200, fine.content
        assert (m.Offer.objects.get().state, m.Offer.objects.get().amount) == ("on_sale", Decimal("80.5"))
        other = publish(price="80.50", currency="USD")
        assert "Is" in other.json()["errors"][0]["msg"]
        assert m.Offer.objects.get().currency == "EUR"

    def test_every_page_type_has_a_schema(self, client, seller):
        answer = client.get("/api/v3/openapi.json")
        assert answer.status_code == 200
        assert all(model.__name__ in answer.content.decode() for model in get_page_models() if model is not Page)

    def test_a_stranger_writes_nothing(self, client, seller):
        page = make_page(publish=False)
        assert sent(client, "post", "/api/v3/pages/", **new()).status_code == 401
        assert sent(client, "patch", f"/api/v3/pages/{page.pk}/", title="Ink").status_code == 401
        assert client.get(f"/api/v3/pages/{page.pk}/").status_code == 404
