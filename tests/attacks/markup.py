"""Finding hostile words that have become markup, script or a formula in what a site answers."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import openpyxl

from wagtail_kwiga.backoffice.parts import records


class _Finder(HTMLParser):
    """Reads markup as a browser does and keeps what would run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._script = ""
        self._raw: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script":
            self._script = given.get("type", "text/javascript")
        for name, value in given.items():
            if name.startswith("on") or "kwigahit" in name:
                self.found.append(f"<{tag} {name}={value[:60]}>")
            if name in ("href", "src", "action", "formaction", "data", "poster") and re.match(
                r"[\x00-\x20]*(javascript|vbscript|data:text/html)", value, re.IGNORECASE
            ):
                self.found.append(f"<{tag} {name}={value[:60]}>")
            if name == "srcdoc" or (name.startswith("data-") and "<" in value and name in _MARKUP):
                self.found += [f"{name}: {each}" for each in running(value)]

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script and "json" not in self._script and "kwigaHit" in data:
            self.found.append(f"<script>{data[:80]}")


#: Attributes whose value Wagtail's scripts put into the page as markup.
_MARKUP = {"data-tippy-content"}


def running(html: str) -> list[str]:
    """What in ``html`` would run."""
    finder = _Finder()
    finder.feed(html)
    finder.close()
    return finder.found


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for one in value.values() for text in _texts(one)]
        case list():
            return [text for one in value for text in _texts(one)]
    return []


def faults(answer: Any, body: str) -> list[str]:
    """What is wrong with an answer that holds hostile words: markup that would run, templates that were obeyed."""
    kind = answer.headers.get("Content-Type", "")
    found = ["a template was obeyed"] if re.search(r"=zebra[^<]{0,400}\b49\b", body) and "{{7*7}}" not in body else []
    if kind.startswith("text/html"):
        return found + running(body)
    if kind.startswith("application/json"):  # of the dialogues of choosers: some of its texts are put into the page
        data = json.loads(body)
        return found + running(data.get("html", "") if isinstance(data, dict) else "")
    return found


# --- spreadsheets -------------------------------------------------------------------------------------------------------


def formulas(body: bytes, kind: str) -> list[str]:
    """Cells of a spreadsheet that a program would take for a formula, whatever it takes for the end of a cell."""
    if kind == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(body)).active
        cells = [str(cell.value) for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
        risky = [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    else:
        text = body.decode()
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        risky = []
    parts = [part for cell in cells for part in re.split(r"[;\t\r\n]", cell)]
    return risky + [
        part for part in parts if re.match(r"\s*[=+\-@]", part) and not records._NUMBER.fullmatch(part.strip())
    ]
