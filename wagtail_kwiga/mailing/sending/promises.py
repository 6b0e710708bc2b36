"""What a mail promises its reader: kept in columns when it is queued, and asked again right before it leaves (promise 5).

A mail promises where its button leads, with which coupon, what that costs at most, and until when at least. What has become
better since is no reason to say anything else; what has become worse is said as it is now, once, or is not said at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from wagtail_kwiga.coupons.rules import Verdict
from wagtail_kwiga.mailing import classification
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.pricing.money import Money

#: Purposes of mail that promises something. A receipt tells what was; a reminder leads to the order as it stands.
PROMISING = frozenset({OutgoingEmail.Purpose.RECOVERY, OutgoingEmail.Purpose.SCENARIO})


def columns(purpose: str, placeholders: Collection[str], situation: Situation) -> dict[str, Any]:
    """The columns of ``OutgoingEmail`` that say what a mail with these placeholders promises in this situation."""
    promised: dict[str, Any] = {
        "promised_offer_id": None, "promised_coupon_id": None, "promised_total": None, "promised_currency": "",
        "promised_until": None,
    }  # fmt: skip
    order = situation.order
    offer_id = situation.offer.pk if situation.offer else order.offer_id if order else None
    tells_order = order is not None and order.paid_at is None and classification.tells_order_price(placeholders)
    if purpose not in PROMISING or offer_id is None or not (tells_order or classification.needs_offer(placeholders)):
        return promised
    promised["promised_offer_id"] = offer_id
    coupon, total = situation.coupon, situation.quote_after
    if coupon is not None and (classification.speaks_of_coupon(placeholders) or "resume_url" in placeholders):
        promised |= {"promised_coupon_id": coupon.pk, "promised_until": situation.coupon_until}
    if total is not None and (promised["promised_coupon_id"] or classification.tells_price(placeholders)):
        promised |= {"promised_total": total.amount, "promised_currency": total.currency}
    elif order is not None and tells_order:
        promised |= {"promised_total": order.total_amount, "promised_currency": order.currency}
    return promised


@dataclass(frozen=True)
class Judgement:
    """What has become of a promise: ``kept``, or ``why`` it is not. ``is_worse``: it still holds, but not as told."""

    why: str = ""
    is_worse: bool = False

    @property
    def kept(self) -> bool:
        return not self.why and not self.is_worse


def judge(
    email: OutgoingEmail,
    *,
    not_for_sale: str,
    coupon: Verdict | None,
    total: Money | None,
    code: str = "",
    takes_less: bool = False,
    now: dt.datetime,
) -> Judgement:
    """Compare what ``email`` promises with what the checkout would say at ``now``. Pure.

    ``coupon``: its verdict where one is promised; ``code``: what buyers type for it by now; ``takes_less``: it
    takes off less than the mail says, whatever the total is; ``total``: today's price with it.
    """
    if not_for_sale:
        return Judgement(told(Why.PROMISE_OVER, "not_for_sale"))
    if coupon is not None and not coupon.ok:
        return Judgement(told(Why.PROMISE_OVER, f"coupon_{coupon.reason}"))
    until = coupon.until if coupon is not None else None
    if until is not None and (email.promised_until is None or until < email.promised_until):
        # With less than half of the time left that was to be told, it is too late to tell of it.
        if email.promised_until is not None and until - now < (email.promised_until - email.queued_at) / 2:
            return Judgement(Why.TOO_LATE)
        return Judgement(is_worse=True)
    if takes_less or (code and email.context.get("coupon.code", code) != code):
        return Judgement(is_worse=True)
    if email.promised_total is None or total is None:
        return Judgement()
    is_dearer = total.currency != email.promised_currency or total.amount > email.promised_total
    return Judgement(is_worse=is_dearer)
