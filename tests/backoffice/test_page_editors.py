"""Somebody who may edit pages and has no permission of ours, such as Wagtail's own *Editors* and *Moderators*."""

from __future__ import annotations

import io
import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.urls import reverse
from wagtail.models import GroupPagePermission, Page
from wagtail.test.utils.form_data import streamfield

from tests.offers.making import make_page, offer_of, root
from tests.offers.test_panels import product_row, sent
from tests.support import make_coupon, make_product
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

SCREENS = ("orders", "offers", "products", "coupons", "lists", "scenarios", "people", "emails", "mail", "attention")


@pytest.fixture
def editor(client) -> User:
    """One of Wagtail's own *Moderators*, in a site that has been set up."""
    call_command("kwiga_setup", stdout=io.StringIO())
    user = User.objects.create_user("edith", "edith@example.com", "x")
    user.groups.add(Group.objects.get(name="Moderators"))
    assert not user.has_module_perms("wagtail_kwiga")
    client.force_login(user)
    return user


def test_a_live_page_that_sells_nothing_says_so_to_its_editor(client, editor):
    """As an import does that sets *live* and does not publish."""
    page = make_page(publish=False)
    m.OfferPage.objects.filter(pk=page.pk).update(live=True)
    url = reverse("wagtailadmin_pages:edit", args=[page.pk])
    words = "nobody can order on it"
    assert words in client.get(url).content.decode()
    m.OfferPage.objects.get(pk=page.pk).save_revision().publish()
    assert offer_of(page).state == "on_sale"
    assert words not in client.get(url).content.decode()
    draft = make_page("Draft", publish=False)
    assert words not in client.get(reverse("wagtailadmin_pages:edit", args=[draft.pk])).content.decode()


def add_url() -> str:
    return reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", root().pk])


def choose(client, model: str, view: str = "choose") -> str:
    answer = client.get(reverse(f"wagtailsnippetchoosers_wagtail_kwiga_{model}:{view}"))
    assert answer.status_code == 200
    return answer.json()["html"]


def test_they_are_offered_the_page_type_and_see_no_sales_menu(client, editor):
    types = client.get(reverse("wagtailadmin_pages:add_subpage", args=[root().pk])).content.decode()
    assert "Offer page" in types
    home = client.get(reverse("wagtailadmin_home")).content.decode()
    assert "kwiga-sales-section" not in home
    for screen in SCREENS:  # what else stands in the menu is the example app's, for everybody
        assert f'"kwiga-{screen}"' not in home, screen
        assert client.get(f"/admin/kwiga/{screen}/").status_code == 302, screen


def test_they_make_and_publish_an_offer_of_what_is_there(client, editor):
    """Choosing a product or a coupon is a part of writing the page; making one is not."""
    product, coupon = make_product("Course"), make_coupon("SPRING")
    assert client.get(add_url()).status_code == 200
    assert "Course" in choose(client, "product")
    assert "SPRING" in choose(client, "coupon")
    answer = client.post(
        add_url(),
        sent(
            products=streamfield([("product", product_row(product))]),
            coupons=streamfield([("coupon", coupon.pk)]),
            coupon_mode="only",
        ),
    )
    assert answer.status_code == 302
    assert offer_of(m.OfferPage.objects.get()).state == "on_sale"
    page = m.OfferPage.objects.get()
    edited = client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])).content.decode()
    for address in set(re.findall(r'href="(/admin/kwiga/[^"#?]*)', edited)):
        pytest.fail(f"{address} is linked and answers {client.get(address).status_code}")


@pytest.mark.parametrize("model", ["product", "coupon"])
def test_where_there_is_nothing_to_choose_they_are_told_what_is_missing(client, editor, model):
    words = choose(client, model)
    assert "making something takes a permission that you do not have" in words
    assert "“Kwiga: Editors”" in words
    editor.user_permissions.add(Permission.objects.get(codename=f"add_{model}"))
    assert "takes a permission" not in choose(client, model)


def test_no_page_permission_no_offer(client, editor):
    GroupPagePermission.objects.all().delete()
    page = make_page()
    for answer in (client.get(add_url()), client.get(reverse("wagtailadmin_pages:edit", args=[page.pk]))):
        assert (answer.status_code, answer["Location"]) == (302, reverse("wagtailadmin_home"))


class TestSetup:
    """``kwiga_setup`` tells which groups those are."""

    @staticmethod
    def told() -> str:
        out = io.StringIO()
        call_command("kwiga_setup", stdout=out)
        return next((line for line in out.getvalue().splitlines() if line.startswith("Groups that may add")), "")

    def test_wagtails_own_groups_are_told_of(self):
        assert "Editors, Moderators." in self.told()
        assert "Kwiga:" not in self.told()

    def test_a_group_with_a_permission_of_ours_is_not(self):
        Group.objects.get(name="Editors").permissions.add(Permission.objects.get(codename="view_offer"))
        assert ": Moderators." in self.told()

    def test_nor_one_that_only_publishes_or_has_no_page(self):
        GroupPagePermission.objects.all().delete()
        assert self.told() == ""
        publish = Permission.objects.get(content_type__app_label="wagtailcore", codename="publish_page")
        group = Group.objects.get(name="Editors")
        GroupPagePermission.objects.create(group=group, page=Page.get_first_root_node(), permission=publish)
        assert self.told() == ""
