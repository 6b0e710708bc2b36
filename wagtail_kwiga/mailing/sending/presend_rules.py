"""Why a mail must not leave after all: asked under the lock of its contact, right before it is handed over.

``presend_checks`` reads how things stand; here it is said what follows from that. The order of the questions is the order in
which reasons are told.
"""

from __future__ import annotations

import datetime as dt
from typing import cast

from wagtail_kwiga import hooks, quoting, signing
from wagtail_kwiga.access import ownership
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts, eligibility
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing import classification, permission, placeholder_syntax, sender
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import marketing_cap, order_mail_rules, outbox, presend_checks, promises
from wagtail_kwiga.orders import binding
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import Status as OrderStatus
from wagtail_kwiga.pricing.money import Money

Status = OutgoingEmail.Status
Purpose = OutgoingEmail.Purpose


def objection(email: OutgoingEmail, by: sender.Sender, now: dt.datetime) -> tuple[str, str]:
    """Why the mail must not go after all, as (status, why), or two empty strings. The contact is locked from here on.

    Two queries: the lock, and then everything at once. More only where it is about an order by itself (``order_mail_rules``), or
    something is the matter: the person has access to a part of the offer, the promise has become worse, the site makes prices of
    its own, or the mail is one of before that names a coupon.
    """
    contact = presend_checks.lock_contact(email.contact_id) if email.contact_id else None
    coupon_id = None if email.promised_offer_id else _coupon_in_links(email)
    found = presend_checks.pre_send_check(email, site_id=by.site_id, coupon_id=coupon_id, now=now)
    if found is None:  # the mail is gone; the claim will find that too
        return "", ""
    if email.purpose == Purpose.RECOVERY:
        if email.purchase_id and not found.is_waiting:
            return Status.CANCELLED, Why.PAID if found.purchase_paid else Why.NOT_WAITING
        if found.chose_transfer:
            return Status.CANCELLED, Why.TRANSFER_CHOSEN
        if found.recovery_on is False:
            return Status.CANCELLED, Why.RECOVERY_OFF
        if found.may_own and _owns_all(email, now):
            return Status.CANCELLED, Why.OWNED
    if why := order_mail_rules.objection(email, contact, now):
        return Status.MISSED if why == Why.TOO_LATE else Status.CANCELLED, why
    recipient = presend_checks.recipient(contact, found)
    if why := permission.refusal(recipient, kind=email.kind, policy=found.promo_policy or by.promo_policy):
        return Status.SUPPRESSED, why
    if email.not_after is not None and now > email.not_after:
        return Status.MISSED, Why.TOO_LATE
    if contact is None:
        return "", ""
    status, why = _broken(email, contact, found, now)
    if not status and email.kind == Kind.PROMOTION and _is_one_too_many(found, by):
        return marketing_cap.put_off(email, now)
    return status, why


def _broken(
    email: OutgoingEmail, contact: Contact, found: presend_checks.PreSendCheck, now: dt.datetime
) -> tuple[str, str]:
    """What becomes of a mail that says what does not hold any more; two empty strings where all of it holds."""
    if email.promised_offer_id is not None:
        return _broken_promise(email, contact, found, now)
    if email.order_id is not None and email.purpose not in (
        Purpose.RECEIPT,
        Purpose.ORDER,
        Purpose.ACCESS,
    ):  # they tell what was agreed to, and promise nothing
        refused = not found.verdict.ok if found.verdict is not None else _named_discount_is_refused(email, contact, now)
        if refused:
            return Status.MISSED, Why.PROMISE_OVER
    return "", ""


def _is_one_too_many(found: presend_checks.PreSendCheck, by: sender.Sender) -> bool:
    limit = by.promo_mails_per_day if found.promo_mails_per_day is None else found.promo_mails_per_day
    return bool(limit) and found.promos_today >= limit


def _owns_all(email: OutgoingEmail, now: dt.datetime) -> bool:
    offer_id = email.order.offer_id if email.order else None
    return bool(offer_id and email.contact_id and ownership.owns_all(email.contact_id, offer_id, now))


def _broken_promise(
    email: OutgoingEmail, contact: Contact, found: presend_checks.PreSendCheck, now: dt.datetime
) -> tuple[str, str]:
    """What becomes of a mail whose promise does not hold as it was told: rewritten once with what holds now, else *missed*."""
    offer, coupon = found.offer, found.coupon
    if offer is not None and hooks.has_listeners("construct_kwiga_quote"):  # they may look at more than we have read
        offer = Offer.objects.get(pk=offer.pk)
        coupon = Coupon.objects.filter(pk=coupon.pk).first() if coupon is not None else None
    not_for_sale = selling.why_not_for_sale(offer, now) if offer is not None else "gone"
    total = standing = None
    tells_order = _tells_unpaid_order(email, found)
    if not classification.needs_offer(email.version.placeholders):
        if not tells_order:  # but of one that is paid by now
            return "", ""
        if found.standing is not None:  # it leads to paying that, whatever has become of the offer
            is_dearer = _costs_more_than_told(email, found.standing.total, now)
            return (Status.MISSED, _ORDER_PRICE_OVER) if is_dearer else ("", "")
        if (
            cast(Order, email.order).status == OrderStatus.SUPERSEDED
        ):  # and to paying what replaced it, in another plan perhaps
            return Status.MISSED, _ORDER_PRICE_OVER
    tells_price = email.promised_total is not None or tells_order
    if offer is not None and (tells_price or found.standing) and (found.verdict is None or found.verdict.ok):
        total = quoting.make(offer, coupon, contact, now).total
        if found.standing is not None and binding.is_better(found.standing.total, total):
            if email.promised_coupon_id is not None and classification.speaks_of_coupon(email.version.placeholders):
                # Its button leads to that order, and not to what it speaks of.
                return Status.CANCELLED, Why.CHEAPER_ORDER
            standing = found.standing
            total = standing.total
    code = placeholder_syntax.plain(found.coupon.code) if found.coupon is not None else ""  # as a mail spells it
    size = email.context.get("coupon.size")
    takes_less = found.coupon is not None and bool(size) and discounts.takes_less(found.coupon, size, email.language)
    judgement = promises.judge(
        email,
        not_for_sale=not_for_sale or "",
        coupon=found.verdict,
        total=total,
        code=code,
        takes_less=takes_less,
        now=now,
    )
    if judgement.why:
        return Status.MISSED, judgement.why
    if tells_order and _costs_more_than_told(email, total, now):
        return Status.MISSED, _ORDER_PRICE_OVER  # rewritten, it would still name what the order costs
    if judgement.kept:
        return "", ""
    if email.rebuilt_at is not None:
        return Status.MISSED, Why.WORSE_AGAIN
    prices = (standing.list_price, standing.total) if standing is not None else None
    return (Status.QUEUED, "") if outbox.rebuild(email, contact, found.verdict, prices=prices, now=now) else ("", "")


#: What becomes of a mail that names the price of an order at which that can no longer be paid.
_ORDER_PRICE_OVER = told(Why.PROMISE_OVER, "order_price")


def _tells_unpaid_order(email: OutgoingEmail, found: presend_checks.PreSendCheck) -> bool:
    """Whether the mail names the price of an order that nothing was paid for yet."""
    if email.order is None or email.order.paid_at is not None or found.purchase_paid or found.purchase_partly_paid:
        return False
    return classification.tells_order_price(email.version.placeholders)


def _costs_more_than_told(email: OutgoingEmail, total: Money | None, now: dt.datetime) -> bool:
    """Whether the order of the mail costs more than the mail says, or can no longer be paid by when it says. ``total``: what whoever
    follows it is asked for."""
    order = cast(Order, email.order)
    if "payment.until" in email.version.placeholders and order.price_binds_until <= now:
        return True
    return total is None or total.currency != order.currency or total > order.total


def _coupon_in_links(email: OutgoingEmail) -> int | None:
    """The coupon that a mail of before carries in its links, which name it by its handle."""
    handle = next((row["coupon"] for row in email.links.values() if row.get("coupon")), None)
    if handle is None:
        return None
    # One that is gone is asked about all the same: its answer is no.
    return signing.with_handle(Coupon.objects.all(), handle).values_list("pk", flat=True).first() or 0


def _named_discount_is_refused(email: OutgoingEmail, contact: Contact, now: dt.datetime) -> bool:
    """The same for a coupon of which only the code stands in the mail."""
    code = email.context.get("coupon.code")
    if not code or email.order is None or email.order.offer is None:
        return False
    offer = email.order.offer
    return not (
        selling.is_for_sale(offer, now) and eligibility.check(code=code, offer=offer, contact=contact, now=now).ok
    )
