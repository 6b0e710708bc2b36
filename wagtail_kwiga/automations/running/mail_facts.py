"""The e-mails of a batch in the languages of its people, compiled; or why one of them cannot be sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from django.core.exceptions import ObjectDoesNotExist

from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.snapshots import TemplateSnapshot
from wagtail_kwiga.exceptions import KwigaError, TemplateFault
from wagtail_kwiga.mailing import classification, placeholders, references
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.models import EmailTemplateVersion

#: Template, language, and whether it is marketing unless it says itself that it is not.
Mail = tuple[int, str, bool]
#: What the fault of an e-mail begins with that only a newer release can compile or fill.
NEWER = "newer_version"


@dataclass
class Mails:
    """Versions by (template, language, is it marketing), and snapshots by language and whether it is, then by template."""

    versions: dict[Mail, EmailTemplateVersion] = field(default_factory=dict)
    snapshots: dict[tuple[str, bool], dict[int, TemplateSnapshot]] = field(default_factory=dict)

    def for_run(self, language: str, definition: Definition | None) -> dict[int, TemplateSnapshot]:
        """The e-mails of a definition for somebody who reads ``language``."""
        found = {}
        for pk in definition.uses().templates if definition is not None else ():
            known = self.in_language(language, definition is not None and definition.markets(pk))
            if pk in known:
                found[pk] = known[pk]
        return found

    def in_language(self, language: str, is_marketing: bool) -> dict[int, TemplateSnapshot]:
        return self.snapshots.get((language, is_marketing), {})


def load(templates: Collection[tuple[int, bool]], languages: Collection[str]) -> Mails:
    """Every template, as marketing or not, in every language: a fixed number of queries, unless one is at fault or was never
    compiled."""
    wanted = [(pk, language, marketing) for pk, marketing in sorted(templates) for language in sorted(languages)]
    found = Mails()
    faults: dict[Mail, str] = {}
    if wanted:
        try:
            found.versions = cast(dict[Mail, EmailTemplateVersion], versions.for_many(wanted))
        except (KwigaError, ObjectDoesNotExist):
            faults = _one_by_one(found, wanted)
    known = placeholders.registry()
    for mail, one in found.versions.items():  # compiled by a newer release, for placeholders of its own
        if strange := sorted(name for name in one.placeholders if name not in known and not references.is_name(name)):
            faults[mail] = f"{NEWER}: {', '.join(strange)}"
    for mail in wanted:
        pk, language, marketing = mail
        version = found.versions.get(mail)
        found.snapshots.setdefault((language, marketing), {})[pk] = TemplateSnapshot(
            id=pk,
            kind=version.kind if version else "promotion",
            tells_end=version is not None and classification.tells_end(version.placeholders),
            fault=faults.get(mail, ""),
            is_unpublished=version is not None and version.template is not None and not version.template.live,
        )
    return found


def _one_by_one(found: Mails, wanted: list[Mail]) -> dict[Mail, str]:
    """Some template is at fault: find out which, so that the others are sent all the same."""
    faults = {}
    for key in wanted:
        try:
            found.versions[key] = versions.for_many([key])[key]
        except (KwigaError, ObjectDoesNotExist) as fault:
            # It was without a fault when it was published: whoever published it knew more than we do.
            faults[key] = f"{NEWER}: {fault}" if isinstance(fault, TemplateFault) else str(fault) or "gone"
    return faults
