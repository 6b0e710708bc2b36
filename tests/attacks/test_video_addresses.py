"""Attacked: the server itself, by way of addresses that an editor types or imports (server-side request forgery).

Two real servers listen on loopback. One stands for something inside that nobody may reach, and records whoever comes; the other is
a video provider whose answers are as bad as answers can be.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ValidationError

from tests.attacks.ground import holds
from tests.mailing.making import make_template
from tests.offers.making import block, make_page
from tests.support import make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.offers.video import VideoBlock

pytestmark = pytest.mark.django_db


class Server:
    """An HTTP server on loopback that records what it was asked for and answers what it was told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                status, headers, body = outer.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_HEAD = do_GET

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.root = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def inside():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def provider(settings):
    """A provider with a pattern as lax as some of Wagtail's own: what looks like its host may stand in the path."""
    server = Server()
    settings.WAGTAILEMBEDS_FINDERS = [
        {
            "class": "wagtail.embeds.finders.oembed",
            "providers": [{"endpoint": f"{server.root}/oembed", "urls": [r"^https?://.+?\.videos\.example/.+$"]}],
        }
    ]
    yield server
    server.close()


def type_in(url: str) -> str:
    """What an editor is told who types ``url``; empty where it is taken."""
    video = VideoBlock()
    try:
        video.clean(video.to_python({"url": url}))
    except ValidationError as fault:
        words = [str(each) for error in fault.block_errors.values() for each in error.messages]
        assert words
        return " ".join(words)
    return ""


HOSTS = [
    "127.0.0.1:{port}",
    "localhost:{port}",
    "LOCALHOST:{port}",
    "localhost.:{port}",
    "app.localhost:{port}",
    "[::1]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "127.1:{port}",
    "0:{port}",
    "0.0.0.0:{port}",
    "2130706433:{port}",
    "0x7f.1:{port}",
    "0177.0.0.1:{port}",
    "127.0.0.1.:{port}",
    "①②⑦.⓪.⓪.①:{port}",
    "127。0。0。1:{port}",
    "www.videos.example@127.0.0.1:{port}",
    "127.0.0.1:{port}@x.videos.example:{port}",
    "x.videos.example:{port}",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "169.254.169.254",
    "metadata.google.internal",
    "printer.local",
    "[fe80::1%25eth0]",
    "intranet",
    "",
]
PATHS = [
    "/",
    "/x.videos.example/1",
    "/?https://x.videos.example/1",
    "/#https://x.videos.example/1",
    "/latest/meta-data/",
]


def test_no_address_makes_the_server_ask_itself_or_its_neighbours(inside, provider):
    for host in HOSTS:
        for path in PATHS:
            for scheme in ("http", "https"):
                url = f"{scheme}://{host.format(port=inside.port)}{path}"
                assert type_in(url), url
    assert inside.asked == []
    assert provider.asked == [], "a provider was asked about an address inside"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_GET",
        "ftp://127.0.0.1:{port}/x.videos.example/1",
        "dict://127.0.0.1:{port}/x",
        "ldap://127.0.0.1:{port}/x",
        "javascript:alert(1)//x.videos.example/1",
        "data:text/html,x",
        "http://x.videos.example\r\nHost: 127.0.0.1/1",
        "http://x.videos.example\x00/1",
        "http://x.videos.example\\@127.0.0.1:{port}/1",
        "http:/\\127.0.0.1:{port}/x.videos.example/1",
        "http://[::1/x.videos.example/1",
        "http://x.videos.example:port/1",
        "http://" + "a" * 5_000 + ".videos.example/1",
    ],
)
def test_no_other_scheme_and_no_broken_address(inside, provider, url):
    assert type_in(url.format(port=inside.port))
    assert inside.asked == provider.asked == []


def video(**given) -> bytes:
    return json.dumps({"type": "video", "html": "", "width": 640, "height": 360, **given}).encode()


def frame(src: str) -> str:
    return f'<iframe src="{src}" onload="alert(1)"></iframe><script>alert(1)</script>'


ANSWERS: dict[str, tuple[int, bytes]] = {
    "no JSON": (200, b"<html>"),
    "nothing": (200, b""),
    "half a JSON": (200, b'{"type": "video", "html"'),
    "a list": (200, b"[]"),
    "a number": (200, b"7"),
    "a text": (200, b'"type"'),
    "null": (200, b"null"),
    "no type": (200, b"{}"),
    "a photo of nothing": (200, b'{"type": "photo"}'),
    "a strange type": (200, video(type="x" * 500)),
    "a type that is none": (200, video(type=None)),
    "html that is none": (200, video(html=["x"])),
    "numbers that are none": (200, video(width="NaN", height="1e400", html=frame("https://a.videos.example/1"))),
    "numbers too large": (200, video(width=2**80, height=-1)),
    "a title without end": (200, video(title="t" * 300_000, html=frame("https://a.videos.example/1"))),
    "a title that is none": (200, video(title={"a": 1})),
    "frames without end": (200, video(html="<iframe " * 100_000)),
    "NUL": (200, video(html="\x00" + frame("https://a.videos.example/1"), title="\x00")),
    "a lone surrogate": (200, b'{"type": "video", "html": "\\ud800", "title": "\\ud800"}'),
    "bytes that are no text": (200, b"\xff\xfe\x00"),
    "an age that is none": (200, video(cache_age="soon")),
    "an age without end": (200, video(cache_age=10**15)),
    "a deep nest": (200, b"[" * 100_000),
    "gone": (404, b""),
    "forbidden": (403, b""),
    "broken": (500, b"x" * 100_000),
    "a frame of a script": (200, video(html=frame("javascript:alert(1)"))),
    "a frame without TLS": (200, video(html=frame("http://a.videos.example/1"))),
    "a frame inside": (200, video(html=frame("https://127.0.0.1/x"))),
    "a frame of data": (200, video(html=frame("data:text/html,x"))),
    "markup in the address": (200, video(html=frame("https://a.videos.example/1&quot;&gt;&lt;script&gt;alert(1)"))),
    "markup in the title": (200, video(html=frame("https://a.videos.example/1"), title='"><script>alert(1)</script>')),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_a_provider_that_answers_nonsense(visitor, shopfront, provider, what):
    """The editor is told in words, or the video is taken; and what is shown of it to visitors runs nothing."""
    provider.answer = (*ANSWERS[what][:1], {"Content-Type": "application/json"}, ANSWERS[what][1])
    url = f"https://www.videos.example/{len(what)}"
    words = type_in(url)
    assert provider.asked
    if not words:
        shown = make_page("Video", body=[block("video", {"url": url, "caption": "x"})])
        html = holds(visitor.get(shown.url)).content.decode()
        for bad in ("javascript:", 'data-kwiga-video="http:', 'data-kwiga-video="https://127', 'video="data:'):
            assert bad not in html


def test_showing_a_page_asks_nobody(visitor, shopfront, inside, provider):
    urls = [f"http://127.0.0.1:{inside.port}/x.videos.example/1", "https://www.videos.example/9"]
    page = make_page("Videos", body=[block("video", {"url": url, "caption": "x"}) for url in urls])
    before = list(provider.asked)
    for _time in range(2):
        holds(visitor.get(page.url))
    assert inside.asked == []
    assert provider.asked == before


def test_no_other_address_that_is_typed_is_ever_asked_for(visitor, shopfront, inside):
    """Way in of a product, terms of sale, links in mails: they are kept and shown, and nobody goes there."""
    here = f"{inside.root}/course/"
    settings = m.KwigaSettings.objects.get()
    settings.legal = [("url", here)]
    settings.save()
    page = make_page("Links", products=[make_product(entry_url=here)])
    button = ("button", {"label": "Go", "where": "own", "url": here})
    versions.for_template(make_template([("text", "<p>Hello</p>"), button]), "en")
    holds(visitor.get(page.url))
    assert inside.asked == []
