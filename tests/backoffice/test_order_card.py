"""The order's card: everything about one purchase, and the panels of a site."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import format_html
from wagtail import hooks
from wagtail.admin.ui.components import Component

from tests.automations import story
from tests.mailing.making import make_template, queue_one
from tests.orders.shop import books_receive, order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import background, conf
from wagtail_kwiga import models as m
from wagtail_kwiga.access import adjustments, grants
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.columns import exact
from wagtail_kwiga.journal import writing
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db

HOOK = "register_kwiga_order_panels"
EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


@pytest.fixture(autouse=True)
def worker_runs():
    background.beat(background.SWEEP, at=conf.now())


def card(client, order) -> str:
    answer = client.get(reverse("wagtail_kwiga_orders:inspect", args=[order.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def told():
    """The story up to the mail: an order, left unpaid, an older one that it replaced."""
    made = story.tell()
    contact = make_contact("ada@example.com", phone="+48 600 100 100")
    made.older = made.place(contact)
    made.order = made.place(contact, now=after(minutes=10))
    engine.run_due(after(minutes=45))
    return made


def test_one_card_has_the_whole_purchase(admin_client, told):
    mail = m.OutgoingEmail.objects.get()
    page = card(admin_client, told.order)
    for words in (
        'href="mailto:ada@example.com"',
        "+48 600 100 100",
        "€120.00",
        "No payment was tried yet.",
        "not given: opens once the order is paid",
        "Win back",
        "inside",
        mail.subject,
        f'href="{reverse("wagtail_kwiga_mail:inspect", args=[mail.pk])}"',
        "The buyer has 1 other order for this purchase.",
        f'href="{reverse("wagtail_kwiga_orders:inspect", args=[told.older.pk])}"',
        "Order placed: €120.00",
    ):
        assert words in page, words
    older = card(admin_client, told.older)
    assert "Replaced by" in older
    assert mail.subject in older


def test_paid_money_given_back_and_access_taken_away(admin_client, told):
    books_receive(told.order, "120.00", now=after(hours=1))
    page = card(admin_client, told.order)
    assert "confirmed" in page
    assert "no end" in page
    assert "Paid: this purchase is made, by this order or another one." in page
    ledger.record_refund(attempt=m.PaymentAttempt.objects.get(), amount=told.order.total, now=after(hours=2))
    for grant in m.AccessGrant.objects.filter(revoked_at__isnull=True):
        grants.revoke(grant, now=after(hours=3))
    page = card(admin_client, told.order)
    assert "Given back" in page
    assert "taken away on" in page
    given = m.AccessGrant.objects.get()
    assert f"{exact(given.revoked_at)} (as sold: no end)" in page


def test_access_that_staff_have_changed_stands_beside_what_was_sold(admin_client, told):
    now = conf.now()
    books_receive(told.order, "120.00", now=now)
    grant = m.AccessGrant.objects.get()
    m.AccessGrant.objects.update(ends_at=now + dt.timedelta(days=30))
    grant.refresh_from_db()
    sold, frozen_until = exact(grant.ends_at), exact(now + dt.timedelta(days=7))
    assert "as sold" not in card(admin_client, told.order)
    adjustments.freeze(grant, days=7, now=now)
    page = card(admin_client, told.order)
    assert f"frozen until {frozen_until}" in page
    assert f"{exact(now + dt.timedelta(days=37))} (as sold: {sold})" in page
    assert "Access was frozen: Watercolour" in page
    adjustments.freeze(grant, now=now)
    page = card(admin_client, told.order)
    assert "frozen since" in page
    assert f"not known while it is frozen (as sold: {sold})" in page
    adjustments.end(grant, now=conf.now())
    assert f"(as sold: {sold})" in card(admin_client, told.order)


def test_a_run_is_linked_as_soon_as_it_has_a_screen(admin_client, told):
    run = m.Run.objects.get()
    where = linking.url("wagtail_kwiga_runs:inspect", run.pk)
    assert (f'href="{where}"' in card(admin_client, told.order)) == bool(where)


def test_links_are_only_for_those_who_may_follow_them(client, told):
    user = User.objects.create_user("clerk", password="clerk")
    group = Group.objects.create(name="Clerks")
    group.permissions.set(Permission.objects.filter(codename__in=["access_admin", "view_order"]))
    user.groups.add(group)
    client.force_login(user)
    page = card(client, told.order)
    assert m.OutgoingEmail.objects.get().subject not in page
    for screen in ("/mail/inspect", "/runs/", "/people/", "/coupons/edit", "/offers/inspect"):
        assert screen not in page, screen


def test_what_buyers_type_stays_words(admin_client):
    contact = make_contact("o'brien+x&y@example.com", name=EVIL, phone=EVIL[:40])
    order = order_for(contact, make_offer(title=EVIL), name=EVIL + "2", phone=EVIL[:39])
    m.Order.objects.update(coupon_code=EVIL[:40], payment_method=EVIL[:40])
    queue_one(order=order, template=make_template(subject="{{ offer.title }}"))
    m.OutgoingEmail.objects.update(subject=EVIL, why=EVIL)
    books_receive(order, "5.00", now=START, reference=EVIL)
    writing.write(order, EVIL, now=START)
    page = card(admin_client, order)
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert 'href="mailto:o%27brien%2Bx%26y@example.com"' in page
    assert "?q=o%27brien%2Bx%26y%40example.com" in page
    listed = admin_client.get(reverse("wagtail_kwiga_orders:index")).content.decode()
    assert "<img src=x" not in listed


def test_the_card_costs_the_same_however_much_has_happened(admin_client, told):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            card(admin_client, told.order)
        return len(queries)

    books_receive(told.order, "1.00", now=after(hours=1), reference="A-1")
    cost()
    one = cost()
    template = make_template()
    for number in range(12):
        queue_one(order=told.order, template=template)
        m.Order.objects.filter(pk=order_for(make_contact(), make_offer(), now=START).pk).update(
            purchase_id=told.order.purchase_id, status="expired"
        )
        books_receive(told.order, "1.00", now=after(hours=1), reference=f"B-{number}")
        m.Run.objects.filter(pk=m.Run.objects.first().pk).update(state="completed")
        run = m.Run.objects.first()
        run.pk, run.state, run.entry_key = None, "refused", f"x:{number}"
        run.save()
    assert cost() == one <= 22


# --- panels of a site ---------------------------------------------------------------------------------------------------


class Easel(Component):
    heading = "Easel & stool"
    icon = "image"

    def __init__(self, *, order, request):
        self.order, self.request = order, request

    def render_html(self, parent_context=None):
        return format_html("<p>For {} of {}</p>", self.order.number, self.request.user)


def test_a_site_shows_a_panel_of_its_own_above_the_timeline(admin_client, told):
    with hooks.register_temporarily(HOOK, lambda: [Easel]):
        page = card(admin_client, told.order)
    assert f"<p>For {told.order.number} of admin</p>" in page
    assert page.index("Easel &amp; stool") < page.index("Order placed:")


def test_a_panel_may_stay_away(admin_client, told):
    class Shy(Easel):
        def is_shown(self):
            return False

    with hooks.register_temporarily(HOOK, lambda: [Shy]):
        assert "Easel &amp; stool" not in card(admin_client, told.order)


def broken_in(part):
    def fail(*args, **kwargs):
        m.Order.objects.extra(where=["no_such_column = 1"]).first()  # spoils a transaction on PostgreSQL

    return type("Broken", (Easel,), {part: fail if part != "heading" else property(fail)})


@pytest.mark.parametrize("part", ["__init__", "is_shown", "render_html", "heading"])
def test_a_panel_that_fails_is_a_sentence_and_a_line_in_the_log(admin_client, told, caplog, part):
    with hooks.register_temporarily(HOOK, lambda: [broken_in(part), Easel]):
        page = card(admin_client, told.order)
    assert "This panel could not be shown" in page
    assert f"<p>For {told.order.number} of admin</p>" in page
    assert "Order placed:" in page
    assert "The order panel" in caplog.text


def test_a_hook_that_fails_leaves_the_card(admin_client, told, caplog):
    def broken():
        raise RuntimeError("no panels today")

    with hooks.register_temporarily(HOOK, broken):
        assert "Order placed:" in card(admin_client, told.order)
    assert "no panels today" in caplog.text


def test_facts_that_are_empty_are_left_out():
    html = render_to_string("wagtail_kwiga/backoffice/facts.html", {"facts": [("Name", "<b>")]})
    assert "&lt;b&gt;" in html
