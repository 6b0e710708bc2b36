"""Languages: fallbacks, names, and which have words of ours."""

from __future__ import annotations

import pytest
from django.utils import translation

from wagtail_kwiga.formatting import languages


@pytest.mark.parametrize(
    ("language", "codes"),
    [
        ("de", ("de",)),
        ("pt-BR", ("pt-br", "pt")),
        ("pt_BR", ("pt-br", "pt")),
        ("zh-hant-tw", ("zh-hant-tw", "zh-hant", "zh")),
        ("", ()),
    ],
)
def test_fallbacks_go_from_the_nearest_to_the_base(language, codes):
    assert languages.fallbacks(language) == codes


@pytest.mark.parametrize(
    ("wanted", "there", "found"),
    [
        ("pt-br", ["en", "pt"], "pt"),
        ("pt-br", ["pt", "pt-BR"], "pt-BR"),
        ("zh-hant-tw", ["zh", "zh-hant"], "zh-hant"),  # two copies of the rule knew the base only
        ("DE_at", ["de"], "de"),
        ("de", ["de-ch"], "de-ch"),  # the pages' copy of the rule knew that, the mails' did not
        ("de-at", ["en", "de-ch", "de-li"], "de-ch"),
        ("de-at", ["de-ch", "de"], "de"),
        ("fr", ["en", "de"], None),
        ("", ["en"], None),
        ("de", [], None),
    ],
)
def test_the_nearest_of_several(wanted, there, found):
    assert languages.nearest(wanted, there) == found


def test_the_distance_grows_with_what_is_left_out():
    steps = [languages.distance("zh-hant-tw", code) for code in ("zh-Hant-TW", "zh_hant", "zh", "zh-hans", "en")]
    assert steps == [0, 1, 2, 3, None]
    assert languages.distance("", "en") is None


def test_the_same_language():
    assert languages.is_same("pt", "PT_br")
    assert not languages.is_same("pt", "es")
    assert not languages.is_same("", "")


def test_a_language_is_named_in_the_readers(settings):
    """Two copies disagreed: one told what ``LANGUAGES`` says, which is English on most sites whoever reads it."""
    settings.LANGUAGES = [("en", "English"), ("de", "German"), ("de-li", "German of Liechtenstein"), ("la", "Latin")]
    with translation.override("de"):
        assert languages.name("de") == "Deutsch"
        assert languages.name("de-li") == "German of Liechtenstein"  # Django would say “Deutsch”, as of the other
        assert languages.name("la") == "Latin"
        assert languages.name("tlh") == "tlh"
    assert languages.own_name("uk") == "Українська"
    assert languages.own_name("la") == "Latin"


@pytest.mark.parametrize(
    ("language", "ours"), [("de", True), ("de-at", True), ("EN", True), ("fr", False), ("", False), ("..", False)]
)
def test_our_own_words(language, ours):
    assert languages.has_words(language) is ours


def test_the_language_of_a_reader_where_none_is_active():
    with translation.override("de"):
        assert languages.active() == "de"
    with translation.override(None):
        assert languages.active() == "en"
