"""The school's texts: one TOML file a language, so that whoever translates need not read Python."""

from __future__ import annotations

import functools
import json
import tomllib
import uuid
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "content"
LANGUAGES = ("en", "de", "es", "pl", "uk")
_SPACE = uuid.UUID("6f1c2c1e-2a52-4a56-9c7b-6d2f9f6f3d10")


@functools.cache
def texts(language: str) -> dict[str, Any]:
    """All texts in ``language``."""
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def stream(*blocks: tuple[str, Any]) -> str:
    """Blocks as the JSON that a StreamField takes. Ids depend on place and kind only, so a translation keeps them."""
    return json.dumps(
        [
            {"type": kind, "value": value, "id": str(uuid.uuid5(_SPACE, f"{place}:{kind}"))}
            for place, (kind, value) in enumerate(blocks)
        ]
    )


def items(values: list[Any]) -> list[dict[str, Any]]:
    """The value of a ListBlock."""
    return [
        {"type": "item", "value": value, "id": str(uuid.uuid5(_SPACE, f"item:{place}"))}
        for place, value in enumerate(values)
    ]
