"""What the mails about an order say of it: its lines, price, seller, terms, payment and access, in words.

Read from the order as it was frozen, and from what the ``Situation`` brings along. Nothing is quoted anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.catalogue import terms_text
from wagtail_kwiga.catalogue.terms import AccessTerms
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.formatting.money import format_money
from wagtail_kwiga.legal_texts.models import LegalText
from wagtail_kwiga.orders import access_starts
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.labels import FAILURES_FOR_BUYERS
from wagtail_kwiga.payments.statuses import FailureCode
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.site_settings import address_below

if TYPE_CHECKING:
    from wagtail_kwiga.mailing.placeholders import Situation

#: Placeholders whose values are read from the lines of the order.
OF_LINES = frozenset({"order.lines", "access_url", "access.opens", "access.is_open"})
#: The placeholder that is read from the text that was agreed to.
OF_TERMS = "order.terms"


@dataclass(frozen=True)
class Opened:
    """Something that has opened to the reader: its title, until when (``None``: without end), and its way in, or empty."""

    title: str
    until: dt.datetime | None = None
    way_in: str = ""


@dataclass(frozen=True)
class OrderWords:
    """One placeholder of ``TEXTS``: see ``placeholders.Placeholder``. An ``internal`` one decides about a section of a block."""

    name: str
    label: Any
    sample: Any
    build: Callable[[Situation], str]
    lines: bool = False
    internal: bool = False


def _money(money: Money, situation: Situation) -> str:
    return format_money(money, situation.language)


def _of_order(build: Callable[[Order, Situation], str]) -> Callable[[Situation], str]:
    return lambda situation: build(situation.order, situation) if situation.order is not None else ""


def _moment(instant: dt.datetime | None, situation: Situation) -> str:
    return instants.moment_for_mail(instant, situation.language) if instant else ""


def _lines(order: Order, situation: Situation) -> str:
    """A line for each product, with its price where there are several, and its access."""
    lines: Sequence[OrderLine] = list(order.lines.all()) if order.pk is not None else ()
    if not lines:
        return order.title
    told = []
    for line in lines:
        price = f": {_money(Money(line.list_amount, order.currency), situation)}" if len(lines) > 1 else ""
        access = ", ".join(_access(line))
        told.append(f"{line.title}{price}" + (f"\n({access})" if access else ""))
    return "\n".join(told)


def _access(line: OrderLine) -> tuple[str, ...]:
    """The access of a line in words; nothing where a newer version of the software wrote it."""
    try:
        return terms_text.access_in_words(AccessTerms.from_json(line.access_terms))
    except KwigaError:
        return ()


def _discount(order: Order, situation: Situation) -> str:
    if not order.discount:
        return ""
    off = f"−{_money(order.discount, situation)}"
    return f"{off} ({order.coupon_code})" if order.coupon_code else off


def _buyer(order: Order, situation: Situation) -> str:
    from_contact = situation.contact.name if situation.contact else ""
    email = situation.contact.email if situation.contact else ""
    return "\n".join(part for part in (situation.decent(order.buyer_name or from_contact), email) if part)


def _method(order: Order, situation: Situation) -> str:
    return registry.label(order.payment_method) if order.payment_method and order.total_amount else ""


def _terms(order: Order, situation: Situation) -> str:
    """What was agreed to and when; the words themselves go along as a file, an address stands here."""
    terms, at = order.accepted_terms, order.agreed_terms_at
    if terms is None or at is None:
        return ""
    where = terms.title
    if not where:  # of terms elsewhere only the address is known
        where = terms.text if is_address(terms) else gettext("in the attached file")
    return gettext("accepted on %(moment)s: %(title)s") % {"moment": _moment(at, situation), "title": where}


def is_address(terms: LegalText) -> bool:
    """Whether only an address was kept: of terms that stand on another site. They have no title, and only then the text is
    looked at, which may be long."""
    return not terms.title and "://" in terms.text and len(terms.text.split()) == 1


def _seller(situation: Situation) -> str:
    """The seller with the address, each once."""
    by = situation.sender
    return "\n".join(part for part in (by.seller_name, address_below(by.seller_name, by.postal_footer)) if part)


def _transfer(attribute: str) -> Callable[[Situation], str]:
    return lambda situation: str(getattr(situation.transfer, attribute)) if situation.transfer else ""


def _to_pay(situation: Situation) -> str:
    if situation.transfer is not None:
        return _money(situation.transfer.amount, situation)
    return _money(situation.order.outstanding, situation) if situation.order is not None else ""


def _pay_until(situation: Situation) -> str:
    order = situation.order
    if order is None:
        return ""
    until = order.expires_at if situation.transfer is not None else order.price_binds_until
    return instants.until_for_mail(until, situation.language)


def _by_link(situation: Situation) -> str:
    return "1" if situation.order is not None and situation.transfer is None else ""


def _failure(situation: Situation) -> str:
    return str(FAILURES_FOR_BUYERS[FailureCode(situation.failure)]) if situation.failure else ""


def _opened(situation: Situation) -> str:
    told = []
    for one in situation.opened:
        until = instants.until_for_mail(one.until, situation.language) if one.until else ""
        told.append(one.title + (" " + gettext("(until %(date)s)") % {"date": until} if until else ""))
        if len(situation.opened) > 1 and one.way_in and situation.order is None:
            told.append(one.way_in)
    return "\n".join(told)


def _opens_at(situation: Situation) -> dt.datetime | None:
    """When the first of what is ordered opens, where nothing has opened yet to somebody who has paid by now."""
    order = situation.order
    if order is None or order.pk is None or situation.opened:
        return None
    lines = order.lines.all()
    return access_starts.first_later(lines, order.paid_at or situation.now, situation.now)


def _opens(situation: Situation) -> str:
    at = _opens_at(situation)
    return gettext("Your access opens on %(moment)s.") % {"moment": _moment(at, situation)} if at else ""


def _is_open(situation: Situation) -> str:
    return "" if _opens_at(situation) else "1"


#: All of them, in the order in which editors read them.
TEXTS: tuple[OrderWords, ...] = (
    OrderWords(
        "order.lines",
        _("what was ordered, with its access"),
        _("Watercolour for beginners (access for 12 months)"),
        _of_order(_lines),
        lines=True,
    ),
    OrderWords(
        "order.list_price", _("price before the discount of the order"), "€140.00",
        _of_order(lambda order, s: _money(order.list_price, s)),
    ),
    OrderWords("order.discount", _("discount of the order, with its code"), "−€20.00 (COMEBACK15)", _of_order(_discount)),
    OrderWords("order.coupon", _("coupon code of the order"), "COMEBACK15", _of_order(lambda order, s: order.coupon_code)),
    OrderWords(
        "order.placed", _("when it was ordered"), "Monday, March 1, 2027, 1:30 PM CET",
        _of_order(lambda order, s: _moment(order.placed_at, s)),
    ),
    OrderWords(
        "order.paid", _("when it was paid"), "Monday, March 1, 2027, 1:35 PM CET",
        _of_order(lambda order, s: _moment(order.paid_at, s) if order.total_amount else ""),
    ),
    OrderWords("order.method", _("payment method"), _("Bank transfer"), _of_order(_method)),
    OrderWords("order.buyer", _("name and address of the buyer"), "Ada Lovelace, ada@example.com", _of_order(_buyer), lines=True),
    OrderWords(OF_TERMS, _("terms of sale as accepted"), _("accepted on March 1, 2027: Terms of sale"), _of_order(_terms)),
    OrderWords("seller.tax_number", _("seller's tax number"), "IE1234567T", lambda s: s.sender.tax_number),
    OrderWords("payment.amount", _("what is to be paid"), "€120.00", _to_pay),
    OrderWords("payment.until", _("by when it is to be paid"), "Tuesday, March 15, 2027, 1:30 PM CET", _pay_until),
    OrderWords("payment.holder", _("account holder, for a bank transfer"), "Riverside Studio", _transfer("holder")),
    OrderWords("payment.iban", _("account number (IBAN), for a bank transfer"), "DE02 1203 0000 0000 2020 51", _transfer("iban")),
    OrderWords("payment.bic", _("BIC, for a bank transfer"), "BYLADEM1001", _transfer("bic")),
    OrderWords("payment.bank", _("bank, for a bank transfer"), "Riverside Bank", _transfer("bank")),
    OrderWords("payment.reference", _("reference, for a bank transfer"), "K7M3-C9XR", _transfer("reference")),
    OrderWords("payment.failure", _("why a payment failed"), _("Your bank declined the payment."), _failure),
    OrderWords("access.opened", _("what has opened, and until when"), _("Watercolour for beginners"), _opened, lines=True),
    OrderWords(
        "access.opens",
        _("when it opens, where that is later than the order"),
        _("Your access opens on Monday, March 15, 2027, 12:00 AM CET."),
        _opens,
    ),
    # Of our own blocks: the seller as a receipt needs it, and what decides about sections.
    OrderWords("seller.in_full", "", "", _seller, lines=True, internal=True),
    OrderWords("access.is_open", "", "", _is_open, internal=True),
    OrderWords("payment.by_transfer", "", "", lambda s: "1" if s.transfer else "", internal=True),
    OrderWords("payment.by_link", "", "", _by_link, internal=True),
    OrderWords("payment.code", "", "", lambda s: "1" if s.has_transfer_code else "", internal=True),
)  # fmt: skip
