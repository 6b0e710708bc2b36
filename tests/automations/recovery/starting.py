"""A recovery as its form gives it, drafted and published in one go."""

from __future__ import annotations

from tests.support import after
from wagtail_kwiga.automations.recovery import presets
from wagtail_kwiga.automations.recovery.presets import Recovery
from wagtail_kwiga.mailing.authoring import default_content


def recovery(**given):
    return Recovery(texts=given.pop("texts", default_content.standard_texts("en")), **given)


def start(offer, *, now=after(), by=None, **given):
    return presets.publish_recovery(presets.draft_recovery(offer, recovery(**given), by=by, now=now), by=by, now=now)
