"""Templates as compiled: found or made when first needed, immutable ever after.

A version is known by the checksum of all that went into it, so compiling the same thing twice, at once or a year apart,
gives one row. Editing a template makes another version; mails already queued keep theirs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Model
from django.utils import translation
from django.utils.translation import gettext, pgettext
from wagtail.images import get_image_model

from wagtail_kwiga import __version__, conf
from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing import classification, placeholder_syntax
from wagtail_kwiga.mailing.authoring import builtin_mails, compiling, unsendable, validation
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate, EmailTemplateVersion

#: Which template in which language, by the template's key and a language code; and whether it is marketing there unless it says
#: itself that it is not (see ``classification.settled_kind``).
Wanted = tuple[int, str] | tuple[int, str, bool]


@dataclass(frozen=True)
class _Content:
    """Everything that makes a version what it is."""

    template: EmailTemplate | None
    builtin: str
    language: str
    kind: str
    subject: str
    preheader: str
    blocks: Sequence[Any]
    raw: Any

    def checksum(self) -> str:
        parts = [
            __version__,
            compiling.COMPILER,
            self.template.pk if self.template else None,
            self.builtin,
            self.language,
            self.kind,
            self.subject,
            self.preheader,
            self.raw,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def for_template(template: EmailTemplate, language: str, *, now: dt.datetime | None = None) -> EmailTemplateVersion:
    """The version of ``template`` for somebody who reads ``language``, compiled if it is not there yet.

    The translation in that language, else in the nearest of its variants, else the template itself; drafts are not looked at.
    Raises ``TemplateFault`` where the live content has a mistake.
    """
    return for_many([(template.pk, language)], now=now)[template.pk, language]


def for_many(wanted: Iterable[Wanted], *, now: dt.datetime | None = None) -> dict[Wanted, EmailTemplateVersion]:
    """``for_template`` for a whole batch: three queries (two without pictures), plus three for each version not seen before.

    A translation that cannot be sent is passed over for the next one, and put on the list of what needs a person.

    Raises ``EmailTemplate.DoesNotExist`` for a key that is gone, ``TemplateFault`` for a mistake in the template itself.
    """
    wanted = list(dict.fromkeys(wanted))
    ids = {one[0] for one in wanted}
    translations = EmailTemplate.objects.filter(
        translation_key__in=EmailTemplate.objects.filter(pk__in=ids).values("translation_key")
    ).select_related("locale")
    rows = list(translations.order_by("pk"))  # of two that are as near, the older serves
    by_id = {row.pk: row for row in rows}
    for pk in ids - set(by_id):
        raise EmailTemplate.DoesNotExist(f"There is no e-mail template {pk}.")
    broken: list[EmailTemplate] = []
    while True:
        chosen = {one: _in_language(by_id[one[0]], rows, one[1]) for one in wanted}
        as_they_are = _contents(set(chosen.values()))
        contents = {}
        for one, template in chosen.items():
            kind = classification.settled_kind(template, is_marketing=len(one) > 2 and bool(one[-1]))
            contents[one] = replace(as_they_are[template.pk], kind=kind)
        try:
            made = _versions(contents.values(), now)
        except TemplateFault:
            faulty = [content.template for content in as_they_are.values() if content.template and _is_broken(content)]
            if not (passed_over := [template for template in faulty if template.pk not in ids]):
                raise
            broken += passed_over
            rows = [row for row in rows if row not in passed_over]
            continue
        unsendable.tell(broken, now or conf.now())
        found = {one: made[content.checksum()] for one, content in contents.items()}
        for one, version in found.items():
            version.template = chosen[one]  # at hand already, and asked whether it is published
        return found


def title_of(template_id: int) -> str:
    """What the team calls an e-mail; its number where it is gone. One query."""
    title = EmailTemplate.objects.filter(pk=template_id).values_list("title", flat=True).first()
    return title or str(template_id)


def builtin(name: str, language: str, *, now: dt.datetime | None = None) -> EmailTemplateVersion:
    """A mail that the package itself brings, in ``language``: one of ``builtin_mails.BUILTINS``. Raises ``KeyError`` for another
    name. One query, two more where it was not seen before."""
    content = _builtin(name, language)
    return _versions([content], now)[content.checksum()]


#: A version, and which of the placeholders that its sections ask for have a value.
Settled = tuple[EmailTemplateVersion, frozenset[str]]


def settle(wanted: Iterable[Settled], *, now: dt.datetime) -> dict[tuple[int, frozenset[str]], EmailTemplateVersion]:
    """Versions with their sections settled, by the key of the version and what has a value; of one without sections itself.

    What stands in the outbox has no marks, so that a worker of an earlier release, which knows of none, sends it as it is. One
    query where there are sections, two more for each combination not seen before; nothing is compiled.
    """
    found: dict[tuple[int, frozenset[str]], EmailTemplateVersion] = {}
    missing: dict[str, Settled] = {}
    for version, present in wanted:
        if not placeholder_syntax.conditions_of(version.html, version.text):
            found[version.pk, present] = version
        else:
            parts = json.dumps([version.checksum, sorted(present)])
            missing[hashlib.sha256(parts.encode()).hexdigest()] = (version, present)
    there = {}
    if missing:
        there = {row.checksum: row for row in EmailTemplateVersion.objects.filter(checksum__in=missing)}
    for checksum, (version, present) in missing.items():
        found[version.pk, present] = there.get(checksum) or _store_settled(checksum, version, present, now)
    return found


def _store_settled(
    checksum: str, version: EmailTemplateVersion, present: frozenset[str], now: dt.datetime
) -> EmailTemplateVersion:
    html, text = placeholder_syntax.settled(version.html, version.text, present)
    row = EmailTemplateVersion(
        template_id=version.template_id, builtin=version.builtin, language=version.language, kind=version.kind,
        checksum=checksum, subject=version.subject, html=html, text=text, placeholders=version.placeholders,
        compiled_at=now,
    )  # fmt: skip
    EmailTemplateVersion.objects.bulk_create([row], ignore_conflicts=True)
    return EmailTemplateVersion.objects.get(checksum=checksum)


def compiled_builtin(name: str, language: str) -> compiling.Compiled:
    """The same, compiled and not stored: for previews."""
    return _compile(_builtin(name, language))


def store_builtins(wanted: Iterable[str], *, now: dt.datetime | None = None) -> int:
    """Compile the built-in mails in the languages ``wanted``, so that whoever orders first need not wait for it; returns how
    many there are. One query where all are there."""
    contents = [_builtin(name, language) for name in builtin_mails.BUILTINS for language in dict.fromkeys(wanted)]
    return len(_versions(contents, now))


def _builtin(name: str, language: str) -> _Content:
    with translation.override(language or None):
        subject, preheader, blocks = builtin_mails.BUILTINS[name]()
    raw = [(block.block_type, block.value if isinstance(block.value, dict) else str(block.value)) for block in blocks]
    return _Content(None, name, language, Kind.SERVICE, subject, preheader, blocks, _plain(raw))


def compiled(template: EmailTemplate) -> compiling.Compiled:
    """``template`` as it stands in memory, a draft too, compiled and not stored: for previews. Raises ``TemplateFault``."""
    return _compile(_contents([template])[template.pk])


def of_draft(template: EmailTemplate, *, now: dt.datetime | None = None) -> EmailTemplateVersion:
    """``template`` as it stands in memory, compiled and stored: for sending a test. Raises ``TemplateFault``."""
    content = _contents([template])[template.pk]
    return _versions([content], now)[content.checksum()]


def problems(template: EmailTemplate) -> list[validation.TemplateProblem]:
    """Everything an editor must mend before ``template`` can be sent, as it stands in memory; each names its place."""
    found = validation.read_through(template)
    if not found:
        size = compiled(template).size
        if size > compiling.MAX_BYTES:
            message = gettext("This mail is too long: %(size)d kB. Gmail would cut it off; %(limit)d kB is the limit.")
            found.append(
                validation.TemplateProblem(
                    pgettext("sales", "text"), message % {"size": size // 1000, "limit": compiling.MAX_BYTES // 1000}
                )
            )
    return found


def languages_missing(template: EmailTemplate, wanted: Iterable[str]) -> list[str]:
    """Those languages of ``wanted`` whose readers would get ``template`` in another language, in the order given. One query.

    ``template`` itself counts as there, published or not, and ``de`` serves ``de-at`` too, as ``de-ch`` does: the rule of ``for_template``.
    """
    rows = list(EmailTemplate.objects.filter(translation_key=template.translation_key).select_related("locale"))
    there = _readable(template, rows)
    return [code for code in dict.fromkeys(wanted) if languages.nearest(code, there) is None]


def _in_language(template: EmailTemplate, rows: Iterable[EmailTemplate], language: str) -> EmailTemplate:
    there = _readable(template, rows)
    code = languages.nearest(language, there)
    return there[code] if code is not None else template


def _readable(template: EmailTemplate, rows: Iterable[EmailTemplate]) -> dict[str, EmailTemplate]:
    """The translations that may be sent, by language."""
    return {
        row.locale.language_code: row
        for row in rows
        if row.translation_key == template.translation_key and (row.live or row.pk == template.pk)
    }


def _contents(templates: Iterable[EmailTemplate]) -> dict[int, _Content]:
    """What the templates contain, by key. One query where there are pictures, for the files they have now."""
    templates = list(templates)
    pictures = _pictures(templates)
    found = {}
    for template in templates:
        raw = [[child.block_type, child.block.get_prep_value(child.value)] for child in template.body]
        shown = [pictures.get(value.get("image")) for kind, value in raw if kind == "image"]
        found[template.pk] = _Content(
            template,
            "",
            template.locale.language_code,
            template.settled_kind,
            template.subject,
            template.preheader,
            list(template.body),
            _plain([raw, shown]),
        )
    return found


def _pictures(templates: Iterable[EmailTemplate]) -> dict[int, str]:
    ids = {
        child.value["image"].pk
        for template in templates
        for child in template.body
        if child.block_type == "image" and child.value["image"]
    }
    if not ids:
        return {}
    model: type[Model] = get_image_model()
    return dict(model._default_manager.filter(pk__in=ids).values_list("pk", "file"))


def _plain(raw: Any) -> Any:
    return json.loads(json.dumps(raw, default=str))


def _versions(contents: Iterable[_Content], now: dt.datetime | None) -> dict[str, EmailTemplateVersion]:
    by_checksum = {content.checksum(): content for content in contents}
    found = {row.checksum: row for row in EmailTemplateVersion.objects.filter(checksum__in=by_checksum)}
    for checksum, content in by_checksum.items():
        if checksum not in found:
            found[checksum] = _store(checksum, content, now or conf.now())
    return found


def _store(checksum: str, content: _Content, now: dt.datetime) -> EmailTemplateVersion:
    built = _compile(content)
    row = EmailTemplateVersion(
        template=content.template,
        builtin=content.builtin,
        language=content.language,
        kind=content.kind,
        checksum=checksum,
        subject=built.subject,
        html=built.html,
        text=built.text,
        placeholders=built.placeholders,
        compiled_at=now,
    )
    # Somebody else may have compiled it meanwhile: the same checksum is the same mail, so theirs will do.
    EmailTemplateVersion.objects.bulk_create([row], ignore_conflicts=True)
    if content.template is not None:
        unsendable.forget(content.template.pk, now)
    return EmailTemplateVersion.objects.get(checksum=checksum)


def _is_broken(content: _Content) -> bool:
    try:
        _compile(content)
    except TemplateFault:
        return True
    return False


def _compile(content: _Content) -> compiling.Compiled:
    return compiling.compile_mail(
        subject=content.subject,
        preheader=content.preheader,
        kind=content.kind,
        blocks=content.blocks,
        language=content.language,
    )


def formatting_language(written: str, wanted: str) -> str:
    """The language for dates and amounts in a mail written in ``written`` for somebody who reads ``wanted``.

    One mail, one language: the reader's own variant where it is the same language, else that of the words.
    """
    return wanted if languages.is_same(written, wanted) else written or wanted
