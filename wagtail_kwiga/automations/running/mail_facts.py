"""The e-mails of a batch in the languages of its people, compiled; or why one of them cannot be sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from django.core.exceptions import ObjectDoesNotExist

from wagtail_kwiga.automations.core.snapshots import TemplateSnapshot
from wagtail_kwiga.exceptions import KwigaError, TemplateFault
from wagtail_kwiga.mailing import classification, placeholders
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.models import EmailTemplateVersion

#: What the fault of an e-mail begins with that only a newer release can compile or fill.
NEWER = "newer_version"


@dataclass
class Mails:
    """Versions by (template, language), and snapshots by language and template."""

    versions: dict[tuple[int, str], EmailTemplateVersion] = field(default_factory=dict)
    snapshots: dict[str, dict[int, TemplateSnapshot]] = field(default_factory=dict)

    def in_language(self, language: str) -> dict[int, TemplateSnapshot]:
        return self.snapshots.get(language, {})


def load(template_ids: Collection[int], languages: Collection[str]) -> Mails:
    """Every template in every language: a fixed number of queries, unless one is at fault or was never compiled."""
    wanted = [(pk, language) for pk in sorted(template_ids) for language in sorted(languages)]
    found = Mails()
    faults: dict[tuple[int, str], str] = {}
    if wanted:
        try:
            found.versions = versions.for_many(wanted)
        except (KwigaError, ObjectDoesNotExist):
            faults = _one_by_one(found, wanted)
    known = placeholders.registry()
    for key, one in found.versions.items():  # compiled by a newer release, for placeholders of its own
        if strange := sorted(set(one.placeholders) - set(known)):
            faults[key] = f"{NEWER}: {', '.join(strange)}"
    for pk, language in wanted:
        version = found.versions.get((pk, language))
        found.snapshots.setdefault(language, {})[pk] = TemplateSnapshot(
            id=pk,
            kind=version.kind if version else "promotion",
            tells_end=version is not None and classification.tells_end(version.placeholders),
            fault=faults.get((pk, language), ""),
        )
    return found


def _one_by_one(found: Mails, wanted: list[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Some template is at fault: find out which, so that the others are sent all the same."""
    faults = {}
    for key in wanted:
        try:
            found.versions[key] = versions.for_many([key])[key]
        except (KwigaError, ObjectDoesNotExist) as fault:
            # It was without a fault when it was published: whoever published it knew more than we do.
            faults[key] = f"{NEWER}: {fault}" if isinstance(fault, TemplateFault) else str(fault) or "gone"
    return faults
