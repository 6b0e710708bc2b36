"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KwigaConfig(AppConfig):
    """Wires the package: system checks and the table of reactions. No logic."""

    name = "wagtail_kwiga"
    label = "wagtail_kwiga"
    verbose_name = _("Sales")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from wagtail_kwiga import checks, conf, reactions  # noqa: F401  (importing checks registers them)

        conf.hush_loggers()
        reactions.connect()
