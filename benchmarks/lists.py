"""E. The staff's lists, at ever more orders: looked at, filtered, searched, paged, taken away as a spreadsheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse

from benchmarks.measuring import Cost, Note, Pair, Work, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import Shop
from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.parts import long_lists

TITLE = "E. The staff's lists"
FLOOR = (
    "Floor: the same columns of the same rows in plain SQL, no page around them; and where it says so Wagtail's own way, which"
    " counts everything and looks for words anywhere in everything."
)
AIM = "under 100 ms each at a million orders"

#: The columns of the order list.
COLUMNS = (
    "SELECT o.id, o.number, o.placed_at, c.name, c.email, o.title, o.total_amount, o.currency, o.status, o.coupon_code"
    " FROM wagtail_kwiga_order o JOIN wagtail_kwiga_contact c ON c.id = o.contact_id"
)
NEWEST = "ORDER BY o.placed_at DESC, o.id DESC LIMIT 30"


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    shop.history.grow_to(scale.orders[0])
    client = _staff()
    for what, (url, _sql, _given) in _looks(scale.exported).items():
        yield what, cost_of(_twice(_look(client, url)))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair | Note]]:
    client = _staff()
    for orders in scale.orders:
        shop.history.grow_to(orders)
        among = f"among {orders:,} orders"
        for what, (url, sql, given) in _looks(scale.exported).items():
            ours = _look(client, url)
            yield f"{what}, {among}", paired(scale.looks, _rows(sql, given), ours)
    for what, (url, _sql, _given) in _looks(scale.exported).items():
        if "spreadsheet" not in what:
            work = _look(client, url)
            yield f"{what} / Wagtail's own way", paired(max(1, scale.looks // 3), _in_wagtails_way(work), work)


def _looks(exported: int) -> dict[str, tuple[str, str, list[object]]]:
    """What staff do → (address, the same in SQL, its parameters)."""
    order = m.Order.objects.filter(pk__gte=10**9, contact__email__startswith="greta").select_related("contact")[0]
    since, until = _days(exported)
    orders, mails, people = (reverse(f"wagtail_kwiga_{name}:index") for name in ("orders", "mail", "runs"))
    mail_columns = "SELECT id, subject, to_email, status, why, queued_at, sent_at FROM wagtail_kwiga_outgoingemail"
    run_columns = (
        "SELECT r.id, c.name, c.email, r.state, r.position, r.due_at, r.entered_at FROM wagtail_kwiga_run r"
        " JOIN wagtail_kwiga_contact c ON c.id = r.contact_id"
    )
    export = urlencode({"placed_at_from": since, "placed_at_to": until, "export": "csv"})
    return {
        "orders, first page": (orders, f"{COLUMNS} {NEWEST}", []),
        "orders, last page": (f"{orders}?p=999999", f"{COLUMNS} {NEWEST} OFFSET 9960", []),
        "orders, oldest first": (
            f"{orders}?ordering=placed_at",
            f"{COLUMNS} ORDER BY o.placed_at LIMIT 30",
            [],
        ),
        "orders that are paid": (f"{orders}?status=paid", f"{COLUMNS} WHERE o.status = 'paid' {NEWEST}", []),
        "orders that are open": (f"{orders}?status=open", f"{COLUMNS} WHERE o.status = 'open' {NEWEST}", []),
        "orders that need a person": (
            f"{orders}?attention=yes",
            f"{COLUMNS} WHERE o.id IN (SELECT subject_id FROM wagtail_kwiga_timelineentry WHERE needs_attention"
            f" AND attended_at IS NULL) {NEWEST}",
            [],
        ),
        "orders by a whole address": (
            f"{orders}?{urlencode({'q': order.contact.email})}",
            f"{COLUMNS} WHERE lower(c.email) = %s {NEWEST}",
            [order.contact.email],
        ),
        "orders by the beginning of a number": (
            f"{orders}?{urlencode({'q': order.number[:7]})}",
            f"{COLUMNS} WHERE o.number LIKE '{order.number[:7]}%%' {NEWEST}",
            [],
        ),
        "orders by a name that thousands have": (
            f"{orders}?q=greta",
            f"{COLUMNS} WHERE c.email LIKE 'greta%%' {NEWEST}",
            [],
        ),
        "orders by words that nobody has": (
            f"{orders}?q=nobody%20at%20all",
            f"{COLUMNS} WHERE o.number = 'nobody' {NEWEST}",
            [],
        ),
        f"spreadsheet of about {exported:,} orders": (
            f"{orders}?{export}",
            f"{COLUMNS} WHERE o.placed_at >= %s AND o.placed_at < %s ORDER BY o.placed_at DESC, o.id DESC",
            [_midnight(since), _midnight(until + dt.timedelta(days=1))],
        ),
        "mail, first page": (mails, f"{mail_columns} ORDER BY queued_at DESC, id DESC LIMIT 30", []),
        "mail by a whole address": (
            f"{mails}?{urlencode({'q': order.contact.email})}",
            f"{mail_columns} WHERE contact_id = {order.contact_id}",
            [],
        ),
        "people, first page": (people, f"{run_columns} ORDER BY r.id DESC LIMIT 30", []),
        "people by a whole address": (
            f"{people}?{urlencode({'q': order.contact.email})}",
            f"{run_columns} WHERE lower(c.email) = %s",
            [order.contact.email],
        ),
    }


def _days(number: int) -> tuple[dt.date, dt.date]:
    """Whole days in the middle of the past in which about ``number`` orders were placed."""
    a_day = max(1, m.Order.objects.filter(pk__gte=10**9).count() // (2 * 365))
    since = START.date() - dt.timedelta(days=365)
    return since, since + dt.timedelta(days=max(0, round(number / a_day) - 1))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _look(client: Client, url: str) -> Work:
    def look() -> None:
        response = client.get(url)
        assert response.status_code == 200, (url, response.status_code)
        b"".join(response) if response.streaming else response.content

    return look


def _twice(work: Work) -> Work:
    work()  # content types, permissions and templates are known then
    return work


def _rows(sql: str, given: list[object]) -> Work:
    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, given)
            cursor.fetchall()

    return read


def _in_wagtails_way(work: Work) -> Work:
    def look() -> None:
        with _counting_everything():
            work()

    return look


@contextmanager
def _counting_everything() -> Iterator[None]:
    kept, long_lists.COUNTED = long_lists.COUNTED, 10**9
    try:
        yield
    finally:
        long_lists.COUNTED = kept


def _staff() -> Client:
    users = get_user_model().objects
    user = users.filter(username="staff").first() or users.create_superuser("staff", "staff@example.com", "staff")
    client = Client()
    client.force_login(user)
    return client
