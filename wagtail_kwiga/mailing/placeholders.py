"""What an editor may put into a mail: a closed, documented registry, and building the values for one mail.

Text values are frozen with the mail when it is queued. Of links only what their token says is frozen (``links``); the
address itself is made at hand-over, so no working link lies about in the database.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils import translation
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.models import Site

from wagtail_kwiga import hooks, signing, web_addresses
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import ConfigurationFault
from wagtail_kwiga.formatting import durations, instants
from wagtail_kwiga.formatting.money import format_money
from wagtail_kwiga.mailing import order_words, placeholder_syntax, sender
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments.provider import TransferDetails
from wagtail_kwiga.pricing.money import Money


@dataclass(frozen=True)
class Situation:
    """Everything the values of one mail are built from. ``coupon_until`` and the quote come from who decided to write.

    ``quote_before`` and ``quote_after`` default to the order's list price and total; ``seller`` to the site's settings.
    """

    contact: Contact | None
    order: Order | None
    site: Site | None
    language: str
    now: dt.datetime
    coupon: Coupon | None = None
    #: What the mail is about: the order's offer, or the one that a mail without an order names.
    offer: Offer | None = None
    coupon_until: dt.datetime | None = None
    quote_before: Money | None = None
    quote_after: Money | None = None
    seller: sender.Sender | None = None
    #: Where to send the money to, where the order is paid by transfer and still to be paid.
    transfer: TransferDetails | None = None
    #: Whether a picture of it that banking apps read goes along.
    has_transfer_code: bool = False
    #: A ``payments.statuses.FailureCode``: why a payment came to nothing, in a mail about that.
    failure: str = ""
    #: What has opened, in a mail about that.
    opened: Sequence[order_words.Opened] = ()

    def decent(self, name: str) -> str:
        """``decent_name``."""
        return decent_name(name)

    @property
    def before(self) -> Money | None:
        return self.quote_before or (self.order.list_price if self.order else None)

    @property
    def after(self) -> Money | None:
        return self.quote_after or (self.order.total if self.order else None)

    @property
    def sender(self) -> sender.Sender:
        return self.seller or sender.for_site(self.site.pk if self.site else None)


@dataclass(frozen=True)
class Placeholder:
    """One name an editor may use.

    ``build`` gets the ``Situation``. For kind ``text`` it returns a string (empty where there is nothing to say); for
    kind ``url`` an absolute address, or the row of ``OutgoingEmail.links`` that ``link_building`` knows how to turn into
    one. ``implies`` names other placeholders whose subject it speaks of, so that checks see them.
    """

    name: str
    label: Any
    sample: Any
    kind: Literal["text", "url"]
    build: Callable[[Situation], Any]
    implies: tuple[str, ...] = ()
    #: Keeps line breaks.
    lines: bool = False
    #: Not offered to editors: the package's own use.
    internal: bool = False
    #: ``build`` looks at nothing but the language, the present, the coupon with its end, the two prices and the sender:
    #: neither at the person nor at the order. Then its words are made once for all in a batch who have these in common.
    shared: bool = False

    def __post_init__(self) -> None:
        if not self.internal and (self.kind == "url") != self.name.endswith("_url"):
            raise ConfigurationFault(f"Placeholder {self.name!r}: names of links, and only those, end in _url.")


def registry() -> dict[str, Placeholder]:
    """All placeholders by name. A site adds with ``register_kwiga_placeholders``; it cannot replace ours."""
    theirs = {placeholder.name: placeholder for placeholder in hooks.collect("register_kwiga_placeholders")}
    return {**OURS, **theirs, **OURS}  # ours first where they are read, and last in force


def closure(names: Iterable[str]) -> list[str]:
    """``names`` and what they imply, sorted: what a version lists as its placeholders."""
    known = registry()
    found = set(names)
    for name in list(found):
        found.update(known[name].implies if name in known else ())
    return sorted(found)


def build_context(names: Iterable[str], situation: Situation) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The values for ``names`` in this situation: texts, and what each link is to say. Builds only what is asked for.

    A name that nobody knows any more (a site's hook went away) is left out, and its default stands in the mail.
    """
    return Writer().build(names, situation)


class Writer:
    """``build_context`` for many mails. What many of them say in the same words (``Placeholder.shared``) is made once.

    It remembers as long as it lives, so have one for a batch and not for ever.
    """

    def __init__(self) -> None:
        self._known = registry()
        self._shared: dict[tuple[Any, ...], dict[str, str]] = {}

    def build(self, names: Iterable[str], situation: Situation) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        texts: dict[str, str] = {}
        links: dict[str, dict[str, Any]] = {}
        shared = self._shared.setdefault(_what_is_shared(situation), {})
        with translation.override(situation.language or None):
            for name in names:
                placeholder = self._known.get(name)
                if placeholder is None:
                    continue
                if placeholder.kind == "url":
                    if value := placeholder.build(situation):
                        links[name] = value if isinstance(value, dict) else {"url": str(value)}
                elif placeholder.shared:
                    if name not in shared:
                        shared[name] = _text(placeholder, situation)
                    texts[name] = shared[name]
                else:
                    texts[name] = _text(placeholder, situation)
        return texts, links


def _text(placeholder: Placeholder, situation: Situation) -> str:
    return placeholder_syntax.plain(placeholder.build(situation) or "", lines=placeholder.lines)


def _what_is_shared(situation: Situation) -> tuple[Any, ...]:
    """All that a *shared* placeholder may look at. Two situations that agree in it get the same words."""
    coupon = situation.coupon.pk if situation.coupon else None
    site = situation.site.pk if situation.site else None
    return (
        situation.language, situation.now, coupon, situation.coupon_until, situation.before, situation.after,
        situation.seller, site,
    )  # fmt: skip


#: Somebody who types a web address as a name wants to have spam sent in our name. A dot inside a word is enough.
_LOOKS_LIKE_ADDRESS = re.compile(r"://|www\.|\w\.[a-z]{2,}(?:\W|$)|@", re.IGNORECASE)
#: A name that looks like a placeholder is merely odd: it is printed as it is.
_BRACED = re.compile(r"\{\{[^{}]*\}\}")
_TITLES = {"dr", "dr.", "prof", "prof.", "mr", "mr.", "mrs", "mrs.", "ms", "ms.", "herr", "frau", "pan", "pani"}


def decent_name(name: str) -> str:
    """A name fit to be printed: on one line, at most 80 characters, and empty where it carries a web address."""
    name = placeholder_syntax.one_line(name, 80)
    return "" if _LOOKS_LIKE_ADDRESS.search(_BRACED.sub("", name)) else name


def _name(situation: Situation) -> str:
    known = situation.contact.name if situation.contact else ""
    return decent_name(known or (situation.order.buyer_name if situation.order else ""))


def _first_name(situation: Situation) -> str:
    name = _name(situation)
    if "," in name:  # Lovelace, Ada
        name = name.partition(",")[2] or name
    words = name.replace(",", " ").split()
    while len(words) > 1 and words[0].lower() in _TITLES:
        words.pop(0)
    return words[0] if words else ""


def _money(money: Money | None, situation: Situation) -> str:
    return format_money(money, situation.language) if money is not None else ""


def _saved(situation: Situation) -> str:
    before, after = situation.before, situation.after
    if before is None or after is None or before.currency != after.currency or not after < before:
        return ""
    return _money(before - after, situation)


def _valid_until(situation: Situation) -> str:
    return instants.until_for_mail(situation.coupon_until, situation.language) if situation.coupon_until else ""


def _valid_hours(situation: Situation) -> str:
    until = situation.coupon_until
    return durations.time_left(until - situation.now, situation.language) if until else ""


def _deadline(situation: Situation) -> str:
    until, hours = _valid_until(situation), _valid_hours(situation)
    if not until:
        return ""
    if not hours:
        return gettext("Valid until %(until)s") % {"until": until}
    return gettext("Valid for %(hours)s, until %(until)s") % {"hours": hours, "until": until}


def _about_order(situation: Situation, **more: Any) -> dict[str, Any] | None:
    if situation.order is None:
        return None
    return {"order": situation.order.pk, "at": int(situation.now.timestamp()), **more}


def _resume(situation: Situation) -> dict[str, Any] | None:
    if situation.order is None and situation.offer is not None:
        code = {"code": situation.coupon.code} if situation.coupon else {}
        return {"offer": str(situation.offer.uid), **code}
    return _about_order(situation, coupon=signing.handle_of(situation.coupon) if situation.coupon else None)


def _access(situation: Situation) -> dict[str, Any] | None:
    """Straight to the product where there is one way in; else the order page, which lists the ways in."""
    opened = {one.way_in for one in situation.opened if one.way_in}
    if len(opened) == 1 and web_addresses.destination(way := opened.pop()):
        return {"to": way}
    if situation.order is None:
        return None
    ways = {line.product.entry_url for line in situation.order.lines.all()}
    only = ways.pop() if len(ways) == 1 else ""
    return {"to": only} if web_addresses.destination(only) else _about_order(situation)


def _unsubscribe(situation: Situation) -> dict[str, Any] | None:
    if situation.contact is None or situation.contact.pk is None:
        return None
    return {"contact": signing.handle_of(situation.contact), "at": int(situation.now.timestamp())}


def _of_order(attribute: str) -> Callable[[Situation], str]:
    return lambda situation: getattr(situation.order, attribute) if situation.order else ""


def _offer_title(situation: Situation) -> str:
    """As the buyer's own page called it; without an order, as the offer is called."""
    if situation.order is not None:
        return situation.order.title
    return situation.offer.title if situation.offer else ""


#: Those that say how long something holds from the present on.
SPANS = frozenset({"coupon.valid_hours", "coupon.deadline"})

#: The package's own placeholders by name.
OURS: dict[str, Placeholder] = {
    placeholder.name: placeholder
    for placeholder in (
        Placeholder("contact.first_name", pgettext_lazy("sales", "first name"), "Ada", "text", _first_name),
        Placeholder("contact.name", pgettext_lazy("sales", "name"), "Ada Lovelace", "text", _name),
        Placeholder(
            "contact.email",
            _("e-mail address"),
            "ada@example.com",
            "text",
            lambda s: s.contact.email if s.contact else "",
        ),
        Placeholder("order.number", _("order number"), "10042", "text", _of_order("number")),
        Placeholder("order.title", _("what was ordered"), _("Watercolour for beginners"), "text", _of_order("title")),
        Placeholder(
            "order.total",
            _("total of the order"),
            "€120.00",
            "text",
            lambda s: _money(s.order.total if s.order else None, s),
        ),
        Placeholder("offer.title", _("title of the offer"), _("Watercolour for beginners"), "text", _offer_title),
        Placeholder(
            "coupon.code",
            _("coupon code"),
            "COMEBACK15",
            "text",
            lambda s: s.coupon.code if s.coupon else "",
            shared=True,
        ),
        Placeholder(
            "coupon.size",
            _("size of the discount"),
            "15%",
            "text",
            lambda s: discounts.size_text(s.coupon, s.language) if s.coupon else "",
            shared=True,
        ),
        Placeholder(
            "coupon.valid_until",
            _("end of the discount, as date and time"),
            "Tuesday, March 2, 2027, 1:30 PM CET",
            "text",
            _valid_until,
            shared=True,
        ),
        Placeholder(
            "coupon.valid_hours", _("how long the discount holds"), "24 hours", "text", _valid_hours, shared=True
        ),
        Placeholder(
            "coupon.deadline",
            _("how long the discount holds, as a sentence"),
            "Valid for 24 hours, until Tuesday, March 2, 2027, 1:30 PM CET",
            "text",
            _deadline,
            implies=("coupon.valid_until", "coupon.valid_hours"),
            shared=True,
        ),
        Placeholder(
            "price.before",
            _("price without the discount"),
            "€120.00",
            "text",
            lambda s: _money(s.before, s),
            shared=True,
        ),
        Placeholder(
            "price.after", _("price with the discount"), "€102.00", "text", lambda s: _money(s.after, s), shared=True
        ),
        Placeholder("price.saved", _("how much is saved"), "€18.00", "text", _saved, shared=True),
        Placeholder(
            "seller.name",
            _("seller's name"),
            "Riverside Studio",
            "text",
            lambda s: s.sender.seller_name,
            shared=True,
        ),
        Placeholder(
            "seller.address",
            _("seller's postal address"),
            "Riverside Studio, 1 Mill Lane, Dublin",
            "text",
            lambda s: s.sender.postal_footer,
            lines=True,
            shared=True,
        ),
        Placeholder("resume_url", _("back to the offer, filled in, with the coupon"), "#resume_url", "url", _resume),
        Placeholder("pay_url", _("straight to paying the order"), "#pay_url", "url", _about_order),
        Placeholder("order_url", _("the page of the order"), "#order_url", "url", _about_order),
        Placeholder("access_url", _("the way in to what was bought"), "#access_url", "url", _access),
        Placeholder(
            "unsubscribe_url", pgettext_lazy("sales", "unsubscribing"), "#unsubscribe_url", "url", _unsubscribe
        ),
        *(
            Placeholder(one.name, one.label, one.sample, "text", one.build, lines=one.lines, internal=one.internal)
            for one in order_words.TEXTS
        ),
        # The site itself, so that pictures and page links in a version are not bound to one site.
        Placeholder("site.root", "", "", "url", lambda s: {"root": True}, internal=True),
    )
}
