"""The mails about an order that go out by themselves: received, paid, under way, failed, free, opened (promise 14).

What each says is frozen when it is queued, and read from the order as it was placed; nothing is quoted anew. Which words are
sent is chosen for each offer (``OfferEmail``): the package's own, an e-mail of the site's own, or, where the law asks for no
mail, none. Right before one leaves, ``order_mail_rules`` asks whether it still has something to say.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.exceptions import PaymentRefused, TemplateFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.authoring import transfer_code, versions
from wagtail_kwiga.mailing.authoring.mjml import TRANSFER_CODE
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplateVersion, OfferEmail, OutgoingEmail
from wagtail_kwiga.mailing.order_words import OF_TERMS
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import outbox, terms_file
from wagtail_kwiga.mailing.sending.attachments import Attached
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Origin, PaymentKind
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.models import Payment
from wagtail_kwiga.payments.provider import TransferDetails
from wagtail_kwiga.payments.statuses import FailureCode, PaymentState

logger = logging.getLogger("wagtail_kwiga.mailing")

Occasion = OfferEmail.Occasion
Mode = OfferEmail.Mode
Purpose = OutgoingEmail.Purpose

#: Occasions on which something must be sent.
REQUIRED = frozenset({Occasion.ORDER_RECEIVED, Occasion.PAID, Occasion.FREE})
#: The package's own mail for each occasion.
BUILTIN: dict[str, str] = {
    Occasion.ORDER_RECEIVED: "order_received",
    Occasion.PAID: "receipt",
    Occasion.WAITING: "payment_waiting",
    Occasion.FAILED: "payment_failed",
    Occasion.FREE: "free",
    Occasion.ACCESS_OPENED: "access_opened",
}
#: What a mail's key begins with; the key of what it is about comes behind.
RECEIVED, RECEIPT, FREE, WAITING, FAILED = (
    "order_received:",
    "receipt:",
    "free:",
    "payment_waiting:",
    "payment_failed:",
)
#: What a gateway calls *under way* or *failed* is often over in a moment: its mail waits that long, and goes only where
#: nothing else has happened (``order_mail_rules``).
SETTLING = dt.timedelta(minutes=2)
#: One mail about failed payments of an order in this time, however often somebody tries.
ONE_FAILURE_EVERY = dt.timedelta(minutes=15)

#: The codes of the entry about an e-mail of the site's own that was not sent: it has a mistake, is taken down, is marketing.
CANNOT_SEND_OWN = "mailing.own_email_fault"
OWN_UNPUBLISHED = "mailing.own_email_unpublished"
OWN_PROMOTION = "mailing.own_email_promotion"

writing.register_sentences(
    {
        CANNOT_SEND_OWN: _(
            "The email “%(title)s” chosen for this offer cannot be sent (%(error)s). The standard email went out instead."
        ),
        OWN_UNPUBLISHED: _(
            "The email “%(title)s” chosen for this offer is not published. The standard email went out instead."
        ),
        OWN_PROMOTION: _(
            "The email “%(title)s” chosen for this offer is marketing, which an email about an order may not be. The standard email "
            "went out instead."
        ),
    }
)


def order_received(order: Order, now: dt.datetime | None = None) -> OutgoingEmail | None:
    """Queue what was ordered and how to pay, once for an order; ``None`` where nothing is to be paid for it, or where
    it was brought along from another shop.

    ``order`` is from ``read``. Ten queries, two more where a file goes along, two more for a transfer.
    """
    now = now or conf.now()
    if not order.total_amount or order.origin == Origin.IMPORT:
        return None
    situation = _situation(order, now)
    if (details := _transfer(order)) is not None:
        situation = replace(situation, transfer=details)
    return _queue(f"{RECEIVED}{order.pk}", Purpose.ORDER, Occasion.ORDER_RECEIVED, situation, now=now)


def receipt(order: Order, now: dt.datetime | None = None) -> OutgoingEmail | None:
    """Queue the receipt of a paid order, once per order however often it is asked for. Where the order costs nothing, that is
    the one mail about it."""
    now = now or conf.now()
    situation = _situation(order, now)
    if not order.total_amount:
        return _queue(f"{FREE}{order.pk}", Purpose.ORDER, Occasion.FREE, situation, now=now)
    return _queue(f"{RECEIPT}{order.pk}", Purpose.RECEIPT, Occasion.PAID, situation, now=now)


def payment_waiting(order: Order, attempt_id: int, now: dt.datetime) -> OutgoingEmail | None:
    """Queue that a payment is under way, once for an attempt; ``None`` where the offer sends no such mail."""
    return _queue(
        f"{WAITING}{attempt_id}", Purpose.ORDER, Occasion.WAITING, _situation(order, now), now=now, wait=SETTLING
    )


def payment_failed(order: Order, attempt_id: int, code: FailureCode, now: dt.datetime) -> OutgoingEmail | None:
    """Queue that a payment came to nothing, with the link to pay again, once for an attempt.

    ``None`` where the buyer has cancelled it, and knows; where another mail of that kind was queued for the order not long
    ago; and where the offer sends none.
    """
    if code == FailureCode.CANCELLED_BY_BUYER:
        return None
    lately = OutgoingEmail.objects.filter(order=order.pk, purpose=Purpose.ORDER, queued_at__gt=now - ONE_FAILURE_EVERY)
    if lately.filter(key__startswith=FAILED).exists():
        return None
    situation = replace(_situation(order, now), failure=str(code))
    return _queue(f"{FAILED}{attempt_id}", Purpose.ORDER, Occasion.FAILED, situation, now=now, wait=SETTLING)


def read(order_id: int) -> Order:
    """The order with all that a mail about it asks of it; the words of its terms are read when the mail leaves. One query. Raises
    ``Order.DoesNotExist``."""
    orders = Order.objects.select_related("contact", "offer", "site", "accepted_terms")
    return orders.defer("accepted_terms__text").get(pk=order_id)


@dataclass(frozen=True)
class Chosen:
    """What goes out on one occasion of an offer: a built-in mail, an e-mail of the site's own by its key, or nothing."""

    mode: str = Mode.STANDARD
    template_id: int | None = None


def chosen_for(offer_ids: Iterable[int | None], occasion: str) -> dict[int | None, Chosen]:
    """What goes out on ``occasion`` for orders of these offers. One query, none without an offer."""
    ids = {pk for pk in offer_ids if pk is not None}
    rows = OfferEmail.objects.filter(offer_id__in=ids, occasion=occasion) if ids else ()
    return {row.offer_id: Chosen(row.mode, row.template_id) for row in rows}


def choices_of(offer: Offer) -> dict[str, Chosen]:
    """What was chosen for an offer, by occasion; an occasion that is missing has the standard. One query."""
    rows = OfferEmail.objects.filter(offer=offer)
    return {row.occasion: Chosen(row.mode, row.template_id) for row in rows}


def choose(offer: Offer, chosen: Mapping[str, Chosen]) -> bool:
    """Write what is sent on these occasions of an offer; returns whether anything has changed.

    Raises ``ValueError`` for no e-mail where the law asks for one, and for an e-mail of the site's own that is not named.
    """
    for occasion, choice in chosen.items():
        if choice.mode == Mode.NONE and occasion in REQUIRED:
            raise ValueError(f"the law asks for an e-mail on the occasion {occasion}")
        if (choice.mode == Mode.OWN) is (choice.template_id is None):
            raise ValueError(f"an e-mail of one's own is named, and no other: {occasion}")
    with locking.atomic_write():
        before = choices_of(offer)
        changed = {one: choice for one, choice in chosen.items() if before.get(one, Chosen()) != choice}
        for occasion, choice in changed.items():
            values = {"mode": choice.mode, "template_id": choice.template_id}
            OfferEmail.objects.update_or_create(offer=offer, occasion=occasion, defaults=values)
    return bool(changed)


def version_of(
    chosen: Chosen, occasion: str, language: str, *, about: writing.Subject, now: dt.datetime
) -> EmailTemplateVersion | None:
    """The words for one reader; ``None`` for none. An e-mail of the site's own that cannot be sent, or that somebody has unpublished,
    is told to a person, once while they have not looked, and the package's own goes out in its place."""
    if chosen.mode == Mode.NONE and occasion not in REQUIRED:
        return None
    if chosen.mode == Mode.OWN and chosen.template_id is not None:
        try:
            version = versions.for_many([(chosen.template_id, language)], now=now)[chosen.template_id, language]
            is_published = version.template is None or version.template.live
            if version.kind == Kind.SERVICE and is_published:
                return version
            code = OWN_PROMOTION if is_published else OWN_UNPUBLISHED
            key = version.template_id or chosen.template_id
            _tell_fault(code, key, versions.title_of(key), about, now)
        except TemplateFault as fault:
            logger.error("The email %s chosen for an offer cannot be sent: %s", chosen.template_id, fault)
            title = versions.title_of(chosen.template_id)
            _tell_fault(CANNOT_SEND_OWN, chosen.template_id, title, about, now, error=str(fault)[:200])
    return versions.builtin(BUILTIN[occasion], language, now=now)


def _tell_fault(
    code: str, template_id: int, title: str, about: writing.Subject, now: dt.datetime, **facts: Any
) -> None:
    codes = [CANNOT_SEND_OWN, OWN_UNPUBLISHED, OWN_PROMOTION]
    known = TimelineEntry.objects.filter(code__in=codes, needs_attention=True, attended_at=None)
    is_known = known.filter(facts__template=template_id).exists()
    writing.write(about, code, now=now, attention=not is_known, template=template_id, title=title, **facts)


def _queue(
    key: str, purpose: str, occasion: str, situation: Situation, *, now: dt.datetime, wait: dt.timedelta | None = None
) -> OutgoingEmail | None:
    order = situation.order
    assert order is not None
    chosen = chosen_for([order.offer_id], occasion).get(order.offer_id, Chosen())
    version = version_of(chosen, occasion, order.language, about=order, now=now)
    if version is None:
        return None
    situation, files = _with_files(version, situation)
    due_at = now + wait if wait else None
    return outbox.queue(
        key=key, purpose=purpose, version=version, situation=situation, attachments=files, due_at=due_at, now=now
    )


def _situation(order: Order, now: dt.datetime) -> Situation:
    return Situation(contact=order.contact, order=order, site=order.site, language=order.language, now=now)


def _transfer(order: Order) -> TransferDetails | None:
    """Where the first sum due of an order that is paid by transfer goes to. ``None`` where nobody has asked for one yet, as
    for an order that staff placed: its mail leads to the page that does. Two queries."""
    if order.payment_kind != PaymentKind.TRANSFER:
        return None
    payment = Payment.objects.filter(order=order.pk, state=PaymentState.DUE).order_by("sequence").first()
    if payment is None:
        return None
    payment.order = order
    try:
        details = registry.get(order.payment_method).transfer_details(payment)
    except PaymentRefused:  # the method was taken out of the settings
        return None
    return details if details is not None and details.iban else None


def _with_files(version: EmailTemplateVersion, situation: Situation) -> tuple[Situation, Sequence[Attached]]:
    """The situation, and the files that go with a mail of this version: the code of the transfer, the terms as accepted."""
    code = terms = None
    if situation.transfer is not None and "payment.code" in version.placeholders:
        code = _code(situation.transfer)
    if situation.order is not None and OF_TERMS in version.placeholders:
        terms = terms_file.attached(situation.order.accepted_terms, situation.language)
    files = [one for one in (code, terms) if one is not None]
    return replace(situation, has_transfer_code=code is not None), files


def _code(details: TransferDetails) -> Attached | None:
    """The picture of a transfer, made when the mail leaves."""
    given = transfer_code.arguments(details)
    if given is None:
        return None
    return Attached(
        transfer_code.FILE_NAME,
        "image/png",
        maker="wagtail_kwiga.mailing.authoring.transfer_code.png",
        arguments=given,
        content_id=TRANSFER_CODE,
    )
