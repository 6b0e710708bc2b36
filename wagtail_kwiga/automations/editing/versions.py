"""Publishing a scenario: from then on new people follow an immutable version. People inside stay on theirs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet
from wagtail.models import Revision

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.core.definitions import SCHEMA, Definition
from wagtail_kwiga.automations.editing import compiling
from wagtail_kwiga.automations.editing.compiling import problems
from wagtail_kwiga.automations.editing.editor_warnings import warnings
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion, ScenarioVersionLink
from wagtail_kwiga.exceptions import ScenarioFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.models import EmailTemplate

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

__all__ = ["problems", "publish", "warnings"]


def publish(
    scenario: Scenario,
    *,
    by: AbstractBaseUser | None = None,
    now: dt.datetime | None = None,
    revision: Revision | None = None,
) -> ScenarioVersion:
    """Compile ``scenario`` as it stands in memory and let new people follow the result; returns the version.

    What was published before, word for word, makes no new version. Raises ``ScenarioFault``; its ``facts["problems"]``
    say in words all that is in the way, and nothing is changed.
    """
    now = now or conf.now()
    definition = compiling.compile_scenario(scenario, revision)
    if any(step.id.startswith("new-") for step in definition.steps):
        raise ScenarioFault("Save the scenario before publishing it: its steps have no ids yet.", problems=[])
    with locking.atomic_write():
        locking.locked(Scenario.objects.filter(pk=scenario.pk)).get()
        version = ScenarioVersion.objects.filter(scenario=scenario).order_by("-number").first()
        if version is None or (version.schema, version.definition) != (SCHEMA, definition.to_json()):
            version = _store(scenario, definition, version.number + 1 if version else 1, by, now)
        Scenario.objects.filter(pk=scenario.pk).update(version=version)
    scenario.version = version
    return version


def scenarios_sending(template: EmailTemplate) -> list[Scenario]:
    """The scenarios that send ``template``, in whichever language: those that are live, or have people inside. One query."""
    used = ScenarioVersionLink.objects.filter(template__translation_key=template.translation_key)
    used = used.exclude(pk__in=idle_links().values("pk"))
    return list(Scenario.objects.filter(versions__links__in=used).distinct().order_by("title"))


def idle_links() -> QuerySet[ScenarioVersionLink]:
    """What only old versions use that nobody is in: it keeps nothing from being deleted any more."""
    inside = Run.objects.filter(version=OuterRef("version"), state__in=[Run.State.ACTIVE, Run.State.PAUSED])
    current = Scenario.objects.filter(version=OuterRef("version"))
    return ScenarioVersionLink.objects.filter(~Exists(current), ~Exists(inside))


def _store(
    scenario: Scenario, definition: Definition, number: int, by: AbstractBaseUser | None, now: dt.datetime
) -> ScenarioVersion:
    version = ScenarioVersion.objects.create(  # type: ignore[misc]  # the user model is the site's
        scenario=scenario,
        number=number,
        schema=SCHEMA,
        event=definition.event.kind,
        definition=definition.to_json(),
        published_at=now,
        published_by=by if getattr(by, "pk", None) else None,
    )
    uses = definition.uses()
    named = {
        "contact_list_id": uses.lists,
        "coupon_id": uses.coupons,
        "template_id": uses.templates,
        "offer_id": uses.offers,
    }
    ScenarioVersionLink.objects.bulk_create(
        ScenarioVersionLink(version=version, **{field: pk}) for field, pks in named.items() for pk in sorted(pks)
    )
    writing.write(scenario, "automations.published", now=now, by=by, number=number)
    return version
