"""Whether the screens of the queue can be shown with the wagtail-modeladmin that is installed.

They are an optional extra. A release of it that does not go with the Wagtail or Django of a site must not take the whole
admin along: the rest works without these screens, the log has the traceback, and a system check (W024) says why.
"""

from __future__ import annotations

import logging

from django.apps import apps

logger = logging.getLogger("wagtail_kwiga.queue_admin")


def is_wanted() -> bool:
    """Whether the site has put the screens' two apps into ``INSTALLED_APPS``."""
    return apps.is_installed("wagtail_modeladmin") and apps.is_installed("django_q")


def fault() -> str:
    """Why the screens cannot be shown, in the words of the error; empty where they can, or are not wanted."""
    if not is_wanted():
        return ""
    try:
        from wagtail_kwiga.queue_admin import admins  # noqa: F401
    except Exception as error:  # a module written for other versions fails in whatever way it likes
        return f"{type(error).__name__}: {error}"
    return ""


def register() -> None:
    """Show the screens where they are wanted and can be shown."""
    if not is_wanted():
        return
    try:
        from wagtail_kwiga.queue_admin import admins

        admins.register()
    except Exception:
        logger.exception("The screens of the queue are left out: wagtail-modeladmin does not work here.")
