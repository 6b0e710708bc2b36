"""The shop that is measured: the story of the tests with a real page, and crowds of unpaid orders."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.db import connection
from wagtail.models import Site

from benchmarks.history import History, begin
from benchmarks.models import PlainPage
from tests.journeys.school import School, make_school
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.definitions import Definition

#: A text, a hero, a video, a list, a price, questions: what an offer page is made of.
BODY = [
    ("hero", {"heading": "Watercolour", "lead": "Four calm evenings.", "image": None, "button": "See the price"}),
    ("text", "<h2>What you will learn</h2><p>How water, pigment and <b>paper</b> work together.</p>"),
    ("video", {"url": "https://vimeo.com/76979871", "caption": "A first look"}),
    (
        "lessons",
        {"heading": "Lessons", "lessons": [{"title": f"Lesson {n}", "text": "Water first."} for n in range(4)]},
    ),
    ("price", {"heading": "The course", "points": ["Four lessons", "Answers within a day"], "note": "With taxes"}),
    ("questions", {"heading": "Questions", "questions": [{"question": "Can I?", "answer": "<p>You can.</p>"}] * 3}),
]
#: When a run of the crowd is due: the wait of the story.
DUE = after(minutes=30)

_serial = count(1)


def clock() -> dt.datetime:
    """The shop's present (the setting ``CLOCK``)."""
    return after(minutes=1)


@dataclass
class Shop:
    """The school of the story, its page with six blocks, and plain pages of the same blocks."""

    school: School
    offer: m.Offer
    page: m.OfferPage
    plain: PlainPage
    plain_with_form: PlainPage
    #: A code for everybody, without limits.
    coupon: m.Coupon
    site: Site
    #: What lies behind it; grown by the sections that want a long past.
    history: History = field(init=False)


def open_shop() -> Shop:
    school = make_school()
    page = m.OfferPage.objects.get(pk=school.page.pk)
    page.body, page.coupon_mode, page.ask_phone = BODY, "any", "optional"
    page.save_revision().publish()
    page.refresh_from_db()
    offer = m.Offer.objects.get(pk=school.offer.pk)
    coupon = m.Coupon.objects.create(code="EVERYBODY", kind="percent", percent=15)
    shop = Shop(
        school, offer, page, _plain(offer, has_form=False), _plain(offer, has_form=True), coupon,
        Site.objects.get(is_default_site=True),
    )  # fmt: skip
    shop.history = begin(shop)
    return shop


def offer_of(shop: Shop, products: int) -> m.Offer:
    """Another offer, of so many products, without a page."""
    from tests.support import make_offer, make_product

    return make_offer(*(make_product(f"Course {n}") for n in range(products)), coupon_mode="any")


def _plain(offer: m.Offer, *, has_form: bool) -> PlainPage:
    page = PlainPage(
        title="Plain", slug=f"plain-{next(_serial)}", body=BODY, has_form=has_form, offer_id=offer.pk, live=False
    )
    Site.objects.get(is_default_site=True).root_page.add_child(instance=page)
    page.save_revision().publish()
    return PlainPage.objects.get(pk=page.pk)


def new_email() -> str:
    return f"buyer-{next(_serial)}@example.com"


# --- people with an unpaid order, written in bulk -----------------------------------------------------------------------


def crowd(shop: Shop, number: int) -> None:
    """So many people whose run is due at ``DUE``."""
    contacts = m.Contact.objects.bulk_create(_contact(new_email()) for _ in range(number))
    purchases = m.Purchase.objects.bulk_create(
        m.Purchase(contact=contact, offer=shop.offer, opened_at=START) for contact in contacts
    )
    orders = m.Order.objects.bulk_create(_order(shop, one, f"crowd-{one.contact.email}") for one in purchases)
    m.OrderLine.objects.bulk_create(
        m.OrderLine(order=order, product=shop.school.product, title="Watercolour", list_amount=120, amount=120)
        for order in orders
    )
    m.Run.objects.bulk_create(_run(shop, order) for order in orders)


def _contact(email: str) -> m.Contact:
    return m.Contact(email=email, name="Ada Buyer", language="en", created_at=START)


def _order(shop: Shop, purchase: m.Purchase, number: str) -> m.Order:
    return m.Order(
        number=number[:32], token=number, purchase=purchase, contact=purchase.contact, offer=shop.offer, title=shop.offer.title, currency="EUR",
        list_amount=120, total_amount=120, site=shop.site, language="en", buyer_name="Ada Buyer", placed_at=START,
        price_holds_until=after(days=7), expires_at=after(days=14),
    )  # fmt: skip


def _run(shop: Shop, order: m.Order, **given: Any) -> m.Run:
    version = shop.school.scenario.version
    position, due_at = Definition.from_json(version.definition, registry.kinds()).opening(START)
    assert due_at == DUE
    return m.Run(
        scenario=shop.school.scenario, version=version, contact=order.contact, order=order,
        purchase_id=order.purchase_id, entry_key=f"unpaid:{order.purchase_id}", position=position, due_at=due_at,
        entered_at=START, stepped_at=START, **given,
    )  # fmt: skip


def instant(at: dt.datetime) -> str:
    """``at`` as SQL, the way the database keeps it."""
    words = at.isoformat(sep=" ")
    return f"'{words}'::timestamptz" if connection.vendor == "postgresql" else f"'{words.removesuffix('+00:00')}'"


def a_version() -> m.EmailTemplateVersion:
    """The mail of the story, compiled. The first sweep makes it."""
    return m.EmailTemplateVersion.objects.filter(template__isnull=False).earliest("pk")
