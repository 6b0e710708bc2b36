"""Reading an e-mail template for mistakes before anybody gets it: unknown placeholders, broken braces, links to nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.models import Page

from wagtail_kwiga.mailing import classification, placeholder_syntax, placeholders, richtext
from wagtail_kwiga.mailing.classification import Kind


@dataclass(frozen=True)
class TemplateProblem:
    """One mistake: where (``subject``, ``block 3 (Button)``), the words for the editor, and the placeholder as written."""

    where: str
    message: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def mistakes_in(text: str, *, links: bool = False) -> list[tuple[str, str]]:
    """What is wrong with the placeholders of ``text``, as (message, name). Link placeholders are allowed with ``links``."""
    known = placeholders.registry()
    found = []
    for token in placeholder_syntax.found_in(text):
        placeholder = known.get(token.name)
        if placeholder is None or placeholder.internal:
            found.append((_unknown(token.name, known), token.name))
        elif placeholder.kind == "url" and not links:
            found.append(
                (_("“%(name)s” is a link and cannot stand in words. Use a button.") % {"name": token.name}, token.name)
            )
    for written in placeholder_syntax.malformed_in(text):
        found.append(
            (
                _('“%(written)s” is not a placeholder. Write {{ name }} or {{ name | default: "words" }}.')
                % {"written": written},
                written,
            )
        )
    return found


def mistakes_in_rich_text(source: str) -> list[tuple[str, str]]:
    """The same for database rich text, and for the addresses of its links."""
    found = mistakes_in(richtext.plain(source), links=True)
    known = placeholders.registry()
    for href in richtext.hrefs(source):
        match = placeholder_syntax.PATTERN.fullmatch(href.strip())
        if match and match["name"] in known and match["name"].endswith("_url"):
            continue
        if "{{" in href or "}}" in href:
            message = _("A link's address cannot contain a placeholder, except one link placeholder alone: “%(href)s”.")
            found.append((message % {"href": href}, href))
        elif not richtext.address(href):
            message = _(
                "The link to “%(href)s” would be missing from the mail. A link needs a whole address: https://, mailto:, tel: or sms:."
            )
            found.append((message % {"href": href}, href))
    return found


def mistakes_in_address(address: str) -> list[tuple[str, str]]:
    """The same for the address that an editor has given to a button."""
    address = address.strip()
    if not address:
        return [(_("Where does the button lead to?"), "")]
    if "{{" in address or "}}" in address:
        words = _(
            "An address of your own cannot contain a placeholder: “%(address)s”. The code goes along by itself where the button "
            "leads to “the offer, filled in, with the coupon”."
        )
        return [(words % {"address": address}, address)]
    if not richtext.address(address):
        words = _(
            "A mail cannot lead to “%(address)s”. Give an address that begins with https://, mailto:, tel: or sms:."
        )
        return [(words % {"address": address}, address)]
    return []


def mistakes_in_block(block_type: str, value: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every mistake in a block, as (field, (message, name))."""
    for name in _PLAIN.get(block_type, ()):
        yield from ((name, each) for each in mistakes_in(str(value.get(name) or "")))
    if block_type == "text":
        yield from (("text", each) for each in mistakes_in_rich_text(getattr(value.get("text"), "source", None) or ""))
    if block_type == "button" and value.get("where") == "own":
        yield from (("url", each) for each in mistakes_in_address(value.get("url") or ""))
    if block_type == "image" and (image := value.get("image")) is not None and image.is_svg():
        words = _(
            "Mail programs do not show SVG pictures. Save “%(title)s” as PNG or JPEG in the program it was drawn with, upload that "
            "and choose it here."
        )
        yield "image", (words % {"title": image.title}, "")


def unpublished_targets(templates: Iterable[Any]) -> dict[int, list[str]]:
    """Template → the pages that it links to and that nobody can see, by title; of one that is gone its number. At most one query."""
    wanted = {template.pk: _linked_pages(template) for template in templates}
    ids = {pk for found in wanted.values() for pk in found}
    known = {page.pk: page for page in Page.objects.filter(pk__in=ids)} if ids else {}
    return {
        pk: [
            str(known[one].title) if one in known else f"#{one}"
            for one in sorted(found)
            if one not in known or not known[one].live
        ]
        for pk, found in wanted.items()
    }


def _linked_pages(template: Any) -> set[int]:
    texts = (block["value"] for block in (template.body.raw_data if template.body else ()) if block["type"] == "text")
    return {pk for value in texts for pk in richtext.linked_pages(str(value.get("text") or ""))}


def target_hints(pages: Iterable[str]) -> list[str]:
    """A sentence for each of ``unpublished_targets``."""
    words = _(
        "A link leads to the page “%(page)s”, which is not published. Its readers would come to the front page instead."
    )
    return [words % {"page": page} for page in pages]


def read_through(template: Any) -> list[TemplateProblem]:
    """Every mistake in an ``EmailTemplate`` as it stands in memory (a draft too), in reading order."""
    found: list[TemplateProblem] = []
    found += _problems(pgettext("sales", "subject"), mistakes_in(template.subject))
    found += _problems(_("preview line"), mistakes_in(template.preheader))
    if not template.subject.strip():
        found.append(TemplateProblem(pgettext("sales", "subject"), _("A mail needs a subject.")))
    for number, child in enumerate(template.body, start=1):
        where = _("block %(number)d (%(kind)s)") % {"number": number, "kind": child.block.label}
        found += _problems(where, [each for _field, each in mistakes_in_block(child.block_type, child.value)])
    return found


def refuse(template: Any) -> None:
    """Raise ``ValidationError``, field by field, for mistakes that no version of an ``EmailTemplate`` may have.

    Where wagtail-localize is installed a mistake in a block is told at its place as well, by the path that a translator's editor
    has for it (``body.<id of the block>.<field>``): of *body* alone it would say nothing to them. Running text is the exception,
    whose pieces all have one path.
    """
    told_at_place = apps.is_installed("wagtail_localize")
    found: dict[str, list[str]] = {}
    for name in ("subject", "preheader"):
        if mistakes := mistakes_in(getattr(template, name)):
            found[name] = [message for message, _name in mistakes]
    for number, child in enumerate(template.body, start=1):
        where = _("block %(number)d (%(kind)s)") % {"number": number, "kind": child.block.label}
        for field, (message, _name) in mistakes_in_block(child.block_type, child.value):
            found.setdefault("body", []).append(str(TemplateProblem(where, message)))
            if told_at_place and child.block_type != "text":
                found.setdefault(f"body.{child.id}.{field}", []).append(message)
    if found:
        raise ValidationError(found)


def hints(template: Any) -> list[str]:
    """What a mail leaves open for its reader, as it stands in memory: advice, never a refusal. No query."""
    names = classification.names_used(template)
    found = _empty_names(template)
    if not classification.speaks_of_coupon(names):
        return found
    if template.kind == Kind.SERVICE:
        found.append(
            _(
                "This mail offers a coupon and is marked as service, so people who have unsubscribed would get it too. "
                "In most countries that is not allowed: choose promotion."
            )
        )
    if "coupon.code" not in names:
        found.append(_("The mail offers a coupon, but does not say its code. A coupon card does."))
    if names.isdisjoint({"coupon.size", "price.saved"}):
        found.append(_("The mail offers a coupon, but does not say how much it takes off. A coupon card does."))
    if names.isdisjoint(classification.ENDS):
        found.append(
            _("The mail offers a coupon, but does not say until when it holds. A coupon card can, if the coupon ends.")
        )
    if "pay_url" in (links := classification.links_used(template)) and "resume_url" not in links:
        found.append(
            _(
                "The mail offers a coupon, and its button leads straight to paying the order at the price that it has. Let it "
                "lead back to the offer: there the coupon counts."
            )
        )
    if not names >= {"price.before", "price.after"}:
        found.append(
            _("The mail offers a coupon, but does not show the price before and after. A coupon card can show both.")
        )
    return found


#: Fields with words, by kind of block.
_PLAIN: dict[str, tuple[str, ...]] = {
    "heading": ("text",),
    "image": ("alt",),
    "button": ("label",),
    "coupon_card": ("title",),
    "order_summary": ("title",),
    "order_details": ("title",),
    "how_to_pay": ("title",),
}


#: Names that a person may not have given.
_MAY_BE_EMPTY = ("contact.first_name", "contact.name")


def _empty_names(template: Any) -> list[str]:
    """Where a name stands next to a comma and says nothing for somebody who gave none, with what they would read."""
    found = []
    for line in _lines(template):
        for name in placeholder_syntax.gaps_in(line, _MAY_BE_EMPTY):
            words = _(
                "Whoever gave no name reads “%(line)s”. Say what stands there instead, such as "
                '{{ %(name)s | default: "there" }}.'
            )
            read = placeholder_syntax.fill_text(
                line, {one: f"[{one}]" for one in classification.names_used(template) if one != name}
            )
            found.append(words % {"line": placeholder_syntax.one_line(read, 120), "name": name})
    return list(dict.fromkeys(found))


def _lines(template: Any) -> Iterator[str]:
    yield template.subject or ""
    yield template.preheader or ""
    for block in template.body.raw_data if template.body else ():
        for name in _PLAIN.get(block["type"], ()):
            yield str(block["value"].get(name) or "")
        if block["type"] == "text":
            yield from richtext.plain(str(block["value"].get("text") or "")).split("\x00")


def _problems(where: str, mistakes: Iterable[tuple[str, str]]) -> list[TemplateProblem]:
    return [TemplateProblem(where, message, name) for message, name in mistakes]


def _unknown(name: str, known: dict[str, placeholders.Placeholder]) -> str:
    close = get_close_matches(name, [key for key, row in known.items() if not row.internal], n=1)
    if close:
        return _("There is no placeholder “%(name)s”. Did you mean “%(close)s”?") % {"name": name, "close": close[0]}
    return _("There is no placeholder “%(name)s”.") % {"name": name}
