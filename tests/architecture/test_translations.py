"""The interface is complete in every language it claims to speak."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "wagtail_kwiga"
LANGUAGES = ("de", "es", "pl", "uk")
PLACEHOLDERS = re.compile(r"%\((\w+)\)[sd]|\{\{\s*[\w.]+")


def catalogue(language: str, kind: str = "po"):
    path = PACKAGE / f"locale/{language}/LC_MESSAGES/django.{kind}"
    return polib.pofile(str(path)) if kind == "po" else polib.mofile(str(path))


def forms(entry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_missing_or_fuzzy(language):
    po = catalogue(language)
    assert len(po) > 900
    assert [entry.msgid for entry in po if entry.fuzzy or not all(forms(entry))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_those_of_the_original(language):
    wrong = []
    for entry in catalogue(language):
        known = set(PLACEHOLDERS.findall(entry.msgid)) | set(PLACEHOLDERS.findall(entry.msgid_plural or ""))
        for form in forms(entry):
            used = set(PLACEHOLDERS.findall(form))
            if not used <= known or (not entry.msgid_plural and used != known):
                wrong.append((entry.msgid, form))
    assert wrong == []


@pytest.mark.parametrize("language", (*LANGUAGES, "en"))
def test_what_is_shipped_is_what_was_translated(language):
    shipped = {(entry.msgctxt, entry.msgid): forms(entry) for entry in catalogue(language, "mo")}
    written = {(entry.msgctxt, entry.msgid): forms(entry) for entry in catalogue(language).translated_entries()}
    assert shipped == written


@pytest.mark.gettext
def test_every_string_in_the_code_is_in_the_catalogues(tmp_path):
    copy = tmp_path / "wagtail_kwiga"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "locale"))
    (copy / "locale/de/LC_MESSAGES").mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-location"],
        cwd=copy, check=True, capture_output=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": ""},
    )  # fmt: skip
    in_code = {(entry.msgctxt, entry.msgid) for entry in polib.pofile(str(copy / "locale/de/LC_MESSAGES/django.po"))}
    for language in LANGUAGES:
        translated = {(entry.msgctxt, entry.msgid) for entry in catalogue(language)}
        assert in_code - translated == set(), f"make messages, then translate into {language}"
        assert translated - in_code == set(), f"make messages takes out of {language} what is no longer said"
