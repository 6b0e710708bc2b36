"""The blocks of an offer page: rendered with real values, previewed, extended by a site."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from wagtail import blocks, hooks

from tests.offers.making import make_image, make_page, text_of
from wagtail_kwiga import models as m
from wagtail_kwiga.offers.blocks import offer_blocks

pytestmark = [
    pytest.mark.django_db,
    # Wagtail leaves the temporary file of a rendition to the garbage collector.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning"),
]


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


def preview_of(admin_client, block):
    """What the picker shows, as the admin serves it."""
    return admin_client.get(reverse("wagtailadmin_block_preview"), {"id": block.definition_prefix})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hero", "Watercolour for beginners Four calm evenings"),
        ("text", "What you will learn How water"),
        ("image", "A wash in three colours"),
        ("video", "Play the video"),
        ("lessons", "Water first 40 minutes"),
        ("price", "The whole course €120.00 Four lessons to keep"),
        ("questions", "Do I need to be able to draw?"),
        ("call_to_action", "Ready for the first brushstroke?"),
    ],
)
def test_the_picker_shows_each_block_with_our_look(admin_client, django_assert_max_num_queries, name, said):
    block = m.OfferPage.body.field.stream_block.child_blocks[name]
    assert block.is_previewable
    assert block.label
    assert block.get_description()
    assert block.meta.group
    assert block.meta.icon != blocks.Block().meta.icon
    with django_assert_max_num_queries(12):
        answer = preview_of(admin_client, block)
    assert answer.status_code == 200
    assert said in text_of(answer)
    html = answer.content.decode()
    assert "wagtail_kwiga/kwiga.css" in html
    assert 'class="kwiga"' in html
    assert '<meta name="robots" content="noindex">' in html
    assert not re.search(r"""(src|href|poster)=["'](https?:)?//(?!www\.youtube\.com/watch)""", html)


def test_every_field_of_every_block_is_named_and_the_less_plain_ones_explained():
    def all_below(block):
        yield block
        for child in getattr(block, "child_blocks", {}).values():
            yield from all_below(child)
        if isinstance(block, blocks.ListBlock):
            yield from all_below(block.child_block)

    for name, block in offer_blocks():
        for each in all_below(block):
            assert each.label or each is block, (name, each)
    ours = dict(offer_blocks())
    for name in ("hero", "price", "call_to_action", "video"):
        assert any(child.field.help_text for child in ours[name].child_blocks.values() if hasattr(child, "field")), name


def test_a_site_s_own_blocks_are_previewed_in_the_same_look(admin_client):
    class Quotation(blocks.CharBlock):
        class Meta:
            preview_value = "Stop in time."

    class OwnPreview(blocks.CharBlock):
        class Meta:
            preview_value = "x"
            preview_template = "mine.html"

    own = [("quotation", Quotation()), ("own", OwnPreview()), ("bare", blocks.CharBlock())]
    with hooks.register_temporarily("register_kwiga_offer_blocks", lambda: own):
        found = blocks.StreamBlock(offer_blocks()).child_blocks
    answer = preview_of(admin_client, found["quotation"])
    assert "Stop in time." in text_of(answer)
    assert "wagtail_kwiga/kwiga.css" in answer.content.decode()
    assert found["own"].meta.preview_template == "mine.html"
    assert not found["bare"].is_previewable


def test_one_heading_of_the_first_level_wherever_the_hero_stands(client, seller):
    page = make_page(body=[("text", "<p>first</p>"), ("hero", {"heading": "Paint"})])
    assert client.get(page.url).content.count(b"<h1") == 1
    page.body.append(("hero", {"heading": "Twice"}))
    with pytest.raises(ValidationError):
        page.body.stream_block.clean(page.body)


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
