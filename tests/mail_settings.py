"""The settings of a mailer on every Django that we support: ``MAILERS`` from 6.1 on, ``EMAIL_…`` before."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import global_settings, settings
from django.test.utils import override_settings

SMTP = "django.core.mail.backends.smtp.EmailBackend"
MEMORY = "django.core.mail.backends.locmem.EmailBackend"
HAS_MAILERS = django.VERSION >= (6, 1)

#: Options of the SMTP backend by the setting they had before there were mailers.
BEFORE = {
    "EMAIL_HOST": "host",
    "EMAIL_PORT": "port",
    "EMAIL_HOST_USER": "username",
    "EMAIL_HOST_PASSWORD": "password",
    "EMAIL_USE_TLS": "use_tls",
    "EMAIL_USE_SSL": "use_ssl",
    "EMAIL_TIMEOUT": "timeout",
}


def mailer(backend: str, **options: Any) -> dict[str, Any]:
    """The settings by which ``backend`` with ``options`` (named as the SMTP backend's arguments) is the site's mailer."""
    if HAS_MAILERS:
        return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    return old_style(backend, **options)


def old_style(backend: str, **options: Any) -> dict[str, Any]:
    """The same in the settings that Django 6.1 deprecates. An option that is not given has Django's default."""
    assert set(options) <= set(BEFORE.values()), options
    given = {name: options.get(option, getattr(global_settings, name)) for name, option in BEFORE.items()}
    return {"EMAIL_BACKEND": backend, **given}


def admins(*addresses: str) -> list[Any]:
    """A value of ``ADMINS``: addresses, which until Django 6.0 had to be pairs with a name."""
    return list(addresses) if django.VERSION >= (6, 0) else [("Admin", address) for address in addresses]


def use_mailer(fixture: Any, backend: str, **options: Any) -> None:
    """Make ``backend`` the mailer for the rest of a test. ``fixture`` is pytest-django's ``settings``."""
    for name, value in mailer(backend, **options).items():
        setattr(fixture, name, value)


def add_options(fixture: Any, **options: Any) -> None:
    """Change some options of the mailer that is in use, and leave the others."""
    if HAS_MAILERS:
        given = fixture.MAILERS["default"]
        fixture.MAILERS = {"default": {**given, "OPTIONS": {**given.get("OPTIONS", {}), **options}}}
        return
    for name, option in BEFORE.items():
        if option in options:
            setattr(fixture, name, options[option])


def option(name: str) -> Any:
    """One option of the mailer that is in use."""
    if HAS_MAILERS:
        return settings.MAILERS["default"]["OPTIONS"][name]
    return getattr(settings, next(before for before, option in BEFORE.items() if option == name))


@contextmanager
def modern(backend: str, **options: Any) -> Iterator[None]:
    """Within the block ``backend`` is the mailer."""
    with override_settings(**mailer(backend, **options)):
        yield


@contextmanager
def deprecated(backend: str, **options: Any) -> Iterator[None]:
    """Within the block ``backend`` is the mailer by the settings of before, whatever the Django: 6.1 still takes them.

    That the site's settings are deprecated is passed over; within the block Django's warnings are as they were.
    """
    given = override_settings(**old_style(backend, **options))
    with warnings.catch_warnings():
        _pass_over_the_settings()
        given.enable()
    try:
        if hasattr(settings, "MAILERS"):
            del settings.MAILERS
        yield
    finally:
        with warnings.catch_warnings():
            _pass_over_the_settings()
            given.disable()


def _pass_over_the_settings() -> None:
    warnings.filterwarnings("ignore", message=r"The EMAIL_\w+ setting is deprecated")
