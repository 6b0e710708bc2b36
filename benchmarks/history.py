"""A long past, so that tables and indexes are full of history.

Four people live through the four fates of an order, by the package's own verbs. The database then copies all the rows of
each as often as is asked, with keys, names, addresses and instants of their own. Ids begin at a thousand million, where no
sequence comes. The past is two years long and ends at ``START``; whoever still waits is due long after anything measured.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Max

from tests.support import START, after
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import expiry, placing
from wagtail_kwiga.orders.drafts import OrderDraft
from wagtail_kwiga.payments import attempts, ledger, registry

SECONDS = 2 * 365 * 24 * 3600
#: Whoever still waits came in the last ten days.
RECENTLY = 10 * 24 * 3600
FIRST = (
    "Ada Bruno Celia Daniel Ewa Felix Greta Hanna Igor Julia Karol Lena Marta Nina Olena Piotr Rita Stefan Tomas Vera"
)
LAST = "Adler Bielak Castro Dudek Engel Fischer Garcia Hahn Iwanow Jansen Kowalska Lange Moreno Nowak Ortiz Petrenko Roth Stein"
#: Whoever still waits is due then.
LATER = after(days=20)


@dataclass
class Ancestor:
    """One person whose rows are copied: for how many of a hundred orders, how many orders each, and over which past."""

    name: str
    hundredths: int
    orders: int
    rows: list[models.Model]
    seconds: int = SECONDS


@dataclass
class History:
    """The past of a shop. ``orders`` says how many it holds."""

    ancestors: list[Ancestor]
    orders: int = 0
    next_id: int = field(default=10**9)

    def grow_to(self, orders: int) -> None:
        """Copy until there are so many orders. Never fewer."""
        wanted = orders - self.orders
        if wanted <= 0:
            return
        # SQLite counts on from the highest key there is, so rows written since then are in the way.
        models_copied = {type(row) for ancestor in self.ancestors for row in ancestor.rows}
        self.next_id = 1 + max(self.next_id, *(one.objects.aggregate(most=Max("pk"))["most"] for one in models_copied))
        with _without_triggers():
            for ancestor in self.ancestors:
                self._copy(ancestor, max(1, wanted * ancestor.hundredths // 100 // ancestor.orders))
        self.orders = orders
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)" if connection.vendor == "postgresql" else "ANALYZE")

    def _copy(self, ancestor: Ancestor, times: int) -> None:
        starts = {}
        for row in ancestor.rows:
            starts[_name(row)] = self.next_id
            self.next_id += times
        for row in ancestor.rows:
            with connection.cursor() as cursor:
                cursor.execute(_Copy(row, starts, times, ancestor.seconds).sql())


def begin(shop: Any) -> History:
    """Live the four lives. Call it while nothing else is under way."""
    made = (("paid", 36, 1, _pay), ("lost", 50, 1, _lose), ("won back", 12, 2, _win_back), ("waiting", 2, 1, _wait))
    return History([_live(shop, *life) for life in made])


def _live(shop: Any, name: str, hundredths: int, orders: int, life: Callable[[Any, str], None]) -> Ancestor:
    email = f"{name.replace(' ', '-')}@ancestors.example.com"
    life(shop, email)
    rows = rows_of(m.Contact.objects.get(email=email))
    return Ancestor(name, hundredths, orders, rows, RECENTLY if name == "waiting" else SECONDS)


# --- the four lives -----------------------------------------------------------------------------------------------------


def order(shop: Any, email: str, at: dt.datetime, coupon: m.Coupon | None = None) -> m.Order:
    """Somebody sends the form of the page."""
    with locking.atomic_write():
        contact = directory.get_or_create_contact(email=email, name="Ada Buyer", language="en", now=at)
        quote = quoting.quote(offer=shop.offer, coupon=coupon, contact=contact, now=at)
        draft = OrderDraft.for_offer(
            shop.offer, contact=contact, quote=quote, method=registry.get("sandbox"), site=shop.site, language="en",
            name="Ada Buyer",
        )  # fmt: skip
        placed = placing.place_order(draft, now=at)
    attempts.start(placed, method="sandbox", now=at)
    return placed


def pay(placed: m.Order, at: dt.datetime) -> None:
    """The provider's money arrives, access is given, the receipt goes out."""
    ledger.record_payment(order=placed, amount=placed.total, method="sandbox", reference=f"pay-{placed.pk}", now=at)
    delivery.deliver_due(at, seconds=600)


def remind(at: dt.datetime) -> None:
    """The sweep and the delivery of one minute."""
    engine.run_due(at, seconds=600)
    delivery.deliver_due(at, seconds=600)


def _pay(shop: Any, email: str) -> None:
    pay(order(shop, email, START), after(minutes=2))


def _lose(shop: Any, email: str) -> None:
    order(shop, email, START)
    remind(after(minutes=30))
    remind(after(hours=25))
    expiry.expire_due(after(days=15))


def _win_back(shop: Any, email: str) -> None:
    order(shop, email, START)
    remind(after(minutes=30))
    pay(order(shop, email, after(minutes=90), shop.school.coupon), after(minutes=92))


def _wait(shop: Any, email: str) -> None:
    placed = order(shop, email, START)
    m.Run.objects.filter(order=placed).update(due_at=LATER)


def rows_of(contact: m.Contact) -> list[models.Model]:
    """Everything the database holds about one person, in an order in which it may be written."""
    orders = m.Order.objects.filter(contact=contact)
    tried = m.PaymentAttempt.objects.filter(payment__order__in=orders)
    tried.update(next_poll_at=None)
    runs = m.Run.objects.filter(contact=contact)
    mails = m.OutgoingEmail.objects.filter(contact=contact)
    rows: list[models.Model] = [contact]
    for found in (
        m.Purchase.objects.filter(contact=contact), m.CouponUse.objects.filter(contact=contact), orders, m.OrderLine.objects.filter(order__in=orders),
        m.Payment.objects.filter(order__in=orders), tried, m.Transaction.objects.filter(order__in=orders), m.ProviderEvent.objects.filter(attempt__in=tried),
        m.AccessGrant.objects.filter(contact=contact), runs, mails, m.StepRecord.objects.filter(run__in=runs),
        m.ListMembership.objects.filter(contact=contact),
    ):  # fmt: skip
        rows += found.order_by("pk")
    rows += [entry for row in list(rows) for entry in writing.timeline(row).order_by("pk")]
    return rows


# --- copying ------------------------------------------------------------------------------------------------------------


def series(first: int, last: int) -> tuple[str, str]:
    """(what stands before INSERT, what stands in FROM) to have rows ``i`` from ``first`` to ``last``."""
    if connection.vendor == "postgresql":
        return "", f"generate_series({first}::bigint, {last}::bigint) AS series(i)"
    return (
        f"WITH RECURSIVE series(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM series WHERE i < {last}) ",
        "series",
    )


def _name(row: models.Model) -> tuple[str, int]:
    return row._meta.db_table, row.pk


class _Copy:
    """The statement that copies one row ``times`` times."""

    def __init__(self, row: models.Model, starts: dict[tuple[str, int], int], times: int, seconds: int) -> None:
        self.row, self.starts, self.times, self.seconds = row, starts, times, seconds
        self.is_postgresql = connection.vendor == "postgresql"
        self.table, self.own = row._meta.db_table, self.key_of(row)

    def sql(self) -> str:
        fields = self.row._meta.concrete_fields
        before, rows = series(0, self.times - 1)
        columns = ", ".join(f'"{one.column}"' for one in fields)
        return (
            f'{before}INSERT INTO "{self.table}" ({columns}) SELECT {", ".join(map(self.value, fields))}'
            f' FROM "{self.table}" AS source, {rows} WHERE source.id = {self.row.pk}'
        )

    def key_of(self, row: models.Model) -> str:
        return f"({self.starts[_name(row)]} + i)"

    def value(self, one: Any) -> str:
        kept = f'source."{one.column}"'
        if one.primary_key:
            return self.own
        if getattr(self.row, one.attname) in (None, ""):
            return kept
        if one.is_relation:
            there = (one.related_model._meta.db_table, getattr(self.row, one.attname))
            return f"({self.starts[there]} + i)" if there in self.starts else kept
        if isinstance(one, models.DateTimeField):
            return self.moment(kept)
        made = getattr(self, f"_{self.row._meta.model_name}_{one.name}", None) or getattr(self, f"_{one.name}", None)
        return made() if made else kept

    def moment(self, kept: str) -> str:
        seconds = f"({self.times - 1} - i) * {self.seconds} / {self.times}"
        if self.is_postgresql:
            return f"{kept} - make_interval(secs => {seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%f', {kept}, '-' || ({seconds}) || ' seconds')"

    # What is unique, or must look like many different people. One method a column, by its name.

    def _pick(self, words: str, number: str) -> str:
        chosen = words.split()
        if self.is_postgresql:
            return f"(ARRAY{chosen!r})[1 + {number} % {len(chosen)}]"
        return f"json_extract('{json.dumps(chosen)}', '$[' || ({number} % {len(chosen)}) || ']')"

    def _first(self) -> str:
        return self._pick(FIRST, "i")

    def _last(self) -> str:
        return self._pick(LAST, f"(i / {len(FIRST.split())})")

    def _buyer_name(self) -> str:
        return f"({self._first()} || ' ' || {self._last()})"

    _contact_name = _to_name = _buyer_name

    def _email(self) -> str:
        return f"(lower({self._first()} || '.' || {self._last()}) || {self._contact()} || '@example.com')"

    _to_email = _email

    def _contact(self) -> str:
        table = m.Contact._meta.db_table
        return next(f"({start} + i)" for (name, _pk), start in self.starts.items() if name == table)

    def _number(self) -> str:
        spread = f"({self.own} * 2654435761 % 4294967296)"  # each once, and no order in them
        digits = f"upper(lpad(to_hex({spread}), 8, '0'))" if self.is_postgresql else f"printf('%08X', {spread})"
        return f"(substr({digits}, 1, 3) || '-' || substr({digits}, 4, 3) || '-' || substr({digits}, 7))"

    def _token(self) -> str:
        return f"lpad({self.own}::text, 43, '0')" if self.is_postgresql else f"printf('%043d', {self.own})"

    def _past(self) -> str:
        return f"('past:' || {self.own})"

    _reference = _key = _entry_key = _once_key = _event_id = _source = _past

    def _subject_id(self) -> str:
        model = ContentType.objects.get_for_id(self.row.subject_type_id).model_class()
        return f"({self.starts[model._meta.db_table, self.row.subject_id]} + i)"


class _without_triggers(transaction.Atomic):
    """One transaction in which foreign keys are not asked for each row, where the role may say so: a third of the time."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)

    def __enter__(self) -> None:
        super().__enter__()
        if connection.vendor != "postgresql":
            return
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
        except DatabaseError:
            pass  # only a superuser may
