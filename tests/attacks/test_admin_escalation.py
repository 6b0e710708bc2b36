"""Attacked: the limits of each member of staff, by requests that no screen of theirs sends. A part of the page tree, a right
that somebody has on one thing used on another, keys of rows that belong elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from wagtail.models import GroupPagePermission

from tests.attacks import admin_world
from tests.attacks.admin_walk import is_refused
from tests.attacks.admin_world import client_of, differences, fingerprint, permission
from tests.attacks.test_admin_fuzz import forms
from tests.automations.story import make_template
from tests.support import make_list
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return admin_world.build()


def named(name: str, *args: Any) -> str:
    return reverse(f"wagtail_kwiga_{name}", args=args)


def with_rights(*codenames: str, pages: tuple[Any, ...] = (), groups: tuple[str, ...] = ()) -> User:
    user = admin_world._user(f"with {len(codenames)} {groups}", groups=groups)
    user.user_permissions.add(
        permission("wagtailadmin", "access_admin"), *(permission("wagtail_kwiga", one) for one in codenames)
    )
    group = Group.objects.create(name=f"Pages of {user.pk}")
    for page in pages:
        for verb in ("add", "change", "publish"):
            GroupPagePermission.objects.create(
                group=group, page=page, permission=permission("wagtailcore", f"{verb}_page")
            )
    user.groups.add(group)
    return user


class TestAPartOfTheTree:
    """An editor of ours who may publish one offer page and not the other."""

    @pytest.fixture
    def client(self, shop):
        return client_of(with_rights(pages=(shop.page,), groups=("Kwiga: Editors",)))

    def test_wins_back_there_and_nowhere_else(self, shop, client):
        assert client.get(named("offers:win_back", shop.offer.pk)).status_code == 200
        _where, sent = forms(shop)["win back"]
        before = fingerprint()
        for verb, data in (("get", {}), ("post", sent), ("post", {**sent, "publish": "1"})):
            assert is_refused(getattr(client, verb)(named("offers:win_back", shop.other_offer.pk), data))
        for name in ("win_back_made", "win_back_remove"):
            for verb in ("get", "post"):
                assert is_refused(getattr(client, verb)(named(f"offers:{name}", shop.other_offer.pk, shop.scenario.pk)))
        assert differences(before) == []

    def test_does_not_change_the_other_page_by_mending_a_coupon(self, shop, client):
        where = named("coupons:mend", shop.mendable.pk, shop.other_offer.pk, "offer_takes_none")
        before = fingerprint()
        assert is_refused(client.get(where)) and is_refused(client.post(where))
        assert differences(before) == []

    def test_is_offered_no_place_for_a_page_outside_of_it(self, shop, client):
        where, before = named("offers:add_page"), fingerprint()
        outside = shop.page.get_parent().pk
        answer = client.post(where, {"parent_page": outside})
        assert is_refused(answer) or answer.status_code == 200
        assert is_refused(client.get(reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", outside])))
        assert differences(before) == []


class TestSales:
    """Somebody of *Kwiga: Sales* sends what only editors may."""

    def test_every_form_of_an_editor_is_refused(self, shop):
        client, before = client_of(shop.users["Kwiga: Sales"]), fingerprint()
        theirs = {"member", "money", "preview's order"}
        for name, (where, sent) in forms(shop).items():
            if name not in theirs:
                assert is_refused(client.post(where, sent)), name
        for name, row in (("scenarios", shop.scenario), ("emails", shop.template)):
            for verb in ("unpublish", "delete"):
                assert is_refused(client.post(named(f"{name}:{verb}", row.pk))), (name, verb)
        assert differences(before) == []

    def test_nobody_without_the_right_to_confirm_books_money_by_any_door(self, shop):
        client, before = client_of(shop.users["Kwiga: Editors"]), fingerprint()
        assert is_refused(client.post(named("orders:money_arrived", shop.order.pk), {"amount": "120", "reference": ""}))
        assert differences(before) == []


@pytest.mark.parametrize("form", ["mail", "scenario"])
def test_to_change_is_not_to_publish(shop, form):
    """*action-publish*, *go live at* and the like in the form of somebody who may only change drafts."""
    model, where = {"mail": ("emailtemplate", "emails"), "scenario": ("scenario", "scenarios")}[form]
    client = client_of(with_rights(f"change_{model}", f"add_{model}"))
    row = shop.template if form == "mail" else shop.scenario
    address, sent = forms(shop)[form]
    live = type(row).objects.filter(pk=row.pk).values_list("title", "live", "live_revision_id").get()
    versions, live_rows = m.ScenarioVersion.objects.count(), type(row).objects.filter(live=True).count()
    planned = {**sent, "go_live_at": "2020-01-01 00:00", "live": "on", "is_active": "on"}
    for where_to in (address, named(f"{where}:add")):
        client.post(where_to, planned)
        client.post(where_to, {**planned, "action-submit": "1"})
    assert type(row).objects.filter(pk=row.pk).values_list("title", "live", "live_revision_id").get() == live
    assert m.ScenarioVersion.objects.count() == versions
    assert type(row).objects.filter(live=True).count() == live_rows
    assert is_refused(client.post(named(f"{where}:unpublish", row.pk)))


def test_making_a_mail_in_a_dialogue_publishes_nothing(shop):
    client = client_of(with_rights("add_emailtemplate"))
    live = m.EmailTemplate.objects.filter(live=True).count()
    where = reverse("wagtailsnippetchoosers_wagtail_kwiga_emailtemplate:create")
    client.post(where, {"title": "Fuzz", "subject": "Fuzz", "live": "on", "action-publish": "1"})
    assert m.EmailTemplate.objects.filter(title="Fuzz", live=False).exists()
    assert m.EmailTemplate.objects.filter(live=True).count() == live


def test_to_stop_people_is_not_to_unpublish_their_scenario(shop):
    client = client_of(with_rights("stop_runs"))
    client.post(named("scenarios:stop_all", shop.scenario.pk), {"unpublish": "on"})
    assert m.Scenario.objects.get(pk=shop.scenario.pk).live
    assert not m.Run.objects.filter(state__in=["active", "paused"]).exists()


def test_a_revision_of_another_row_is_not_found(shop):
    """Keys of revisions are shared by everything that has any."""
    client, before = client_of(shop.users["superuser"]), fingerprint()
    other = make_template(title="Other")
    foreign = [shop.scenario.revisions.first().pk, shop.page.revisions.first().pk, other.save_revision().pk]
    before = fingerprint()
    for revision in foreign:
        for name in ("revisions_view", "revisions_revert", "revisions_unschedule"):
            assert client.get(named(f"emails:{name}", shop.template.pk, revision)).status_code == 404, name
            assert client.post(named(f"emails:{name}", shop.template.pk, revision)).status_code in (404, 405), name
    assert differences(before) == []


def test_a_person_of_another_list_is_not_found_on_this_one(shop):
    empty, client = make_list("Empty"), client_of(shop.users["superuser"])
    before = fingerprint()
    for verb in ("get", "post"):
        where = named("lists:remove_member", empty.pk, shop.contact.pk)
        assert getattr(client, verb)(where).status_code == 404
    assert differences(before) == []


def test_a_test_mail_goes_to_ones_own_address_whatever_is_sent(shop):
    client = client_of(shop.users["Kwiga: Editors"])
    client.post(
        named("emails:send_test", shop.template.pk), {"to": "victim@example.com", "email": "victim@example.com"}
    )
    assert set(m.OutgoingEmail.objects.filter(purpose="test").values_list("to_email", flat=True)) <= {
        "team@example.com"
    }


def test_no_way_back_leads_off_the_site(shop):
    client = client_of(shop.users["superuser"])
    ways = [
        "//evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/\\evil.example",
        "abc",
        "a\x00",
    ]
    for way in ways:
        for where in (named("attention:done", shop.entry.pk), named("emails:preview_with")):
            answer = client.post(where, {"next": way})
            assert answer.status_code == 302 and answer.headers["Location"].startswith("/admin/"), (where, way)
        for name in ("listmembership", "run"):
            action = {"listmembership": "take_off", "run": "stop"}[name]
            bulk = reverse("wagtail_bulk_action", args=["wagtail_kwiga", name, action])
            answer = client.post(f"{bulk}?id=0", {"next": way})
            assert answer.headers.get("Location", "/admin/").startswith("/admin/"), (name, way)
