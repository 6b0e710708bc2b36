"""Attacked: the browser of staff. One walk through every screen of a shop full of hostile words in a real Chromium: nothing of
them runs, asks, or is fetched."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.attacks import admin_world
from tests.attacks.admin_walk import addresses
from tests.attacks.admin_world import PASSWORD
from tests.attacks.test_admin_markup import looks
from tests.journeys.conftest import browser  # noqa: F401  (the fixture)
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]

#: What every hostile word calls. It is there before any script of the page.
ALARM = "window.kwigaHits = []; window.kwigaHit = window.k = (...words) => { window.kwigaHits.push(location.href) };"


def ran(page: Page) -> bool:
    return any(
        frame.evaluate("(window.kwigaHits || []).length > 0") for frame in page.frames if frame.url != "about:srcdoc"
    )


def test_nothing_of_what_anybody_wrote_runs(browser, live_server):  # noqa: F811
    shop = admin_world.build()
    chief = shop.users["superuser"]
    type(chief).objects.filter(pk=chief.pk).update(username="chief")
    chief.refresh_from_db()
    chief.set_password(PASSWORD)
    chief.save()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(ALARM)
    desk = Desk(context, live_server.url, chief)
    desk.page.on("dialog", lambda dialog: (desk.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    skipped = {
        "done",
        "put_back",
        "preview_with",
        "win_back_made",
        "win_back_remove",
        "preview_on_edit",
        "preview_on_add",
    }
    seen = [each for each in looks(shop) if each.name.rpartition(":")[2] not in skipped and "choosers" not in each.name]
    assert len(seen) > 60 and addresses(shop)
    for address in seen:
        desk.page.goto(live_server.url + address.url, wait_until="load")
        desk.page.wait_for_timeout(50)  # what a script puts into the page a moment later
        if ran(desk.page):
            desk.complaints.append(f"it ran on {address.name}")
    context.close()
    ours = [one for one in desk.complaints if "kwigaHit" in one or "ran on" in one or "dialog" in one]
    assert ours == []
