"""Every address of ours in the admin, collected from the URL resolver, and the table of the documentation that says who may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import get_resolver, reverse
from wagtail.admin.views.bulk_action.registry import bulk_action_registry

from tests.attacks.admin_world import SECRET, body_of
from wagtail_kwiga.backoffice.catalogue.offers import AddOfferPageView
from wagtail_kwiga.backoffice.parts.choosers import may_choose
from wagtail_kwiga.offers.models import OfferPage

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"


@dataclass(frozen=True)
class Address:
    """A named address: ``name`` as the table has it, ``url`` filled in with rows that are there."""

    name: str
    url: str

    @property
    def is_list(self) -> bool:
        return self.name.rpartition(":")[2] in {"list", "index", "uses", "members"}


def addresses(w: Any) -> list[Address]:
    """All of them, with a bulk action a name of its own, and Wagtail's screens about our models."""
    found = {}
    for name, arguments in _named():
        found[_known_as(name)] = reverse(name, kwargs={one: _value(name, one, w) for one in arguments})
    bulk_action_registry._scan_for_bulk_actions()
    for model, actions in bulk_action_registry.actions["wagtail_kwiga"].items():
        for action in actions:
            if model == "offerpage":
                continue  # pages are Wagtail's
            pk = w.grant.pk if model == "listmembership" else row_of(w, model).pk
            url = reverse("wagtail_bulk_action", args=["wagtail_kwiga", model, action])
            found[f"wagtail_bulk_action:{model}.{action}"] = f"{url}?id={pk}"
    found["wagtailsettings:edit"] = reverse("wagtailsettings:edit", args=["wagtail_kwiga", "kwigasettings", w.site.pk])
    return [Address(*pair) for pair in sorted(found.items())]


def _named() -> Iterator[tuple[str, list[str]]]:
    def walk(resolver: Any, namespaces: list[str], within: bool) -> Iterator[tuple[str, list[str]]]:
        for entry in resolver.url_patterns:
            ours = within or "kwiga" in str(entry.pattern) or "kwiga" in str(getattr(entry, "namespace", "") or "")
            if hasattr(entry, "url_patterns"):
                yield from walk(entry, [*namespaces, entry.namespace] if entry.namespace else namespaces, ours)
            elif ours:
                assert entry.name, f"an address without a name: {entry.pattern}"
                names = {*entry.pattern.converters, *entry.pattern.regex.groupindex}
                yield ":".join([*namespaces, entry.name]), sorted(names)

    admin = next(each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    yield from walk(admin, [], False)


def _known_as(name: str) -> str:
    """Two names for the same screen (``conventional_urls``) are two addresses; both stand in the table."""
    return re.sub(r"^kwiga_queue_(\w+)_modeladmin_", r"kwiga_queue_\1:", name)


_ROWS = {
    "orders": "order", "mail": "doubtful", "runs": "paused", "attention": "entry", "offers": "offer", "offer": "offer",
    "products": "product", "product": "product", "coupons": "coupon", "coupon": "coupon", "lists": "list",
    "contactlist": "list", "scenarios": "scenario", "scenario": "scenario", "emails": "template",
    "emailtemplate": "template", "run": "paused",
    "failed": "failure", "waiting": "queued", "done": "success", "schedules": "schedule",
}  # fmt: skip


def row_of(w: Any, name: str) -> Any:
    """The row that the addresses of a namespace or a model are filled in with."""
    part = re.sub(r"^kwiga_queue_(\w+)_modeladmin_\w+$", r"\1", name).partition(":")[0].rpartition("_")[2]
    return getattr(w, _ROWS[part])


def _value(name: str, argument: str, w: Any) -> Any:
    known = {
        "revision_id_a": "earliest", "revision_id_b": "latest", "code": "inactive", "coupon_pk": w.mendable.pk,
        "offer_pk": w.other_offer.pk, "contact_pk": w.contact.pk, "scenario_id": w.scenario.pk,
        "name": "receipt",
    }  # fmt: skip
    if argument == "revision_id":
        return row_of(w, name).revisions.order_by("pk").first().pk
    return known[argument] if argument in known else row_of(w, name).pk


# --- what an answer says ------------------------------------------------------------------------------------------------


def is_refused(answer: Any) -> bool:
    """Wagtail's ways of refusing: to the login, back to its home, or a plain 403."""
    if answer.status_code == 403:
        return True
    return (
        answer.status_code == 302 and re.fullmatch(r"/admin/(login/\?next=.*)?", answer.headers["Location"]) is not None
    )


def given_away(answer: Any) -> str:
    """What a refusal says of people and things all the same: in its words, or in a message for the next screen."""
    words = [body_of(answer), answer.headers.get("Location", "").partition("?next=")[0]]
    if hasattr(answer, "wsgi_request"):
        words += [str(message) for message in getattr(get_messages(answer.wsgi_request), "_queued_messages", ())]
    return next((word for word in words if SECRET in word), "")


def ask(client: Client, address: Address, verb: str) -> Any:
    return getattr(client, verb)(address.url)


# --- the table ----------------------------------------------------------------------------------------------------------


def table() -> dict[str, str]:
    """Address → who may, in the words of the documentation."""
    section = TABLE.read_text().partition("## Addresses")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        namespace, names, who = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"`([\w.]+)`", names):
            key = f"{namespace.strip('`')}:{name}"
            assert key not in found, f"{key} stands in the table twice"
            found[key] = who
    return found


def clauses(who: str) -> list[list[str]]:
    """All of these must hold, of each one word."""
    return [re.findall(r"`(\w+)`|\*([\w ]+)\*", part) for part in who.split(" and ")]  # type: ignore[misc]


def words_of(who: str) -> list[list[str]]:
    return [[code or word for code, word in clause] for clause in clauses(who)]


def may(user: Any, who: str) -> bool:
    """Whether the table lets ``user`` in."""
    if isinstance(user, AnonymousUser) or not user.has_perm("wagtailadmin.access_admin"):
        return False
    return all(any(_holds(user, word) for word in clause) for clause in words_of(who))


def _holds(user: Any, word: str) -> bool:
    special: dict[str, Callable[[], bool]] = {
        "nobody": lambda: False,
        "superusers": lambda: user.is_superuser,
        "choosing": lambda: may_choose(user),
        "adding pages": lambda: _may_add_pages(user),
        "publishing its page": lambda: OfferPage.objects.get(slug="evil").permissions_for_user(user).can_publish(),
    }
    return special[word]() if word in special else user.has_perm(f"wagtail_kwiga.{word}")


def _may_add_pages(user: Any) -> bool:
    view = AddOfferPageView(model=OfferPage)
    view.locale = None
    return view.get_valid_parent_pages(user).exists()
