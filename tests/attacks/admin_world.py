"""The shop that the attacks on the back office walk through: one of everything, and hostile words in every field of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core import serializers
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils.html import escape
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage
from wagtail.models import GroupPagePermission, Site

from tests.automations.story import make_template, steps, stream
from tests.offers.making import block, make_page, offer_of, root
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.journal import writing
from wagtail_kwiga.orders.drafts import Method

#: In every name and address, so that a screen that shows what it must not gives itself away.
SECRET = "zebra"
#: What breaks out of a text, an attribute, a script, a template, a line; and begins a formula in a spreadsheet.
EVIL = (
    f"={SECRET}\"'><svg/onload=kwigaHit()><img src=x onerror=kwigaHit()></script><script>kwigaHit()</script>"
    "{{7*7}}{%x%}\u2028\u202e"
)
#: The same for fields of at least 40, and of 20 characters.
SHORT = f"={SECRET}\"'><svg onload=kwigaHit()>"[:40]
TINY = "\"'><svg onload=k()>"[:20]
LINK = "javascript:kwigaHit('zebra')"
ADDRESS = f'"{SECRET}<svg/onload=kwigaHit()>"@example.com'
PASSWORD = "brush-and-paper"


def evil_blocks(kind: str) -> list[dict[str, Any]]:
    """Blocks of an e-mail with hostile words; braces are refused there, so without them. Rich text holds them as words: what a
    browser sends for it is made anew from its words."""
    words = EVIL.replace("{{7*7}}{%x%}", "")
    return {
        "email": stream(
            ("heading", {"text": words}), ("text", {"text": f"<p>{escape(words)}</p>"}),
            ("coupon_card", {"title": words, "show_prices": True, "show_deadline": True}),
            ("button", {"label": words[:60], "where": "own", "url": "https://example.com/?a=\"'><svg onload=kwigaHit()>"}),
        ),
        "page": [
            block("hero", {"heading": words[:100], "text": words}), block("text", f"<p>{escape(words)}</p>"),
            block("questions", {"heading": words[:100], "questions": [{"question": words, "answer": f"<p>{escape(words)}</p>"}]}),
        ],
    }[kind]  # fmt: skip


def build() -> SimpleNamespace:
    """One of everything. Names are hostile from the start where the package takes them, else they are put there by force,
    as an older version, an import or a provider's answer may have done."""
    call_command("kwiga_setup", stdout=StringIO())
    site = Site.objects.get(is_default_site=True)
    seller = EVIL.replace(SECRET, "seller")  # printed in every mail, so no secret
    m.KwigaSettings.objects.filter(site=site).update(
        seller_name=seller, sender_name=seller[:100], postal_footer=seller, bank_holder=seller, bank_name=seller,
        bank_iban=SHORT, sender_email="school@example.com",
    )  # fmt: skip
    w = SimpleNamespace(site=site)
    w.page = make_page(EVIL, slug="evil", coupon_mode="only", body=evil_blocks("page"))
    w.other_page = make_page("Elsewhere", slug="elsewhere", coupon_mode="none")
    w.offer, w.other_offer = offer_of(w.page), offer_of(w.other_page)
    w.list = make_list(EVIL)
    w.coupon = make_coupon(SHORT, lists=[w.list], note=EVIL)
    w.mendable = make_coupon("ASLEEP", offers=[w.other_offer], note=EVIL)
    gates.name_coupons(w.offer, [w.coupon.pk])
    w.template = make_template(title=EVIL, subject="Your place in {{ offer.title }}")
    w.scenario = m.Scenario.objects.create(
        title=EVIL,
        start=stream(("order_unpaid", {"offers": [w.offer.pk], "payment_kinds": ["online", "transfer"]})),
        steps=steps(w.list, w.template),
    )
    w.own_words = make_template(*[(each["type"], each["value"]) for each in evil_blocks("email")], title=f"{EVIL} own")
    for draft in (w.template, w.scenario, w.own_words):
        draft.save_revision()
        draft.save_revision()
    versions.publish(w.scenario, now=START)
    w.contact, w.other = make_contact(f"{SECRET}@example.com", name=EVIL), make_contact(name=f"{SECRET} two")
    w.order = order_for(w.contact, w.offer, now=START, language="en", name=EVIL, phone=SHORT)
    w.paid = order_for(
        w.other, w.offer, now=START, language="en", method=Method("transfer")
    )  # recovered, as online ones are
    engine.run_due(after(minutes=30))
    w.grant = lists.staff_add(w.list, w.contact, by=None)
    w.run, w.paused = m.Run.objects.get(order=w.order), m.Run.objects.get(order=w.paid)
    w.mail, w.doubtful = m.OutgoingEmail.objects.get(order=w.order), m.OutgoingEmail.objects.get(order=w.paid)
    books_receive(w.paid, "500.00", now=after(hours=1), reference=EVIL)
    w.entry = m.TimelineEntry.objects.filter(needs_attention=True).first()
    w.product = m.Product.objects.first()
    _force(w)
    _queue(w)
    _people(w)
    return w


def _force(w: SimpleNamespace) -> None:
    """Hostile words where no form lets them in."""
    m.Contact.objects.filter(pk=w.contact.pk).update(email=ADDRESS, phone=SHORT, language=TINY[:15])
    m.Product.objects.update(title=EVIL, description=EVIL, entry_url=LINK)
    m.ContactList.objects.update(description=EVIL)
    m.Order.objects.filter(pk=w.order.pk).update(
        buyer_name=EVIL, buyer_phone=SHORT, coupon_code=SHORT, coupon=w.coupon, payment_method=SHORT, title=EVIL
    )
    m.OrderLine.objects.update(title=EVIL)
    attempt = m.PaymentAttempt.objects.filter(payment__order=w.paid.pk).first()
    attempt.data, attempt.method = {"why": EVIL, EVIL: EVIL}, SHORT
    attempt.save()
    m.Refund.objects.create(
        token=EVIL[:43], order=w.paid, attempt=attempt, amount="1.00", currency="EUR", reference=EVIL, reason=EVIL,
        failure_message=EVIL, requested_at=START, changed_at=START,
    )  # fmt: skip
    w.webhook = m.ProviderEvent.objects.create(
        method=SHORT, event_id=EVIL, attempt=None, body=EVIL, headers={EVIL: EVIL}, received_at=START,
        result="unknown", detail=EVIL,
    )  # fmt: skip
    m.Run.objects.filter(pk=w.paused.pk).update(state="paused", reason="fault", error=f"ValueError: {EVIL}")
    m.StepRecord.objects.filter(run=w.run).update(
        facts={"coupon": EVIL, EVIL: EVIL, "amount": {"money": EVIL, "currency": EVIL}}
    )
    m.StepRecord.objects.filter(run=w.paused.pk).update(reason=EVIL[:60], step=EVIL[:60])
    m.OutgoingEmail.objects.filter(pk=w.mail.pk).update(
        to_email=ADDRESS, subject=EVIL, to_name=EVIL, message_id=EVIL, esp_status=SHORT, why=EVIL
    )
    m.OutgoingEmail.objects.filter(pk=w.doubtful.pk).update(
        status="unknown", to_name=EVIL, settled_by=TINY, why="no_answer"
    )
    m.ListMembership.objects.filter(pk=m.ListMembership.objects.order_by("pk").first().pk).update(source=EVIL[:60])
    for subject in (w.order, w.contact, w.run, w.mail, w.webhook, attempt, w.scenario):
        for code in (*sorted(writing._sentences), f"odd.{SHORT}"[:60]):
            facts = dict.fromkeys(
                ("amount", "words", "why", "by", "title", "code", "list", "number", "person", "error"), EVIL
            )
            writing.write(
                subject, code, now=START, attention=code in ("payments.too_much", f"odd.{SHORT}"[:60]), **facts
            )


def _queue(w: SimpleNamespace) -> None:
    given = {
        "name": EVIL[:100],
        "func": f"no.such.{SHORT}",
        "args": (EVIL,),
        "kwargs": {"words": EVIL},
        "group": EVIL[:100],
    }
    times = {"started": START, "stopped": after(minutes=1)}
    w.failure = Task.objects.create(
        id=f"{1:032x}", success=False, result=f"Traceback\n  {EVIL}\nValueError: {EVIL}", **given, **times
    )
    w.success = Task.objects.create(id=f"{2:032x}", success=True, result=EVIL, **given, **times)
    w.schedule = Schedule.objects.create(name=EVIL[:100], func=f"no.such.{SHORT}", args=repr((EVIL,)), next_run=START)
    package = {"id": "3" * 32, "name": EVIL, "func": f"no.such.{SHORT}", "args": (EVIL,), "kwargs": {"words": EVIL}}
    w.queued = OrmQ.objects.create(key=SHORT, payload=SignedPackage.dumps(package), lock=None)


def _people(w: SimpleNamespace) -> None:
    """Members of each group; every user's own name is hostile too, for it stands on timelines and in histories."""
    pages = {"Editors": ("add", "change"), "Moderators": ("add", "change", "publish")}
    for name, verbs in pages.items():  # as Wagtail's migration makes them; a site may have taken them away
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.add(permission("wagtailadmin", "access_admin"))
        for verb in verbs:
            right = permission("wagtailcore", f"{verb}_page")
            GroupPagePermission.objects.get_or_create(group=group, page=root(), permission=right)
    w.users = {
        "staff without rights": _user("staff", is_staff=True), "somebody of the admin": _user("plain"),
        **{name: _user(f"one of {name}", groups=[name]) for name in (*pages, "Kwiga: Editors", "Kwiga: Sales")},
        "superuser": _user("root", is_superuser=True),
    }  # fmt: skip
    w.users["somebody of the admin"].user_permissions.add(permission("wagtailadmin", "access_admin"))
    for entry in m.TimelineEntry.objects.all()[:3]:
        entry.by = w.users["superuser"]
        entry.save()


def permission(app: str, codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def _user(name: str, *, groups: Any = (), **given: Any) -> User:
    user = User.objects.create_user(
        f"{name}-{SECRET}<svg onload=kwigaHit()>", "team@example.com", first_name=EVIL, last_name=EVIL, **given
    )
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def client_of(user: User | None, **given: Any) -> Client:
    client = Client(raise_request_exception=False, **given)
    if user is not None:
        client.force_login(user)
    return client


# --- looking for changes -------------------------------------------------------------------------------------------------


@contextmanager
def tried() -> Iterator[None]:
    """One request that may do something, and leaves nothing behind."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


#: What a look at Wagtail's own screens may write: who is editing what at the moment, and whom to tell of comments.
_PASSING = {"sessions.Session", "wagtailadmin.EditingSession", "wagtailcore.PageSubscription"}


def fingerprint() -> dict[str, str]:
    """What every table of the site holds, but for what passes."""
    kept = {}
    for model in apps.get_models():
        if model._meta.label in _PASSING or model._meta.proxy or not model._meta.managed:
            continue
        rows = serializers.serialize("json", model._base_manager.order_by("pk"))
        kept[model._meta.label] = hashlib.sha256(rows.encode()).hexdigest()
    return kept


def differences(before: dict[str, str]) -> list[str]:
    now = fingerprint()
    return [label for label in before if before[label] != now[label]]


def body_of(answer: Any) -> str:
    words = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return words.decode("utf-8", "replace")
