"""Reading an e-mail template for mistakes before anybody gets it: unknown placeholders, broken braces, links to nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.utils.translation import gettext as _

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
    return found


def read_through(template: Any) -> list[TemplateProblem]:
    """Every mistake in an ``EmailTemplate`` as it stands in memory (a draft too), in reading order."""
    found: list[TemplateProblem] = []
    found += _problems(_("subject"), mistakes_in(template.subject))
    found += _problems(_("preview line"), mistakes_in(template.preheader))
    if not template.subject.strip():
        found.append(TemplateProblem(_("subject"), _("A mail needs a subject.")))
    for number, child in enumerate(template.body, start=1):
        where = _("block %(number)d (%(kind)s)") % {"number": number, "kind": child.block.label}
        for text, is_rich in texts_of(child.block_type, child.value):
            found += _problems(where, mistakes_in_rich_text(text) if is_rich else mistakes_in(text))
    return found


def hints(template: Any) -> list[str]:
    """What a mail with a coupon leaves open for its reader, as it stands in memory: advice, never a refusal. No query."""
    names = classification.names_used(template)
    if not classification.speaks_of_coupon(names):
        return []
    found = []
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
    if not names >= {"price.before", "price.after"}:
        found.append(
            _("The mail offers a coupon, but does not show the price before and after. A coupon card can show both.")
        )
    return found


def texts_of(block_type: str, value: Any) -> Iterator[tuple[str, bool]]:
    """The editor's words in a block, as (text, is it rich text)."""
    for name in _PLAIN.get(block_type, ()):
        yield str(value.get(name) or ""), False
    if block_type == "text":
        rich = value.get("text")
        yield getattr(rich, "source", None) or "", True


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


def _problems(where: str, mistakes: Iterable[tuple[str, str]]) -> list[TemplateProblem]:
    return [TemplateProblem(where, message, name) for message, name in mistakes]


def _unknown(name: str, known: dict[str, placeholders.Placeholder]) -> str:
    close = get_close_matches(name, [key for key, row in known.items() if not row.internal], n=1)
    if close:
        return _("There is no placeholder “%(name)s”. Did you mean “%(close)s”?") % {"name": name, "close": close[0]}
    return _("There is no placeholder “%(name)s”.") % {"name": name}
