"""After a backup was put back: what fell due since it was made may have been done already, and is left to people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from wagtail_kwiga.access import announcing
from wagtail_kwiga.automations.running import restored as restored_runs
from wagtail_kwiga.mailing.sending import restored as restored_mail
from wagtail_kwiga.payments import restored as restored_refunds


@dataclass(frozen=True)
class Doubts:
    """How many mails, people inside scenarios, refunds and announcements of opened access are, or would be, left to a person."""

    mails: int
    runs: int
    refunds: int
    announcements: int = 0


def count(backup: dt.datetime, now: dt.datetime) -> Doubts:
    """What ``put_in_doubt`` would do. Four queries."""
    return Doubts(
        restored_mail.maybe_sent(backup, now).count(),
        restored_runs.maybe_moved(backup, now).count(),
        restored_refunds.maybe_asked_for(backup).count(),
        announcing.untold(backup, now).count(),
    )


def put_in_doubt(backup: dt.datetime, now: dt.datetime) -> Doubts:
    """Leave to people what stood in the backup made at ``backup`` and fell due by ``now``. Safe to repeat: what was decided since
    and what is new is left alone."""
    return Doubts(
        restored_mail.put_in_doubt(backup, now),
        restored_runs.hold(backup, now),
        restored_refunds.put_in_doubt(backup, now),
        restored_mail.put_announcements_in_doubt(backup, now),
    )
