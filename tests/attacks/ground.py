"""What the attacks from outside share: a shop to attack, and what must be true of it whatever was sent."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.db import models

from tests.payments.shop import codes, snapshot
from wagtail_kwiga import models as m

#: Text that turns the words around it, or hides: never kept of what a visitor typed.
DECEIVING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00")


class _Harm(HTMLParser):
    """Collects what would run, or would lead a browser astray, on a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._script: dict[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._script = given if tag == "script" else None
        if tag in ("style", "base", "object", "embed"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            link = "".join((value or "").split()).lower()
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append(f"{tag} {name}={value!r}")
            if name in ("href", "src", "action", "formaction") and link.startswith(("javascript:", "data:text", "vbs")):
                self.found.append(f"{tag} {name}={value!r}")
            if tag == "meta" and name == "http-equiv":
                self.found.append(f"meta {value!r}")

    def handle_data(self, data: str) -> None:
        inline = self._script is not None and "src" not in self._script and data.strip()
        if inline and "json" not in ((self._script or {}).get("type") or ""):
            self.found.append(f"inline script {data[:60]!r}")

    def handle_endtag(self, tag: str) -> None:
        self._script = None


def harm_in(html: str) -> list[str]:
    parser = _Harm()
    parser.feed(html)
    return parser.found


def holds(answer: Any, what: object = "") -> Any:
    """``answer`` is no failure, and what it shows runs nothing. Hands it back."""
    assert answer.status_code < 500, f"{what!r:.300}: {answer.status_code}"
    if answer.status_code not in (301, 302) and answer.get("Content-Type", "").startswith("text/html"):
        assert harm_in(answer.content.decode()) == [], f"{what!r:.300}"
    assert "\n" not in "".join(f"{name}{value}" for name, value in answer.items())
    return answer


def told(answer: Any) -> str:
    """The words with which a form was refused: a page that asks for nothing in words has refused nobody."""
    html = answer.content.decode()
    assert 'role="alert"' in html, html[:2000]
    return html.split('role="alert"', 1)[1][:2000]


def nothing_half_done() -> None:
    """Every order is whole, and nobody is remembered who has not ordered."""
    for order in m.Order.objects.all():
        assert order.lines.exists(), order.number
        assert order.contact.email.isascii(), order.contact.email
        if order.status != "superseded":
            assert "order.placed" in codes(order)
    assert not m.Contact.objects.filter(orders__isnull=True).exists()


def nothing_dirty() -> None:
    """No text in any row of ours has something in it that cannot be seen or turns what can."""
    for model in apps.get_app_config("wagtail_kwiga").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, models.CharField | models.TextField):
                for value in model._base_manager.values_list(field.name, flat=True).distinct():
                    _is_clean(f"{model._meta.label}.{field.name}", value or "", field)


def _is_clean(where: str, value: str, field: models.Field) -> None:
    if field.max_length:
        assert len(value) <= field.max_length, f"{where}: {value!r:.80}"
    bad = [letter for letter in value if letter in DECEIVING or unicodedata.category(letter) in ("Cs",)]
    if isinstance(field, models.CharField):
        bad += [letter for letter in value if unicodedata.category(letter) == "Cc"]
    assert bad == [], f"{where}: {value!r:.80}"


def money_books() -> dict[str, str]:
    """Every row of every table but the counters of tries and sessions, for comparing before and after."""
    return {name: rows for name, rows in snapshot().items() if name not in ("wagtail_kwiga.RateLimitWindow",)}
