"""Where our URLs stand in a site's URLconf."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path
from wagtail import urls as wagtail_urls

from wagtail_kwiga.checks.addresses import check_urls

OURS = path("shop/", include("wagtail_kwiga.urls"))
PAGES = path("", include(wagtail_urls))
BELOW = path("pages/", include(wagtail_urls))


@pytest.fixture
def found(settings, monkeypatch):
    """The ids that a list of patterns is answered with."""

    def check(*patterns):
        module = ModuleType("tests_urlconf_for_checks")
        module.urlpatterns = list(patterns)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        settings.ROOT_URLCONF = "tests.site.urls"  # a change of the setting empties Django's caches
        settings.ROOT_URLCONF = module.__name__
        messages = check_urls(None)
        assert all(module.__name__ in message.hint for message in messages)
        return [message.id for message in messages]

    return check


@pytest.mark.parametrize(
    "patterns",
    [
        (OURS, PAGES),
        (BELOW, OURS),
        (path("x/", include([OURS])), PAGES),
        (*i18n_patterns(OURS), PAGES),
        (OURS, *i18n_patterns(PAGES)),
        (*i18n_patterns(PAGES), OURS),
        (*i18n_patterns(OURS, PAGES),),
        (re_path(r"^shop/", include("wagtail_kwiga.urls")), PAGES),
        (OURS, PAGES, path("again/", include("wagtail_kwiga.urls"))),
    ],
)
def test_well_included(found, patterns):
    assert found(*patterns) == []


@pytest.mark.parametrize("patterns", [(PAGES,), (), (BELOW,)])
def test_left_out(found, patterns):
    assert found(*patterns) == ["wagtail_kwiga.E003"]


@pytest.mark.parametrize(
    "patterns",
    [
        (PAGES, OURS),
        (path("", include([PAGES])), OURS),
        (*i18n_patterns(PAGES, OURS),),
        (path("shop/", include(wagtail_urls)), OURS),
        (re_path(r"^", include(wagtail_urls)), re_path(r"^shop/", include("wagtail_kwiga.urls"))),
    ],
)
def test_swallowed_by_the_catch_all(found, patterns):
    assert found(*patterns) == ["wagtail_kwiga.E004"]


def test_a_site_without_urls(settings):
    settings.ROOT_URLCONF = None
    assert check_urls(None) == []
