"""What an offer page is built of. A site adds blocks of its own by the hook ``register_kwiga_offer_blocks``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail import blocks
from wagtail.images.blocks import ImageBlock

from wagtail_kwiga import hooks
from wagtail_kwiga.offers.terms_blocks import coupon_blocks, product_blocks
from wagtail_kwiga.offers.video import GROUP, SAMPLE, VideoBlock
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote

__all__ = ["coupon_blocks", "offer_blocks", "product_blocks"]

#: Rich text that stays within the page's typography.
TEXT_FEATURES = ["h2", "h3", "bold", "italic", "link", "document-link", "ol", "ul", "hr", "blockquote"]
ANSWER_FEATURES = ["bold", "italic", "link", "ol", "ul"]
_PREVIEW = "wagtail_kwiga/offers/blocks/preview.html"
#: How the picker groups the blocks.
_WORDS, _OFFER = GROUP, _("The offer")


class HeroBlock(blocks.StructBlock):
    """The top of the page: what it is, for whom, and the way to the order form."""

    heading = blocks.CharBlock(
        required=False,
        max_length=200,
        label=pgettext_lazy("sales", "Heading"),
        help_text=_("Left empty, the page's title is the heading."),
    )
    lead = blocks.TextBlock(
        required=False, label=pgettext_lazy("sales", "Introduction"), help_text=_("One or two sentences.")
    )
    image = ImageBlock(
        required=False,
        label=pgettext_lazy("sales", "Picture"),
        help_text=_("Also used as the picture where the page's address is shared."),
    )
    button = blocks.CharBlock(
        required=False,
        max_length=60,
        label=_("Words on the button"),
        help_text=_("The button leads to the order form. Left empty, there is no button."),
    )

    class Meta:
        icon = "title"
        group = _WORDS
        label = pgettext_lazy("sales", "Hero")
        description = _("The top of the page: heading, introduction, picture and a button to the order form")
        template = "wagtail_kwiga/offers/blocks/hero.html"
        preview_template = _PREVIEW
        preview_value = {
            "heading": _("Watercolour for beginners"),
            "lead": _("Four calm evenings, a box of eight colours, and pictures you will want to frame."),
            "button": _("See the price"),
        }

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        return {**(parent_context or {}), "sample": SAMPLE}


class TextBlock(blocks.RichTextBlock):
    """Running text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"features": TEXT_FEATURES, **kwargs})

    class Meta:
        icon = "pilcrow"
        group = _WORDS
        label = pgettext_lazy("sales", "Text")
        description = _("Headings, paragraphs, lists and links")
        template = "wagtail_kwiga/offers/blocks/text.html"
        preview_template = _PREVIEW
        preview_value = (
            "<h2>What you will learn</h2><p>How water, pigment and paper work together, and how to stop in time.</p>"
            "<ul><li>Washes without stripes</li><li>Light that stays light</li></ul>"
        )


class PictureBlock(blocks.StructBlock):
    """A picture with its caption."""

    image = ImageBlock(label=pgettext_lazy("sales", "Picture"))
    caption = blocks.CharBlock(
        required=False,
        max_length=255,
        label=pgettext_lazy("sales", "Caption"),
        help_text=_("Stands below the picture."),
    )

    class Meta:
        icon = "image"
        group = _WORDS
        label = pgettext_lazy("sales", "Image")
        description = _("A picture with a caption")
        template = "wagtail_kwiga/offers/blocks/image.html"
        preview_template = _PREVIEW
        preview_value = {"caption": _("A wash in three colours, painted in the second lesson")}

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        return {**(parent_context or {}), "sample": SAMPLE}


class LessonBlock(blocks.StructBlock):
    """One line of the list of lessons."""

    title = blocks.CharBlock(max_length=200, label=pgettext_lazy("sales", "Title"))
    text = blocks.TextBlock(required=False, rows=2, label=_("What it is about"))
    length = blocks.CharBlock(
        required=False, max_length=40, label=pgettext_lazy("sales", "Length"), help_text=_("For example: 40 minutes")
    )

    class Meta:
        icon = "list-ol"
        label = pgettext_lazy("sales", "Lesson")
        label_format = "{title}"


class LessonsBlock(blocks.StructBlock):
    """What is inside, lesson by lesson."""

    heading = blocks.CharBlock(required=False, max_length=200, label=pgettext_lazy("sales", "Heading"))
    lessons = blocks.ListBlock(LessonBlock(), label=pgettext_lazy("sales", "Lessons"))

    class Meta:
        icon = "list-ol"
        group = _OFFER
        label = pgettext_lazy("sales", "Lessons")
        description = _("What is inside, lesson by lesson")
        template = "wagtail_kwiga/offers/blocks/lessons.html"
        preview_template = _PREVIEW
        preview_value = {
            "heading": _("The lessons"),
            "lessons": [
                {"title": _("Water first"), "text": _("Paper, brush and how wet is wet."), "length": _("40 minutes")},
                {"title": _("Three colours are enough"), "text": _("Mixing without mud."), "length": _("55 minutes")},
                {"title": _("A sky in one go"), "text": "", "length": _("35 minutes")},
            ],
        }


class PriceBlock(blocks.StructBlock):
    """The price, as it is for this visitor at this moment, and what it buys."""

    heading = blocks.CharBlock(required=False, max_length=200, label=pgettext_lazy("sales", "Heading"))
    points = blocks.ListBlock(
        blocks.CharBlock(max_length=255, label=pgettext_lazy("sales", "Point")),
        required=False,
        default=[],
        label=_("What it includes"),
        help_text=_("A few words each; they stand below the price with a tick."),
    )
    note = blocks.CharBlock(
        required=False, max_length=255, label=_("Small print"), help_text=_("For example: All taxes included.")
    )

    class Meta:
        icon = "tag"
        group = _OFFER
        label = pgettext_lazy("sales", "Price")
        description = _("The price (a coupon's included), what it buys, and a button to the order form")
        template = "wagtail_kwiga/offers/blocks/price.html"
        preview_template = _PREVIEW
        preview_value = {
            "heading": _("The whole course"),
            "points": [_("Four lessons to keep"), _("A list of materials"), _("Answers within a day")],
            "note": _("All taxes included."),
        }

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        return {**(parent_context or {}), "quote": make_quote(Money(Decimal(120), "EUR"))}


class QuestionBlock(blocks.StructBlock):
    """One question and its answer."""

    question = blocks.CharBlock(max_length=255, label=pgettext_lazy("sales", "Question"))
    answer = blocks.RichTextBlock(features=ANSWER_FEATURES, label=pgettext_lazy("sales", "Answer"))

    class Meta:
        icon = "help"
        label = pgettext_lazy("sales", "Question")
        label_format = "{question}"


class QuestionsBlock(blocks.StructBlock):
    """Frequent questions that open on a click, without a script."""

    heading = blocks.CharBlock(required=False, max_length=200, label=pgettext_lazy("sales", "Heading"))
    questions = blocks.ListBlock(QuestionBlock(), label=pgettext_lazy("sales", "Questions"))

    class Meta:
        icon = "help"
        group = _OFFER
        label = pgettext_lazy("sales", "Questions")
        description = _("Frequent questions; each answer opens on a click")
        template = "wagtail_kwiga/offers/blocks/questions.html"
        preview_template = _PREVIEW
        preview_value = {
            "heading": pgettext_lazy("sales", "Questions"),
            "questions": [
                {"question": _("Do I need to be able to draw?"), "answer": "<p>No. We start with a wet brush.</p>"},
                {"question": _("How long can I watch the lessons?"), "answer": "<p>As long as you like.</p>"},
            ],
        }


class CallToActionBlock(blocks.StructBlock):
    """A last word and the way to the order form."""

    heading = blocks.CharBlock(max_length=200, label=pgettext_lazy("sales", "Heading"))
    text = blocks.TextBlock(required=False, rows=2, label=pgettext_lazy("sales", "Text"))
    button = blocks.CharBlock(
        required=False,
        max_length=60,
        label=_("Words on the button"),
        help_text=_("The button leads to the order form. Left empty, it says “Order now”."),
    )

    class Meta:
        icon = "arrow-right"
        group = _OFFER
        label = _("Call to action")
        description = _("A last word and a button to the order form")
        template = "wagtail_kwiga/offers/blocks/call_to_action.html"
        preview_template = _PREVIEW
        preview_value = {
            "heading": _("Ready for the first brushstroke?"),
            "text": _("You can start tonight."),
            "button": _("Order now"),
        }


def offer_blocks() -> list[tuple[str, blocks.Block]]:
    """The blocks an editor may use on an offer page: ours, then those of the site (a name of ours is replaced)."""
    ours: dict[str, blocks.Block] = {
        "hero": HeroBlock(),
        "text": TextBlock(),
        "image": PictureBlock(),
        "video": VideoBlock(),
        "lessons": LessonsBlock(),
        "price": PriceBlock(),
        "questions": QuestionsBlock(),
        "call_to_action": CallToActionBlock(),
    }
    for name, block in hooks.collect("register_kwiga_offer_blocks"):
        ours[name] = _previewed(block)
    return list(ours.items())


def _previewed(block: blocks.Block) -> blocks.Block:
    """A block of the site, shown in the picker with the look of an offer page unless it brings a preview of its own."""
    shows_itself = hasattr(block.meta, "preview_template") or (
        type(block).get_preview_template is not blocks.Block.get_preview_template
    )
    has_value = hasattr(block.meta, "preview_value") or (
        type(block).get_preview_value is not blocks.Block.get_preview_value
        or type(block).get_preview_context is not blocks.Block.get_preview_context
    )
    if has_value and not shows_itself:
        block.meta.preview_template = _PREVIEW
    return block
