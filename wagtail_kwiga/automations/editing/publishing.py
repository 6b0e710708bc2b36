"""What publishing and unpublishing a scenario, or an e-mail, in Wagtail means to the engine."""

from __future__ import annotations

import logging
from typing import Any

from wagtail.models import Revision
from wagtail.signals import published, unpublished

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.running import resuming
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.models import EmailTemplate

logger = logging.getLogger("wagtail_kwiga.automations")


def connect() -> None:
    """Listen to Wagtail. Safe to call again."""
    published.connect(_on_published, sender=Scenario, dispatch_uid="wagtail_kwiga.scenario_published")
    unpublished.connect(_on_unpublished, sender=Scenario, dispatch_uid="wagtail_kwiga.scenario_unpublished")
    published.connect(_on_email_published, sender=EmailTemplate, dispatch_uid="wagtail_kwiga.email_mended")


def _on_published(sender: type, instance: Scenario, revision: Revision | None = None, **kwargs: Any) -> None:
    """Compile it. Wagtail sends this also when it only plans to publish later: then there is nothing to do yet.

    The form has refused whatever cannot be compiled; this is for code, and for a planned publishing whose coupon or
    mail has changed in between. Raising undoes the publishing inside a transaction. Outside of one (the command that
    publishes what is planned) the row is live already, so it is taken off first: what cannot run must not look live.
    """
    if not instance.live:
        return
    try:
        versions.publish(instance, by=getattr(revision, "user", None), revision=revision)
    except ScenarioFault as fault:
        logger.warning("Scenario %s cannot be published: %s", instance.pk, fault)
        with locking.atomic_write():
            Scenario.objects.filter(pk=instance.pk).update(live=False, has_unpublished_changes=True)
            writing.write(instance, "automations.not_published", attention=True, problems=str(fault))
        instance.live = False
        raise


def _on_unpublished(sender: type, instance: Scenario, **kwargs: Any) -> None:
    """Nobody new is let in from now on (enrolment asks for live scenarios); *stop all runs* is another button."""
    writing.write(instance, "automations.unpublished")


def _on_email_published(sender: type, instance: EmailTemplate, **kwargs: Any) -> None:
    if instance.live:
        resuming.resume_held(instance, conf.now())
