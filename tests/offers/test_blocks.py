"""The blocks of an offer page: rendered with real values, previewed, extended by a site."""

from __future__ import annotations

import io

import pytest
from django.core.files.base import ContentFile
from PIL import Image as Picture
from wagtail import blocks, hooks
from wagtail.blocks.struct_block import StructBlockValidationError
from wagtail.documents.models import Document
from wagtail.embeds.embeds import get_embed_hash
from wagtail.embeds.models import Embed
from wagtail.images.models import Image

from tests.offers.making import make_page, text_of
from tests.support import make_product
from wagtail_kwiga.catalogue.terms import AccessTerms, Length, Lessons, Release
from wagtail_kwiga.offers import video
from wagtail_kwiga.offers.blocks import offer_blocks
from wagtail_kwiga.offers.terms_blocks import ProductBlock

pytestmark = [
    pytest.mark.django_db,
    # Wagtail leaves the temporary file of a rendition to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]


def make_image() -> Image:
    file = io.BytesIO()
    Picture.new("RGB", (1600, 900), "teal").save(file, "PNG")
    return Image.objects.create(
        title="Teal", file=ContentFile(file.getvalue(), "teal.png"), description="A wash of teal"
    )


def make_document(name: str) -> Document:
    return Document.objects.create(title=name, file=ContentFile(b"x", name))


def test_every_block_on_one_page(client, seller):
    image = make_image()
    page = make_page(
        body=[
            ("hero", {"heading": "Paint", "lead": "Calmly.", "image": image, "button": "See"}),
            ("text", "<h2>Why</h2><p>Because.</p>"),
            ("image", {"image": image, "caption": "A wash"}),
            ("video", {"url": "https://vimeo.com/76979871", "caption": "A look inside", "poster": image}),
            ("lessons", {"heading": "Inside", "lessons": [{"title": "Water", "text": "Wet.", "length": "40 minutes"}]}),
            ("price", {"heading": "All of it", "points": ["Four lessons"], "note": "Taxes included"}),
            ("questions", {"heading": "Asked", "questions": [{"question": "Can I?", "answer": "<p>You can.</p>"}]}),
            ("call_to_action", {"heading": "Now", "text": "Tonight.", "button": "Begin"}),
        ]
    )
    response = client.get(page.url)
    words = text_of(response)
    for said in ("Paint Calmly. See", "Why Because.", "A wash", "Play the video", "Inside", "Water 40 minutes Wet.",
                 "All of it €120.00 Four lessons", "Asked Can I? You can.", "Now Tonight. Begin"):  # fmt: skip
        assert said in words
    html = response.content.decode()
    assert html.count("<h1") == 1
    assert 'alt="A wash of teal"' in html or 'alt=""' in html
    assert "<details>" in html


def test_empty_blocks_break_nothing(client, seller):
    page = make_page(
        body=[
            ("hero", {}),
            ("text", ""),
            ("video", {}),
            ("lessons", {"lessons": []}),
            ("price", {}),
            ("questions", {"questions": []}),
        ]
    )
    response = client.get(page.url)
    assert response.status_code == 200
    assert "<h1>Watercolour</h1>" in response.content.decode()  # a hero without a heading shows the title


def test_every_block_has_a_preview_and_a_description(admin_client):
    for name, block in offer_blocks():
        assert block.label, name
        if name != "image":  # there is no picture to show before a site has one
            assert block.is_previewable, name
            assert block.get_description(), name
            context = {"bound_block": block.bind(block.get_preview_value()), "page_title": "x"}
            from django.template.loader import render_to_string

            html = render_to_string(
                block.get_preview_template(block.get_preview_value()),
                block.get_preview_context(block.get_preview_value(), context),
            )
            assert "kwiga.css" in html


def test_a_site_adds_and_replaces_blocks(client, seller):
    class Quotation(blocks.CharBlock):
        class Meta:
            template = "wagtailcore/shared/richtext.html"

    with hooks.register_temporarily(
        "register_kwiga_offer_blocks", lambda: [("quotation", Quotation()), ("text", blocks.TextBlock())]
    ):
        names = dict(offer_blocks())
    assert "quotation" in names
    assert type(names["text"]) is blocks.TextBlock


# --- video ------------------------------------------------------------------------------------------------------------


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


# --- terms of access --------------------------------------------------------------------------------------------------


def terms(**given) -> AccessTerms:
    block = ProductBlock()
    return block.to_python({"product": make_product().pk, **given}).access_terms()


def test_a_product_alone_is_sold_without_any_limit(db):
    assert terms() == AccessTerms()


def test_each_choice_reaches_the_terms(db):
    assert terms(length="days", length_number=30).length == Length.days(30)
    assert terms(length="months", length_number=6).length == Length.months(6)
    assert terms(length="until", length_until="2027-12-31").length == Length.until("2027-12-31")
    assert terms(start="date", start_date="2027-09-01").start == "2027-09-01"
    assert terms(lessons="first", lessons_first=3).lessons == Lessons.first(3)
    assert terms(release="every", release_days=7).release == Release.every(7)
    rest = terms(new_lessons=False, practice="curator", checkpoints=True, comments=True, certificate=True)
    assert (rest.auto_open_new, rest.practice, rest.checkpoints, rest.comments, rest.certificate) == (
        False,
        "curator",
        True,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [({"length": "days"}, "length_number"), ({"length": "until"}, "length_until"), ({"start": "date"}, "start_date"),
     ({"lessons": "first"}, "lessons_first"), ({"release": "every"}, "release_days")],
)  # fmt: skip
def test_a_choice_that_needs_a_number_or_a_date(db, given, field):
    block = ProductBlock()
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(block.to_python({"product": make_product().pk, **given}))
    assert list(refusal.value.block_errors) == [field]
