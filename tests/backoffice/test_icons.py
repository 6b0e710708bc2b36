"""Icons of the admin: Wagtail draws nothing, and says nothing, for a name that it does not know."""

from __future__ import annotations

import re
from pathlib import Path

from wagtail.admin.icons import get_icons

import wagtail_kwiga

_NAMED = re.compile(r"""\b(?:icon|icon_name|header_icon|classname_icon)["']?\s*[=:]\s*["']([a-z0-9-]+)["']""")
_IN_TEMPLATES = re.compile(r"""\{%\s*(?:icon|panel)\s[^%]*?\b(?:name|icon)=["']([a-z0-9-]+)["']""")


def test_every_icon_that_is_named_is_drawn():
    known = set(re.findall(r'id="icon-([a-z0-9-]+)"', get_icons()))
    named: dict[str, list[str]] = {}
    for file in sorted(Path(wagtail_kwiga.__file__).parent.rglob("*")):
        if file.suffix in (".py", ".html") and "migrations" not in file.parts:
            for name in (_NAMED if file.suffix == ".py" else _IN_TEMPLATES).findall(file.read_text()):
                named.setdefault(name, []).append(file.name)
    assert len(named) > 20
    assert {name: files for name, files in named.items() if name not in known} == {}
