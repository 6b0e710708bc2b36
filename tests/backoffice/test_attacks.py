"""Attacks on the back office: every address as everybody, markup in every name, looks that must not change a thing."""

from __future__ import annotations

import hashlib
import io
from io import StringIO

import openpyxl
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver, reverse
from wagtail.users.models import UserProfile

from tests.automations.story import make_template, steps, stream, tell
from tests.backoffice.screens import MARKUP, is_refused, somebody_who_may
from tests.offers import making
from tests.offers.making import make_page, offer_of
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.recovery import presets
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.backoffice.parts import records
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import delivery

pytestmark = pytest.mark.django_db

SECRET = "zebra"  # in every name, so that a screen that shows what it must not gives itself away
EVIL = f"{SECRET}{MARKUP}"


@pytest.fixture
def world(db):
    """One of everything, each with markup in its name."""
    call_command("kwiga_setup", stdout=StringIO())
    page = make_page(EVIL, slug="evil", coupon_mode="only")
    offer = offer_of(page)
    contact_list = make_list(EVIL)
    coupon = make_coupon(f"{SECRET}15", lists=[contact_list], note=EVIL)
    gates.name_coupons(offer, [coupon.pk])
    template = make_template(title=EVIL, subject=f"{EVIL} {{{{ offer.title }}}}")
    scenario = m.Scenario.objects.create(
        title=EVIL, start=stream(("order_unpaid", {"offers": [offer.pk]})), steps=steps(contact_list, template)
    )
    for draft in (template, scenario):
        draft.save_revision()
    versions.publish(scenario, now=START)
    contact = make_contact(f"{SECRET}@example.com", name=EVIL)
    order = order_for(contact, offer, now=START, language="en")
    engine.run_due(after(minutes=30))
    lists.staff_add(contact_list, contact, by=None)
    writing.write(offer, presets.DRAFTED, scenario=scenario.pk, coupon=coupon.code, title=EVIL)
    entry = writing.write(order, "payments.too_much", now=START, attention=True, words=EVIL, amount=EVIL)
    return {
        "offer": offer, "coupon": coupon, "list": contact_list, "template": template, "scenario": scenario,
        "contact": contact, "order": order, "run": m.Run.objects.get(order=order), "mail": m.OutgoingEmail.objects.get(),
        "entry": entry or m.TimelineEntry.objects.filter(needs_attention=True).first(), "page": page,
        "product": m.Product.objects.first(),
    }  # fmt: skip


KINDS = {
    "offers": "offer", "products": "product", "coupons": "coupon", "lists": "list", "scenarios": "scenario",
    "people": "run", "emails": "template", "mail": "mail", "orders": "order", "attention": "entry",
    "offer": "offer", "product": "product", "coupon": "coupon", "contactlist": "list", "scenario": "scenario",
    "emailtemplate": "template",
}  # fmt: skip


def addresses(world) -> list[str]:
    """Every address of the back office, filled in with rows that are there."""
    found = []

    def walk(resolver, namespaces):
        for entry in resolver.url_patterns:
            if hasattr(entry, "url_patterns"):
                walk(entry, [*namespaces, entry.namespace] if entry.namespace else namespaces)
                continue
            if not namespaces or "wagtail_kwiga_" not in f"{namespaces[-1]}_" or namespaces[-1] == "wagtail_kwiga":
                continue
            names = set(entry.pattern.converters) | set(entry.pattern.regex.groupindex)
            found.append(_filled(":".join([*namespaces, entry.name]), names, world))

    walk(get_resolver(), [])
    base = reverse("wagtailadmin_home")
    pks = {name: row.pk for name, row in world.items() if row is not None}
    for model, action, key in [("listmembership", "take_off", None), ("run", "stop", "run")]:
        pk = pks[key] if key else m.ListMembership.objects.first().pk
        found.append(f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', model, action])}?id={pk}")
    return sorted({one for one in found if one.startswith(base)})


def _filled(name, names, world):
    ends = {"revision_id_a": "earliest", "revision_id_b": "latest"}
    sample = reverse(name, kwargs={one: ends.get(one, 1) for one in names})
    row = world[next(KINDS[part] for part in reversed(sample.split("/")) if part in KINDS)] if names else None
    told = {
        **ends, "code": "wrong_offer", "coupon_pk": world["coupon"].pk, "offer_pk": world["offer"].pk,
        "contact_pk": world["contact"].pk, "scenario_id": world["scenario"].pk,
    }  # fmt: skip
    if "revision_id" in names:
        told["revision_id"] = row.revisions.first().pk
    return reverse(name, kwargs={one: told.get(one, row and row.pk) for one in names})


def fingerprint() -> dict[str, str]:
    """What every table of ours and of Wagtail's histories holds."""
    kept = {}
    for model in [*apps.get_app_config("wagtail_kwiga").get_models(), *apps.get_app_config("wagtailcore").get_models()]:
        rows = serializers.serialize("json", model._base_manager.order_by("pk"))
        kept[model._meta.label] = hashlib.sha256(rows.encode()).hexdigest()
    return kept


def as_member_of(*groups) -> Client:
    user = User.objects.create_user(f"in-{len(groups)}-{groups[:1]}", password="x", email="team@example.com")
    user.groups.add(*Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


# --- who may ----------------------------------------------------------------------------------------------------------


def test_a_visitor_gets_nothing_anywhere(client, world):
    before = fingerprint()
    for address in addresses(world):
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code == 302 and answer.url.startswith(reverse("wagtailadmin_login")), address
    assert fingerprint() == before


def test_staff_without_rights_see_nothing_and_change_nothing(world):
    plain, before, seen = somebody_who_may(), fingerprint(), []
    for address in addresses(world):
        for answer in (plain.get(address), plain.post(address)):
            words = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if not is_refused(answer) and (SECRET.encode() in words or answer.status_code not in (404, 405)):
                seen.append((address, answer.status_code, SECRET.encode() in words))
    changed = [label for label, rows in fingerprint().items() if rows != before[label]]
    assert (seen, changed) == ([], [])


@pytest.mark.parametrize("who", ["Kwiga: Editors", "Kwiga: Sales", "superuser"])
def test_a_look_changes_nothing_never_crashes_and_shows_no_markup(world, admin_user, who):
    client = Client()
    if who == "superuser":
        client.force_login(admin_user)
    else:
        client = as_member_of(who)
    before, raw = fingerprint(), []
    for address in addresses(world):
        answer = client.get(address)
        assert answer.status_code < 500, address
        words = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
        if MARKUP in words:
            raw.append((address, words[max(0, words.index(MARKUP) - 200) :][:500]))
    after_all = fingerprint()
    assert [label for label in before if before[label] != after_all[label]] == []
    assert raw == []


def test_no_form_without_its_token(world, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    before = fingerprint()
    for address in addresses(world):
        assert client.post(address).status_code in (403, 404, 405), address
    assert fingerprint() == before


# --- odd input --------------------------------------------------------------------------------------------------------

JUNK = [
    "", " ", "0", "-1", "1e400", "NaN", "Infinity", "9" * 18, "9999-12-31 23:59", "0001-01-01 00:00", "<b>{{ x }}</b>",
    "{{", "{{ contact.first_name }}", "{% if %}", "%(x)s %s {0} {x}", "\u202eabc\u200b", "😀" * 300, "x" * 70_000,
    "'\";=cmd|' /C calc'!A0", "a\r\nBcc: x@example.com", "\x00", "\x0b", "\ud7ff\ufffe",
]  # fmt: skip


def screens_with_forms(world) -> list[str]:
    return [one for one in addresses(world) if "/results/" not in one and "preview" not in one]


def test_odd_words_in_an_address_crash_nothing(world, admin_client):
    # Dates at the end of the calendar and keys beyond 64 bits are for django-filter and Django to bear.
    queries = [
        "q=%00&p=99999999999999999999&next=//evil.example&ordering=__class__&locale=zz",
        "p=-1&scenario=zz&state=zz&status=zz&purpose=zz&kind=zz&working=zz&live=zz&room=zz&offers=zz&contact_lists=%F0%9F",
    ]
    crashed = []
    for address in [one for one in addresses(world) if not any(part.isdigit() for part in one.split("/"))]:
        for query in queries:
            sent = f"{address}{'&' if '?' in address else '?'}{query}"
            try:
                answer = admin_client.get(sent)
                if answer.streaming:
                    b"".join(answer.streaming_content)
                if answer.status_code >= 500 or "evil.example" in answer.get("Location", ""):
                    crashed.append((sent, answer.status_code))
            except Exception as fault:
                crashed.append((sent[:160], repr(fault)[:150]))
    assert not crashed, "\n".join(map(str, crashed))


def test_odd_keys_of_ticked_rows_are_nobody(world, admin_client):
    for model, action in (("run", "stop"), ("listmembership", "take_off")):
        where = reverse("wagtail_bulk_action", args=["wagtail_kwiga", model, action])
        before = fingerprint()
        for ids in (
            "id=abc",
            "id=",
            "id=-1",
            "id=" + "9" * 40,
            "id=all",
            "id=all&childOf=" + "9" * 40,
            "id=%C2%B2",
            "",
        ):
            for answer in (admin_client.get(f"{where}?{ids}"), admin_client.post(f"{where}?{ids}")):
                assert answer.status_code in (200, 302), ids
        assert fingerprint() == before


def test_odd_words_in_a_form_crash_nothing(world, admin_client):
    crashed = []
    for address in screens_with_forms(world):
        answer = admin_client.get(address)
        if answer.status_code != 200 or not answer.context or answer.context.get("form") is None:
            continue
        form = answer.context["form"]
        names = list(form.fields)
        if {"body", "steps", "parent_page"} & set(names):
            continue  # streams and choosers of pages are Wagtail's to read
        for turn in range(0, len(JUNK), 4):  # each field gets other junk at each turn
            sent = {name: JUNK[(place + turn) % len(JUNK)] for place, name in enumerate([*names, "publish"])}
            try:
                answer = admin_client.post(address, sent)
                if answer.status_code >= 500:
                    crashed.append((address, turn, answer.status_code))
            except Exception as fault:
                crashed.append((address, turn, repr(fault)[:150]))
    assert not crashed, "\n".join(map(str, crashed))


@pytest.mark.parametrize("moment", ["9999-12-31 23:59", "0001-01-01 00:00", "9999-12-31 00:01"])
def test_the_ends_of_the_calendar_break_no_screen(admin_client, admin_user, moment):
    contact_list = make_list()
    profile = UserProfile.get_for_user(admin_user)
    screens = [reverse("wagtail_kwiga_lists:members", args=[contact_list.pk]), reverse("wagtail_kwiga_coupons:list")]
    coupon = {"kind": "percent", "percent": "10", "limit_per_contact": "1", "is_active": "on"}
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        UserProfile.objects.filter(pk=profile.pk).update(current_time_zone=zone)
        admin_client.post(f"{screens[0]}add/", {"email": "ada@example.com", "until": moment})
        for name in ("valid_until", "valid_from"):
            admin_client.post(f"{screens[1]}add/", {**coupon, "code": f"{name}-{zone}", name: moment})
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        UserProfile.objects.filter(pk=profile.pk).update(current_time_zone=zone)
        assert [admin_client.get(screen).status_code for screen in screens] == [200, 200]


# --- promises through the new verbs -----------------------------------------------------------------------------------


@pytest.fixture
def story(db):
    """An order whose mail with a coupon waits in the outbox."""
    told = tell()
    order = told.place(make_contact("ada@example.com"))
    engine.run_due(after(minutes=30))
    assert m.OutgoingEmail.objects.get().status == "queued"
    return told, order


def test_a_mail_does_not_promise_what_taking_off_has_just_ended(story):
    """Promise 5: taken off between writing and hand-over."""
    told, order = story
    assert lists.staff_remove(told.list, [order.contact_id], by=None, now=after(minutes=31))
    delivery.deliver_due(after(minutes=31))
    mail = m.OutgoingEmail.objects.get()
    assert (mail.status, mail.why) == ("missed", "promise_over: coupon_ended_for_you")


@pytest.mark.parametrize("over", [{"is_active": False}, {"valid_until": after(minutes=31)}])
def test_nor_what_ended_for_everybody(story, over):
    told, _order = story
    m.Coupon.objects.filter(pk=told.coupon.pk).update(**over)
    delivery.deliver_due(after(minutes=31))
    assert m.OutgoingEmail.objects.get().status == "missed"


def test_sent_again_by_hand_it_promises_no_more_either(story, admin_client):
    told, order = story
    m.OutgoingEmail.objects.update(status="unknown")
    lists.staff_remove(told.list, [order.contact_id], by=None, now=after(minutes=31))
    mail = m.OutgoingEmail.objects.get()
    assert admin_client.post(reverse("wagtail_kwiga_mail:send_again", args=[mail.pk])).status_code == 302
    m.OutgoingEmail.objects.update(due_at=after(minutes=31))
    delivery.deliver_due(after(minutes=32))
    assert m.OutgoingEmail.objects.get().status == "missed"


def test_who_is_still_on_the_list_gets_it(story):
    delivery.deliver_due(after(minutes=31))
    assert m.OutgoingEmail.objects.get().status == "sent"


def test_taking_off_ends_the_discount_of_an_order_form_that_is_open_already(client, admin_client, settings):
    """Promise 5: nobody is charged more than was shown, and nobody gets what has ended."""
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())
    contact_list, ada = make_list(), make_contact("ada@example.com")
    coupon = make_coupon("COMEBACK15", lists=[contact_list])
    page = make_page(coupon_mode="only", coupons=[coupon])
    lists.staff_add(contact_list, ada, by=None, now=after())
    _page, sent = making.fill_in(client, page.url, coupon="COMEBACK15")
    where = reverse("wagtail_kwiga_lists:remove_member", args=[contact_list.pk, ada.pk])
    assert admin_client.get(where).status_code == 200 and admin_client.post(where).status_code == 302
    client.post(page.url, sent)
    assert not m.Order.objects.filter(coupon=coupon).exists() and not m.CouponUse.objects.exists()


# --- spreadsheets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("=1+1", "'=1+1"), ("\t=1", "'\t=1"), ("Ada;=cmd|' /C calc'!A0", "Ada;'=cmd|' /C calc'!A0"),
        ("Ada; @SUM(A1)", "Ada;' @SUM(A1)"), ("a\n-2", "a\n'-2"), ("+48 600 100 200", "+48 600 100 200"),
        ("＝1+1", "'＝1+1"), ("＋1", "'＋1"), ("－1", "'－1"), ("＠SUM(A1)", "'＠SUM(A1)"), ("Ada；＝1", "Ada；'＝1"),
        ("-12.50", "-12.50"), ("Ada; Berlin", "Ada; Berlin"), ("\x07Ada", "Ada"),
    ],
)  # fmt: skip
def test_no_cell_begins_a_formula_whatever_separates_cells(words, written):
    assert records.harmless(words) == written


def test_the_spreadsheet_of_coupons_is_as_harmless_as_the_others(admin_client):
    make_coupon("SPRING", note="=HYPERLINK(1)")
    for kind in ("csv", "xlsx"):
        answer = admin_client.get(f"{reverse('wagtail_kwiga_coupons:list')}?export={kind}")
        body = b"".join(answer.streaming_content)
        if kind == "xlsx":
            sheet = openpyxl.load_workbook(io.BytesIO(body)).active
            assert "'=HYPERLINK(1)" in {cell.value for row in sheet.iter_rows() for cell in row}
        else:
            assert b",'=HYPERLINK(1)," in body
