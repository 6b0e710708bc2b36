"""The *Sales* menu, and what a site adds to it."""

from __future__ import annotations

import itertools
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext
from wagtail import hooks
from wagtail.admin.menu import MenuItem
from wagtail.users.templatetags.wagtailusers_tags import normalize_permission_label

from wagtail_kwiga import background, conf
from wagtail_kwiga.backoffice.menu import SalesGroup
from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.management.commands.kwiga_setup import EDITORS, SALES

pytestmark = pytest.mark.django_db

HOOK = "register_kwiga_menu_item"


def items(rf, user) -> list:
    """The items of the menu in their order, as Wagtail shows them to ``user``."""
    request = rf.get("/")
    request.user = user
    menu = SalesGroup().get_menu_item().menu
    return sorted(menu.menu_items_for_request(request), key=lambda item: item.order)


def test_the_order_of_the_days_work(rf, admin_user):
    names = [item.name for item in items(rf, admin_user)]
    ours = [name for name in names if name.startswith("kwiga-")]
    assert ours[:2] == ["kwiga-attention", "kwiga-orders"]
    assert ours[-1] == "kwiga-mail"
    assert {"kwiga-offers", "kwiga-products", "kwiga-coupons", "kwiga-lists", "kwiga-scenarios"} < set(ours)


@pytest.mark.parametrize(("order", "before"), [(120, "kwiga-offers"), (10, "kwiga-attention")])
def test_a_site_adds_an_item_where_it_wants_it(rf, admin_user, order, before):
    item = MenuItem("Stands", "/stands/", name="stands", order=order)
    with hooks.register_temporarily(HOOK, lambda: item):
        names = [one.name for one in items(rf, admin_user)]
    assert names.count("stands") == 1
    assert names[names.index("stands") + 1] == before


def test_an_item_of_the_site_decides_who_sees_it(rf, admin_user):
    class Secret(MenuItem):
        def is_shown(self, request):
            return False

    with hooks.register_temporarily(HOOK, lambda: Secret("Stands", "/stands/", name="stands")):
        assert "stands" not in [one.name for one in items(rf, admin_user)]


@pytest.mark.parametrize(
    ("group", "sees_not"), [(EDITORS, set()), (SALES, {"kwiga-emails", "kwiga-scenarios"})]
)  # fmt: skip
def test_each_of_our_groups_sees_its_screens_and_can_open_them(client, rf, group, sees_not):
    call_command("kwiga_setup", verbosity=0)
    background.beat(background.SWEEP, at=conf.now())
    user = User.objects.create_user("worker", password="worker")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    seen = {item.name: item.url for item in items(rf, User.objects.get(pk=user.pk)) if item.name.startswith("kwiga-")}
    assert {"kwiga-attention", "kwiga-orders", "kwiga-mail"} <= set(seen)
    assert not sees_not & set(seen)
    for name, address in seen.items():
        assert client.get(address).status_code == 200, name


def test_nobody_else_sees_it(client, rf):
    user = User.objects.create_user("nobody", password="nobody")
    group = Group.objects.create(name="Other editors")
    group.permissions.add(Permission.objects.get(codename="access_admin"))
    user.groups.add(group)
    assert [item.name for item in items(rf, user) if item.name.startswith("kwiga-")] == []
    client.force_login(user)
    assert client.get(reverse("wagtail_kwiga_orders:index")).status_code == 302


def test_groups_are_offered_no_permission_that_means_nothing(admin_client):
    page = admin_client.get(reverse("wagtailusers_groups:add")).content.decode()

    def offered(code):
        return f'value="{Permission.objects.get(codename=code, content_type__app_label="wagtail_kwiga").pk}"' in page

    for code in ("view_order", "record_payment", "view_timelineentry", "resolve_attention", "settle_email"):
        assert offered(code), code
    for code in (
        "grant_access",
        "export_contacts",
        "stop_runs",
        "resume_runs",
        "refund_order",
        "edit_order",
        "place_order",
    ):
        assert offered(code), code
    for verb, model in itertools.product(
        ("add", "change", "delete"), ("order", "timelineentry", "outgoingemail", "run")
    ):
        assert not Permission.objects.filter(codename=f"{verb}_{model}").exists()


def test_the_names_of_permissions_are_translated_in_the_form(admin_client):
    """Wagtail cuts the name of the model off the end of a name, and looks up what is left."""
    ours = policies.registered().exclude(codename__regex="^(view|add|change)_")
    assert ours.count() == 11
    for right in ours:
        assert normalize_permission_label(right) == right.name
        declared = dict(right.content_type.model_class()._meta.permissions)[right.codename]
        with translation.override(None):
            assert str(declared) == right.name
    with translation.override("de"):
        page = unescape(
            admin_client.get(reverse("wagtailusers_groups:add"), headers={"accept-language": "de"}).content.decode()
        )
        for right in ours:
            assert gettext(right.name) in page


def test_a_verb_that_no_model_has_is_a_mistake(admin_user):
    with pytest.raises(LookupError, match="refund_everything"):
        policies.can(admin_user, "refund_everything")
