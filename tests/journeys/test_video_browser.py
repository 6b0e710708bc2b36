"""A video on an offer page in a real browser: nobody is asked before the click; then the player is there, and has the focus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.journeys.visitors import FILM, all_blocks, picture
from tests.offers import making

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]

PLAYER = "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"


class Tab:
    """A tab from which nothing leaves the machine; ``strangers`` is what would have."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.strangers: list[str] = []
        context.route("**/*", self._guard)
        self.page: Page = context.new_page()

    def _guard(self, route: Route) -> None:
        if route.request.url.startswith((f"{self.origin}/", "data:")):
            route.continue_()
            return
        self.strangers.append(route.request.url)
        if route.request.resource_type == "document":  # stands in for the provider's player
            route.fulfill(content_type="text/html", body="<!doctype html><title>Film</title><button>Pause</button>")
        else:
            route.abort()


@pytest.fixture
def open_tab(browser, live_server) -> Iterator:
    contexts = []

    def begin(**options) -> Tab:
        contexts.append(browser.new_context(viewport={"width": 900, "height": 900}, locale="en-GB", **options))
        return Tab(contexts[-1], live_server.url)

    yield begin
    for context in contexts:
        context.close()


def address(live_server, **given) -> str:
    return live_server.url + making.make_page(body=[("video", {"url": FILM, "caption": "A look inside", **given})]).url


def test_no_request_leaves_the_site_before_the_click(live_server, open_tab):
    tab = open_tab()
    page = making.make_page(body=all_blocks(picture()))
    tab.page.goto(live_server.url + page.url)
    tab.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    tab.page.get_by_text("Do I need to be able to draw?").click()
    tab.page.get_by_role("link", name="Play the video").hover()
    tab.page.wait_for_load_state("networkidle")
    assert tab.strangers == []
    assert tab.page.frames[1:] == []


def test_a_click_puts_the_player_where_the_poster_was(live_server, open_tab):
    tab = open_tab()
    tab.page.goto(address(live_server, poster=picture()))
    poster = tab.page.get_by_role("link", name="Play the video")
    image = poster.locator("img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("each => each.currentSrc").startswith(f"{live_server.url}/media/")
    before = poster.bounding_box()
    poster.click()
    expect(tab.page.frame_locator("iframe").get_by_role("button", name="Pause")).to_be_visible()
    frame = tab.page.locator("iframe")
    assert tab.strangers == [f"{PLAYER}?autoplay=1"]
    assert frame.bounding_box() == before  # nothing jumps
    expect(frame).to_have_attribute("title", "A look inside")
    expect(frame).to_have_attribute("referrerpolicy", "strict-origin-when-cross-origin")
    expect(frame).to_be_focused()
    expect(poster).to_have_count(0)


def test_it_is_started_and_left_by_the_keyboard(live_server, open_tab):
    tab = open_tab()
    tab.page.goto(address(live_server))
    poster = tab.page.get_by_role("link", name="Play the video")
    for _press in range(10):
        tab.page.keyboard.press("Tab")
        if poster.evaluate("each => each === document.activeElement"):
            break
    expect(poster).to_be_focused()
    assert poster.evaluate("each => parseFloat(getComputedStyle(each).outlineWidth)") >= 2
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator("iframe")).to_be_focused()
    tab.page.frame_locator("iframe").get_by_role("button").wait_for()
    tab.page.wait_for_load_state("networkidle")
    tab.page.keyboard.press("Tab")
    expect(tab.page.frame_locator("iframe").get_by_role("button", name="Pause")).to_be_focused()
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_label("Your name")).to_be_focused()


def test_a_click_that_asks_for_another_tab_is_left_to_the_browser(live_server, open_tab):
    tab = open_tab()
    tab.page.goto(address(live_server))
    # Listening after ours, and going nowhere: a new tab's first request could not be held back.
    tab.page.evaluate(
        "document.addEventListener('click', event => { window.left = !event.defaultPrevented; event.preventDefault(); })"
    )
    tab.page.get_by_role("link", name="Play the video").click(modifiers=["ControlOrMeta"])
    assert tab.page.evaluate("window.left") is True
    assert tab.strangers == []
    expect(tab.page.locator("iframe")).to_have_count(0)


def test_without_javascript_it_is_a_link(live_server, open_tab):
    tab = open_tab(java_script_enabled=False)
    tab.page.goto(address(live_server))
    assert tab.strangers == []
    tab.page.get_by_role("link", name="Play the video").click()
    tab.page.wait_for_url(FILM)


def test_an_uploaded_film_is_not_fetched_before_it_is_started(live_server, open_tab):
    tab = open_tab()
    film, words = making.make_document("film.mp4"), making.make_document("film.vtt")
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.goto(address(live_server, url="", file=film, captions=words, poster=picture()))
    tab.page.wait_for_load_state("networkidle")
    assert [url for url in asked if "film" in url and url.endswith(".mp4")] == []
    video = tab.page.locator("video")
    expect(video).to_have_js_property("paused", True)
    assert video.evaluate("each => [...each.textTracks].map(track => [track.kind, track.label, track.language])") == [
        ["captions", "Subtitles", "en"]
    ]
    assert tab.strangers == []
