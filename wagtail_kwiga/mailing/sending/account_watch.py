"""What a sweep knows of the account that a site sends with, and what it tells a person.

While an account is at fault, mail of its site waits. One mail is tried now and then; the rest is not touched, and nothing of that
counts as a try, however long it lasts. A person finds one entry on the list of what needs attention, and it is ticked off as soon
as a mail of that site goes out. Ticking it off by hand means: try again now.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from wagtail.models import Site

from wagtail_kwiga import locking
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.mailing.sending.account_faults import AccountFault
from wagtail_kwiga.mailing.sending.outcomes import DeliveryResult, Outcome

#: Of the entry.
CODE = "mailing.account_fault"
#: Faults in a row after which a sweep leaves the mail of a site alone. One misread mail must not stop all others.
PATIENCE = 3
#: A fault is looked at again after a quarter of the time that it has lasted, within these bounds.
SOONEST, LATEST = dt.timedelta(minutes=2), dt.timedelta(minutes=30)

_WORDS: dict[str, Any] = {
    AccountFault.CREDENTIALS: _("The email service refuses this shop's user name, password or key."),
    AccountFault.SUSPENDED: _("The account at the email service is paused, closed or not approved yet."),
    AccountFault.LIMIT: _("The account at the email service has reached its limit, or needs to be paid for."),
    AccountFault.SENDER: _("The email service has not confirmed the sender address or its domain as yours."),
    AccountFault.SETTINGS: _("The email service does not accept what this site is set up with."),
}
SENTENCES = {
    CODE: _(
        "No email goes out. %(account_fault)s What waits is sent by itself as soon as this is put right. The service says: %(said)s"
    )
}


def register() -> None:
    """Make the words known. Called when Django is ready, so that every process has them."""
    writing.register_sentences(SENTENCES)
    writing.register_words("account_fault", words_of)


def words_of(fault: str) -> Any:
    """A fault in words for a seller, in the active language; one of another version as it is."""
    return _WORDS.get(fault, fault)


def known() -> QuerySet[TimelineEntry]:
    """The open entries, one a site. On the index of what needs attention."""
    return TimelineEntry.objects.filter(code=CODE, needs_attention=True, attended_at__isnull=True)


class AccountWatch:
    """For one sweep. ``is_known``: whether there is an open entry at all; no query is made where there is none."""

    def __init__(self, now: dt.datetime, *, is_known: bool) -> None:
        self._now = now
        #: Open entries by the key of their site.
        self._open: dict[int, TimelineEntry] = {entry.subject_id: entry for entry in known()} if is_known else {}
        #: How many faults in a row there were in this sweep, and what the last one is told as.
        self._count: Counter[int] = Counter()
        self._last: dict[int, dict[str, str]] = {}
        #: Sites whose mail is left alone in this sweep.
        self.held = {pk for pk, entry in self._open.items() if _not_before(entry) > now}

    def stands(self, site_id: int | None, email: OutgoingEmail, result: DeliveryResult) -> bool:
        """Take in what came of a mail of the site, and say whether its account is at fault beyond doubt: then it was no try."""
        site = site_id or 0
        if result.fate is Outcome.SENT:
            self._last.pop(site, None)
            self._count[site] = 0
            if entry := self._open.pop(site, None):
                writing.attend(entry, None, self._now)
        if result.account is None:
            return False
        said = _in_short(result.why.partition(": ")[2]).replace(
            email.to_email, "…"
        )  # an entry of no contact names nobody
        self._last[site] = {"account_fault": str(result.account), "said": said}
        self._count[site] += 1
        if site not in self._open and self._count[site] < PATIENCE:
            return False
        self.held.add(site)
        return True

    def wait(self, site_id: int | None) -> dt.timedelta:
        """How long the mail of the site waits that was tried in vain."""
        entry = self._open.get(site_id or 0)
        lasted = self._now - entry.at if entry else dt.timedelta()
        return min(max(lasted / 4, SOONEST), LATEST)

    def tell(self) -> None:
        """Put what the sweep has ended with on the list of what needs attention, once a site. No query where all is well."""
        for site, said in self._last.items():
            facts: dict[str, Any] = {**said, "not_before": (self._now + self.wait(site)).isoformat()}
            with locking.atomic_write():
                list(locking.locked(Site.objects.filter(pk=site)).values_list("pk"))  # another worker may be telling it
                entry = known().filter(subject_id=site).first()
                if entry is None:
                    writing.write((Site, site), CODE, now=self._now, attention=True, **facts)
                else:
                    entry.facts = facts
                    entry.save(update_fields=["facts"])


#: What a provider says to people, in the answers that Anymail passes on; and the name of an error before everything else.
_FOR_PEOPLE = re.compile(r'"(?:message|description|errormessage)":\s*"([^"]{3,})', re.IGNORECASE)
_NAME_OF_ERROR = re.compile(r"\A\w+(?:Error|Exception|Refused)\s+")


def _in_short(said: str) -> str:
    found = _FOR_PEOPLE.search(said)
    return found[1] if found else _NAME_OF_ERROR.sub("", said)


def _not_before(entry: TimelineEntry) -> dt.datetime:
    facts = entry.facts if isinstance(entry.facts, dict) else {}
    return dt.datetime.fromisoformat(str(facts["not_before"])) if "not_before" in facts else entry.at
