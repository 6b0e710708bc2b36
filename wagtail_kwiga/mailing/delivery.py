"""Taking due mails out of the outbox and handing them over, each at most once without somebody knowing.

queued → leased → handing over → sent | failed | uncertain | suppressed | missed | cancelled

A worker leases a batch. Then, mail by mail: a short transaction under the contact's lock asks once more whether the mail
may go and marks it *handing over*; the hand-over happens outside any transaction; a short transaction books the result.
A worker killed at any point leaves at most one mail *uncertain*; the rest of its batch goes back by itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from wagtail_kwiga import conf, hooks, locking
from wagtail_kwiga.contacts import consent, directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.coupons.reasons import Reason
from wagtail_kwiga.mailing import handover, sender, sentences, suppression
from wagtail_kwiga.mailing.events import EmailSent
from wagtail_kwiga.mailing.models import EmailTemplateVersion, Kind, OutgoingEmail, Suppression
from wagtail_kwiga.mailing.outbox import BY_ITSELF
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.verdicts import Fate, Verdict
from wagtail_kwiga.orders import families

logger = logging.getLogger("wagtail_kwiga.mailing")

Status = OutgoingEmail.Status
Purpose = OutgoingEmail.Purpose

#: Why a discount that held when the mail was written holds no more.
_ENDED = {Reason.INACTIVE, Reason.EXPIRED, Reason.ENDED_FOR_YOU}
#: Minutes until the next try, by how often a mail has been tried.
BACKOFF = (2, 10, 60, 240, 480)


@dataclass
class Summary:
    """How many mails a sweep brought to which end. ``later`` went back to the queue."""

    sent: int = 0
    failed: int = 0
    uncertain: int = 0
    suppressed: int = 0
    missed: int = 0
    cancelled: int = 0
    later: int = 0

    @property
    def total(self) -> int:
        return sum(dataclasses.astuple(self))

    def count(self, status: str | None) -> None:
        name = "later" if status == Status.QUEUED else status
        if name and hasattr(self, name):
            setattr(self, name, getattr(self, name) + 1)


def deliver_due(now: dt.datetime | None = None, *, batch: int | None = None, seconds: float | None = None) -> Summary:
    """Hand over what is due at ``now``, in batches, until nothing is left or ``seconds`` have passed.

    Several workers may do this at once. Not to be called within a transaction: what it marks must be seen by others
    before the hand-over begins.
    """
    now = now or conf.now()
    size = batch or conf.settings.SWEEP_BATCH
    began = time.monotonic()
    budget = conf.settings.SWEEP_SECONDS if seconds is None else seconds
    summary = Summary()
    for status in _tidy_up(now):
        summary.count(status)
    with handover.Post() as post:
        while not post.is_down and (passed := time.monotonic() - began) < budget:
            lease = secrets.token_hex(16)
            emails = _take(lease, now, passed, size)
            if not emails:
                break
            try:
                for email in emails:
                    if post.is_down or time.monotonic() - began >= budget:
                        break
                    summary.count(_deliver_safely(email, post, now, time.monotonic() - began))
            finally:
                _give_back(lease)
    return summary


def due_count(now: dt.datetime | None = None) -> int:
    """How many mails wait to be handed over at ``now``. One query on a partial index."""
    return _due(now or conf.now()).count()


def _due(now: dt.datetime) -> Any:
    return OutgoingEmail.objects.filter(status=Status.QUEUED, due_at__lte=now)


def _take(lease: str, now: dt.datetime, passed: float, size: int) -> list[OutgoingEmail]:
    """Lease up to ``size`` due mails that nobody else is about to lease. Four queries, two where nothing is due."""
    until = now + dt.timedelta(seconds=passed + conf.settings.LEASE_SECONDS)
    with locking.atomic_write():
        due = _due(now).order_by("due_at", "pk")
        ids = list(locking.locked(due, skip=True).values_list("pk", flat=True)[:size])
        if not ids:
            return []
        OutgoingEmail.objects.filter(pk__in=ids).update(status=Status.LEASED, lease=lease, leased_until=until)
    emails = list(OutgoingEmail.objects.filter(pk__in=ids).select_related("order__offer").order_by("due_at", "pk"))
    versions = EmailTemplateVersion.objects.in_bulk({email.version_id for email in emails})
    for email in emails:
        email.version = versions[email.version_id]
    return emails


def _give_back(lease: str) -> None:
    """What a batch did not come to waits for the next sweep, untouched."""
    OutgoingEmail.objects.filter(lease=lease, status=Status.LEASED).update(
        status=Status.QUEUED, lease="", leased_until=None
    )


def _deliver_safely(email: OutgoingEmail, post: handover.Post, now: dt.datetime, passed: float) -> str | None:
    """``_deliver``, but one mail that nobody foresaw does not keep all others from leaving, today and in every sweep."""
    try:
        return _deliver(email, post, now, passed)
    except Exception as error:
        logger.exception("Mail %s stumbled", email.pk)
        # If this fails too, the database is in trouble and the sweep ends. A mail whose hand-over had begun is not touched.
        return _book(email, Verdict(Fate.LATER, told(Why.STUMBLED, error)), now, was=Status.LEASED)


def _deliver(email: OutgoingEmail, post: handover.Post, now: dt.datetime, passed: float) -> str | None:
    """See one leased mail through; returns the status it came to, ``None`` where somebody else has it by now."""
    try:
        by = sender.for_site(email.site_id)
        message = handover.compose(email, by)
    except Exception as error:
        logger.exception("Mail %s could not be composed", email.pk)
        return _book(email, Verdict(Fate.FAILED, told(Why.CANNOT_COMPOSE, error)), now, was=Status.LEASED)
    down = post.ready()
    if down is not None:
        logger.error("No connection to the mail server: %s", down.why)
        return _book(email, down, now, was=Status.LEASED)
    stopped = _claim(email, by, now, passed)
    if stopped is not None:
        return stopped or None
    verdict = post.give(message)
    if not verdict.message_id:
        verdict = dataclasses.replace(verdict, message_id=message.extra_headers.get("Message-ID", ""))
    if verdict.fate is not Fate.SENT:
        logger.warning("Mail %s: %s (%s)", email.pk, verdict.fate, verdict.why)
    return _book(email, verdict, now, was=Status.HANDING_OVER)


def _claim(email: OutgoingEmail, by: sender.Sender, now: dt.datetime, passed: float) -> str | None:
    """Under the contact's lock: may the mail still go? Then it is marked *handing over* and ``None`` is returned.

    Otherwise the status it got instead, or an empty string where it is no longer ours. Whoever pays holds the same lock:
    either this commits first, or it sees the payment (promise 1).
    """
    with locking.atomic_write():
        status, why = _objection(email, by, now)
        mine = OutgoingEmail.objects.filter(pk=email.pk, status=Status.LEASED, lease=email.lease)
        if status:
            if not mine.update(status=status, why=str(why)[:255], lease="", leased_until=None):
                return ""
            email.status, email.why = status, str(why)
            sentences.note(email, sentences.CODES[status], now=now)
            return status
        until = now + dt.timedelta(seconds=passed + conf.settings.LEASE_SECONDS)
        claimed = mine.update(
            status=Status.HANDING_OVER, attempts=email.attempts + 1, handed_over_at=now, leased_until=until, why=""
        )
        if not claimed:
            return ""
    email.attempts += 1
    email.handed_over_at = now
    return None


def _objection(email: OutgoingEmail, by: sender.Sender, now: dt.datetime) -> tuple[str, str]:
    """Why the mail must not go after all, as (status, why), or two empty strings. The contact is locked from here on."""
    contact = directory.lock(email.contact_id) if email.contact_id else None
    if email.purpose == Purpose.RECOVERY:
        if email.family and not families.is_waiting(email.family):
            return Status.CANCELLED, Why.PAID if families.is_paid(email.family) else Why.NOT_WAITING
        if not by.recovery_on:
            return Status.CANCELLED, Why.RECOVERY_OFF
    if contact is not None:
        if contact.is_placeholder:
            return Status.SUPPRESSED, Why.PLACEHOLDER
        refusal = consent.why_not_promote(contact, by.promo_policy) if email.kind == Kind.PROMOTION else None
        if refusal:
            return Status.SUPPRESSED, refusal
    refusal = suppression.why_not(email.to_email, email.kind)
    if refusal:
        return Status.SUPPRESSED, refusal
    if email.not_after is not None and now > email.not_after:
        return Status.MISSED, Why.TOO_LATE
    if contact is not None and _discount_has_ended(email, contact, now):
        return Status.MISSED, Why.TOO_LATE
    return "", ""


def _discount_has_ended(email: OutgoingEmail, contact: Contact, now: dt.datetime) -> bool:
    """Whether the discount that the mail promises its reader is over: staff took them off the list since, say (promise 5).

    Taking off locks the contact as well, so this reads either before it or after. Two queries where there is a coupon.
    """
    if email.order is None or email.purpose == Purpose.RECEIPT:  # a receipt tells what was, and promises nothing
        return False
    situation: dict[str, Any] = {"offer": email.order.offer, "contact": contact, "now": now}
    in_links = [row["coupon"] for row in email.links.values() if row.get("coupon")]
    if in_links:
        return eligibility.check_coupon(Coupon(pk=in_links[0]), **situation).reason in _ENDED
    code = email.context.get("coupon.code")
    return bool(code) and eligibility.check(code=code, **situation).reason in _ENDED


def _book(email: OutgoingEmail, verdict: Verdict, now: dt.datetime, *, was: str) -> str | None:
    """Write down what came of it, if the mail is still ours. Two queries for a mail that was sent."""
    changes = _changes(email, verdict, now, before_hand_over=was == Status.LEASED)
    status = changes["status"]
    with locking.atomic_write():
        mine = OutgoingEmail.objects.filter(pk=email.pk, lease=email.lease)
        if not mine.filter(status=was).update(lease="", leased_until=None, **changes):
            # Another worker may have thought this one dead and the mail uncertain; now the end of it is known.
            doubted = mine.filter(status=Status.UNCERTAIN)
            if was != Status.HANDING_OVER or not doubted.update(lease="", leased_until=None, **changes):
                logger.warning("Mail %s was settled by somebody else meanwhile; not booked: %s", email.pk, verdict)
                return None
            sentences.tick_off(email, now=now)
        for name, value in changes.items():
            setattr(email, name, value)
        if verdict.fate is Fate.REFUSED:
            suppression.suppress(
                email.to_email,
                scope=Suppression.Scope.ALL,
                reason=Suppression.Reason.REFUSED,
                source=f"mail {email.pk}",
                now=now,
            )
        if status != Status.QUEUED:
            sentences.note(email, _code(email), now=now, attention=_needs_a_person(email))
        if status == Status.SENT:
            hooks.tell(
                "after_kwiga_email_sent", EmailSent(email.pk, email.contact_id, email.order_id, email.purpose, now)
            )
    return status


def _changes(email: OutgoingEmail, verdict: Verdict, now: dt.datetime, *, before_hand_over: bool) -> dict[str, Any]:
    attempts = email.attempts + 1 if before_hand_over else email.attempts
    changes: dict[str, Any] = {"attempts": attempts, "why": verdict.why[:255]}
    if not before_hand_over:
        changes |= {"message_id": verdict.message_id[:255], "esp_status": verdict.esp_status[:60]}
    match verdict.fate:
        case Fate.SENT:
            return changes | {"status": Status.SENT, "sent_at": now}
        case Fate.REFUSED:
            return changes | {"status": Status.SUPPRESSED}
        case Fate.UNCERTAIN:
            return changes | {"status": Status.UNCERTAIN}
        case Fate.LATER if attempts < conf.settings.MAX_ATTEMPTS:
            wait = dt.timedelta(minutes=BACKOFF[min(attempts, len(BACKOFF)) - 1])
            return changes | {
                "status": Status.QUEUED,
                "due_at": now + max(wait, dt.timedelta(seconds=verdict.retry_after)),
            }
        case Fate.LATER:
            return changes | {"status": Status.FAILED, "why": told(Why.GAVE_UP, verdict.why)}
    return changes | {"status": Status.FAILED}


def _tidy_up(now: dt.datetime) -> Iterator[str]:
    """What killed workers left behind, and receipts of uncertain end that get their second try. Two queries when all is well."""
    overdue = Q(status__in=[Status.LEASED, Status.HANDING_OVER], leased_until__lte=now)
    for email in OutgoingEmail.objects.filter(overdue).order_by("pk"):
        this = OutgoingEmail.objects.filter(overdue, pk=email.pk, status=email.status, lease=email.lease)
        if email.status == Status.LEASED:  # its hand-over had not begun
            this.update(status=Status.QUEUED, lease="", leased_until=None)
            continue
        email.status, email.why = Status.UNCERTAIN, told(Why.WORKER_STOPPED)
        with locking.atomic_write():
            # The lease stays: should that worker be alive after all, it can still tell how it ended.
            if this.update(status=email.status, why=email.why):
                sentences.note(email, _code(email), now=now, attention=_needs_a_person(email))
                yield email.status
    since = now - dt.timedelta(minutes=conf.settings.RECEIPT_RETRY_MINUTES)
    OutgoingEmail.objects.filter(
        status=Status.UNCERTAIN, purpose=Purpose.RECEIPT, settled_by="", handed_over_at__lte=since
    ).update(status=Status.QUEUED, due_at=now, lease="", leased_until=None, settled_by=BY_ITSELF)


def _will_try_again(email: OutgoingEmail) -> bool:
    """A receipt without a clear end is sent once more: having it twice is better than not at all."""
    return email.status == Status.UNCERTAIN and email.purpose == Purpose.RECEIPT and not email.settled_by


def _needs_a_person(email: OutgoingEmail) -> bool:
    return email.status in (Status.FAILED, Status.UNCERTAIN) and not _will_try_again(email)


def _code(email: OutgoingEmail) -> str:
    return "mailing.trying_again" if _will_try_again(email) else sentences.CODES[email.status]
