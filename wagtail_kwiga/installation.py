"""Whether this process works for the installation that its database belongs to, or for a copy of it.

A copy of a shop's database, on a staging server or a laptop, holds the same mails, scenarios and refunds that are due. Two
workers would then write to the same people, and one of them from a site whose links lead elsewhere. So the database keeps one
row that says whose it is. A process whose own identity is another *holds back*: no mail is handed over, no scenario goes on and
no refund is asked for, until somebody says that this is production, or that it is to be held.

The identity is made of what tells two installations apart (``identities``). A database without a row belongs to whoever works on
it first: that is a new site, or one whose version has just come to know of all this.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.db import connections, models, router
from django.db.models import F, Q, QuerySet, Subquery, Value
from django.db.models.functions import StrIndex
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from wagtail_kwiga import conf, locking, signing

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: The key of the one row.
_ONLY = 1
#: Notes that the package writes itself: kept in English, translated where they are shown.
NOTE_FIRST = gettext_noop("the first to work here")
NOTE_UNUSED = gettext_noop("nothing sold here yet")
OWN_NOTES = (NOTE_FIRST, NOTE_UNUSED)
#: The ports that a database listens at where none is named.
_PORTS = {"postgresql": "5432", "mysql": "3306", "oracle": "1521"}


class Installation(models.Model):
    """The one row that says which installation this database belongs to, and whether that one may act."""

    class State(models.TextChoices):
        PRODUCTION = "production", pgettext_lazy("sales", "production")
        HELD = "held", pgettext_lazy("installation", "held")

    id = models.PositiveSmallIntegerField(primary_key=True, default=_ONLY, editable=False)
    #: Of ``identities``, that of the process for which this was decided.
    identity = models.CharField(max_length=64)
    state = models.CharField(pgettext_lazy("sales", "state"), max_length=10, choices=State.choices)
    decided_at = models.DateTimeField(pgettext_lazy("sales", "decided"))
    decided_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.CharField(pgettext_lazy("sales", "note"), max_length=255, blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        app_label = "wagtail_kwiga"
        verbose_name = pgettext_lazy("sales", "installation")
        verbose_name_plural = pgettext_lazy("sales", "installations")
        default_permissions = ()
        permissions = [("decide_installation", _("Can say whether this installation is production"))]
        constraints = [models.CheckConstraint(condition=Q(id=_ONLY), name="kwiga_installation_one")]

    def __str__(self) -> str:
        return f"{self.state} {self.identity[:8]}"


class Standing(StrEnum):
    """What a process may do on this database."""

    #: Nobody has worked on it yet.
    NEW = "new"
    PRODUCTION = "production"
    #: Somebody has said that this installation is to hold back.
    HELD = "held"
    #: The database is another installation's, and nobody has said anything yet.
    UNDECIDED = "undecided"

    @property
    def may_act(self) -> bool:
        """Whether mail may leave, scenarios go on and refunds be asked for."""
        return self in (Standing.NEW, Standing.PRODUCTION)


def identities() -> tuple[str, ...]:
    """By what this process may be known: the present identity, then those by older secrets of the site.

    It is the setting ``INSTALLATION`` where there is one, else the database (its kind, host, port and name) and ``SECRET_KEY``. Of
    SQLite the path says nothing, because the same site is deployed into a new folder; and a machine's name changes with every
    container. 64 hexadecimal digits each, which tell nobody what they are made of.
    """
    if named := conf.settings.INSTALLATION:
        return (hashlib.sha256(f"wagtail_kwiga.installation\n{named}".encode()).hexdigest(),)
    return signing.keyed_hashes(signing.Purpose.INSTALLATION, "\n".join(_database()))


def _database() -> tuple[str, ...]:
    connection = connections[router.db_for_write(Installation)]
    if connection.vendor == "sqlite":
        return (connection.vendor,)
    given = connection.settings_dict
    port = str(given.get("PORT") or _PORTS.get(connection.vendor, ""))
    service = str((given.get("OPTIONS") or {}).get("service") or "")
    return connection.vendor, str(given.get("HOST") or ""), port, str(given.get("NAME") or ""), service


def spelled_identities() -> str:
    """``identities`` in one text, for ``holding`` in a statement that is compiled once."""
    return " ".join(identities())


def holding(mine: Any = None) -> QuerySet[Installation]:
    """The row, where it keeps this process from acting, to be asked for with EXISTS within another statement; none otherwise.

    ``mine``: an expression in the place of ``spelled_identities()``.
    """
    known = Value(spelled_identities(), output_field=models.TextField()) if mine is None else mine
    rows = Installation.objects.annotate(place=StrIndex(known, F("identity")))
    return rows.filter(~Q(state=Installation.State.PRODUCTION) | Q(place=0)).order_by()


def standing() -> Standing:
    """What this process may do. One query."""
    return _standing(Installation.objects.first())


def _standing(row: Installation | None) -> Standing:
    if row is None:
        return Standing.NEW
    if row.identity not in identities():
        return Standing.UNDECIDED
    return Standing.HELD if row.state == Installation.State.HELD else Standing.PRODUCTION


def columns() -> dict[str, Any]:
    """What a query about other rows may take along (``annotate``) to tell the standing by ``standing_of``."""
    only = Installation.objects.order_by()
    return {
        "installation_identity": Subquery(only.values("identity")[:1]),
        "installation_state": Subquery(only.values("state")[:1]),
    }


def standing_of(row: Any) -> Standing:
    """The standing that a row knows which was read with ``columns``."""
    if row.installation_identity is None:
        return Standing.NEW
    return _standing(Installation(identity=row.installation_identity, state=row.installation_state))


def settle(now: dt.datetime | None = None, *, is_unused: Callable[[], bool]) -> Standing:
    """Make the database this installation's where nobody can be harmed by it, and say what this process may do. One query where
    there is nothing to do.

    That is a database without a row, one that sold nothing yet (``is_unused``, asked only where it matters), and this very
    installation after its ``SECRET_KEY`` has moved on to ``SECRET_KEY_FALLBACKS``.
    """
    row, mine = Installation.objects.first(), identities()
    found = _standing(row)
    if row is None:
        values = _values(Installation.State.PRODUCTION, NOTE_FIRST, None, now)
        row, _made = Installation.objects.get_or_create(pk=_ONLY, defaults=values)  # somebody else may have been first
        return _standing(row)
    if found == Standing.UNDECIDED and row.state == Installation.State.PRODUCTION and is_unused():
        return _standing(_write(Installation.State.PRODUCTION, NOTE_UNUSED, None, now))
    if found != Standing.UNDECIDED and row.identity != mine[0]:
        Installation.objects.filter(pk=_ONLY, identity=row.identity).update(identity=mine[0])
    return found


def decide(
    state: str, *, by: AbstractBaseUser | None = None, note: str = "", now: dt.datetime | None = None
) -> Installation:
    """Say of this very installation that it is ``production``, or that it is to be ``held``. It counts from the next pass of a
    worker on. Raises ``ValueError`` for another word."""
    return _write(Installation.State(state), note, by, now)


def _write(state: str, note: str, by: AbstractBaseUser | None, now: dt.datetime | None) -> Installation:
    with locking.atomic_write():
        row, _made = Installation.objects.update_or_create(pk=_ONLY, defaults=_values(state, note, by, now))
    return row


def _values(state: str, note: str, by: AbstractBaseUser | None, now: dt.datetime | None) -> dict[str, Any]:
    return {
        "identity": identities()[0],
        "state": str(state),
        "decided_at": now or conf.now(),
        "decided_by": by if getattr(by, "pk", None) else None,
        "note": note[:255],
    }
