"""What a page of the site says, as plain text: for terms that stand on a page of any type.

It is read from the fields of the published page (its own text, rich text and StreamField fields, and the rows of its inline
panels), and not from the page as served: menus, banners and cookies around it are not what somebody agrees to, and they change
without the page being published, while the fields belong to one revision for good. A page type that shows something else says
so by a method ``kwiga_legal_text()`` that returns plain text.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from django.db import models
from modelcluster.models import get_all_child_relations
from wagtail.fields import RichTextField, StreamField
from wagtail.models import Page
from wagtail.rich_text import expand_db_html

from wagtail_kwiga.legal_texts import archive
from wagtail_kwiga.legal_texts.models import LegalText

logger = logging.getLogger("wagtail_kwiga.legal_texts")


def keep_page(kind: str, page: Page, now: dt.datetime) -> LegalText:
    """The text of ``page`` as it is published, kept. One query where this revision was kept before.

    A page that was never published through Wagtail has no revision to know it by and is read anew each time.
    """
    source = source_of(page)
    if source and (known := archive.find(kind, source)) is not None:
        return known
    whole = page.specific
    return archive.store(kind, whole.locale.language_code, whole.title, text_of(whole), now, source)


def source_of(page: Page) -> str:
    """What names the present text of ``page`` unmistakably; empty where nothing does."""
    return f"page:{page.pk}:revision:{page.live_revision_id}" if page.live_revision_id else ""


def text_of(page: Page) -> str:
    """All that the fields of a (specific) page say, paragraph by paragraph."""
    own = getattr(page, "kwiga_legal_text", None)
    if own is not None:
        return str(own())
    ours = {relation.get_accessor_name() for relation in get_all_child_relations(Page)}
    parts = list(_fields(page, besides=Page))
    for relation in get_all_child_relations(type(page)):
        if (name := relation.get_accessor_name()) not in ours:
            for row in getattr(page, name).all():
                parts += _fields(row, besides=None)
    return "\n\n".join(part for part in parts if part)


def _fields(row: models.Model, *, besides: type[models.Model] | None) -> Iterator[str]:
    known = {field.name for field in besides._meta.get_fields()} if besides else set()
    for field in row._meta.concrete_fields:
        if field.name in known or not field.editable or field.choices or isinstance(field, models.SlugField):
            continue
        value = getattr(row, field.attname)
        if isinstance(field, StreamField):
            yield _stream(value)
        elif isinstance(field, RichTextField):
            yield plain(expand_db_html(value or ""))
        elif isinstance(field, models.CharField | models.TextField):
            yield str(value or "").strip()


def _stream(value: Any) -> str:
    """Block by block as it is shown; one whose template cannot do without a request says what it would say to a search."""
    parts = []
    for child in value:
        try:
            parts.append(plain(str(child.render())))
        except Exception:
            logger.warning(
                "Block %r does not render outside of its page; its searchable text is kept", child.block_type
            )
            parts.append("\n".join(str(each) for each in child.block.get_searchable_content(child.value)))
    return "\n\n".join(part for part in parts if part)


# --- HTML ---------------------------------------------------------------------------------------------------------------

_BREAKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "caption",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
_SILENT = frozenset(("script", "style", "template", "noscript"))


def plain(html: str) -> str:
    """The words of some HTML: a line for each block, ``- `` before items of lists, addresses of links in brackets."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).splitlines())
    return "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._links: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        if tag in _BREAKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0
        if tag == "a" and self._links and (address := self._links.pop()) and not address.startswith("#"):
            self.parts.append(f" ({address})")
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(re.sub(r"\s+", " ", data))
