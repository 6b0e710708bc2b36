"""Mail of a database that was restored from a backup: what may have left since is in doubt, not due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from wagtail_kwiga import conf, locking
from wagtail_kwiga.access import announcing
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import timeline
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import access_mails
from wagtail_kwiga.mailing.sending.delivery import will_be_tried_again

Status = OutgoingEmail.Status


def maybe_sent(backup: dt.datetime, now: dt.datetime) -> QuerySet[OutgoingEmail]:
    """Mail that stood in the backup made at ``backup`` and fell due by ``now``: it may have left in between. What was queued
    after the backup was made is none of it, so the site may be at work again already."""
    under_way = Q(status__in=[Status.QUEUED, Status.LEASED, Status.SENDING], due_at__lte=now)
    return OutgoingEmail.objects.filter(under_way | Q(pk__in=will_be_tried_again()), queued_at__lte=backup)


def put_in_doubt(backup: dt.datetime, now: dt.datetime) -> int:
    """Make that mail *delivery unknown*, receipts too, until a person has decided about each; returns how much. A fixed number
    of queries a batch."""
    doubted = 0
    while True:
        with locking.atomic_write():
            some = locking.locked(maybe_sent(backup, now).order_by("pk"))
            emails = list(some[: conf.settings.SWEEP_BATCH])
            if not emails:
                return doubted
            _doubt(emails, now)
        doubted += len(emails)


def put_announcements_in_doubt(backup: dt.datetime, now: dt.datetime) -> int:
    """The same for the mail about access that was to open by ``now``, which the backup made at ``backup`` has not queued yet: it is
    queued as *delivery unknown*. Returns of how many grants. A fixed number of queries a batch."""
    doubted = 0
    while True:
        with locking.atomic_write():
            taken, opened = announcing.take(announcing.untold(backup, now), now, batch=conf.settings.SWEEP_BATCH)
            emails = access_mails.access_opened(opened, now)
            _doubt([email for email in emails if email.status == Status.QUEUED], now)
        if not taken:
            return doubted
        doubted += taken


def _doubt(emails: Sequence[OutgoingEmail], now: dt.datetime) -> None:
    """Two queries, none for nothing."""
    if not emails:
        return
    values = {"status": Status.UNKNOWN, "why": told(Why.RESTORED), "lease": "", "leased_until": None}
    OutgoingEmail.objects.filter(pk__in=[email.pk for email in emails]).update(**values)
    for email in emails:
        email.why = told(Why.RESTORED)
    writing.write_many(timeline.draft(email, "mailing.unknown", now=now) for email in emails)
