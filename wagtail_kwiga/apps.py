"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class KwigaConfig(AppConfig):
    """Wires the package: system checks, the sentences of timelines, the table of reactions. No logic."""

    name = "wagtail_kwiga"
    label = "wagtail_kwiga"
    verbose_name = pgettext_lazy("sales", "Sales")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models cannot be imported before this, and everything here stands on them.
        from wagtail_kwiga import checks, reactions, redaction  # noqa: F401  (importing checks registers them)
        from wagtail_kwiga.automations.wording import timeline as automations_timeline
        from wagtail_kwiga.mailing import timeline as mailing_timeline
        from wagtail_kwiga.mailing.sending import account_watch
        from wagtail_kwiga.orders import timeline as orders_timeline
        from wagtail_kwiga.payments import timeline as payments_timeline

        redaction.filter_loggers()
        for room in (orders_timeline, payments_timeline, mailing_timeline, account_watch, automations_timeline):
            room.register()
        reactions.connect()
