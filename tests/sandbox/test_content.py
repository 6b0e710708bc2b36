"""Texts, translations and pictures: complete in every language, and the same each time."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import polib
import pytest
from PIL import Image

from sandbox.school import texts, washes
from wagtail_kwiga.mailing.authoring import validation

LOCALE = Path(texts.FOLDER).parents[1] / "locale"
OTHERS = [language for language in texts.LANGUAGES if language != "en"]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_shape(part) for part in value]
    return type(value)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("part", ["home", "offer", "mail"])
def test_every_language_says_the_same_things(language, part):
    assert _shape(texts.texts(language)[part]) == _shape(texts.texts("en")[part])


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_no_text_is_empty_and_none_was_left_in_english(language):
    def walk(value: Any, path: str = ""):
        if isinstance(value, dict):
            for key, part in value.items():
                yield from walk(part, f"{path}.{key}")
        elif isinstance(value, list):
            for number, part in enumerate(value):
                yield from walk(part, f"{path}.{number}")
        else:
            yield path, value

    english = dict(walk(texts.texts("en")))
    for path, value in walk(texts.texts(language)):
        assert value != "", path
        if language != "en" and isinstance(value, str) and not path.endswith("link_url"):
            assert value != english.get(path), path


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_mail_uses_only_placeholders_that_exist(language):
    mail = texts.texts(language)["mail"]
    for name in ("subject", "preheader", "heading"):
        assert validation.mistakes_in(mail[name]) == []
    for name in ("text", "after"):
        assert validation.mistakes_in_rich_text(mail[name]) == []
    assert "coupon.valid_until" in mail["after"]


@pytest.mark.parametrize("language", OTHERS)
def test_the_theme_is_translated_and_compiled(language):
    po = polib.pofile(str(LOCALE / language / "LC_MESSAGES" / "django.po"))
    mo = polib.mofile(str(LOCALE / language / "LC_MESSAGES" / "django.mo"))
    assert po.percent_translated() == 100
    assert not po.fuzzy_entries()
    compiled = {(entry.msgid, entry.msgstr, tuple(sorted(entry.msgstr_plural.items()))) for entry in mo}
    assert {(entry.msgid, entry.msgstr, tuple(sorted(entry.msgstr_plural.items()))) for entry in po} == compiled
    for entry in po:
        for words in [entry.msgstr, *entry.msgstr_plural.values()]:
            if words:
                assert sorted(re.findall(r"%\(\w+\)s|</?\w+>", words)) == sorted(
                    re.findall(r"%\(\w+\)s|</?\w+>", entry.msgid)
                )


def test_templates_have_neither_inline_scripts_nor_inline_styles():
    templates = list((Path(texts.FOLDER).parent / "templates").rglob("*.html"))
    assert templates
    for template in templates:
        source = template.read_text()
        assert " style=" not in source, template
        assert "<style" not in source, template
        assert not re.search(r"<script(?![^>]*\bsrc=)", source), template
        assert not re.search(r"\son\w+=", source), template


@pytest.mark.parametrize("name", sorted(washes.PICTURES))
def test_a_picture_is_the_same_each_time(name):
    first = washes.picture(name)
    assert first == washes.picture(name)
    with Image.open(io.BytesIO(first)) as image:
        assert image.size in {(1600, 1000), (1600, 900)}
    assert len(first) < 400_000


def test_an_unknown_picture_is_an_error():
    with pytest.raises(KeyError):
        washes.picture("mona lisa")
