"""How the database is opened, and what only the database knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError, connections, router, transaction
from django.db.migrations.loader import MigrationLoader
from wagtail.models import Site

from wagtail_kwiga import background, conf, installation
from wagtail_kwiga.checks.saying import error, warning
from wagtail_kwiga.models import Order
from wagtail_kwiga.orders import links

#: What the locks, unique keys and upserts of the package are written for and tried on.
_SUPPORTED = ("postgresql", "sqlite")


@register("wagtail_kwiga")
def check_vendor(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E030: a database on which everything installs and no order can be placed. Reads settings only."""
    alias = router.db_for_write(apps.get_model("wagtail_kwiga", "Heartbeat"))
    if connections[alias].vendor in _SUPPORTED:
        return []
    return [
        error(
            30,
            f"DATABASES[{alias!r}] is {connections[alias].display_name}. Placing an order fails there, and unique keys that "
            "promises rest on are left out when it is migrated.",
            "Use PostgreSQL, or SQLite for a small site.",
        )
    ]


@register("wagtail_kwiga")
def check_atomic_requests(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W014: a request that is one transaction keeps the buyer's row locked while the payment provider is asked."""
    alias = router.db_for_write(apps.get_model("wagtail_kwiga", "Heartbeat"))
    if not connections[alias].settings_dict.get("ATOMIC_REQUESTS"):
        return []
    return [
        warning(
            14,
            f"DATABASES[{alias!r}] has ATOMIC_REQUESTS on. A sent order form then asks the payment provider before the order "
            "is committed: rows stay locked for as long as it takes to answer, and its webhook may find no order yet.",
            'Turn ATOMIC_REQUESTS off, and put "transaction.atomic" on the views of yours that need it.',
        )
    ]


@register("wagtail_kwiga")
def check_database_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W005–W007: how the database is opened. Reads settings only."""
    alias = router.db_for_write(apps.get_model("wagtail_kwiga", "Heartbeat"))
    given = connections[alias].settings_dict
    options = given.get("OPTIONS") or {}
    where = f"DATABASES[{alias!r}]"
    vendor = connections[alias].vendor
    if vendor == "sqlite" and str(options.get("transaction_mode") or "").upper() != "IMMEDIATE":
        return [
            warning(
                5,
                f"{where} is SQLite with deferred transactions; with a worker beside the site, saving fails now and then "
                "with “database is locked”.",
                'Add "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, '
                '"init_command": "PRAGMA journal_mode=WAL;"} to it.',
            )
        ]
    if vendor != "postgresql" or not background.has_queue():
        return []
    if options.get("pool"):
        return [
            warning(
                7,
                f"{where} uses psycopg's pool, which does not survive the fork of a cluster's workers well.",
                'Remove "pool" from its OPTIONS; write "CONN_MAX_AGE": 600.',
            )
        ]
    if "orm" in django_settings.Q_CLUSTER and given.get("CONN_MAX_AGE") == 0:
        return [
            warning(
                6,
                f"{where} opens a connection for every task put into the queue, since CONN_MAX_AGE is 0.",
                'Write "CONN_MAX_AGE": 600, behind PgBouncer too.',
            )
        ]
    return []


@register("wagtail_kwiga")
def check_pooler(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W030: a pooler of connections in front of PostgreSQL, and cursors that live in one connection. Reads settings only.

    Whether there is one shows in the port alone: PgBouncer's own is 6432.
    """
    alias = router.db_for_write(apps.get_model("wagtail_kwiga", "Heartbeat"))
    given = connections[alias].settings_dict
    is_pooled = connections[alias].vendor == "postgresql" and str(given.get("PORT") or "") == "6432"
    if not is_pooled or given.get("DISABLE_SERVER_SIDE_CURSORS"):
        return []
    return [
        warning(
            30,
            f"DATABASES[{alias!r}] is reached through PgBouncer (port 6432), and reads through cursors that its transaction "
            "pooling takes away in the middle: spreadsheets come out with a part of their rows, or fail.",
            'Write "DISABLE_SERVER_SIDE_CURSORS": True beside its PORT; with session pooling, silence this.',
        )
    ]


@register(Tags.database)
def check_database(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """E021, W008–W011, W031, W033: what only the database knows. Says nothing where it may not be read or is not migrated yet."""
    alias = router.db_for_read(apps.get_model("wagtail_kwiga", "Heartbeat"))
    if not databases or alias not in databases:
        return []
    found: list[CheckMessage] = []
    for part in (
        _other_tables,
        _site_names,
        _site_ports,
        _broken_schedules,
        _missing_schedule,
        _silent_worker,
        _copied,
    ):
        found.extend(_asked(part, alias))
    return found


def _asked(part: Callable[[str], Iterator[CheckMessage]], alias: str) -> list[CheckMessage]:
    """The messages of one part; none where its tables are not what the code expects, as before or within a migration."""
    try:
        with transaction.atomic(using=alias):
            return list(part(alias))
    except DatabaseError:
        return []


def _other_tables(alias: str) -> Iterator[CheckMessage]:
    """Migrations that were made anew have their old names: to Django a database of before them is up to date."""
    connection = connections[alias]
    ours = apps.get_app_config("wagtail_kwiga").get_models(include_auto_created=True)
    missing = sorted({model._meta.db_table for model in ours} - set(connection.introspection.table_names()))
    if not missing:
        return
    loader = MigrationLoader(connection)
    if set(loader.graph.leaf_nodes("wagtail_kwiga")) <= set(loader.applied_migrations):
        yield error(
            21,
            f"The tables of wagtail_kwiga in this database are those of another version: {', '.join(missing)} missing, "
            "although its migrations count as applied.",
            "Versions before 0.1 cannot be brought over: empty the database (or drop the tables of wagtail_kwiga and its rows "
            "in django_migrations) and migrate again.",
        )


def _site_names(alias: str) -> Iterator[CheckMessage]:
    if django_settings.DEBUG:
        return
    for hostname in (
        Site.objects.using(alias).filter(hostname__in=["localhost", "127.0.0.1"]).values_list("hostname", flat=True)
    ):
        yield warning(
            8,
            f"A Wagtail site has the host name {hostname!r}; links in mails are made from it and lead nowhere.",
            "Set the real host name and port under Settings → Sites.",
        )


def _site_ports(alias: str) -> Iterator[CheckMessage]:
    """Links made with ``http://`` on a site that the settings call one of HTTPS.

    Where Django redirects by itself, ``orders.links`` writes ``https://`` anyway; a proxy's redirect is not in our sight, so
    what the settings say of cookies, of the proxy and of the admin's address is taken for it.
    """
    if django_settings.DEBUG or not _speaks_https() or links.redirects_to_https():
        return
    for hostname in Site.objects.using(alias).filter(port=80).values_list("hostname", flat=True):
        yield warning(
            31,
            f"The Wagtail site {hostname!r} has port 80, so links in mails begin with http://, while the settings speak of HTTPS. "
            "Where a proxy redirects them, the one click of a mail program's own unsubscribe button is lost.",
            "Set port 443 under Settings → Sites.",
        )


def _speaks_https() -> bool:
    marks = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_PROXY_SSL_HEADER", "SECURE_HSTS_SECONDS")
    admin = str(getattr(django_settings, "WAGTAILADMIN_BASE_URL", None) or "")
    return admin.startswith("https://") or any(getattr(django_settings, name, None) for name in marks)


def _broken_schedules(alias: str) -> Iterator[CheckMessage]:
    if not apps.is_installed("django_q"):
        return
    for name, why in background.schedule_faults():
        yield warning(
            9,
            f"The schedule {name!r} of django-q2 cannot be read: {why}. As long as it is there, no schedule runs at all.",
            "Mend or delete it under Scheduled tasks in the Django admin.",
        )


def _missing_schedule(alias: str) -> Iterator[CheckMessage]:
    if background.has_queue() and not background.is_scheduled():
        yield warning(10, "Nothing tells the queue to run the sweeps.", 'Run "manage.py kwiga_setup".')


def _silent_worker(alias: str) -> Iterator[CheckMessage]:
    last = background.last_beat(background.SWEEP)
    limit = dt.timedelta(minutes=conf.settings.HEARTBEAT_STALE_MINUTES)
    if last is None:
        if not Order.objects.using(alias).exists():
            return  # a site that has not sold anything yet need not run a worker
        told = "No worker has ever run here"
    elif conf.now() - last > limit:
        told = f"No worker has run since {last:%Y-%m-%d %H:%M %Z}"
    else:
        return
    yield warning(
        11,
        f"{told}, so no mail goes out and no scenario goes on.",
        'Start "manage.py qcluster", or let cron run "manage.py kwiga_work" every minute. A worker that hangs must be restarted.',
    )


def _copied(alias: str) -> Iterator[CheckMessage]:
    """Whether the database is that of another installation. One that has sold nothing is taken over by the first pass."""
    if installation.standing() != installation.Standing.UNDECIDED or not Order.objects.using(alias).exists():
        return
    yield warning(
        33,
        "This database is that of another installation (a copy, or this site has moved), so no mail goes out, no scenario goes "
        "on and no refund is asked for.",
        'Run "manage.py kwiga_setup --this-is-production" where these data are worked on nowhere else, else "manage.py '
        'kwiga_setup --hold".',
    )
