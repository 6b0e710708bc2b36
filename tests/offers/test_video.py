"""Videos on an offer page: what the editor is told, what is kept, and that nobody is asked before the click."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from wagtail.blocks.struct_block import StructBlockValidationError
from wagtail.embeds.embeds import get_embed_hash
from wagtail.embeds.models import Embed

from tests.offers.making import make_document, make_image, make_page, text_of
from wagtail_kwiga.offers import video

pytestmark = [
    pytest.mark.django_db,
    # Wagtail leaves the temporary file of a rendition to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]


@pytest.mark.parametrize(
    ("url", "frame"),
    [
        ("https://www.youtube.com/watch?v=aqz-KE-bpKQ", "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"),
        ("https://youtu.be/aqz-KE-bpKQ?t=3", "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"),
        ("https://www.youtube.com/shorts/aqz-KE-bpKQ", "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"),
        ("https://vimeo.com/76979871", "https://player.vimeo.com/video/76979871?dnt=1"),
        ("https://vimeo.com/76979871/abc123", "https://player.vimeo.com/video/76979871?dnt=1&h=abc123"),
        ("https://www.youtube.com/watch?v=%22%3E%3Cscript", ""),
        ("https://youtube.com.evil.example/watch?v=aqz-KE-bpKQ", ""),
        ("https://example.com/film", ""),
    ],
)
def test_players_that_the_address_alone_tells(url, frame):
    assert video.known_frame(url) == frame


def test_nothing_is_asked_of_anybody_before_the_click(client, seller):
    page = make_page(body=[("video", {"url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ"})])
    html = client.get(page.url).content.decode()
    assert "<iframe" not in html
    for tag in ("src=", "poster="):
        for piece in html.split(tag)[1:]:
            assert not piece.startswith(('"http', '"//')), piece[:80]
    assert 'href="https://www.youtube.com/watch?v=aqz-KE-bpKQ"' in html  # without a script it is a link
    assert 'data-kwiga-video="https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"' in html


def test_what_the_provider_told_on_saving_is_used_on_viewing(client, seller):
    url = "https://www.dailymotion.com/video/x8abc"
    Embed.objects.create(
        hash=get_embed_hash(url), url=url, type="video", title="A film", width=1080, height=1920,
        html='<iframe src="https://geo.dailymotion.com/player.html?video=x8abc&amp;mute=1"></iframe>',
    )  # fmt: skip
    html = client.get(make_page(body=[("video", {"url": url})]).url).content.decode()
    assert 'data-kwiga-video="https://geo.dailymotion.com/player.html?video=x8abc&amp;mute=1"' in html
    assert 'data-ratio="9:16"' in html
    assert "A film" in html


def test_a_video_nobody_could_resolve_is_a_quiet_link(client, seller):
    html = client.get(make_page(body=[("video", {"url": "https://films.example/1"})]).url).content.decode()
    assert "Watch the video at films.example" in html
    assert "data-kwiga-video" not in html


def test_an_uploaded_file_with_subtitles(client, seller):
    page = make_page(
        body=[
            (
                "video",
                {"file": make_document("film.mp4"), "captions": make_document("film.vtt"), "poster": make_image()},
            )
        ]
    )
    html = client.get(page.url).content.decode()
    assert '<source src="/media/documents/film' in html
    assert 'type="video/mp4"' in html
    assert '<track kind="captions" src="/media/documents/film' in html
    assert 'preload="none"' in html
    assert 'poster="/media/images/' in html


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "url"),
        ({"url": "https://vimeo.com/1", "file": "film.mp4"}, "url"),
        ({"file": "film.exe"}, "file"),
        ({"file": "film.mp4", "captions": "film.srt"}, "captions"),
        ({"url": "https://example.com/nothing"}, "url"),
    ],
)
def test_an_editors_mistakes_are_told_at_their_field(given, field):
    block = video.VideoBlock()
    value = {name: make_document(each) if name in ("file", "captions") else each for name, each in given.items()}
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(block.normalize(value))
    assert field in refusal.value.block_errors


def test_an_embed_that_is_known_already_is_taken(db):
    url = "https://www.youtube.com/watch?v=aqz-KE-bpKQ"
    Embed.objects.create(
        hash=get_embed_hash(url), url=url, type="video", html='<iframe src="https://www.youtube.com/embed/aqz-KE-bpKQ">'
    )
    block = video.VideoBlock()
    assert block.clean(block.normalize({"url": url}))["url"] == url
    assert video.player_for(url).frame == "https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ"


def test_subtitles_go_with_a_file_only(db):
    block = video.VideoBlock()
    value = block.normalize({"url": "https://vimeo.com/76979871", "captions": make_document("film.vtt")})
    Embed.objects.create(
        hash=get_embed_hash(value["url"]), url=value["url"], type="video", html="<iframe src='https://x/'>"
    )
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(value)
    assert "provider brings its own" in str(refusal.value.block_errors["captions"])


# --- a provider of our own on the loopback interface ------------------------------------------------------------------


class _Provider(BaseHTTPRequestHandler):
    """Answers as oEmbed providers do: the number in the video's address is the status, 200 shows a player."""

    asked: ClassVar[list[str]] = []

    def do_GET(self):
        wanted = parse_qs(urlsplit(self.path).query)["url"][0]
        self.asked.append(wanted)
        status = int(wanted.rsplit("/", 1)[1].split("-")[0])
        film = {
            "type": "video",
            "html": '<iframe src="https://films.example/player/9"></iframe>',
            "width": 400,
            "height": 300,
        }
        photo = {"type": "photo", "url": "https://films.example/still.jpg", "width": 4, "height": 3}
        body = json.dumps(photo if wanted.endswith("photo") else {**film, "title": "A film"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Quietly."""


@pytest.fixture
def provider(settings, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    _Provider.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}/oembed"
    settings.WAGTAILEMBEDS_FINDERS = [
        {
            "class": "wagtail.embeds.finders.oembed",
            "providers": [{"endpoint": endpoint, "urls": [r"^https://films\.example/.+$", r"^https://vimeo\.com/.+$"]}],
        }
    ]
    yield _Provider.asked
    server.shutdown()
    server.server_close()
    thread.join()


def refusal_of(url: str) -> str:
    block = video.VideoBlock()
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(block.normalize({"url": url}))
    return str(refusal.value.block_errors["url"].messages[0])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://films.example/401", "private, deleted"),
        ("https://films.example/403", "private, deleted"),
        ("https://vimeo.com/404", "private, deleted"),
        ("https://films.example/500", "try again later"),
        ("https://films.example/200-photo", "no video that a page could play"),
        ("https://elsewhere.example/200", "No video provider that this site knows"),
    ],
)
def test_a_broken_or_private_video_is_told_to_the_editor(provider, url, said):
    assert said in refusal_of(url)
    assert not Embed.objects.filter(html__contains="iframe").exists()


def test_a_refusal_is_remembered_for_a_moment(provider):
    """The editor saves and previews by itself while somebody types; the provider is not asked each time."""
    for _ in range(3):
        refusal_of("https://films.example/500")
    assert len(provider) == 1
    cache.clear()
    refusal_of("https://films.example/500")
    assert len(provider) == 2


def test_a_provider_that_is_away_does_not_stop_an_address_that_tells_its_player(provider):
    video.look_up("https://vimeo.com/500")
    assert video.player_for("https://vimeo.com/500").frame == "https://player.vimeo.com/video/500?dnt=1"


def test_any_provider_is_asked_once_on_saving_and_never_on_viewing(client, seller, provider, admin_client):
    url = "https://films.example/200"
    block = video.VideoBlock()
    block.clean(block.normalize({"url": url}))
    page = make_page(body=[("video", {"url": url, "caption": "A look inside"})])
    assert provider == [url]
    for _ in range(2):
        html = client.get(page.url).content.decode()
    assert 'data-kwiga-video="https://films.example/player/9"' in html
    assert 'data-ratio="4:3"' in html
    assert provider == [url]


def test_a_page_saved_by_a_program_asks_nobody(client, seller, provider):
    page = make_page(body=[("video", {"url": "https://films.example/200"})])
    assert "Watch the video at films.example" in text_of(client.get(page.url))
    assert provider == []
    assert not Embed.objects.exists()


def test_nothing_is_prepared_for_a_third_party(client, seller):
    page = make_page(body=[("video", {"url": "https://vimeo.com/76979871", "poster": make_image()})])
    html = client.get(page.url).content.decode()
    for hint in ("preconnect", "dns-prefetch", "prefetch", "preload"):
        assert f'rel="{hint}"' not in html
    assert re.search(r'<img[^>]+src="/media/images/', html)
    assert "noreferrer" in html


def test_a_file_that_was_deleted_leaves_no_gap(client, seller):
    film = make_document("film.mp4")
    page = make_page(body=[("text", "<p>before</p>"), ("video", {"file": film, "caption": "A film"})])
    film.delete()
    response = client.get(page.url)
    assert response.status_code == 200
    assert b"<figure" not in response.content
