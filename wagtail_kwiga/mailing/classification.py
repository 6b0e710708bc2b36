"""What an e-mail speaks of, read from its stored words alone: no query, nothing compiled, so a list can afford it a row.

A mail with a coupon is promotion unless an editor says otherwise: whoever has unsubscribed must not get it. So is whatever a
scenario about unpaid orders sends: to ask again whether somebody wants to buy is marketing, with or without a discount.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.mailing import permission, placeholder_syntax, richtext


class Kind(models.TextChoices):
    """What a mail is, in the eyes of the law and of the reader."""

    SERVICE = "service", _("service: about an order of theirs")
    PROMOTION = permission.PROMOTION, _("promotion: carries an advantage")


#: Placeholders that make no sense without a coupon, beside all whose name begins with ``COUPON_PREFIX``.
COUPON_PREFIX = "coupon."
PRICES = frozenset({"price.after", "price.saved"})
#: Placeholders that tell until when a coupon holds.
ENDS = frozenset({"coupon.deadline", "coupon.valid_until", "coupon.valid_hours"})
#: Placeholders about the offer: beside a coupon, what a mail needs an offer for.
OF_OFFER = frozenset({"offer.title", "price.before", "resume_url"})
#: Placeholders about an order: without one they say nothing and lead nowhere.
OF_ORDER = frozenset(
    {
        "order.number", "order.title", "order.total", "order.lines", "order.list_price", "order.discount", "order.coupon",
        "order.placed", "order.paid", "order.method", "order.buyer", "order.terms", "payment.amount", "payment.until",
        "payment.holder", "payment.iban", "payment.bic", "payment.bank", "payment.reference", "payment.failure",
        "pay_url", "order_url", "access_url",
    }
)  # fmt: skip
#: Placeholders that tell what an order costs, or until when it can be paid at that.
ORDER_PRICES = frozenset({"order.total", "order.list_price", "order.discount", "payment.amount", "payment.until"})
#: What our blocks about an order say of it beside words of the editor's.
IN_BLOCKS = {
    "order_details": frozenset({"order.number", "order.placed", "order.lines", "order.total"}),
    "how_to_pay": frozenset({"payment.amount", "payment.until", "pay_url"}),
}


def speaks_of_coupon(names: Iterable[str]) -> bool:
    """Whether a mail with these placeholders makes no sense without a coupon."""
    return any(name.startswith(COUPON_PREFIX) or name in PRICES for name in names)


def tells_end(names: Iterable[str]) -> bool:
    """Whether a mail with these placeholders names the end of its coupon."""
    return not ENDS.isdisjoint(names)


def tells_price(names: Iterable[str]) -> bool:
    """Whether a mail with these placeholders names what the offer costs."""
    return any(name.startswith("price.") for name in names)


def tells_order_price(names: Iterable[str]) -> bool:
    """Whether a mail with these placeholders names what its order costs, or until when."""
    return not ORDER_PRICES.isdisjoint(names)


def needs_offer(names: Collection[str]) -> bool:
    """Whether a mail with these placeholders is about an offer: it names one, its price or a coupon, or leads to it."""
    return speaks_of_coupon(names) or not OF_OFFER.isdisjoint(names)


def settled_kind(template: Any, *, is_marketing: bool = False) -> str:
    """The kind of an ``EmailTemplate`` that counts: the editor's choice, else promotion where the mail holds a coupon or is sent
    for marketing (``is_marketing``), else service."""
    return str(template.kind or (Kind.PROMOTION if is_marketing or holds_coupon(template) else Kind.SERVICE))


def holds_coupon(template: Any) -> bool:
    """Whether an ``EmailTemplate``, as it stands in memory, offers a coupon."""
    return speaks_of_coupon(names_used(template))


def names_used(template: Any) -> set[str]:
    """The placeholders that ``template`` names: in its words, and through its coupon card."""
    names = {
        token.name
        for text in (template.subject, template.preheader)
        for token in placeholder_syntax.found_in(text or "")
    }
    for block in template.body.raw_data if template.body else ():
        kind, value = block["type"], block["value"]
        if kind == "coupon_card":
            names |= _on_card(value)
        names |= IN_BLOCKS.get(kind, frozenset())
        for words in _strings(value):
            names.update(
                token.name for token in placeholder_syntax.found_in(richtext.plain(words) if kind == "text" else words)
            )
    return names


#: Where a button leads, by what its block says.
BUTTONS = {"resume": "resume_url", "pay": "pay_url", "order": "order_url", "access": "access_url"}


def links_used(template: Any) -> set[str]:
    """The link placeholders that ``template`` leads to, by a button or in its words."""
    found = {name for name in names_used(template) if name.endswith("_url")}
    for block in template.body.raw_data if template.body else ():
        if block["type"] == "button":
            found.add(BUTTONS.get(block["value"].get("where"), ""))
        elif block["type"] == "text":
            hrefs = richtext.hrefs(str(block["value"].get("text") or ""))
            found.update(token.name for href in hrefs for token in placeholder_syntax.found_in(href))
    return found - {""}


def _on_card(value: Any) -> set[str]:
    """What ``mjml`` puts on a coupon card."""
    names = {"coupon.code", "coupon.size"}
    if value.get("show_prices", True):
        names |= {"price.before", "price.after"}
    if value.get("show_deadline", True):
        names.add("coupon.deadline")
    return names


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _strings(part)
