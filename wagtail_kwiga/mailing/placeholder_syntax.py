"""The syntax of placeholders: ``{{ contact.first_name | default: "there" }}`` and nothing more.

A name and at most one filter. No attribute access, no logic, no calls: a name is looked up in a flat dict of strings.
Values are put in by one pass over the text, so a value that itself looks like a placeholder stays what it is.

Our own blocks may mark *sections* (``section``), which are shown only where a placeholder has a value: the row of a discount
that nobody got. Nobody can type one: to whoever reads an editor's words it is a placeholder that is written wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape

#: Typographic quotes too: word processors and some keyboards put them in unasked.
PATTERN = re.compile(
    r"""\{\{\s*
        (?P<name>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\s*
        (?:\|\s*default\s*:\s*["“”„'‘’](?P<default>[^"“”„{}<>\x00-\x1f]{0,100}?)["“”'‘’]\s*)?
        \}\}""",
    re.VERBOSE,
)
#: A section: what stands between its two marks is shown where the placeholder has a value.
_SECTION = re.compile(r"\{\{\? (?P<name>[a-z][a-z0-9_.]*) \}\}(?P<inside>.*?)\{\{/ (?P=name) \}\}", re.DOTALL)
_BLANK_LINES = re.compile(r"\n{3,}")
_BRACES = re.compile(r"\{\{.{0,60}?\}\}|\{\{.{0,30}|\}\}", re.DOTALL)
#: A brace before another of its kind.
_DOUBLE = re.compile(r"\{(?=\{)|\}(?=\})")
#: Half surrogates too: no header, no database and no mail program takes them.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")

#: No-break spaces stay: an amount and its currency belong on one line.
_SPACE = re.compile(r"[^\S\xa0]+")
#: What ``one_line`` would change; most values have nothing of the kind, and one look is cheaper than two passes.
_UNTIDY = re.compile(_CONTROL.pattern + r"|[^\S\xa0 ]|[^\S\xa0]{2}")


@dataclass(frozen=True)
class Token:
    """One placeholder as written."""

    name: str
    default: str = ""

    def __str__(self) -> str:
        return f'{{{{ {self.name} | default: "{self.default}" }}}}' if self.default else f"{{{{ {self.name} }}}}"


def token_of(match: re.Match[str]) -> Token:
    """The token that ``PATTERN`` has matched."""
    return Token(match["name"], (match["default"] or "").strip())


def found_in(text: str) -> Iterator[Token]:
    """Every well-formed placeholder of ``text``, in order."""
    for match in PATTERN.finditer(text):
        yield token_of(match)


def section(name: str, inside: str) -> str:
    """``inside`` as a section that is shown only where the placeholder ``name`` has a value. One may stand in another of
    another name, and not in one of the same."""
    begin, end = section_marks(name)
    return f"{begin}{inside}{end}"


def section_marks(name: str) -> tuple[str, str]:
    """The two marks of a section, for what can only be put around its inside piece by piece."""
    return f"{{{{? {name} }}}}", f"{{{{/ {name} }}}}"


def conditions_in(text: str) -> Iterator[str]:
    """The names of the placeholders that the sections of ``text`` ask for."""
    for match in _SECTION.finditer(text):
        yield match["name"]
        yield from conditions_in(match["inside"])


def malformed_in(text: str) -> list[str]:
    """Every pair of braces that is no placeholder, as written: a name with a dot too many, another filter, a missing brace."""
    return [one_line(match.group()) for match in _BRACES.finditer(PATTERN.sub("", text))]


def to_text(text: str) -> str:
    """``text`` with its placeholders kept and stray double braces parted, so that no two pieces ever make a placeholder."""
    return _between(text, outside=lambda words: _DOUBLE.sub(r"\g<0> ", words), token=str)


def to_html(text: str) -> str:
    """``text`` as HTML with its placeholders kept: everything else is escaped, stray braces included."""
    return _between(text, outside=escape_html, token=lambda token: str(Token(token.name, escape_html(token.default))))


def without(text: str) -> str:
    """``text`` with each placeholder replaced by its default, for places where values must not stand (attributes)."""
    return " ".join(_between(text, outside=str, token=lambda token: token.default).split())


def escape_html(text: str) -> str:
    """``text`` fit for HTML text and quoted attributes; braces become references, so that it can never form a placeholder."""
    return escape(text, quote=True).replace("{", "&#123;").replace("}", "&#125;")


def fill_html(source: str, values: Mapping[str, str]) -> str:
    """``source`` (from ``to_html``) with values put in, escaped. Line breaks inside a value become ``<br>``."""

    def put(token: Token) -> str:
        value = values.get(token.name, "")
        # A default was escaped when it was compiled.
        return escape_html(value).replace("\n", "<br>") if value else token.default or _GAP

    return _without_gaps(_between(_with_sections(source, values), outside=str, token=put))


def fill_text(source: str, values: Mapping[str, str]) -> str:
    """``source`` with values put in as they are. Where a section is left out, no gap stays."""
    shown = _with_sections(source, values)
    if shown is not source:
        shown = _BLANK_LINES.sub("\n\n", shown)
    filled = _between(shown, outside=str, token=lambda token: values.get(token.name, "") or token.default or _GAP)
    return _without_gaps(filled)


def settled(html: str, text: str, present: Collection[str]) -> tuple[str, str]:
    """The two parts of a mail with their sections settled for good: those of the names in ``present`` are shown."""
    shown = frozenset(present)
    return _sections_shown(html, shown), _BLANK_LINES.sub("\n\n", _sections_shown(text, shown))


@lru_cache(maxsize=64)
def conditions_of(html: str, text: str) -> frozenset[str]:
    """What the sections of the two parts of a mail ask for; empty where there are none."""
    return frozenset((*conditions_in(html), *conditions_in(text))) if "{{?" in html + text else frozenset()


def _with_sections(source: str, values: Mapping[str, str]) -> str:
    """``source`` without the sections whose placeholder has no value, and without the marks of the others."""
    if "{{?" not in source:
        return source
    return _sections_shown(source, frozenset(name for name in conditions_in(source) if values.get(name)))


@lru_cache(maxsize=64)
def _sections_shown(source: str, present: frozenset[str]) -> str:
    return _SECTION.sub(
        lambda match: _sections_shown(match["inside"], present) if match["name"] in present else "", source
    )


#: Stands for a moment where a value has nothing to say: characters that Unicode keeps out of every text.
_GAP = "\ufdd0\ufdef\ufdd0"
#: At the beginning of a sentence, with the comma behind it; behind a comma; before another sign.
_COMMAS = ",،、，"  # also those of Arabic and of East Asia
_SIGNS = _COMMAS + ".!?;:؟؛。！？"
_FIRST = re.compile(rf"(\A|[>\n]|[.!?؟]\s|[。！？])(\s*){_GAP}\s*[{_COMMAS}]\s*(\w?)")
_BEHIND_COMMA = re.compile(rf"\s*[{_COMMAS}]\s*{_GAP}")
_BEFORE_SIGN = re.compile(rf"\s+{_GAP}(?=[{_SIGNS}])")


def _without_gaps(filled: str) -> str:
    """What stood around a value that is empty goes along with it: “, your place is free” begins with *Your*, “Dear , hello” has its
    comma behind *Dear*."""
    if _GAP not in filled:
        return filled
    filled = _FIRST.sub(lambda match: match[1] + match[2] + match[3].upper(), filled)
    filled = _BEFORE_SIGN.sub("", _BEHIND_COMMA.sub("", filled))
    return filled.replace(_GAP, "")


def gaps_in(text: str, names: Collection[str]) -> list[str]:
    """Those of ``names`` that stand in ``text`` without a default and next to a sign, where their being empty is seen."""
    return [
        match["name"]
        for match in PATTERN.finditer(text)
        if match["name"] in names
        and not (match["default"] or "").strip()
        and (_SIGN_BEHIND.match(text, match.end()) or _SIGN_BEFORE.search(text, 0, match.start()))
    ]


_SIGN_BEHIND = re.compile(rf"\s*[{_SIGNS}]")
_SIGN_BEFORE = re.compile(rf"[{_COMMAS}]\s*\Z")


def one_line(text: str, limit: int = 255) -> str:
    """``text`` on one line without control characters, fit for a header, cut at ``limit`` characters."""
    line = (_SPACE.sub(" ", _CONTROL.sub(" ", text)) if _UNTIDY.search(text) else text).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain(text: object, *, lines: bool = False, limit: int = 2000) -> str:
    """A value made harmless: no control or direction-changing characters, single spaces; line breaks only with ``lines``."""
    raw = str(text).replace("\r\n", "\n").replace("\r", "\n")
    rows = [one_line(row, limit) for row in (raw.split("\n") if lines else [raw])]
    return "\n".join(rows).strip()[:limit]


def _between(source: str, *, outside: Callable[[str], str], token: Callable[[Token], str]) -> str:
    return "".join(token(part) if isinstance(part, Token) else outside(part) for part in _parted(source))


@lru_cache(maxsize=64)  # the HTML and the text of a version are filled for thousands of people in a row
def _parted(source: str) -> tuple[str | Token, ...]:
    """The words and the placeholders of ``source``, in order."""
    parts: list[str | Token] = []
    end = 0
    for match in PATTERN.finditer(source):
        parts += [source[end : match.start()], token_of(match)]
        end = match.end()
    return (*parts, source[end:])
