"""Which ways to pay there are: ``PAYMENT_PROVIDERS``, resolved at each use so that changed settings count at once."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import ConfigurationFault, PaymentRefused
from wagtail_kwiga.payments.provider import Provider


def get(alias: str) -> Provider:
    """The provider set up under ``alias``.

    Raises ``PaymentRefused`` (``unknown_method``) for an alias that is not set up or not enabled, ``ConfigurationFault`` for
    one that is set up wrongly.
    """
    given = conf.settings.PAYMENT_PROVIDERS.get(alias)
    provider = _build(alias, given) if given is not None else None
    if provider is None or not provider.enabled:
        raise PaymentRefused(_("This way to pay is not available."), code="unknown_method", method=alias)
    return provider


def enabled() -> list[Provider]:
    """Every provider that is set up and enabled, in the order of the settings."""
    built = (_build(alias, given) for alias, given in conf.settings.PAYMENT_PROVIDERS.items())
    return [provider for provider in built if provider.enabled]


def available(offer: Any, *, currency: str, site: Any = None, besides: str = "") -> list[Provider]:
    """What a buyer of ``offer`` may choose from, in the order of the settings.

    Left out are the method ``besides``, methods that the offer does not name (naming none means all), that do not take
    ``currency``, or that lack what an editor must fill in for ``site``. An order without an offer may be paid in every way.
    """
    named = list(offer.payment_methods or ()) if offer is not None else []
    return [
        provider
        for provider in enabled()
        if provider.alias != besides
        and (not named or provider.alias in named)
        and provider.takes(currency)
        and provider.is_ready(site)
    ]


def label(alias: str) -> str:
    """What people read for a method. Methods that were taken out of the settings keep their alias."""
    try:
        return str(get(alias).label or alias)
    except PaymentRefused:
        return alias


def provider_class(alias: str, given: Any) -> type[Provider]:
    """The class an entry of the setting names. Raises ``ConfigurationFault`` with the entry's alias (for system checks)."""
    path = given.get("class") if isinstance(given, dict) else None
    if not path:
        raise ConfigurationFault(f"PAYMENT_PROVIDERS[{alias!r}] must be a dict with a 'class'.")
    try:
        found = import_string(path)
    except ImportError as fault:
        raise ConfigurationFault(f"PAYMENT_PROVIDERS[{alias!r}]: {path} cannot be imported.") from fault
    if not (isinstance(found, type) and issubclass(found, Provider)):
        raise ConfigurationFault(f"PAYMENT_PROVIDERS[{alias!r}]: {path} is not a Provider.")
    return found


def _build(alias: str, given: Any) -> Provider:
    kind = provider_class(alias, given)
    return kind(alias, {key: value for key, value in given.items() if key != "class"})
