"""At most so many marketing mails a person and day (``KwigaSettings.promo_mails_per_day``).

Whoever leaves three offers in three minutes is not to be written to three times. The engine asks before it makes a promise and
puts the step off to the next day, so that what is promised counts from the mail that really leaves. Delivery asks again, for mail
that an outage or a person has brought into another day. A day is a day of the site (``settings.TIME_ZONE``); receipts and other
mail about an order neither count nor are put off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.db.models import Count, Q, QuerySet

from wagtail_kwiga.catalogue import calendar_days
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.reasons import Why, told

Status = OutgoingEmail.Status

#: What has left, or may have.
_LEFT = (Status.SENDING, Status.SENT, Status.UNKNOWN)
#: What is about to.
_WAITING = (Status.QUEUED, Status.LEASED)


def day_of(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """When the site's day of ``now`` begins, and when the next one does."""
    zone = instants.site_zone()
    here = now.astimezone(zone).date()
    return calendar_days.begin_of(here, str(zone)), calendar_days.end_of(here, str(zone))


def left_since(begin: Any) -> QuerySet[OutgoingEmail]:
    """Marketing that has been handed over since ``begin``."""
    promotion = OutgoingEmail.objects.filter(kind=Kind.PROMOTION).exclude(purpose=OutgoingEmail.Purpose.TEST)
    return promotion.filter(status__in=_LEFT, sending_at__gte=begin)


def of_today(contact_ids: Collection[int], now: dt.datetime) -> dict[int, int]:
    """Contact → how much marketing the site's day of ``now`` has brought them, with what waits for them in the outbox and is due
    before that day is over. One query."""
    begin, end = day_of(now)
    counts = Q(status__in=_LEFT, sending_at__gte=begin) | Q(status__in=_WAITING, due_at__lt=end)
    rows = OutgoingEmail.objects.filter(counts, contact_id__in=list(contact_ids), kind=Kind.PROMOTION)
    return dict(rows.order_by().values_list("contact_id").annotate(number=Count("pk")))


def put_off(email: OutgoingEmail, now: dt.datetime) -> tuple[str, str]:
    """What becomes of a leased mail that is one too many today, as (status, why): it waits for the next day; *missed* where it could
    not keep then what it says."""
    tomorrow = day_of(now)[1]
    if email.not_after is not None and tomorrow > email.not_after:
        return Status.MISSED, told(Why.MARKETING_CAP)
    changes: dict[str, Any] = {"status": Status.QUEUED, "due_at": tomorrow, "why": told(Why.MARKETING_CAP)}
    mine = OutgoingEmail.objects.filter(pk=email.pk, status=Status.LEASED, lease=email.lease)
    return (Status.QUEUED, "") if mine.update(**changes, lease="", leased_until=None) else ("", "")
