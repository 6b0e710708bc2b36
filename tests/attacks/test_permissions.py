"""Attacked: the doors of the admin. Every address of ours, as everybody, by GET and by POST, against the table in the docs.

The addresses are collected from the URL resolver: one that is new and not in the table fails here, and so does a row of the
table without an address.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.urls import reverse
from wagtail.models import GroupPagePermission

from tests.attacks import admin_walk, admin_world
from tests.attacks.admin_walk import Address, addresses, ask, given_away, is_refused, may, table, words_of
from tests.attacks.admin_world import client_of, differences, fingerprint, tried
from tests.offers.making import root

pytestmark = pytest.mark.django_db
VERBS = ("get", "post")


@pytest.fixture
def shop():
    return admin_world.build()


def test_the_table_names_every_address_and_no_other(shop):
    assert sorted(table()) == sorted(each.name for each in addresses(shop))


def knock(client: Any, address: Address, verb: str, is_let_in: bool) -> str:
    """What is wrong with the answer, in words; empty for nothing."""
    answer = ask(client, address, verb)
    if answer.status_code >= 500:
        return f"{verb} {address.name}: {answer.status_code}"
    if is_let_in:
        return f"{verb} {address.name}: refused, {answer.status_code}" if is_refused(answer) else ""
    if not is_refused(answer) and answer.status_code != 405:  # a verb that a screen does not know is no way in
        return f"{verb} {address.name}: open, {answer.status_code}"
    return f"{verb} {address.name}: gives away {given_away(answer)[:200]!r}" if given_away(answer) else ""


def test_everybody_gets_what_the_table_says(shop):
    """Who may not: refused, told nothing, nothing changed. Who may: let in; whatever it does is taken back."""
    known, wrong = table(), []
    for who, user in {"a visitor": None, **shop.users}.items():
        client, before = client_of(user), fingerprint()
        wanted = AnonymousUser() if user is None else User.objects.get(pk=user.pk)
        for address, verb in itertools.product(addresses(shop), VERBS):
            if may(wanted, known[address.name]):
                with tried():
                    wrong.append((who, knock(client, address, verb, True)))
            else:
                wrong.append((who, knock(client, address, verb, False)))
        if changed := differences(before):
            wrong.append((who, f"changed {changed}"))
    assert [one for one in wrong if one[1]] == []


#: Rights to pages, which are given for a place in the tree.
PAGES = {"publishing its page": "publish_page", "adding pages": "add_page"}


def user_with(shop: Any, name: str, words: list[str]) -> User:
    """Somebody of the admin with just these rights, by the words of the table."""
    user = admin_world._user(name)
    user.user_permissions.add(admin_world.permission("wagtailadmin", "access_admin"))
    for word in words:
        if word in PAGES:
            group = admin_world.Group.objects.create(name=f"Pages of {name}")
            right = admin_world.permission("wagtailcore", PAGES[word])
            GroupPagePermission.objects.create(group=group, page=root(), permission=right)
            user.groups.add(group)
        elif word == "choosing":
            user.user_permissions.add(admin_world.permission("wagtail_kwiga", "view_product"))
        else:
            user.user_permissions.add(admin_world.permission("wagtail_kwiga", word))
    return user


def grouped(shop: Any) -> dict[str, list[Address]]:
    """What the table says → the addresses of which it says so."""
    known, found = table(), {}
    for address in addresses(shop):
        if address.name.startswith("wagtailsnippets_"):
            continue  # the same views by another name
        found.setdefault(known[address.name], []).append(address)
    return {who: them for who, them in found.items() if who not in ("*nobody*", "*superusers*")}


def test_each_right_alone_opens_what_the_table_says(shop):
    """For each way to fulfil a row somebody who has that and nothing else."""
    wrong = []
    for number, (who, them) in enumerate(grouped(shop).items()):
        clauses = words_of(who)
        for place in range(max(len(clause) for clause in clauses)):
            words = [clause[min(place, len(clause) - 1)] for clause in clauses]
            client = client_of(user_with(shop, f"has-{number}-{place}", words))
            for address in them if place == 0 else them[:1]:
                with tried():
                    wrong.append((words, knock(client, address, "get", True)))
    assert [one for one in wrong if one[1]] == []


@pytest.mark.long
def test_every_other_right_together_does_not(shop):
    """For each row, and each part of it, somebody with every permission of the site but those of that part."""
    wrong, every = [], list(Permission.objects.select_related("content_type"))
    for number, (who, them) in enumerate(grouped(shop).items()):
        for place, clause in enumerate(words_of(who)):
            if "choosing" in clause:
                continue  # nearly any right will do; the walk above has those who have none
            user = admin_world._user(f"lacks-{number}-{place}")
            user.user_permissions.set(
                [one for one in every if one.content_type.app_label != "wagtail_kwiga" or one.codename not in clause]
            )
            client = client_of(user)
            wrong += [(clause, knock(client, address, verb, False)) for address in them for verb in VERBS]
    assert [one for one in wrong if one[1]] == []


def test_no_form_is_taken_without_its_token(shop):
    """Another site's page that makes a superuser's browser post."""
    client, before = client_of(shop.users["superuser"], enforce_csrf_checks=True), fingerprint()
    used_count = [each.name for each in addresses(shop) if ask(client, each, "post").status_code != 403]
    assert (used_count, differences(before)) == ([], [])


def test_no_spreadsheet_for_those_who_may_not_open_the_list(shop):
    client = client_of(shop.users["somebody of the admin"])
    lists = [each for each in addresses(shop) if each.is_list]
    assert len(lists) > 10
    for address in lists:
        for kind in ("csv", "xlsx"):
            answer = client.get(f"{address.url}?export={kind}")
            assert is_refused(answer), address.name
            assert not given_away(answer), address.name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wagtail_kwiga_lists:members", ["view_listmembership", "view_contact"]),
        ("wagtail_kwiga_orders:index", ["view_order", "view_contact"]),
        ("wagtail_kwiga_mail:index", ["view_outgoingemail", "view_contact"]),
        ("wagtail_kwiga_coupons:uses", ["view_coupon", "view_order", "view_contact"]),
    ],
)
def test_people_leave_the_house_only_with_the_right_to_take_them_along(shop, name, words):
    (where,) = (each.url for each in addresses(shop) if each.name == name)
    client = client_of(user_with(shop, "onlooker", words))
    for kind in ("csv", "xlsx"):
        assert is_refused(client.get(f"{where}?export={kind}"))
    page = client.get(where)
    assert page.status_code == 200
    assert admin_walk.body_of(page).count("export=") == 0
    keeper = client_of(user_with(shop, "keeper", [*words, "export_contacts"]))
    assert keeper.get(f"{where}?export=csv").status_code == 200
    assert admin_walk.body_of(keeper.get(where)).count("export=") > 0


def test_previews_of_blocks_show_samples_only(shop):
    """Wagtail opens the previews of blocks to everybody in the admin."""
    client = client_of(shop.users["somebody of the admin"])
    for model, names in ((admin_world.m.EmailTemplate, ("body",)), (admin_world.m.Scenario, ("start", "steps"))):
        for name in names:
            for child in model._meta.get_field(name).stream_block.child_blocks.values():
                answer = client.get(reverse("wagtailadmin_block_preview"), {"id": child.definition_prefix})
                assert answer.status_code == 200
                assert admin_world.SECRET not in admin_walk.body_of(answer), child.name
