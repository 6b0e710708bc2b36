"""Rich text in a mail: made safe, its placeholders found even where formatting cuts through their braces, and as plain text.

Wagtail's editor happily stores ``{{ contact.<b>first_name</b> }}``. So the text is looked at without its tags: tags inside
a placeholder move around it (opening ones before, closing ones behind), then nh3 keeps what is allowed and closes what is open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import nh3
from django.utils.translation import get_language_bidi
from wagtail.rich_text import expand_db_html
from wagtail.rich_text.rewriters import extract_attrs

from wagtail_kwiga.mailing import placeholder_syntax, references

#: What a mail may contain, and all that the editor of the *text* block offers.
TAGS = {"p", "b", "i", "strong", "em", "a", "ul", "ol", "li", "br"}
SCHEMES = {"http", "https", "mailto", "tel", "sms"}
#: A link as Wagtail stores it.
_ANCHOR = re.compile(r"<a(\b[^>]*)>")
#: Between two paragraphs no placeholder can stand; PATTERN matches no control character.
_EDGE = "\x00"
_BLOCKS = {"p", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "div", "blockquote", "hr", "table", "tr", "td"}
#: Links of the site itself start with this, and stay true on whichever of its hosts the mail is about.
ROOT = str(placeholder_syntax.Token("site.root"))

_STYLES = {
    "p": "margin:0 0 14px",
    "ul": "margin:0 0 14px;padding:0 0 0 22px",
    "ol": "margin:0 0 14px;padding:0 0 0 22px",
    "li": "margin:0 0 6px",
}
#: Where lines begin at the right.
_STYLES_RTL = _STYLES | dict.fromkeys(("ul", "ol"), "margin:0 0 14px;padding:0 22px 0 0")


@dataclass(frozen=True)
class Rich:
    """Rich text ready for a mail: HTML and plain text, both with their placeholders kept."""

    html: str
    text: str


def render(source: str, *, link_style: str = "") -> Rich:
    """Database rich text as HTML and text for a mail in the active language. ``link_style`` is put on links (mail programs ignore
    stylesheets)."""
    clean = nh3.clean(
        _with_whole_tokens(expand_db_html(_with_references(source))),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes=SCHEMES,
        link_rel=None,
    )
    writer = _Writer(link_style)
    writer.feed(clean)
    writer.close()
    return Rich(html="".join(writer.html), text=writer.plain())


def linked_pages(source: str) -> set[int]:
    """The keys of the pages that database rich text links to."""
    found = (_page_of(match[1]) for match in _ANCHOR.finditer(source))
    return {pk for pk in found if pk is not None}


def _with_references(source: str) -> str:
    """``source`` with links to pages as references, whose addresses are made when the mail leaves."""

    def put(match: re.Match[str]) -> str:
        pk = _page_of(match[1])
        return match[0] if pk is None else f'<a href="{placeholder_syntax.Token(references.page_name(pk))}">'

    return _ANCHOR.sub(put, source)


def _page_of(attributes: str) -> int | None:
    found = extract_attrs(attributes)
    pk = str(found.get("id", ""))
    return int(pk) if found.get("linktype") == "page" and pk.isdecimal() else None


def plain(source: str) -> str:
    """The words of rich text without any markup, paragraphs apart: where placeholders are looked for."""
    pieces = _Pieces()
    pieces.feed(source)
    pieces.close()
    return "".join(piece for piece, is_tag in pieces.found if not is_tag)


def hrefs(source: str) -> list[str]:
    """The addresses typed into links of database rich text."""
    pieces = _Pieces()
    pieces.feed(source)
    pieces.close()
    return pieces.hrefs


class _Pieces(HTMLParser):
    """Markup as a flat list of (tag or words, is it a tag), entities resolved."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, bool]] = []
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._edge(tag)
        self.found.append((self.get_starttag_text() or f"<{tag}>", True))
        self.hrefs.extend(value for name, value in attrs if name == "href" and value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((f"<{tag}>", True))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"</{tag}>", True))
        self._edge(tag)

    def handle_data(self, data: str) -> None:
        self.found.append((data.replace(_EDGE, ""), False))

    def _edge(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.found.append((_EDGE, False))


def _with_whole_tokens(source: str) -> str:
    """``source`` with every placeholder in one piece and every other word escaped."""
    pieces = _Pieces()
    pieces.feed(source)
    pieces.close()
    words = "".join(piece for piece, is_tag in pieces.found if not is_tag)
    spans = [
        (match.start(), match.end(), placeholder_syntax.token_of(match))
        for match in placeholder_syntax.PATTERN.finditer(words)
    ]
    out: list[str] = []
    at = 0  # how many words have been passed
    spans.reverse()  # the next one is the last
    behind: list[str] = []
    for piece, is_tag in pieces.found:
        if is_tag:
            inside = bool(spans) and spans[-1][0] < at < spans[-1][1]
            (behind if inside and (piece.startswith("</") or piece == "<br>") else out).append(piece)
            continue
        end = at + len(piece)
        while at < end:
            start, stop, token = spans[-1] if spans else (end, end, None)
            if at < start or token is None:
                upto = min(start, end)
                out.append(placeholder_syntax.escape_html(words[at:upto].replace(_EDGE, "")))
                at = upto
                continue
            at = min(stop, end)
            if at == stop:
                out.append(placeholder_syntax.to_html(str(token)))
                out.extend(behind)
                behind.clear()
                spans.pop()
    return "".join(out)


class _Writer(HTMLParser):
    """Clean markup as mail HTML (styles inline) and as plain text, in one go."""

    def __init__(self, link_style: str) -> None:
        super().__init__(convert_charrefs=True)
        self.link_style = link_style
        self._styles = _STYLES_RTL if get_language_bidi() else _STYLES
        self.html: list[str] = []
        self._text: list[str] = []
        self._lists: list[int | None] = []
        self._link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.html.append("<br>")
            self._text.append("\n")
            return
        if tag == "a":
            self._open_link(dict(attrs).get("href") or "")
            return
        if tag in ("p", "ul", "ol") and not self._lists and self._text:
            self._text.append("\n\n")  # words that stand before it in no paragraph of their own
        style = self._styles.get(tag)
        self.html.append(f'<{tag} style="{style}">' if style else f"<{tag}>")
        if tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._text.append("\n" + "  " * (len(self._lists) - 1) + self._bullet())

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._close_link()
            return
        self.html.append(f"</{tag}>")
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        if tag in ("p", "ul", "ol") and not self._lists:
            self._text.append("\n\n")

    def handle_data(self, data: str) -> None:
        self._text.append(placeholder_syntax.to_text(data))
        self.html.append(self._with_links(data) if self._link is None else placeholder_syntax.to_html(data))

    def plain(self) -> str:
        rows = [row.rstrip() for row in "".join(self._text).split("\n")]
        kept: list[str] = []
        for row in rows:
            if row or (kept and kept[-1]):
                kept.append(row)
        return "\n".join(kept).strip()

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _open_link(self, href: str) -> None:
        url = address(href)
        self._link = (url, len(self._text))
        if url:
            style = f' style="{self.link_style}"' if self.link_style else ""
            self.html.append(f'<a href="{placeholder_syntax.to_html(url)}"{style}>')

    def _close_link(self) -> None:
        url, begin = self._link or ("", 0)
        self._link = None
        if not url:
            return
        self.html.append("</a>")
        words = "".join(self._text[begin:]).strip()
        if words != url.removeprefix("mailto:").removeprefix("tel:"):
            self._text.append(f" ({url})")

    def _with_links(self, words: str) -> str:
        """Running text; a link placeholder in it becomes a link that can be clicked."""
        out = []
        end = 0
        for match in placeholder_syntax.PATTERN.finditer(words):
            token = placeholder_syntax.token_of(match)
            if not token.name.endswith("_url"):
                continue
            out.append(placeholder_syntax.to_html(words[end : match.start()]))
            style = f' style="{self.link_style}"' if self.link_style else ""
            out.append(f'<a href="{token}"{style}>{token}</a>')
            end = match.end()
        out.append(placeholder_syntax.to_html(words[end:]))
        return "".join(out)


def address(href: str) -> str:
    """A link's address as it may stand in a mail: absolute, or relative to the site, or one of our own; else empty.

    What begins with ``www.`` is meant as ``https://www.``.
    """
    match = placeholder_syntax.PATTERN.fullmatch(href.strip())
    if match and match["name"].endswith("_url"):
        return str(placeholder_syntax.Token(match["name"]))
    if "{{" in href or "}}" in href:
        return ""
    href = href.strip().replace("{", "%7B").replace("}", "%7D")
    if href.startswith("/") and not href.startswith("//"):
        return ROOT + href
    if href.lower().startswith("www."):
        href = f"https://{href}"
    scheme = href.partition(":")[0].lower()
    return href if ":" in href and scheme in SCHEMES else ""
