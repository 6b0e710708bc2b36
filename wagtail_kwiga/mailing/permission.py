"""May this person get this mail? The one place where that is said.

Plain Python over frozen facts: no database, neither Django nor Wagtail. The outbox asks when a mail is queued, delivery right
before it leaves, the engine when it decides, enrolment at the door, and the admin when it shows a person. Each loads the
facts in its own fixed number of queries, and none has rules of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The kind of mail that carries an advantage; every other kind is about an order of theirs (``classification.Kind``).
PROMOTION = "promotion"
#: The site's rule by which everybody may get promotion; any other asks for consent (``site_settings.PromoPolicy``).
EVERYBODY = "everybody"
#: Scopes under which an address is suppressed (``Suppression.Scope``).
ALL_MAIL, PROMOTIONAL_MAIL = "all", "promotion"

#: Reasons. Beside them stand those for which an address was suppressed: ``bounced``, ``complained`` and so on.
PLACEHOLDER, UNSUBSCRIBED, NO_CONSENT = "placeholder", "unsubscribed", "no_consent"


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Somebody, as far as mail is concerned. The default may get everything but promotion that needs consent."""

    #: The address was made up, because the payment system gave none.
    is_placeholder: bool = False
    consented: bool = False
    unsubscribed: bool = False
    #: Why the address gets no mail at all, and why no promotion; empty: it does.
    suppressed: str = ""
    promotion_suppressed: str = ""

    @property
    def has_unsubscribed(self) -> bool:
        """They have said no to promotion, as this person or from this address."""
        return self.unsubscribed or UNSUBSCRIBED in (self.suppressed, self.promotion_suppressed)


#: A trial mail goes to an address of the team, which is nobody's contact and is not asked for consent.
TEAM = Recipient(consented=True)


def refusal(recipient: Recipient, *, kind: str, policy: str) -> str:
    """Why ``recipient`` gets no mail of ``kind`` under the site's ``policy``; empty when they may.

    What the person has said comes before what is known of the address. A policy nobody knows counts as the strictest.
    """
    if recipient.is_placeholder:
        return PLACEHOLDER
    if kind == PROMOTION:
        if recipient.unsubscribed:
            return UNSUBSCRIBED
        if policy != EVERYBODY and not recipient.consented:
            return NO_CONSENT
    if recipient.suppressed:
        return recipient.suppressed
    return recipient.promotion_suppressed if kind == PROMOTION else ""


def suppressions(scopes: Mapping[str, str]) -> dict[str, Any]:
    """The fields of ``Recipient`` that say what an address is suppressed for, from scope → reason."""
    return {
        "suppressed": scopes.get(ALL_MAIL, ""),
        "promotion_suppressed": scopes.get(PROMOTIONAL_MAIL, ""),
    }
