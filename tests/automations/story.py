"""The story in the database: list, coupon, offer, e-mail and scenario, through the public verbs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from wagtail.models import Locale

from tests.orders.shop import order_for
from tests.support import START, make_contact, make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.coupons import gates

MAIL = (
    ("text", {"text": "<p>Hello {{ contact.first_name }}</p>"}),
    ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
    ("button", {"label": "Go on", "where": "resume", "url": ""}),
)


def stream(*blocks: tuple[str, Any]) -> list[dict[str, Any]]:
    """Stream data as it is stored; ids count from zero."""
    return [{"type": kind, "value": value, "id": f"step-{index}"} for index, (kind, value) in enumerate(blocks)]


def make_template(*blocks: tuple[str, Any], live: bool = True, locale: str = "en", **given: Any) -> m.EmailTemplate:
    return m.EmailTemplate.objects.create(
        title=given.pop("title", "Your place is free"),
        subject=given.pop("subject", "Your place in {{ offer.title }}"),
        body=stream(*(blocks or MAIL)),
        locale=Locale.objects.get_or_create(language_code=locale)[0],
        live=live,
        **given,
    )


@dataclass
class Story:
    """What the editor has made."""

    list: m.ContactList
    coupon: m.Coupon
    offer: m.Offer
    template: m.EmailTemplate
    scenario: m.Scenario

    def place(self, contact: m.Contact | None = None, *, now: dt.datetime = START, **given: Any) -> m.Order:
        return order_for(contact or make_contact(), self.offer, now=now, language="en", **given)

    def run_of(self, order: m.Order) -> m.Run:
        return m.Run.objects.get(order=order)


def steps(list: m.ContactList, template: m.EmailTemplate) -> list:
    return stream(
        ("wait", {"minutes": 30}),
        ("add_to_list", {"list": list.pk}),
        ("send_email", {"template": template.pk}),
        ("wait", {"amount": 24, "unit": "hours"}),
        ("remove_from_list", {"list": list.pk}),
    )


def tell(**changes: Any) -> Story:
    """Make it all and publish the scenario. ``changes``: ``offer``, ``coupon``, ``template``, ``start``, ``steps``."""
    offer = changes.get("offer") or make_offer(coupon_mode="only")
    wanted = make_list()
    coupon = changes.get("coupon") or make_coupon("COMEBACK15")
    coupon.contact_lists.set([wanted])
    gates.name_coupons(offer, [coupon.pk])
    template = changes.get("template") or make_template()
    scenario = m.Scenario.objects.create(
        title="Win back",
        start=changes.get("start") or stream(("order_unpaid", {"offers": [offer.pk]})),
        steps=changes.get("steps") or steps(wanted, template),
    )
    story = Story(wanted, coupon, offer, template, scenario)
    versions.publish(scenario, now=START)
    return story


def write(story: Story, *blocks: tuple[str, Any], start: Any = None) -> m.Scenario:
    """The story's scenario with other steps, not published."""
    story.scenario.steps = stream(*blocks)
    if start is not None:
        story.scenario.start = start
    story.scenario.save()
    return m.Scenario.objects.get(pk=story.scenario.pk)


def told(run: m.Run) -> list[tuple[str, str, str]]:
    """What the records of a run say, in order."""
    return list(run.records.values_list("kind", "outcome", "reason"))
