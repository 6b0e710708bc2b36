"""What the site's settings say: ours and Django's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Tags, register
from django.utils.module_loading import import_string
from wagtail.models import Page, get_page_models

from wagtail_kwiga import conf, redaction
from wagtail_kwiga.checks.saying import error, warning
from wagtail_kwiga.exceptions import ConfigurationFault
from wagtail_kwiga.mailing.sending import mailers, timeouts
from wagtail_kwiga.offers import languages
from wagtail_kwiga.offers.models import OfferPage, OfferPageMixin
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.provider import Provider

#: What a provider claims → the method that it has to write for that. Those of the base class say *yes* (``confirm``) or *not
#: known* (``fetch_refund``), which is a payment booked unasked, or a refund made twice.
_CLAIMS = {
    "can_fetch": "fetch",
    "needs_confirm": "confirm",
    "can_refund": "refund",
    "can_fetch_refund": "fetch_refund",
}


@register("wagtail_kwiga")
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001, E005, E006, E010, E013: the settings dict and what it names. (``base_template`` asks about ``BASE_TEMPLATE``.)"""
    given = getattr(django_settings, "WAGTAIL_KWIGA", {})
    faults = conf.faults({} if given is None else given)
    if faults:
        return [error(1, what, hint) for what, hint in faults]
    return [*_providers(), *_clock()]


def _providers() -> Iterator[CheckMessage]:
    for alias, options in conf.settings.PAYMENT_PROVIDERS.items():
        try:
            kind = registry.provider_class(alias, options)
        except ConfigurationFault as fault:
            hint = "Name a subclass of wagtail_kwiga.payments.provider.Provider by its dotted path under 'class'."
            yield error(5, str(fault), hint)
            continue
        if kind.is_dangerous(options) and not django_settings.DEBUG:
            yield error(
                6,
                f"The payment provider {alias!r} gives goods away for no money, and DEBUG is off.",
                f"Remove WAGTAIL_KWIGA['PAYMENT_PROVIDERS'][{alias!r}] from the settings of every public site.",
            )
        for claim, method in _CLAIMS.items():
            if getattr(kind, claim) is True and getattr(kind, method) is getattr(Provider, method):
                yield error(
                    13,
                    f"The payment provider {alias!r} says {claim}, and its class {kind.__name__} has no {method}().",
                    f"Write {method}(), or leave {claim} out. wagtail_kwiga.testing tries out what it claims.",
                )


def _clock() -> Iterator[CheckMessage]:
    path = conf.settings.CLOCK
    try:
        good = callable(import_string(path))
    except ImportError:
        good = False
    if not good:
        hint = "Leave the key out, or name a callable that returns an aware datetime."
        yield error(10, f"WAGTAIL_KWIGA['CLOCK'] names {path!r}, which is nothing that can be called.", hint)


@register("wagtail_kwiga")
def check_site(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E002, E008, E009, W004: the rest of the site's settings."""
    found: list[CheckMessage] = []
    if not apps.is_installed("wagtail.contrib.settings"):
        found.append(
            error(
                2,
                "wagtail.contrib.settings is not in INSTALLED_APPS, so nobody can say who sells and who sends.",
                'Add "wagtail.contrib.settings" to INSTALLED_APPS.',
            )
        )
    page = getattr(django_settings, "WAGTAIL_PAGE_MODEL", "wagtailcore.Page")
    if page.lower() != "wagtailcore.page":
        found.append(
            error(
                8,
                f"This site has a base page of its own ({page}); the OfferPage of wagtail_kwiga is not for it.",
                "Put wagtail_kwiga.offers.models.OfferPageMixin on a page type of your own.",
            )
        )
    if not django_settings.USE_TZ:
        found.append(
            error(9, "USE_TZ is off, so deadlines told to buyers would not be instants.", "Set USE_TZ = True.")
        )
    if django_settings.DEFAULT_FROM_EMAIL == "webmaster@localhost" and not django_settings.DEBUG:
        found.append(
            warning(
                4,
                "DEFAULT_FROM_EMAIL is still webmaster@localhost; mail servers refuse that sender.",
                "Set DEFAULT_FROM_EMAIL to an address of your domain.",
            )
        )
    return found


@register("wagtail_kwiga")
def check_mail(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E012, W015, W016: whether there is anything that sends mails, and how long it may keep a worker waiting."""
    if not mailers.is_chosen():
        if django_settings.DEBUG:
            return []
        return [
            warning(
                16,
                "The settings do not say how mails are sent, so Django hands them to a mail server on this very machine.",
                f"Set {mailers.SETTING}; see how-to/install in the documentation of wagtail_kwiga.",
            )
        ]
    try:
        backend = mailers.connection()
    except Exception as problem:  # the words of whichever backend the site has
        return [
            error(
                12,
                f"No mail can be sent, because the mail backend does not take the site's settings: {redaction.redact(str(problem))}",
                f"Mend {mailers.SETTING}; see how-to/install in the documentation of wagtail_kwiga.",
            )
        ]
    return [warning(15, what, hint) for what, hint in timeouts.faults(backend)]


@register("wagtail_kwiga")
def check_page_tree(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W013: whether the site's own pages let an offer page stand below any of them."""
    pages = [kind for kind in get_page_models() if kind is not Page]
    offers = [kind for kind in pages if issubclass(kind, OfferPageMixin)]
    others = set(pages) - set(offers)
    if offers != [OfferPage] or not others or others & set(OfferPage.allowed_parent_page_models()):
        return []
    return [
        warning(
            13,
            "No page type of this site lets an offer page stand below it, so nobody can make one where visitors come.",
            'Add "wagtail_kwiga.OfferPage" to the subpage_types of the page that offers shall stand below.',
        )
    ]


@register(Tags.database)
def check_languages(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W012: languages of the site in which our own words are not there.

    Nothing is broken, and nobody can mend it soon, so it is said where people look (``check --database default``,
    ``migrate``, the admin's home page) and not by every command, which cron would mail every minute. It reads no database.
    """
    missing = languages.unspoken() if databases else []
    if not missing:
        return []
    return [
        warning(
            12,
            f"The visitor pages and the built-in mails of wagtail_kwiga have no words in: {', '.join(missing)}. "
            "There they are in English (or in LANGUAGE_CODE's language, where they have words in that one).",
            "Translate the package's catalogue into a folder of LOCALE_PATHS and silence this, or leave it at that.",
        )
    ]
