"""What people read of ours is ours, whatever else a site has installed.

Django melts the catalogues of all apps into one, and the app that stands first in ``INSTALLED_APPS`` wins. The README's
lines put ours last. So a word that another app translates otherwise (*To*: where to, and not to whom) would be shown in
the sense of that app; such a word needs another msgid, or a context of its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import polib
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "wagtail_kwiga"
#: Where other apps' catalogues are found. (Django's own, ``django/conf``, always gives way to an app's.)
OTHERS = ("wagtail", "django.contrib", "wagtail_localize", "wagtail_modeladmin", "django_q", "taggit", "treebeard")


def folders() -> list[Path]:
    found = []
    for name in OTHERS:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found += sorted(Path(place).rglob("locale"))
    return found


def forms(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", ["de", "es", "pl", "uk"])
def test_no_other_app_puts_its_word_in_place_of_ours(language):
    ours = {
        (entry.msgctxt, entry.msgid): forms(entry)
        for entry in polib.pofile(str(PACKAGE / f"locale/{language}/LC_MESSAGES/django.po"))
    }
    assert len(ours) > 1000
    catalogues = [folder / language / "LC_MESSAGES/django.mo" for folder in folders()]
    catalogues = [path for path in catalogues if path.exists()]
    assert len(catalogues) > 10
    taken = {}
    for path in catalogues:
        for entry in polib.mofile(str(path)):
            words = ours.get((entry.msgctxt, entry.msgid))
            if words and any(forms(entry)) and forms(entry) != words:
                taken[entry.msgid] = (words, forms(entry), path.parts[-5:-3])
    assert taken == {}
