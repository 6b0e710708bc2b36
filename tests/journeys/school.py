"""The five objects of the story, made as an editor makes them, and what a shop does in one minute.

The story is that of Kwiga's article “Sending Emails with Promo Codes (Unpaid Orders)”: list, coupon, offer, email, scenario.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from wagtail.models import Locale, Site

from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.mailing.sending import delivery


@dataclass
class School:
    """A shop with one offer that wins back unpaid orders."""

    product: m.Product
    members: m.ContactList
    coupon: m.Coupon
    page: m.OfferPage
    offer: m.Offer
    email: m.EmailTemplate
    scenario: m.Scenario


def block(kind: str, **value):
    return {"type": kind, "value": value}


def make_school(*, now: dt.datetime = START) -> School:
    """List, coupon, offer page, e-mail, scenario: published, in that order."""
    from wagtail_kwiga.automations.editing import versions

    site = Site.objects.get(is_default_site=True)
    m.KwigaSettings.objects.update_or_create(
        site=site,
        defaults={
            "seller_name": "Brush & Paper", "sender_name": "Brush & Paper", "sender_email": "hello@school.example",
            "reply_to": "answers@school.example", "postal_footer": "Brush & Paper, Quay 7, 80-838 Gdańsk, Poland",
        },
    )  # fmt: skip
    product = m.Product.objects.create(title="Watercolour for beginners", slug="watercolour", entry_url="/course/")
    members = m.ContactList.objects.create(title="Come back")
    coupon = m.Coupon.objects.create(code="COMEBACK15", kind="percent", percent=Decimal(15))
    coupon.contact_lists.set([members])
    page = m.OfferPage(
        title="Watercolour for beginners", slug="watercolour", price=Decimal(120), currency="EUR", coupon_mode="only",
        ask_phone="required", products=[("product", {"product": product})], coupons=[("coupon", coupon)], live=False,
    )  # fmt: skip
    site.root_page.add_child(instance=page)
    page.save_revision().publish()
    offer = m.Offer.objects.get(translation_key=page.translation_key)
    email = m.EmailTemplate(
        title="Come back", subject="{{ coupon.size }} off {{ order.title }}", locale=Locale.get_default(), live=False,
        body=[
            block("heading", text='Hello {{ contact.first_name | default: "there" }}'),
            block("text", text="<p>You began an order for <b>{{ order.title }}</b>.</p>"),
            block("coupon_card", title="", show_prices=True, show_deadline=True),
            block("button", label="Back to my order", where="resume", url=""),
        ],
    )  # fmt: skip
    email.save()
    email.save_revision().publish()
    scenario = m.Scenario(
        title="Win back", live=False,
        start=[block("order_unpaid", offers=[str(offer.pk)], payment_kinds=["online"], origins=["web"], include_free=False)],
        steps=[
            block("wait", amount=30, unit="minutes"),
            block("add_to_list", list=members.pk, until="scenario", hours=None),
            block("send_email", template=email.pk, coupon=None),
            block("wait", amount=24, unit="hours"),
            block("remove_from_list", list=members.pk),
        ],
    )  # fmt: skip
    scenario.save()
    scenario.save_revision().publish()
    scenario.refresh_from_db()
    versions.publish(scenario, now=now)
    scenario.refresh_from_db()
    return School(product, members, coupon, page, offer, email, scenario)


def work(now: dt.datetime) -> None:
    """One pass of a worker at ``now``."""
    engine.run_due(now)
    delivery.deliver_due(now)
