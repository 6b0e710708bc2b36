"""System checks: what a site must or should set up, said before anybody meets it. ``docs/reference/checks.md`` lists them.

The ids are stable: a site may silence one. Errors stop the site from starting, so they are kept for what would break or
give goods away; whatever has been in the database for a while is a warning, because ``migrate`` must still run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections, router, transaction
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from wagtail_kwiga import background, conf
from wagtail_kwiga.exceptions import ConfigurationFault

Q_CLUSTER_EXAMPLE = (
    'Q_CLUSTER = {"name": "shop", "orm": "default", "workers": 2, "queue_limit": 2, "bulk": 1, "timeout": 75, '
    '"retry": 300, "max_attempts": 3, "catch_up": False, "save_limit": -1, "time_zone": "UTC"}'
)


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"wagtail_kwiga.E{number:03}")


def _warning(number: int, message: str, hint: str) -> Warning:
    return Warning(message, hint=hint, id=f"wagtail_kwiga.W{number:03}")


@register("wagtail_kwiga")
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, E005–E007, E010: the settings dict and everything it names."""
    given = getattr(django_settings, "WAGTAIL_KWIGA", {})
    faults = conf.faults({} if given is None else given)
    if faults:
        return [_error(1, what, hint) for what, hint in faults]
    return [*_providers(), *_base_template(), *_clock()]


def _providers() -> Iterator[CheckMessage]:
    from wagtail_kwiga.payments import registry

    for alias, options in conf.settings.PAYMENT_PROVIDERS.items():
        try:
            kind = registry.provider_class(alias, options)
        except ConfigurationFault as fault:
            hint = "Name a subclass of wagtail_kwiga.payments.provider.Provider by its dotted path under 'class'."
            yield _error(5, str(fault), hint)
            continue
        if kind.is_dangerous(options) and not django_settings.DEBUG:
            yield _error(
                6,
                f"The payment provider {alias!r} gives goods away for no money, and DEBUG is off.",
                f"Remove WAGTAIL_KWIGA['PAYMENT_PROVIDERS'][{alias!r}] from the settings of every public site.",
            )


def _base_template() -> Iterator[CheckMessage]:
    name = conf.settings.BASE_TEMPLATE
    try:
        get_template(name)
    except (TemplateDoesNotExist, TemplateSyntaxError) as fault:
        yield _error(
            7,
            f"The template {name!r}, which every visitor page extends, cannot be loaded: {type(fault).__name__}: {fault}.",
            "Name a template of your own in WAGTAIL_KWIGA['BASE_TEMPLATE'], or leave the key out; "
            "TEMPLATES needs 'APP_DIRS': True for the package's own.",
        )


def _clock() -> Iterator[CheckMessage]:
    path = conf.settings.CLOCK
    try:
        good = callable(import_string(path))
    except ImportError:
        good = False
    if not good:
        hint = "Leave the key out, or name a callable that returns an aware datetime."
        yield _error(10, f"WAGTAIL_KWIGA['CLOCK'] names {path!r}, which is nothing that can be called.", hint)


@register("wagtail_kwiga")
def check_site(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E002, E008, E009, W004: the rest of the site's settings."""
    found: list[CheckMessage] = []
    if not apps.is_installed("wagtail.contrib.settings"):
        found.append(
            _error(
                2,
                "wagtail.contrib.settings is not in INSTALLED_APPS, so nobody can say who sells and who sends.",
                'Add "wagtail.contrib.settings" to INSTALLED_APPS.',
            )
        )
    page = getattr(django_settings, "WAGTAIL_PAGE_MODEL", "wagtailcore.Page")
    if page.lower() != "wagtailcore.page":
        found.append(
            _error(
                8,
                f"This site has a base page of its own ({page}); the OfferPage of wagtail_kwiga is not for it.",
                "Put wagtail_kwiga.offers.models.OfferPageMixin on a page type of your own.",
            )
        )
    if not django_settings.USE_TZ:
        found.append(
            _error(9, "USE_TZ is off, so deadlines told to buyers would not be instants.", "Set USE_TZ = True.")
        )
    if django_settings.DEFAULT_FROM_EMAIL == "webmaster@localhost" and not django_settings.DEBUG:
        found.append(
            _warning(
                4,
                "DEFAULT_FROM_EMAIL is still webmaster@localhost; mail servers refuse that sender.",
                "Set DEFAULT_FROM_EMAIL to an address of your domain.",
            )
        )
    return found


@register("wagtail_kwiga")
def check_page_tree(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W013: whether the site's own pages let an offer page stand below any of them."""
    from wagtail.models import Page, get_page_models

    from wagtail_kwiga.offers.models import OfferPage, OfferPageMixin

    pages = [kind for kind in get_page_models() if kind is not Page]
    offers = [kind for kind in pages if issubclass(kind, OfferPageMixin)]
    others = set(pages) - set(offers)
    if offers != [OfferPage] or not others or others & set(OfferPage.allowed_parent_page_models()):
        return []
    return [
        _warning(
            13,
            "No page type of this site lets an offer page stand below it, so nobody can make one where visitors come.",
            'Add "wagtail_kwiga.OfferPage" to the subpage_types of the page that offers shall stand below.',
        )
    ]


@register("wagtail_kwiga")
def check_languages(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W012: languages of the site in which our own words are not there."""
    folder = Path(__file__).parent / "locale"
    spoken = {each.name.lower().replace("_", "-") for each in folder.iterdir() if each.is_dir()}
    missing = [code for code in _site_languages() if code not in spoken and code.split("-")[0] not in spoken]
    if not missing:
        return []
    return [
        _warning(
            12,
            f"The visitor pages and the built-in mails of wagtail_kwiga have no words in: {', '.join(missing)}. "
            "There they are in English (or in LANGUAGE_CODE's language, where they have words in that one).",
            "Translate the package's catalogue into a folder of LOCALE_PATHS and silence this, or leave it at that.",
        )
    ]


def _site_languages() -> list[str]:
    """The languages in which visitors may meet a page. Django's own long list means that nobody has chosen any."""
    if not django_settings.USE_I18N:
        return []
    codes = [django_settings.LANGUAGE_CODE]
    if django_settings.LANGUAGES != global_settings.LANGUAGES:
        codes += [code for code, _name in django_settings.LANGUAGES]
    codes += [code for code, _name in getattr(django_settings, "WAGTAIL_CONTENT_LANGUAGES", ())]
    return list(dict.fromkeys(code.lower() for code in codes))


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003, E004: our URLs are included, and Wagtail's catch-all does not swallow them."""
    if not getattr(django_settings, "ROOT_URLCONF", None):
        return []
    line = 'path("shop/", include("wagtail_kwiga.urls"))'
    swallowing: list[str] = []
    lost = False
    for kind, prefix in _walk(get_resolver().url_patterns, ""):
        if kind == "wagtail":
            swallowing.append(prefix)
        elif any(prefix.startswith(earlier) for earlier in swallowing):
            lost = True
        else:
            return []
    if lost:
        return [
            _error(
                4,
                "wagtail_kwiga.urls comes after Wagtail's catch-all, so every pay link would be a page that does not exist.",
                f"In {django_settings.ROOT_URLCONF} put {line} above include(wagtail_urls).",
            )
        ]
    return [
        _error(
            3,
            "wagtail_kwiga.urls is not included, so there are no pay links and no links in mails.",
            f"Add {line} to urlpatterns in {django_settings.ROOT_URLCONF}, above include(wagtail_urls).",
        )
    ]


def _walk(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str]]:
    """Where our URLs ("ours") and Wagtail's page serving ("wagtail") stand, in the order in which Django asks them."""
    for entry in patterns:
        here = prefix + str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            if entry.app_name == "wagtail_kwiga":
                yield "ours", here
            else:
                yield from _walk(entry.url_patterns, here)
        elif entry.name == "wagtail_serve":
            yield "wagtail", prefix


@register("wagtail_kwiga")
def check_queue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001–W003: whether there is a queue, and whether it is set up so that it does not repeat or hang."""
    if not apps.is_installed("django_q"):
        return [
            _warning(
                1,
                "django_q is not in INSTALLED_APPS, so no queue runs the sweeps.",
                'Add "django_q" and Q_CLUSTER, or let cron run "manage.py kwiga_work" every minute and silence this.',
            )
        ]
    cluster = getattr(django_settings, "Q_CLUSTER", None)
    if not cluster:
        return [
            _warning(
                2,
                "Q_CLUSTER is not set; a worker would look for a Redis that may not be there.",
                f'{Q_CLUSTER_EXAMPLE}  Or let cron run "manage.py kwiga_work" every minute and silence this.',
            )
        ]
    return [_warning(3, f"Q_CLUSTER: {what}", hint) for what, hint in _cluster_faults(cluster)]


def _cluster_faults(cluster: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a cluster departs from what was measured to be safe; (what, what to write)."""
    timeout, retry, workers = cluster.get("timeout"), cluster.get("retry", 60), cluster.get("workers")
    needed = 3 * conf.settings.SWEEP_SECONDS
    if not timeout or timeout < needed:
        yield (
            f"timeout is {timeout}; a pass of all sweeps may take {needed} seconds.",
            f'Write "timeout": {needed + 15}.',
        )
    if timeout and retry <= 3 * timeout:
        yield (
            f"retry ({retry}) is not more than three times timeout ({timeout}), so tasks are started twice without a crash.",
            f'Write "retry": {4 * timeout}.',
        )
    if not workers:
        yield "workers is not set, so it depends on the machine.", 'Write "workers": 2, "queue_limit": 2.'
    elif cluster.get("queue_limit") != workers:
        yield (
            "queue_limit is not the number of workers, so tasks wait where they may be lost.",
            (f'Write "queue_limit": {workers}.'),
        )
    if cluster.get("bulk", 1) != 1:
        yield "bulk is more than 1, so tasks wait where they may be started twice.", 'Write "bulk": 1.'
    if not cluster.get("max_attempts"):
        yield "max_attempts is not set, so a broken task is tried for ever.", 'Write "max_attempts": 3.'
    if cluster.get("catch_up", True):
        yield "catch_up is on, so every minute of a long stop is run again one by one.", 'Write "catch_up": False.'
    if not -1 <= cluster.get("save_limit", 250) <= 100 or cluster.get("save_limit") == 0:
        yield (
            "save_limit is large, and each result reads all that are kept.",
            'Write "save_limit": -1 (or at most 100).',
        )
    if "time_zone" not in cluster:
        yield "time_zone is not set.", 'Write "time_zone": "UTC".'


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
            _warning(
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
            _warning(
                7,
                f"{where} uses psycopg's pool, which does not survive the fork of a cluster's workers well.",
                'Remove "pool" from its OPTIONS; write "CONN_MAX_AGE": 600.',
            )
        ]
    if "orm" in django_settings.Q_CLUSTER and given.get("CONN_MAX_AGE") == 0:
        return [
            _warning(
                6,
                f"{where} opens a connection for every task put into the queue, since CONN_MAX_AGE is 0.",
                'Write "CONN_MAX_AGE": 600.',
            )
        ]
    return []


@register(Tags.database)
def check_database(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W008–W011: what only the database knows. Says nothing where it may not be read or is not migrated yet."""
    alias = router.db_for_read(apps.get_model("wagtail_kwiga", "Heartbeat"))
    if not databases or alias not in databases:
        return []
    found: list[CheckMessage] = []
    for part in (_site_names, _broken_schedules, _missing_schedule, _silent_worker):
        found.extend(_asked(part, alias))
    return found


def _asked(part: Callable[[str], Iterator[CheckMessage]], alias: str) -> list[CheckMessage]:
    """The messages of one part; none where its tables are not what the code expects, as before or within a migration."""
    try:
        with transaction.atomic(using=alias):
            return list(part(alias))
    except DatabaseError:
        return []


def _site_names(alias: str) -> Iterator[CheckMessage]:
    from wagtail.models import Site

    if django_settings.DEBUG:
        return
    for hostname in (
        Site.objects.using(alias).filter(hostname__in=["localhost", "127.0.0.1"]).values_list("hostname", flat=True)
    ):
        yield _warning(
            8,
            f"A Wagtail site has the host name {hostname!r}; links in mails are made from it and lead nowhere.",
            "Set the real host name and port under Settings → Sites.",
        )


def _broken_schedules(alias: str) -> Iterator[CheckMessage]:
    if not apps.is_installed("django_q"):
        return
    for name, why in background.schedule_faults():
        yield _warning(
            9,
            f"The schedule {name!r} of django-q2 cannot be read: {why}. As long as it is there, no schedule runs at all.",
            "Mend or delete it under Scheduled tasks in the Django admin.",
        )


def _missing_schedule(alias: str) -> Iterator[CheckMessage]:
    if background.has_queue() and not background.is_scheduled():
        yield _warning(10, "Nothing tells the queue to run the sweeps.", 'Run "manage.py kwiga_setup".')


def _silent_worker(alias: str) -> Iterator[CheckMessage]:
    from wagtail_kwiga.models import Order

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
    yield _warning(
        11,
        f"{told}, so no mail goes out and no scenario goes on.",
        'Start "manage.py qcluster", or let cron run "manage.py kwiga_work" every minute. A worker that hangs must be restarted.',
    )
