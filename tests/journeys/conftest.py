"""The browser and the desk that journeys in Chromium share, and the school that is visited over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, sync_playwright
from wagtail.models import Site

from tests.journeys.desk import ARGUMENTS, Desk, make_editor
from tests.journeys.http_visitor import at
from tests.journeys.school import School, make_school
from tests.offers import making
from tests.support import after


@pytest.fixture
def browser(settings, transactional_db, live_server, chromium, monkeypatch) -> Iterator[Browser]:
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())
    host, _, port = live_server.url.removeprefix("http://").partition(":")
    site = Site.objects.get(is_default_site=True)
    site.hostname, site.port = host, int(port)
    site.save()
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()
        connections.close_all()


@pytest.fixture
def desk(browser, live_server) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    desk = Desk(context, live_server.url, make_editor())
    desk.page.set_default_timeout(8000)
    yield desk
    context.close()
    assert desk.complaints == []


@pytest.fixture
def school(db, settings) -> School:
    """The shop of the story at its beginning; tests move its clock with ``http_visitor.at``."""
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    at()
    return make_school()
