"""Blocks → MJML → HTML and text. Everything here is read out of the finished mail."""

from __future__ import annotations

import gc
import re
from html.parser import HTMLParser

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from wagtail.images.models import Image
from wagtail.images.tests.utils import get_test_image_file

from tests.mailing.making import RECOVERY
from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.mailing import placeholder_syntax, placeholders, references, rendering
from wagtail_kwiga.mailing.authoring import compiling, mjml, versions
from wagtail_kwiga.mailing.authoring.builtin_mails import Rich
from wagtail_kwiga.mailing.authoring.compiling import Block, compile_mail

VALUES = {
    "contact.first_name": "Ada",
    "order.title": "Watercolour & <ink>",
    "order.number": "10042",
    "order.total": "€120.00",
    "coupon.code": "COMEBACK15",
    "coupon.size": "15%",
    "coupon.deadline": "Valid for 24 hours, until Tuesday",
    "price.before": "€120.00",
    "price.after": "€102.00",
    "seller.name": "Riverside",
    "seller.address": "1 Mill Lane\nDublin",
}
LINKS = {
    "resume_url": "https://shop.example/resume/abc.def-1_2/",
    "pay_url": "https://shop.example/pay/abc/",
    "order_url": "https://shop.example/order/abc/",
    "access_url": "https://shop.example/course/",
    "unsubscribe_url": "https://shop.example/unsubscribe/abc/",
    "site.root": "https://shop.example",
}


def blocks_of(raw):
    return [Block(kind, {**value, "text": Rich(value["text"])} if kind == "text" else value) for kind, value in raw]


def compiled(raw=RECOVERY, *, subject="Hello", preheader="", kind="promotion", language="en"):
    return compile_mail(subject=subject, preheader=preheader, kind=kind, blocks=blocks_of(raw), language=language)


def filled(raw=RECOVERY, **given):
    mail = compiled(raw, **given)
    pictures = [name for name in mail.placeholders if name.startswith("picture.")]
    return rendering.fill(mail, VALUES, LINKS | references.addresses(pictures, site_id=None, language="en", pages={}))


class Reader(HTMLParser):
    """The words and attributes of a document, and whether its tags are closed properly."""

    VOID = {"meta", "br", "img", "hr", "link"}

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.hrefs: list[str] = []
        self.images: list[dict] = []
        self.attributes: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.hidden = 0
        self.feed(re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL))
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "a":
            self.hrefs.append(dict(attrs)["href"])
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if not self.stack or self.stack[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def urls_in(text: str) -> set[str]:
    return set(re.findall(r"(?:https?|mailto):[^\s)]+", text))


def test_the_recovery_mail_says_all_that_the_story_asks_for():
    mail = filled()
    for part in (Reader(mail.html).text, mail.text):
        for words in (
            "Ada",
            "15%",
            "€120.00",
            "€102.00",
            "COMEBACK15",
            "Valid for 24 hours, until Tuesday",
            "Riverside",
        ):
            assert words in part
    assert "Watercolour & <ink>" in mail.text
    assert "Watercolour &amp; &lt;ink&gt;" in mail.html
    assert "1 Mill Lane<br>Dublin" in mail.html
    assert "1 Mill Lane\nDublin" in mail.text


ALL_BLOCKS = [
    *RECOVERY,
    ("divider", {}),
    ("order_summary", {"title": "What you ordered"}),
    (
        "text",
        {"text": '<p>See <a href="/terms/?a=1&amp;b=2">our terms</a> or <a href="https://x.example/y">there</a>.</p>'},
    ),
    ("button", {"label": "Pay", "where": "pay", "url": ""}),
    ("button", {"label": "Look", "where": "order", "url": ""}),
    ("button", {"label": "In", "where": "access", "url": ""}),
    ("button", {"label": "Elsewhere", "where": "own", "url": "https://own.example/?q=1&r={x}"}),
]


def test_both_parts_have_the_same_links():
    mail = filled(ALL_BLOCKS)
    assert set(Reader(mail.html).hrefs) == urls_in(mail.text)
    assert "https://own.example/?q=1&r=%7Bx%7D" in urls_in(mail.text)
    assert "https://shop.example/terms/?a=1&b=2" in urls_in(mail.text)


def test_no_value_stands_in_an_attribute_but_our_own_links():
    source = compiled(ALL_BLOCKS, subject="{{ contact.first_name }}, hello", preheader="{{ coupon.code }}")
    for name, value in Reader(source.html).attributes:
        for token in placeholder_syntax.found_in(value):
            assert name in ("href", "src"), (name, value)
            assert placeholders.registry()[token.name].kind == "url"
        assert not placeholder_syntax.malformed_in(value)


def test_promotion_has_a_way_out_and_service_mail_has_none():
    assert "unsubscribe_url" in compiled(kind="promotion").placeholders
    assert "unsubscribe_url" not in compiled(kind="service").placeholders


def test_the_version_lists_what_it_uses_and_what_that_speaks_of():
    assert compiled(RECOVERY).placeholders == [
        "contact.first_name", "coupon.code", "coupon.deadline", "coupon.size", "coupon.valid_hours", "coupon.valid_until",
        "order.title", "price.after", "price.before", "resume_url", "seller.address", "seller.name", "unsubscribe_url",
    ]  # fmt: skip
    plain = compiled([("coupon_card", {"title": "", "show_prices": False, "show_deadline": False})], kind="service")
    assert plain.placeholders == ["coupon.code", "coupon.size", "seller.address", "seller.name"]


def test_the_head_knows_dark_mode_language_and_preview_line():
    html = filled(preheader="{{ coupon.size }} off").html
    assert '<meta name="color-scheme" content="light dark"' in html
    assert "prefers-color-scheme: dark" in html
    assert 'lang="en"' in html
    assert "15% off</div>" in html
    assert "fonts.googleapis" not in html
    assert "http-equiv" in html and "<script" not in html


def test_nothing_is_fetched_from_elsewhere():
    reader = Reader(filled(ALL_BLOCKS).html)
    assert not [value for name, value in reader.attributes if name in ("src", "background")]
    assert not re.findall(r"url\(|@import", filled(ALL_BLOCKS).html)


def test_a_language_from_right_to_left():
    html = filled(language="ar").html
    assert 'dir="rtl"' in html
    assert "text-align:right" in html
    assert "direction:ltr" not in html.replace(" ", "")  # MJML's own default, for every column
    english = filled(language="en").html.replace(" ", "")
    assert "direction:ltr" in english and "direction:rtl" not in english


@pytest.mark.parametrize("name", ["receipt", "payment_failed"])
def test_labels_and_values_keep_their_distance_in_either_direction(name):
    """The gap stood at the outer edge of an Arabic mail, where label and value ran into each other."""
    english, arabic = (versions.compiled_builtin(name, language).html for language in ("en", "ar"))
    assert "padding:9px 16px 9px 0" in english and "padding:9px 0 9px 16px" not in english
    assert "padding:9px 0 9px 16px" in arabic and "padding:9px 16px 9px 0" not in arabic
    assert "unicode-bidi:plaintext" in arabic and "unicode-bidi" not in english


def test_the_packages_own_words_speak_the_language_of_the_mail(settings):
    """The words come from gettext under the mail's language, whatever is active now."""
    with translation.override("de"):
        english = compiled(language="en")
    assert "Unsubscribe" in english.html
    assert translation.get_language() == "en"


def test_a_long_mail_stays_under_the_limit():
    long = [("text", {"text": "<p>" + "A sentence of some length for a long mail. " * 12 + "</p>"})] * 30
    assert compiled([*ALL_BLOCKS, *long]).size < compiling.MAX_BYTES


def test_every_kind_of_block_has_a_builder():
    from wagtail_kwiga.mailing.authoring.blocks import body_blocks

    assert {name for name, _block in body_blocks()} == set(mjml.BUILDERS)


NASTY = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40) | st.sampled_from(
    [
        "<b>",
        "</mj-text>",
        "</td></table>",
        "&lt;",
        "]]>",
        "<!--",
        '"><img src=x onerror=alert(1)>',
        "<mj-include path='/etc/passwd' />",
    ]
)


@settings(deadline=None, max_examples=60)
@given(words=NASTY, value=NASTY)
def test_no_word_of_an_editor_or_a_buyer_breaks_the_layout(words, value):
    if list(placeholder_syntax.found_in(words)) or placeholder_syntax.malformed_in(words):
        return
    raw = [
        ("heading", {"text": words + " {{ contact.first_name }}"}),
        ("button", {"label": words, "where": "resume", "url": ""}),
        ("coupon_card", {"title": words, "show_prices": True, "show_deadline": True}),
    ]
    source = compile_mail(subject=words, preheader=words, kind="promotion", blocks=blocks_of(raw), language="en")
    mail = rendering.fill(source, {**VALUES, "contact.first_name": value}, LINKS)
    reader = Reader(mail.html)  # asserts that all tags are closed
    assert set(reader.hrefs) == {LINKS["resume_url"], LINKS["unsubscribe_url"]}
    assert reader.images == []
    assert "onerror" not in [name for name, _value in reader.attributes]
    spoken = " ".join(f"{words} {value}".split())
    assert spoken in reader.text


def test_an_unknown_placeholder_is_refused_with_its_place():
    with pytest.raises(TemplateFault) as fault:
        compiled([("heading", {"text": "Hi"}), ("button", {"label": "{{ order.secret }}", "where": "pay", "url": ""})])
    assert fault.value.facts["where"] == "block 2 (button)"
    with pytest.raises(TemplateFault):
        compiled(subject="{{ order.user.password }}")
    with pytest.raises(TemplateFault):
        compiled([("text", {"text": '<p><a href="https://x/{{ contact.email }}">x</a></p>'})])


@pytest.fixture
def image(db):
    yield Image.objects.create(title="A boat", file=get_test_image_file(size=(1600, 800)))
    gc.collect()


#: Wagtail leaves the temporary file of a new rendition to the garbage collector.
wagtail_leaves_a_file_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@wagtail_leaves_a_file_open
def test_an_image_is_absolute_from_the_site(image):
    mail = filled([("image", {"image": image, "alt": 'A "boat" {{ contact.first_name | default: "there" }}'})])
    (shown,) = Reader(mail.html).images
    assert shown["src"].startswith("http://localhost/shop/picture/")
    assert shown["alt"] == 'A "boat" there'
    assert shown["width"] == "534"
    assert 'A "boat" there' in mail.text


@wagtail_leaves_a_file_open
def test_a_mail_whose_image_file_is_gone_still_goes_out(image):
    image.file.storage.delete(image.file.name)
    mail = filled([("image", {"image": image, "alt": "A boat"}), ("heading", {"text": "Hello"})])
    assert Reader(mail.html).images == []
    assert "Hello" in mail.html
    assert filled([("image", {"image": None, "alt": ""})]).text.startswith("———")
