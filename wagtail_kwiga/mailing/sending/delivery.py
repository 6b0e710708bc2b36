"""Taking due mails out of the outbox and handing them over, each at most once without somebody knowing.

queued → leased → sending → sent | failed | unknown | suppressed | missed | cancelled

A worker leases a batch. Then, mail by mail: a short transaction under the contact's lock asks once more whether the mail
may go and marks it *sending*; the hand-over happens outside any transaction; a short transaction books the result.
A worker killed at any point leaves at most one mail *unknown*; the rest of its batch goes back by itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import secrets
import time
from collections.abc import Collection, Iterator
from typing import Any

from django.db.models import CharField, DateTimeField, QuerySet, TextField, prefetch_related_objects
from django.db.models import PositiveSmallIntegerField as SmallNumber

from wagtail_kwiga import conf, hooks, installation, locking, newer_release
from wagtail_kwiga.compiled_queries import ExistsMany, Param, Update
from wagtail_kwiga.exceptions import NewerVersion
from wagtail_kwiga.mailing import link_building, sender, suppression, timeline
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.events import EmailSent
from wagtail_kwiga.mailing.models import EmailTemplateVersion, OutgoingEmail, Suppression
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import account_watch, mail_connection, presend_rules, time_left
from wagtail_kwiga.mailing.sending.account_watch import AccountWatch
from wagtail_kwiga.mailing.sending.mail_connection import MailConnection
from wagtail_kwiga.mailing.sending.outbox import BY_ITSELF
from wagtail_kwiga.mailing.sending.outcomes import DeliveryResult, DeliverySummary, Outcome

logger = logging.getLogger("wagtail_kwiga.mailing")

Status = OutgoingEmail.Status
Purpose = OutgoingEmail.Purpose

#: Minutes until the next try, by how often a mail has been tried.
BACKOFF = (2, 10, 60, 240, 480)


def deliver_due(
    now: dt.datetime | None = None, *, batch: int | None = None, seconds: float | None = None
) -> DeliverySummary:
    """Hand over what is due at ``now``, in batches, until nothing is left or ``seconds`` have passed.

    Several workers may do this at once. On a copy of the database (``installation``) nothing is touched. Not to be called within a transaction: what it marks must be seen by others
    before the hand-over begins.
    """
    now = now or conf.now()
    size = batch or conf.settings.SWEEP_BATCH
    began = time.monotonic()
    budget = conf.settings.SWEEP_SECONDS if seconds is None else seconds
    summary = DeliverySummary()
    identities = installation.spelled_identities()
    is_due, is_broken, is_doubtful, is_held, is_at_fault = _ANYTHING.ask(
        now=now, since=_receipts_before(now), identities=identities
    )
    if is_held:
        return summary
    if is_broken or is_doubtful:
        for status in _tidy_up(now):
            summary.count(status)
    if not (is_due or is_broken or is_doubtful):
        return summary
    watch = account_watch.AccountWatch(now, is_known=is_at_fault)
    with MailConnection() as post:
        while not post.is_down and (passed := time.monotonic() - began) < budget:
            lease = secrets.token_hex(16)
            emails, senders = _take(lease, now, passed, size, watch.held)
            waiting = len(emails)
            try:
                for email in emails:
                    if post.is_down or time.monotonic() - began >= budget:
                        break
                    by = senders[email.site_id]
                    if (by.site_id or 0) not in watch.held:
                        summary.count(_deliver_safely(email, by, post, watch, now, began))
                        waiting -= 1
            finally:
                if waiting:
                    _give_back(lease)
            if waiting == len(emails):  # none, or none that may be tried
                break
    watch.tell()
    return summary


def due_count(now: dt.datetime | None = None) -> int:
    """How many mails wait to be handed over at ``now``. One query on a partial index."""
    return int(_due(now or conf.now()).count())


def _due(now: dt.datetime | Param) -> Any:
    return OutgoingEmail.objects.filter(status=Status.QUEUED, due_at__lte=now)


def _overdue(now: Any) -> QuerySet[OutgoingEmail]:
    """Leases that have run out. Only what is leased or being handed over has one, and by that the index knows them."""
    return OutgoingEmail.objects.filter(status__in=[Status.LEASED, Status.SENDING], leased_until__lte=now)


def _receipts_before(now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(minutes=conf.settings.RECEIPT_RETRY_MINUTES)


def _doubtful_receipts(since: Any) -> QuerySet[OutgoingEmail]:
    """Receipts of unknown end that get their second try."""
    return will_be_tried_again().filter(sending_at__lte=since)


def will_be_tried_again() -> QuerySet[OutgoingEmail]:
    """Receipts of unknown end that are sent once more by themselves: not those of a database that was restored."""
    receipts = OutgoingEmail.objects.filter(status=Status.UNKNOWN, purpose=Purpose.RECEIPT, settled_by="")
    return receipts.filter(sending_at__isnull=False).exclude(why=told(Why.RESTORED))


#: Whether anything is due, anything was left behind, any receipt is to be tried again, whether this is a copy that holds back,
#: and whether an account is at fault: all that an idle sweep asks.
_ANYTHING = ExistsMany(
    lambda: (
        _due(Param("now", DateTimeField())),
        _overdue(Param("now", DateTimeField())),
        _doubtful_receipts(Param("since", DateTimeField())),
        installation.holding(Param("identities", TextField())),
        account_watch.known(),
    )
)

Senders = dict[int | None, sender.Sender]


def _take(
    lease: str, now: dt.datetime, passed: float, size: int, held: Collection[int] = ()
) -> tuple[list[OutgoingEmail], Senders]:
    """Lease up to ``size`` due mails that nobody else is about to lease, not of the sites ``held``, and who sends them.
    Five queries, one for nothing."""
    until = now + dt.timedelta(seconds=passed + conf.settings.LEASE_SECONDS)
    with locking.atomic_write():
        due = _due(now).order_by("due_at", "pk")
        if held:
            due = due.exclude(site_id__in=held)
        ids = list(locking.locked(due, skip=True).values_list("pk", flat=True)[:size])
        if not ids:
            return [], {}
        OutgoingEmail.objects.filter(pk__in=ids).update(status=Status.LEASED, lease=lease, leased_until=until)
        # Within the transaction: outside of it a router may read from a replica, which has not heard of the lease yet.
        emails = list(OutgoingEmail.objects.filter(pk__in=ids).select_related("order").order_by("due_at", "pk"))
        versions = EmailTemplateVersion.objects.in_bulk({email.version_id for email in emails})
        for email in emails:
            email.version = versions[email.version_id]
        if with_files := [email for email in emails if email.has_attachments]:
            prefetch_related_objects(with_files, "attachments")
    link_building.load_pages(emails)
    return emails, sender.for_sites({email.site_id for email in emails})


def _give_back(lease: str) -> None:
    """What a batch did not come to waits for the next sweep, untouched."""
    # What is leased has an end of its lease; said aloud, because that is what the index is made of.
    mine = OutgoingEmail.objects.filter(lease=lease, status=Status.LEASED, leased_until__isnull=False)
    mine.update(status=Status.QUEUED, lease="", leased_until=None)


def _deliver_safely(
    email: OutgoingEmail, by: sender.Sender, post: MailConnection, watch: AccountWatch, now: dt.datetime, began: float
) -> str | None:
    """``_deliver``, but one mail that nobody foresaw does not keep all others from leaving, today and in every sweep."""
    try:
        return _deliver(email, by, post, watch, now, began)
    except Exception as error:
        logger.exception("Mail %s stumbled", email.pk)
        # If this fails too, the database is in trouble and the sweep ends. A mail whose hand-over had begun is not touched.
        return _book(email, DeliveryResult(Outcome.LATER, told(Why.STUMBLED, error)), now, was=Status.LEASED)


def _deliver(
    email: OutgoingEmail, by: sender.Sender, post: MailConnection, watch: AccountWatch, now: dt.datetime, began: float
) -> str | None:
    """See one leased mail through; returns the status it came to, ``None`` where somebody else has it by now."""
    try:
        is_retold = time_left.tell(email, now)
        message = mail_connection.compose(email, by)
    except NewerVersion as fault:
        return _leave_to_newer(email, fault, now)
    except Exception as error:
        logger.exception("Mail %s could not be composed", email.pk)
        return _book(email, DeliveryResult(Outcome.FAILED, told(Why.CANNOT_COMPOSE, error)), now, was=Status.LEASED)
    down = post.ready()
    if down is not None:
        logger.error("No connection to the mail server: %s", down.why)
        return _book(email, _seen(watch, by, email, down), now, was=Status.LEASED)
    # Asked only now: a slow server may have kept us waiting for the connection, and the lease must outlast the hand-over.
    stopped = _claim(email, by, now, time.monotonic() - began)
    if stopped is not None:
        return stopped or None
    if is_retold:
        time_left.save(email)
    verdict = _seen(watch, by, email, post.give(message))
    if not verdict.message_id:
        verdict = dataclasses.replace(verdict, message_id=message.extra_headers.get("Message-ID", ""))
    if verdict.fate is not Outcome.SENT:
        logger.warning("Mail %s: %s (%s)", email.pk, verdict.fate, verdict.why)
    return _book(email, verdict, now, was=Status.SENDING)


def _seen(watch: AccountWatch, by: sender.Sender, email: OutgoingEmail, verdict: DeliveryResult) -> DeliveryResult:
    """``verdict``, as the account of the site stands: where that is at fault, it was no try."""
    if not watch.stands(by.site_id, email, verdict):
        return verdict
    wait = max(verdict.retry_after, int(watch.wait(by.site_id).total_seconds()))
    return dataclasses.replace(verdict, fate=Outcome.WAITING, retry_after=wait)


def _leave_to_newer(email: OutgoingEmail, fault: NewerVersion, now: dt.datetime) -> str | None:
    """Only a newer release can make the mail, and so it waits for a newer worker. A person is told where none comes."""
    status = _book(email, DeliveryResult(Outcome.NEWER, told(Why.NEWER_VERSION, fault)), now, was=Status.LEASED)
    if status and newer_release.has_waited_too_long(email.queued_at, now):
        with locking.atomic_write():
            if not timeline.is_told(email, "mailing.newer_version"):
                timeline.note(email, "mailing.newer_version", now=now, attention=True)
    return status


def _claim(email: OutgoingEmail, by: sender.Sender, now: dt.datetime, passed: float) -> str | None:
    """Under the contact's lock: may the mail still go? Then it is marked *sending* and ``None`` is returned.

    Otherwise the status it got instead, or an empty string where it is no longer ours. One that was rewritten is *queued*
    again, and asked anew in its turn. Whoever pays holds the same lock: either this commits first, or it sees the payment
    (promise 1).
    """
    with locking.atomic_write():
        status, why = presend_rules.objection(email, by, now)
        if status == Status.QUEUED:
            return str(status)
        if status:
            mine = OutgoingEmail.objects.filter(pk=email.pk, status=Status.LEASED, lease=email.lease)
            if not mine.update(status=status, why=str(why)[:255], lease="", leased_until=None):
                return ""
            email.status, email.why = status, str(why)
            owed = _was_owed(email) or (status == Status.SUPPRESSED and timeline.is_owed(email))
            timeline.note(email, timeline.CODES[status], now=now, attention=owed)
            return status
        until = now + dt.timedelta(seconds=passed + conf.settings.LEASE_SECONDS)
        if not _MARK_SENDING.run(email=email.pk, lease=email.lease, attempts=email.attempts + 1, now=now, until=until):
            return ""
    email.attempts += 1
    email.sending_at = now
    return None


def _mine(status: Any) -> QuerySet[OutgoingEmail]:
    return OutgoingEmail.objects.filter(
        pk=Param("email", OutgoingEmail._meta.pk), lease=Param("lease", CharField()), status=status
    )


_MARK_SENDING = Update(
    lambda: (
        _mine(Status.LEASED),
        {
            "status": Status.SENDING,
            "attempts": Param("attempts", SmallNumber()),
            "sending_at": Param("now", DateTimeField()),
            "leased_until": Param("until", DateTimeField()),
            "why": "",
        },
    )
)
_STORE_RESULT = Update(
    lambda: (
        _mine(Param("was", CharField())),
        {"lease": "", "leased_until": None, **{name: Param(name, field) for name, field in _RESULT_COLUMNS.items()}},
    )
)
#: What the end of a hand-over may change.
_RESULT_COLUMNS: dict[str, Any] = {
    name: OutgoingEmail._meta.get_field(name)
    for name in ("status", "attempts", "why", "message_id", "esp_status", "sent_at", "due_at")
}


def _book(email: OutgoingEmail, verdict: DeliveryResult, now: dt.datetime, *, was: str) -> str | None:
    """Write down what came of it, if the mail is still ours. Two queries for a mail that was sent."""
    changes = _changes(email, verdict, now, before_hand_over=was == Status.LEASED)
    status: str = changes["status"]
    with locking.atomic_write():
        values = {name: getattr(email, name) for name in _RESULT_COLUMNS} | changes
        if not _STORE_RESULT.run(email=email.pk, lease=email.lease, was=was, **values):
            # Another worker may have thought this one dead and the mail unknown; now the end of it is known.
            doubted = OutgoingEmail.objects.filter(pk=email.pk, lease=email.lease, status=Status.UNKNOWN)
            if was != Status.SENDING or not doubted.update(lease="", leased_until=None, **changes):
                logger.warning("Mail %s was settled by somebody else meanwhile; not booked: %s", email.pk, verdict)
                return None
            timeline.tick_off(email, now=now)
        if status != Status.QUEUED and email.why.startswith(Why.NEWER_VERSION):
            timeline.tick_off(email, now=now)
        for name, value in changes.items():
            setattr(email, name, value)
        if verdict.fate is Outcome.REFUSED:
            suppression.suppress(
                email.to_email,
                scope=Suppression.Scope.ALL,
                reason=Suppression.Reason.REFUSED,
                source=f"mail {email.pk}",
                now=now,
            )
        if status != Status.QUEUED:
            timeline.note(email, _code(email), now=now, attention=_needs_a_person(email))
        if status == Status.SENT:
            hooks.notify(
                "after_kwiga_email_sent", EmailSent(email.pk, email.contact_id, email.order_id, email.purpose, now)
            )
    return status


def _changes(
    email: OutgoingEmail, verdict: DeliveryResult, now: dt.datetime, *, before_hand_over: bool
) -> dict[str, Any]:
    attempts = email.attempts + 1 if before_hand_over else email.attempts
    changes: dict[str, Any] = {"attempts": attempts, "why": verdict.why[:255]}
    if not before_hand_over:
        changes |= {"message_id": verdict.message_id[:255], "esp_status": verdict.esp_status[:60]}
    match verdict.fate:
        case Outcome.SENT:
            return changes | {"status": Status.SENT, "sent_at": now}
        case Outcome.REFUSED:
            return changes | {"status": Status.SUPPRESSED}
        case Outcome.UNKNOWN:
            return changes | {"status": Status.UNKNOWN}
        case Outcome.NEWER:  # nobody has tried
            due_at = now + newer_release.RETRY_AFTER
            return changes | {"status": Status.QUEUED, "attempts": email.attempts, "due_at": due_at}
        case Outcome.WAITING:  # it was not about the mail, however long it lasts
            due_at = now + dt.timedelta(seconds=verdict.retry_after)
            return changes | {"status": Status.QUEUED, "attempts": attempts - 1, "due_at": due_at}
        case Outcome.LATER if attempts < conf.settings.MAX_ATTEMPTS:
            wait = dt.timedelta(minutes=BACKOFF[min(attempts, len(BACKOFF)) - 1])
            return changes | {
                "status": Status.QUEUED,
                "due_at": now + max(wait, dt.timedelta(seconds=verdict.retry_after)),
            }
        case Outcome.LATER:
            return changes | {"status": Status.FAILED, "why": told(Why.GAVE_UP, verdict.why)}
    return changes | {"status": Status.FAILED}


def _tidy_up(now: dt.datetime) -> Iterator[str]:
    """What killed workers left behind, and receipts of unknown end that get their second try."""
    with locking.atomic_write():  # whose hand-over had not begun
        idle = locking.locked(_overdue(now).filter(status=Status.LEASED).order_by("pk"), skip=True)
        OutgoingEmail.objects.filter(pk__in=list(idle.values_list("pk", flat=True)), status=Status.LEASED).update(
            status=Status.QUEUED, lease="", leased_until=None
        )
    for email in _overdue(now).filter(status=Status.SENDING).order_by("pk"):
        email.status, email.why = Status.UNKNOWN, told(Why.WORKER_STOPPED)
        this = _overdue(now).filter(pk=email.pk, status=Status.SENDING, lease=email.lease)
        with locking.atomic_write():
            # Its name stays on it: should that worker be alive after all, it can still tell how it ended.
            is_news = this.update(status=email.status, why=email.why, leased_until=None)
            if is_news:
                timeline.note(email, _code(email), now=now, attention=_needs_a_person(email))
        if is_news:
            yield email.status
    _doubtful_receipts(_receipts_before(now)).update(
        status=Status.QUEUED, due_at=now, lease="", leased_until=None, settled_by=BY_ITSELF
    )


def _will_try_again(email: OutgoingEmail) -> bool:
    """A receipt without a clear end is sent once more: having it twice is better than not at all."""
    return email.status == Status.UNKNOWN and email.purpose == Purpose.RECEIPT and not email.settled_by


def _needs_a_person(email: OutgoingEmail) -> bool:
    if email.status == Status.SUPPRESSED:
        return timeline.is_owed(email)
    return email.status in (Status.FAILED, Status.UNKNOWN) and not _will_try_again(email)


def _was_owed(email: OutgoingEmail) -> bool:
    """Whether somebody did not get what is no promotion, only because it came too late: a person must look at that."""
    return email.status == Status.MISSED and email.kind == Kind.SERVICE and email.why.startswith(Why.TOO_LATE)


def _code(email: OutgoingEmail) -> str:
    return "mailing.trying_again" if _will_try_again(email) else timeline.CODES[email.status]
