"""Attacked: every list, filter, search, dialogue and form of the admin, by values that nobody types and somebody sends.

Never a crash. A form that is refused changes nothing; what a form takes is taken back after each try.
"""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import urlencode

import django_filters
import pytest
from django.urls import reverse
from wagtail.test.utils.form_data import nested_form_data, rich_text, streamfield

from tests.attacks import admin_world
from tests.attacks.admin_walk import Address, addresses
from tests.attacks.admin_world import body_of, client_of, differences, fingerprint, tried
from wagtail_kwiga.backoffice.parts import filters

pytestmark = pytest.mark.django_db

NUL, LONG, FAR = "a\x00b", "x" * 10_000, "9" * 30
KEYS = [FAR, "-1", "abc", NUL, str(2**63)]
DAYS = ["9999-12-31", "0001-01-01", "99999-01-01", "yesterday", NUL]
WORDS = [NUL, LONG, "%\\'\";--\u202e\u2028", "\ud800".encode("utf-8", "surrogatepass")]
PAGES = ["0", FAR, "abc"]
ORDERS = ["-", "contact__email__x", NUL]


@pytest.fixture
def shop():
    return admin_world.build()


def crashes(client: Any, where: str, verb: str = "get", sent: Any = None) -> str:
    """What broke, in words; empty for nothing."""
    with tried():
        try:
            answer = client.get(where) if verb == "get" else client.post(where, sent)
            body_of(answer)
        except Exception as fault:  # an export breaks while it is read
            return f"{verb} {where[:200]}: {fault!r}"[:400]
    return f"{verb} {where[:200]}: {answer.status_code}" if answer.status_code >= 500 else ""


def lists(shop: Any) -> list[Address]:
    """What can be searched, sorted and turned over: lists, histories, dialogues of choosers."""
    names = {"list", "index", "uses", "members", "choose", "history", "usage", "versions"}
    return [
        each
        for each in addresses(shop)
        if each.name.rpartition(":")[2] in names
        and not each.name.startswith(("wagtailsnippets_", "wagtail_kwiga_offers:h"))
    ]


def test_no_word_in_an_address_crashes_a_list(shop):
    client, wrong = client_of(shop.users["superuser"]), []
    for address in lists(shop):
        queries = [
            *({"q": words} for words in WORDS), *({"p": page} for page in PAGES), *({"ordering": word} for word in ORDERS),
            {"export": NUL}, {"locale": NUL, "o": FAR},
        ]  # fmt: skip
        wrong += [crashes(client, f"{address.url}?{urlencode(query)}") for query in queries]
    for name in ("wagtail_kwiga_emails:add", "wagtail_kwiga_emails:preview_on_add", "wagtail_kwiga_offers:add_page"):
        wrong.append(crashes(client, f"{reverse(name)}?{urlencode({'locale': NUL})}"))
    wrong.append(
        crashes(client, f"{reverse('wagtail_kwiga_emails:preview_on_add')}?{urlencode({'locale': NUL})}", "post", {})
    )
    assert list(filter(None, wrong)) == []


def filtersets(shop: Any) -> list[tuple[Address, Any]]:
    """Each list that has filters, with them."""
    client, found = client_of(shop.users["superuser"]), []
    for address in lists(shop):
        context = client.get(address.url).context
        if context is not None and hasattr(filterset := context.get("filters"), "filters"):
            found.append((address, filterset))
    return found


def values_for(name: str, one: Any) -> list[dict[str, str]]:
    match one:
        case django_filters.DateFromToRangeFilter():
            ends = [f"{name}_from", f"{name}_to"]
            backwards = {ends[0]: "2030-01-01", ends[1]: "2020-01-01"}
            return [backwards, *({end: day} for day, end in itertools.product(DAYS, ends))]
        case django_filters.ModelMultipleChoiceFilter() | django_filters.ModelChoiceFilter():
            return [{name: key} for key in KEYS]
    return [{name: word} for word in (FAR, NUL)]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", pytest.param("Pacific/Pago_Pago", marks=pytest.mark.long)])
def test_no_value_of_a_filter_crashes_a_list(shop, zone, settings):
    settings.TIME_ZONE = zone  # days end at different instants, and at the ends of the calendar at none
    client, wrong, number = client_of(shop.users["superuser"]), [], 0
    for address, filterset in filtersets(shop):
        for name, one in filterset.filters.items():
            is_of_a_day = isinstance(one, django_filters.DateFromToRangeFilter)
            if zone != "Pacific/Kiritimati" and not is_of_a_day:
                continue
            for query in values_for(name, one):
                number += 1
                wrong.append(crashes(client, f"{address.url}?{urlencode(query)}"))
                if is_of_a_day:
                    wrong.append(crashes(client, f"{address.url}?{urlencode({**query, 'export': 'csv'})}"))
    assert list(filter(None, wrong)) == []
    assert number > 60


def test_our_lists_have_no_filter_that_hands_a_key_on_unread():
    """A new list begins with ours, or with the ones of django-filter that crash."""
    from django_filters import FilterSet

    def below(kind: type) -> list[type]:
        return [kind, *(each for one in kind.__subclasses__() for each in below(one))]

    wrong = [
        f"{kind.__name__}.{name}"
        for kind in below(FilterSet)
        if kind.__module__.startswith("wagtail_kwiga")
        for name, one in kind.base_filters.items()
        if isinstance(one, django_filters.ModelMultipleChoiceFilter | django_filters.DateFromToRangeFilter)
        and not isinstance(one, filters.RowsFilter | filters.DayRangeFilter)
        and (kind.__name__, name) != ("_FilterSet", "user")  # Wagtail's own, of a history: it reads keys by itself
    ]
    assert wrong == []


def test_no_key_in_a_path_or_of_a_choice_crashes(shop):
    client, wrong, before = client_of(shop.users["superuser"]), [], fingerprint()
    for address in addresses(shop):
        parts = [place for place, part in enumerate(address.url.split("/")) if part.isdigit()]
        for place, key in itertools.product(parts, (FAR,)):
            path = address.url.split("/")
            path[place] = key
            wrong += [crashes(client, "/".join(path), verb) for verb in ("get", "post")]
    for model, key in itertools.product(
        ("coupon", "contactlist", "product", "offer", "scenario", "emailtemplate"), KEYS
    ):
        chooser = f"wagtailsnippetchoosers_wagtail_kwiga_{model}"
        junk = key.replace("\x00", "%00")
        wrong.append(crashes(client, reverse(f"{chooser}:chosen", args=["junk"]).replace("junk", junk)))
        wrong.append(crashes(client, f"{reverse(f'{chooser}:chosen_multiple')}?{urlencode({'id': key})}"))
    for address in addresses(shop):
        if address.name.startswith("wagtail_bulk_action"):
            where = address.url.partition("?")[0]
            for key, verb in itertools.product([*KEYS, "all"], ("get", "post")):
                wrong.append(crashes(client, f"{where}?{urlencode({'id': key})}", verb))
    assert (list(filter(None, wrong)), differences(before)) == ([], [])


# --- forms --------------------------------------------------------------------------------------------------------------

#: What is put into one field of a form that is right otherwise; of the blocks of a stream, the first two.
JUNK = [NUL, FAR, "1e400", "9999-12-31 23:59", "\u202e\u2028{{%s"]


def forms(shop: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name → address and what a browser would send of the form there."""
    coupon = {
        "code": "FUZZ", "kind": "percent", "percent": "10", "amount": "", "currency": "", "contact_lists": [shop.list.pk],
        "offers": [shop.offer.pk], "valid_from": "", "valid_until": "", "limit_total": "", "limit_per_contact": "1",
        "is_active": "on", "note": "",
    }  # fmt: skip
    mail = {"title": "Fuzz", "subject": "Fuzz", "preheader": "", "kind": "", "locale": "en"}
    body = [
        ("heading", {"text": "Hello"}), ("text", {"text": rich_text("<p>Hello</p>")}),
        ("button", {"label": "Go", "where": "own", "url": "https://example.com/"}),
    ]  # fmt: skip
    chosen = {"offers": [str(shop.offer.pk)], "payment_kinds": ["online"], "origins": ["web"]}
    steps = [
        ("wait", {"amount": "30", "unit": "minutes"}), ("add_to_list", {"list": shop.list.pk, "until": "scenario", "hours": ""}),
        ("send_email", {"template": shop.template.pk, "coupon": ""}), ("wait", {"amount": "24", "unit": "hours"}),
        ("remove_from_list", {"list": shop.list.pk}),
    ]  # fmt: skip

    def named(name: str, *args: Any) -> str:
        return reverse(name, args=args)

    mails = nested_form_data({**mail, "body": streamfield(body)})
    start = streamfield([("order_unpaid", {"include_free": ""})])
    stories = nested_form_data({"title": "Fuzz", "start": start, "steps": streamfield(steps)})
    stories |= {f"start-0-value-{name}": values for name, values in chosen.items()}
    recover = {
        "percent": "15", "wait": "30", "hours": "24", "subject": "a", "heading": "b", "text": "c", "button": "d",
        "code": "FUZZ2", "draft": "1",
    }  # fmt: skip
    return {
        "coupon": (named("wagtail_kwiga_coupons:edit", shop.coupon.pk), coupon),
        "new coupon": (named("wagtail_kwiga_coupons:add"), coupon),
        "chooser's coupon": (named("wagtailsnippetchoosers_wagtail_kwiga_coupon:create"), coupon),
        "list": (named("wagtail_kwiga_lists:add"), {"title": "Fuzz", "description": "x"}),
        "chooser's list": (named("wagtailsnippetchoosers_wagtail_kwiga_contactlist:create"), {"title": "Fuzz"}),
        "product": (
            named("wagtail_kwiga_products:add"),
            {"title": "Fuzz", "slug": "fuzz", "kind": "course", "entry_url": "/a/", "description": "x"},
        ),
        "mail": (named("wagtail_kwiga_emails:edit", shop.template.pk), {**mails, "action-publish": "1"}),
        "draft": (named("wagtail_kwiga_emails:add"), mails),
        "chooser's mail": (
            named("wagtailsnippetchoosers_wagtail_kwiga_emailtemplate:create"), {"title": "Fuzz", "subject": "Fuzz"}
        ),
        "scenario": (named("wagtail_kwiga_scenarios:edit", shop.scenario.pk), {**stories, "action-publish": "1"}),
        "member": (
            named("wagtail_kwiga_lists:add_member", shop.list.pk), {"email": "a@example.com", "name": "A", "until": ""}
        ),
        "money": (named("wagtail_kwiga_orders:money_arrived", shop.order.pk), {"amount": "1", "reference": "r"}),
        "win back": (named("wagtail_kwiga_offers:win_back", shop.other_offer.pk), recover),
        "preview": (named("wagtail_kwiga_emails:preview_on_edit", shop.template.pk), mails),
        "preview's order": (named("wagtail_kwiga_emails:preview_with"), {"order": "1", "next": "/admin/"}),
        "new page's place": (named("wagtail_kwiga_offers:add_page"), {"parent_page": shop.page.get_parent().pk}),
    }  # fmt: skip


def _errors(answer: Any) -> Any:
    form = (answer.context or {}).get("form") if answer.status_code == 200 else None
    return form is not None and form.errors


@pytest.mark.long
def test_no_value_of_a_field_crashes_a_form(shop):
    client, wrong, before = client_of(shop.users["superuser"]), [], fingerprint()
    for name, (where, sent) in forms(shop).items():
        with tried():
            answer = client.post(where, sent)
        # Right as it is, or junk would be refused for another reason than being junk.
        assert answer.status_code in (200, 302) and not _errors(answer), (name, _errors(answer))
        for field in sent:
            of_streams = field.count("-") > 1
            for junk in JUNK[:2] if of_streams else JUNK:
                fault = crashes(client, where, "post", {**sent, field: junk})
                wrong.append(fault and f"{name}: {field}={junk[:20]!r}: {fault}")
    assert (list(filter(None, wrong)), differences(before)) == ([], [])


def test_blocks_that_do_not_come_whole_are_no_blocks(shop):
    """Read as *no blocks* they would empty what is there."""
    client, before = client_of(shop.users["superuser"]), fingerprint()
    for name in ("mail", "scenario"):
        where, sent = forms(shop)[name]
        for field in [each for each in sent if each.endswith(("-count", "-0-type", "-0-order", "-0-deleted"))]:
            for given in ({key: value for key, value in sent.items() if key != field}, {**sent, field: "x"}):
                if field.endswith(("type", "deleted")) and field in given:
                    continue  # an unknown type is a block that this site no longer has
                assert client.post(where, given).status_code == 400, field
    assert differences(before) == []
