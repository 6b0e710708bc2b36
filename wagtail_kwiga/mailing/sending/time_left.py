"""“24 hours” is true when it is written and no longer when the mail was held up: how long a discount still holds is worked out anew
when a mail leaves, in its words and in its subject."""

from __future__ import annotations

import datetime as dt

from wagtail_kwiga.mailing import placeholders, rendering
from wagtail_kwiga.mailing.models import OutgoingEmail


def tell(email: OutgoingEmail, now: dt.datetime) -> bool:
    """Let ``email``, in memory, say how long its coupon holds from ``now`` on; returns whether that is something else than before.

    Only what the words of its version say of it changes. ``save`` keeps it, so that what was sent can always be shown.
    """
    spans = placeholders.SPANS & email.context.keys()
    if not spans or email.promised_until is None:
        return False
    situation = placeholders.Situation(
        contact=None, order=None, site=None, language=email.language, now=now, coupon_until=email.promised_until
    )
    texts, _links = placeholders.build_context(sorted(spans), situation)
    if all(email.context[name] == text for name, text in texts.items()):
        return False
    before = rendering.subject(email.version, email.context)
    email.context = email.context | texts
    if email.subject == before:
        email.subject = rendering.subject(email.version, email.context)
    return True


def save(email: OutgoingEmail) -> None:
    """Keep what ``tell`` has changed, while the mail is ours. One query."""
    mine = OutgoingEmail.objects.filter(pk=email.pk, lease=email.lease)
    mine.update(context=email.context, subject=email.subject)
