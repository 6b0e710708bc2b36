"""The site's mailer, whichever way Django is told of it. The only module that knows both.

Django 6.1 has mailers (the setting ``MAILERS``, ``django.core.mail.mailers``) and deprecates ``get_connection()`` and the settings
``EMAIL_BACKEND``, ``EMAIL_HOST`` and so on, which all Django before it has. Everything else here asks an instance of the backend:
that knows its own options, wherever they were written.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings as django_settings
from django.core import mail

#: Whether this Django has mailers. Before, a setting called ``MAILERS`` means nothing.
HAS_MAILERS = django.VERSION >= (6, 1)
#: The setting to be named to people who are to choose a mailer.
SETTING = 'MAILERS["default"]' if HAS_MAILERS else "EMAIL_BACKEND and EMAIL_HOST"
#: What a site sets before it has mailers; with none of them Django hands mails to localhost, port 25.
_BEFORE = ("EMAIL_BACKEND", "EMAIL_HOST")


def connection() -> Any:
    """A new instance of the mail backend that sends our mails (``MAILERS["default"]``), not yet opened.

    Raises whatever Django or the backend has to say against the site's settings: ``MailerDoesNotExist``, ``InvalidMailer``,
    ``ImproperlyConfigured``, ``ImportError``, ``TypeError`` or ``ValueError``.
    """
    return mail.mailers.default if HAS_MAILERS else mail.get_connection()


def is_chosen() -> bool:
    """Whether the site says at all how its mails are to be sent."""
    if uses_mailers():
        return True
    settings: Any = django_settings  # to the plug-in, an object with the settings of the tests and nothing else
    return any(settings.is_overridden(name) for name in _BEFORE)


def uses_mailers() -> bool:
    """Whether the mailer comes from the setting ``MAILERS``."""
    return HAS_MAILERS and hasattr(django_settings, "MAILERS")


def timeout_setting(backend: object) -> str:
    """What the setting is called that says how long ``backend`` waits for an answer, as it is written in Python."""
    if uses_mailers():
        settings: Any = django_settings
        options = (settings.MAILERS.get("default") or {}).get("OPTIONS") or {}
        for name in ("timeout", "requests_timeout"):
            if name in options:
                return f"MAILERS['default']['OPTIONS']['{name}']"
    if any(base.__module__.startswith("anymail.") for base in type(backend).__mro__):
        return "ANYMAIL['REQUESTS_TIMEOUT']"
    return "MAILERS['default']['OPTIONS']['timeout']" if uses_mailers() else "EMAIL_TIMEOUT"
