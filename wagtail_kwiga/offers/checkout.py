"""From the sent form to the order and the way to pay it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.access import ownership
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import consent, directory, limits
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.exceptions import KwigaError, OrderRefused, TooManyAttempts
from wagtail_kwiga.journal.acting import Actor, acting_as
from wagtail_kwiga.offers import browser_proof, client_address, order_reminder, quoting
from wagtail_kwiga.orders import correcting, placing, purchases
from wagtail_kwiga.orders.drafts import OrderDraft
from wagtail_kwiga.payments import attempts, ledger, registry
from wagtail_kwiga.payments.provider import NextAction, Provider
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote

if TYPE_CHECKING:
    from wagtail.models import Site

    from wagtail_kwiga.catalogue.models import Offer
    from wagtail_kwiga.catalogue.terms import OfferTerms
    from wagtail_kwiga.contacts.models import Contact
    from wagtail_kwiga.legal_texts.models import LegalText
    from wagtail_kwiga.offers.resuming import Resume
    from wagtail_kwiga.orders.models import Order
    from wagtail_kwiga.payments.models import PaymentAttempt


#: Contacts that may come into being in a day for spellings of one mailbox.
_NEW_PEOPLE_A_DAY = 5


class PriceChanged(OrderRefused):
    """It costs more now than the page showed; ``facts["quote"]`` is today's price. Nothing was ordered."""

    code = "price_changed"


class AlreadyOwned(OrderRefused):
    """The buyer has all that the offer would add, and is known to be who they say. Nothing was ordered; they may order it once
    more knowingly (``submit(another=…)``)."""

    code = "already_owned"


@dataclass(frozen=True)
class CheckoutResult:
    """The order placed and the attempt to pay it; ``started`` is ``None`` where there is nothing to pay.

    ``trouble`` says why paying could not be begun (the provider did not answer); the order stands all the same.
    """

    order: Order
    started: attempts.StartedAttempt | None = None
    trouble: KwigaError | None = None

    @property
    def next(self) -> NextAction | None:
        """What the buyer does next: a redirect, a form to post on, instructions, or nothing."""
        return self.started.next_action if self.started else None


@acting_as(Actor.BUYER)
def submit(
    *,
    offer: Offer,
    terms: OfferTerms | None = None,
    form_data: Mapping[str, Any],
    code: str = "",
    resume: Resume | None = None,
    shown: Money | None = None,
    site: Site | None = None,
    language: str = "",
    title: str = "",
    place: str = "",
    own_orders: Collection[str] = (),
    user_id: Any = None,
    another: str = "",
    answers: Mapping[str, Any] | None = None,
    accepted_terms: LegalText | None = None,
    promo_text: str = "",
    page_revision: int | None = None,
    now: dt.datetime | None = None,
) -> CheckoutResult:
    """Place an order from cleaned form data and begin to pay it.

    ``terms`` are what the offer sells, where they were read already. ``form_data``: name, email, phone, payment_method, terms, promo. ``code`` is a coupon code as typed. ``shown`` is the
    total the visitor saw: more than that is never charged (``PriceChanged``). Where ``resume`` is of the very address, what
    is held already is not asked again. ``place`` is where it comes from (``offers.client_address``). ``own_orders`` are those that
    this browser has placed (``offers.browser_proof``): like a resume link of the very address they prove that it is the buyer
    who orders beside money that is on its way; so does ``user_id``, the user who is signed in, for the contact of that user.
    ``another`` is the slot of an order that its buyer wants beside what they own already (``orders.purchases.new_slot``): the
    same slot twice is one order. ``answers`` are those to the site's own fields (``CheckoutForm.answers``).
    ``accepted_terms`` and ``promo_text`` are the words beside the boxes *terms* and *promo*, ``page_revision`` is what was shown.

    Raises ``TooManyAttempts``, ``CouponRefused`` and ``OrderRefused`` (``AlreadyPartlyPaid``, ``OrderUnderWay``,
    ``AlreadyOwned`` and ``PriceChanged`` among them); then nothing was written but the count of tries. Where nobody knows who
    orders, what the contact owns makes no difference to the answer: the mail to the address says it.
    """
    now = now or conf.now()
    email = directory.normalise(form_data["email"])
    known = resume if resume is not None and resume.is_of(email) else None
    proof = browser_proof.Proof(known is not None, own_orders, user_id)
    _count_order(email, place, code, proof, now)
    provider: Provider | None = None
    begun: list[PaymentAttempt] = []

    def write_beside(order: Order) -> None:
        if provider is not None and order.total_amount:
            begun.append(attempts.prepare(order, provider, now=now))
        if is_owned and not is_proven:
            order_reminder.tell_the_owner(order, now)

    with locking.atomic_write():
        corrects = correcting.lock_people(own_orders, email) if known is None and not another else ()
        contact, is_new = directory.find_or_make(
            email=email,
            name=form_data["name"],
            phone=form_data.get("phone", ""),
            language=language,
            source="checkout",
            now=now,
        )
        if is_new and limits.mailbox(email) != email:  # ada+1@, ada+2@, …: each new person is one who gets mail
            key = f"new:{limits.mailbox(email)}"
            limits.check(key, limit=_NEW_PEOPLE_A_DAY, now=now, window_minutes=limits.LONGEST_WINDOW_MINUTES)
        # The contact is locked. What is asked of others may be overtaken, but never wrongly: limits of a coupon are decided
        # when it is held, and nobody is charged more than the quote says.
        if why := selling.why_not_for_sale(offer, now):
            raise OrderRefused(selling.message(why, offer), code=why)
        is_owned = not is_new and ownership.owns_all(contact.pk, offer.pk, now)
        is_proven = is_owned and proof.is_of_owner(contact)
        if is_proven and (not another or purchases.is_slot_paid(contact.pk, another)):
            raise AlreadyOwned(_("You have all of this already."), contact=contact.pk)
        quote = price(offer=offer, code=code, contact=contact, now=now)
        if shown is not None and (shown.currency != quote.currency or quote.total > shown):
            raise PriceChanged(_("The price has changed since you opened this page."), quote=quote)
        if not quote.is_free:
            provider = choose_provider(offer, form_data.get("payment_method", ""), quote.currency, site)
        if quote.is_free:  # a receipt goes out at once, to whatever address was typed
            limits.check(
                f"free:{limits.mailbox(email)}", limit=2, now=now, window_minutes=limits.LONGEST_WINDOW_MINUTES
            )
        if form_data.get("promo"):
            consent.agree(contact, source="checkout", text=promo_text, language=language, now=now)
        draft = OrderDraft.for_offer(
            offer,
            terms,
            contact=contact,
            quote=quote,
            method=provider,
            site=site,
            language=language,
            title=title,
            slot=another if is_proven else "",
            name=form_data["name"],
            phone=form_data.get("phone", "") or (known.phone if known else ""),
            agreed_terms=bool(form_data.get("terms")),
            accepted_terms=accepted_terms,
            page_revision=page_revision,
            answers=answers or {},
            reserve_until=attempts.reserve_until(provider, now) if provider else None,
        )
        order = placing.place_order(draft, vouch=proof.covers, beside=write_beside, corrects=corrects, now=now)
        if provider is None or not order.total_amount:
            # In the same transaction: a free order is never left waiting for a payment that nobody will make.
            return CheckoutResult(ledger.complete_free(order, now).order)
    # After commit: the provider may talk to the network, and the order stands whatever becomes of it.
    try:
        return CheckoutResult(order, attempts.request_payment(order, provider, begun[0], now=now))
    except KwigaError as fault:
        return CheckoutResult(order, trouble=fault)


def price(*, offer: Offer, code: str, contact: Contact | None, now: dt.datetime) -> Quote:
    """The quote for what was typed as a code, if anything. Raises ``CouponRefused``."""
    if not code:
        return quoting.quote(offer=offer, contact=contact, now=now)
    return quoting.quote_for(eligibility.check(code=code, offer=offer, contact=contact, now=now), offer, contact, now)


def choose_provider(offer: Offer, method: str, currency: str, site: Site | None) -> Provider:
    """The way to pay that was chosen, or the only one there is. Raises ``OrderRefused``."""
    offered = registry.available(offer, currency=currency, site=site)
    if not offered:
        raise OrderRefused(
            _("There is no way to pay here yet, so this cannot be ordered. Please write to us."), code="no_method"
        )
    if not method and len(offered) == 1:
        return offered[0]
    for provider in offered:
        if provider.alias == method:
            return provider
    raise OrderRefused(_("Please choose how to pay."), code="unknown_method")


def count_code(place: str, email: str, now: dt.datetime) -> None:
    """Count a try of a coupon code from ``place`` (empty: unknown) for the address typed. Raises ``TooManyAttempts``."""
    tries = _codes(place)
    with contextlib.suppress(KwigaError):  # what is no address belongs to nobody
        key = f"apply:address:{limits.mailbox(directory.normalise(email))}"
        tries.append(limits.RateLimit(key, 3 * conf.settings.CHECKOUTS_PER_ADDRESS))
    _count(tries, place, now)


def _count_order(email: str, place: str, code: str, proof: browser_proof.Proof, now: dt.datetime) -> None:
    """Outside the transaction of the order, so that a refused try counts as well.

    A stranger who uses up the tries of an address does not lock out whoever comes by the link of a mail to it.
    """
    who = f"{'resumed' if proof.by_mail else 'address'}:{limits.mailbox(email)}"
    tries = [limits.RateLimit(f"checkout:ip:{place}", conf.settings.CHECKOUTS_PER_IP)] if place else []
    tries.append(limits.RateLimit(f"checkout:{who}", conf.settings.CHECKOUTS_PER_ADDRESS))
    _count([*tries, *(_codes(place) if code else [])], place, now)


def _codes(place: str) -> list[limits.RateLimit]:
    return [client_address.guess_of(place)] if place else []


def _count(tries: list[limits.RateLimit], place: str, now: dt.datetime) -> None:
    try:
        limits.check_many(tries, now=now)
    except TooManyAttempts as refusal:
        if place and refusal.key == client_address.guess_of(place).key:
            client_address.note_over(place, now)
        raise
