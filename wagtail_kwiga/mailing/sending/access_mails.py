"""The mail about access that has opened without a receipt to tell it: on its start date, or given by staff."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from wagtail_kwiga.access import announcing
from wagtail_kwiga.access.events import OpenedGrant
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.models import EmailTemplateVersion, OfferEmail, OutgoingEmail
from wagtail_kwiga.mailing.order_words import Opened
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.sending import order_mails, outbox

#: What a mail's key begins with; the keys of its grants come behind.
OPENED = "access_opened:"
#: Grants of one mail at most: their keys stand in the key of the mail. Who gets more at one instant gets a second mail.
A_MAIL = 8


def access_opened(opened: Sequence[OpenedGrant], now: dt.datetime) -> list[OutgoingEmail]:
    """Queue one mail for each contact, and for each order of theirs, about what has opened; returns their rows.

    In the language of the order, else of the contact. A fixed number of queries, and what each language and each choice of an
    offer takes to find its words.
    """
    if not opened:
        return []
    until = {one.grant_id: one.until for one in opened}
    rows = AccessGrant.objects.filter(pk__in=until).select_related(
        "contact", "product", "line__order__site", "line__order__offer"
    )
    groups: dict[tuple[int, int | None], list[AccessGrant]] = defaultdict(list)
    for grant in rows.order_by("pk"):
        groups[grant.contact_id, grant.line.order_id if grant.line else None].append(grant)
    offers = {group[0].line.order.offer_id for group in groups.values() if group[0].line}
    chosen = order_mails.chosen_for(offers, OfferEmail.Occasion.ACCESS_OPENED)
    words: dict[Any, EmailTemplateVersion | None] = {}
    mails = []
    for grants in groups.values():
        for start in range(0, len(grants), A_MAIL):
            some = grants[start : start + A_MAIL]
            situation = _situation(some, until, now)
            choice = chosen.get(situation.order.offer_id if situation.order else None, order_mails.Chosen())
            key = (choice, situation.language)
            if key not in words:
                about = situation.order or some[0].contact
                words[key] = order_mails.version_of(
                    choice, OfferEmail.Occasion.ACCESS_OPENED, situation.language, about=about, now=now
                )
            if (version := words[key]) is not None:
                mails.append(outbox.QueuedMail(_key(some, now), OutgoingEmail.Purpose.ACCESS, version, situation))
    return outbox.queue_many(mails, now=now)


def objection(email: OutgoingEmail, now: dt.datetime) -> bool:
    """Whether something of what the mail speaks of cannot be opened any more. What still can is told anew by the next sweep.
    One query, two where it is so."""
    ids = _grants_of(email)
    still = announcing.open_among(ids, now)
    if len(still) == len(ids):
        return False
    if still:
        announcing.announce_again(sorted(still), now)
    return True


def _situation(grants: Sequence[AccessGrant], until: dict[int, dt.datetime | None], now: dt.datetime) -> Situation:
    first = grants[0]
    order = first.line.order if first.line else None
    told = tuple(
        Opened(grant.line.title if grant.line else grant.product.title, until[grant.pk], grant.product.entry_url)
        for grant in grants
    )
    language = (order.language if order else first.contact.language) or languages.active()
    return Situation(
        contact=first.contact, order=order, site=order.site if order else None, language=language, now=now, opened=told
    )


def _key(grants: Sequence[AccessGrant], now: dt.datetime) -> str:
    # The instant too: what was frozen and is told anew is another mail.
    return f"{OPENED}{int(now.timestamp()):x}:{','.join(str(grant.pk) for grant in grants)}"


def _grants_of(email: OutgoingEmail) -> list[int]:
    """Of one whose key does not say so: none, and nothing speaks against it."""
    if not email.key.startswith(OPENED):
        return []
    return [int(pk) for pk in email.key.rpartition(":")[2].split(",")]
