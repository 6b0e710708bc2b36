"""What an order is to agree to, as frozen values: the one thing that ``orders.placing.place_order`` is given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.terms import AccessTerms, OfferTerms
from wagtail_kwiga.orders.statuses import OrderKind, Origin, PaymentKind
from wagtail_kwiga.pricing.money import Money

if TYPE_CHECKING:
    from wagtail.models import Site

    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.contacts.models import Contact
    from wagtail_kwiga.legal_texts.models import LegalText
    from wagtail_kwiga.orders.models import Order
    from wagtail_kwiga.pricing.quotes import Quote


class Joining(StrEnum):
    """Which purchase an order is to belong to, where none is named."""

    #: The contact's open one about the same product, if there is one.
    AUTO = "auto"
    #: A new one in a slot of its own: beside whatever is open. For what somebody wants once more, knowingly.
    OWN_SLOT = "own slot"


class PaymentMethod(Protocol):
    """What an order takes from a way to pay: a ``payments.provider.Provider`` is one."""

    @property
    def alias(self) -> str: ...

    @property
    def kind(self) -> PaymentKind | str: ...


@dataclass(frozen=True)
class Method:
    """A way to pay by name, where no provider is at hand (an import, a way that the site no longer has)."""

    alias: str
    kind: PaymentKind = PaymentKind.ONLINE


@dataclass(frozen=True, kw_only=True)
class LineDraft:
    """One product that is to be sold. It has a price of its own (``list_amount``), or a part of what the other lines leave of
    the list price, by ``share``."""

    product_id: int
    title: str
    access: AccessTerms = field(default_factory=AccessTerms)
    #: The offer that it is sold by; ``None`` for a line of its own price and terms.
    offer_id: int | None = None
    list_amount: Money | None = None
    share: Decimal = Decimal(1)
    #: Whether the order is about it; not so for what was added at the till.
    is_main: bool = True


@dataclass(frozen=True)
class PricedLine:
    """A line with its part of the order's sums: ``amount`` is ``list_price`` less ``discount``."""

    draft: LineDraft
    list_price: Money
    discount: Money

    @property
    def amount(self) -> Money:
        return self.list_price - self.discount


@dataclass(frozen=True, kw_only=True)
class OrderDraft:
    """An order about to be placed: who buys what, at which price, and how it is to be paid.

    ``for_offer`` takes the lines from an offer. Without ``offer`` an order sells ``lines`` of their own price and terms.
    Raises ``ValueError`` where the lines cannot sum to the quote's list price.
    """

    contact: Contact
    quote: Quote
    offer: Offer | None = None
    lines: tuple[LineDraft, ...] = ()
    #: The way to pay that was chosen; its kind is the order's. ``None``: the buyer chooses on the pay page.
    method: PaymentMethod | None = None
    kind: OrderKind = OrderKind.ONE_TIME
    site: Site | None = None
    #: By default the contact's, else the active one.
    language: str = ""
    #: What the buyer's page calls the offer, in the buyer's language; by default the offer's own title, or the lines'.
    title: str = ""
    origin: Origin = Origin.WEB
    #: The row of purchases that it joins: empty is the web's own, each deliberate addition has another.
    slot: str = ""
    #: A ``Joining``, or the key of a purchase.
    joins_purchase: Joining | int = Joining.AUTO
    name: str = ""
    phone: str = ""
    agreed_terms: bool = False
    #: The very words that were agreed to (``legal_texts``).
    accepted_terms: LegalText | None = None
    #: Wagtail's id of the revision of the offer page that was shown.
    page_revision: int | None = None
    #: Cleaned values of the fields that the site has added to the order form; kept in ``Order.answers``.
    answers: Mapping[str, Any] = field(default_factory=dict)
    #: Until when the payment method needs the coupon, or what answers it for the order about to be written. By default the
    #: gateway's hour, for a transfer until the order expires.
    reserve_until: dt.datetime | Callable[[Order], dt.datetime] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))
        price_lines(self.lines, self.quote)

    @classmethod
    def for_offer(cls, offer: Offer, terms: OfferTerms | None = None, **given: Any) -> OrderDraft:
        """The draft that sells everything of ``offer``; ``given`` are the other fields. One query, none where ``terms`` of
        the offer are at hand. Raises ``KwigaError`` where they cannot be read."""
        return cls(offer=offer, lines=lines_of(offer, terms or selling.terms_of(offer)), **given)

    @property
    def payment_kind(self) -> PaymentKind:
        """How it will be paid: nothing where there is nothing to pay, else as the chosen method says."""
        if self.quote.is_free:
            return PaymentKind.NONE
        return PaymentKind(self.method.kind) if self.method is not None else PaymentKind.ONLINE

    @property
    def called(self) -> str:
        """``title``, or what stands for it where none is given."""
        if self.title:
            return self.title
        return self.offer.title if self.offer is not None else ", ".join(line.title for line in self.lines)[:255]

    @property
    def main_products(self) -> frozenset[int]:
        """The products that it is about."""
        return frozenset(line.product_id for line in self.lines if line.is_main)


def lines_of(offer: Offer, terms: OfferTerms) -> tuple[LineDraft, ...]:
    """What ``offer`` sells by ``terms``, line by line. The one place where an offer's terms become lines of an order."""
    return tuple(
        LineDraft(product_id=sold.product_id, title=sold.title, access=sold.access, offer_id=offer.pk, share=share)
        for sold, share in zip(terms.products, terms.weights, strict=True)
    )


def price_lines(lines: tuple[LineDraft, ...], quote: Quote) -> tuple[PricedLine, ...]:
    """``lines`` with their parts of ``quote``, in order; they sum to its three amounts exactly.

    Lines with a price of their own have it as list price; the others share what is left of the list price by their shares.
    The discount is spread by list price. Both splits are by largest remainder. Raises ``ValueError`` where own prices are
    more than the list price, or less with no other line to take the rest; ``MoneyMismatch`` for another currency.
    """
    if not lines:
        return ()
    rest = quote.list_price
    for line in lines:
        if line.list_amount is not None:
            rest -= line.list_amount
    sharing = [line.share for line in lines if line.list_amount is None]
    if (
        rest.amount < 0
        or (rest and not sharing)
        or any(line.list_amount and line.list_amount.amount < 0 for line in lines)
    ):
        raise ValueError("the lines do not sum to the list price")
    parts = iter(rest.split(sharing) if sharing else ())
    prices = [line.list_amount if line.list_amount is not None else next(parts) for line in lines]
    discounts = quote.discount.split([price.amount for price in prices])
    return tuple(map(PricedLine, lines, prices, discounts))
