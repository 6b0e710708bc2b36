"""What becomes of a mail after hand-over, as reported by a provider: delivered, bounced, complained …

Reports come repeated and out of order. A mail's state only moves forward, so applying one twice changes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from wagtail_kwiga import conf, locking
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.journal.acting import Actor, acting_as
from wagtail_kwiga.mailing import suppression, timeline
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import OutgoingEmail, Suppression
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import unsubscribe

#: How far along a mail is, by the provider's (normalised) word.
_RANK = {
    "unknown": 0,
    "queued": 1,
    "deferred": 2,
    "sent": 3,
    "delivered": 4,
    "opened": 5,
    "clicked": 6,
    "rejected": 7,
    "failed": 7,
    "bounced": 8,
    "unsubscribed": 9,
    "complained": 10,
}
#: Reports that prove that the provider had taken the mail.
_TAKEN = {"queued", "sent", "deferred", "delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"}
#: Bounces that are about the address for good; others (full, blocked, timed out) pass.
_FOR_GOOD = {"invalid", "bounced"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Of a size that a database takes. (``\d`` would find digits of other scripts too.)
_HANDLE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True)
class Report:
    """One report about one mail."""

    #: What ``handle_of`` called the mail when it was handed over; empty where the provider does not say.
    handle: str
    message_id: str
    recipient: str
    event: str
    reject_reason: str = ""
    at: dt.datetime | None = None


@acting_as(Actor.PROVIDER)
def record(report: Report) -> bool:
    """Apply a report to the mail it speaks of. Returns whether there is such a mail. Raises nothing but database errors."""
    now = report.at or conf.now()
    with locking.atomic_write():
        email = _find(report)
        if email is None:
            return False
        if email.contact_id:  # the first lock of everything; whoever hands this mail over holds it too
            directory.lock(email.contact_id)
            email.refresh_from_db(fields=["status", "esp_status"])
        _move(email, report, now)
        if report.event == "bounced":
            _tell_bounced(email, report, now)
        if report.event == "bounced" and report.reject_reason in _FOR_GOOD:
            _suppress(email, Suppression.Scope.ALL, Suppression.Reason.BOUNCED, now)
        elif report.event == "complained":
            _suppress(email, Suppression.Scope.PROMOTION, Suppression.Reason.COMPLAINED, now)
        elif report.event == "unsubscribed" and email.contact is not None:
            unsubscribe.unsubscribe(email.contact, source="provider", now=now)
    return True


def handle_of(email: OutgoingEmail) -> str:
    """What a provider is told to call ``email``: its key, and beside it the instant it was queued, for after a backup was
    restored another mail gets that key."""
    return f"{email.pk}.{_microseconds(email.queued_at)}"


def _microseconds(at: dt.datetime) -> int:
    return (at - _EPOCH) // dt.timedelta(microseconds=1)


def _with_handle(handle: str) -> OutgoingEmail | None:
    found = _HANDLE.fullmatch(handle)
    if found is None:
        return None
    email = OutgoingEmail.objects.select_related("contact").filter(pk=int(found[1])).first()
    return email if email is not None and _microseconds(email.queued_at) == int(found[2]) else None


def _find(report: Report) -> OutgoingEmail | None:
    rows = OutgoingEmail.objects.select_related("contact")
    email = _with_handle(report.handle)
    if email is None and report.message_id:
        email = rows.filter(message_id=report.message_id).first()
    if email is not None and report.recipient and report.recipient != email.to_email.lower():
        return None
    return email


def _move(email: OutgoingEmail, report: Report, now: dt.datetime) -> None:
    status = OutgoingEmail.Status
    taken = report.event in _TAKEN
    dropped = report.event in ("rejected", "failed")
    doubtful = email.status in (status.UNKNOWN, status.SENDING)
    # A provider that takes a mail and then does not send it after all leaves its reader without it: somebody must know.
    if (doubtful and taken) or (dropped and (doubtful or email.status == status.SENT)):
        settled = (
            {"status": status.SENT, "sent_at": email.sending_at or now, "why": ""}
            if taken
            else {
                "status": status.FAILED,
                "why": told(Why.SERVER_REFUSED, f"{report.event} {report.reject_reason}".strip()),
            }
        )
        # The worker that still waits for its answer finds its lease gone, and leaves the mail alone.
        if OutgoingEmail.objects.filter(pk=email.pk, status=email.status).update(
            lease="", leased_until=None, **settled
        ):
            email.refresh_from_db()
            timeline.tick_off(email, now=now)
            timeline.note(email, timeline.CODES[email.status], now=now, attention=not taken)
    if _RANK.get(report.event, 0) > _RANK.get(email.esp_status, 0):
        email.esp_status = report.event[:60]
        email.save(update_fields=["esp_status"])


def _tell_bounced(email: OutgoingEmail, report: Report, now: dt.datetime) -> None:
    """Once a mail. A person is asked for where it was about an order: whoever bought is waiting for it."""
    if timeline.is_told(email, "mailing.bounced"):
        return
    why = Why.BOUNCED if report.reject_reason in _FOR_GOOD else told(Why.SERVER_REFUSED, report.reject_reason)
    timeline.note(email, "mailing.bounced", now=now, attention=email.kind == Kind.SERVICE, why=why)


def _suppress(email: OutgoingEmail, scope: str, reason: str, now: dt.datetime) -> None:
    suppression.suppress(email.to_email, scope=scope, reason=reason, source=f"mail {email.pk}", now=now)
