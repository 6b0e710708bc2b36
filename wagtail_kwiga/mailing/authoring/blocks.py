"""What an e-mail is composed of. How each block becomes mail is told in ``mjml``."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail import blocks
from wagtail.images.blocks import ImageChooserBlock

from wagtail_kwiga.mailing.authoring import sample_data, validation


class MailBlock(blocks.StructBlock):
    """A block of a mail: checks its placeholders as soon as it is saved, and previews as the mail it becomes."""

    class Meta:
        abstract = True
        preview_template = "wagtail_kwiga/mailing/block_preview.html"
        group = pgettext_lazy("sales", "E-mail")

    def clean(self, value: Any) -> Any:
        cleaned = super().clean(value)
        found: dict[str, list[str]] = {}
        for field, (message, _name) in validation.mistakes_in_block(self.name, cleaned):
            found.setdefault(field, []).append(message)
        if found:
            raise blocks.StructBlockValidationError(
                block_errors={field: ValidationError(messages) for field, messages in found.items()}
            )
        return cleaned

    def get_preview_value(self) -> Any:
        """The example in the language of the admin."""
        given = self.meta.preview_value
        return self.normalize({name: str(one) if isinstance(one, Promise) else one for name, one in given.items()})

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        context = super().get_preview_context(value, parent_context)
        return {**context, "mail": sample_data.block(self.name, value)}


class HeadingBlock(MailBlock):
    text = blocks.CharBlock(
        label=pgettext_lazy("sales", "Heading"),
        max_length=150,
        help_text=_('Placeholders work: {{ contact.first_name | default: "there" }}.'),
    )

    class Meta:
        icon = "title"
        label = pgettext_lazy("sales", "Heading")
        description = _("A line in large letters.")
        preview_value = {"text": _("Your place is still free")}


class TextBlock(MailBlock):
    text = blocks.RichTextBlock(
        label=pgettext_lazy("sales", "Text"),
        features=["bold", "italic", "link", "ol", "ul"],
        help_text=_(
            'Placeholders work: {{ contact.first_name | default: "there" }}, {{ order.title }}, {{ price.after }} …'
        ),
    )

    class Meta:
        icon = "pilcrow"
        label = pgettext_lazy("sales", "Text")
        description = _("Paragraphs and lists.")
        preview_value = {"text": _("<p>Hello Ada, you began an order with us. <b>We kept it for you.</b></p>")}


class ImageBlock(MailBlock):
    image = ImageChooserBlock(label=pgettext_lazy("sales", "Image"))
    alt = blocks.CharBlock(
        label=_("What it shows"),
        required=False,
        max_length=250,
        help_text=_("Read out, and shown where images are off. Leave empty if it only decorates."),
    )

    class Meta:
        icon = "image"
        label = pgettext_lazy("sales", "Image")
        description = _("A picture across the mail. The mail must make sense without it: many programs hide images.")
        preview_value = {"image": None, "alt": ""}
        # Which picture of the site would do nobody knows, so there is a drawn one.
        preview_template = "wagtail_kwiga/mailing/image_preview.html"


class ButtonBlock(MailBlock):
    label = blocks.CharBlock(label=_("Words on the button"), max_length=60)
    where = blocks.ChoiceBlock(
        label=_("Leads to"),
        choices=[
            ("resume", _("the offer, filled in, with the coupon")),
            ("pay", _("paying the order")),
            ("order", _("the page of the order")),
            ("access", _("the way in to what was bought")),
            ("own", _("an address of your own")),
        ],
        default="resume",
    )
    url = blocks.URLBlock(
        label=_("Address of your own"), required=False, help_text=_("Counts under “an address of your own”.")
    )

    class Meta:
        icon = "link"
        label = pgettext_lazy("sales", "Button")
        description = _("The one thing to do. A mail with one button works best.")
        preview_value = {"label": _("Back to my order"), "where": "resume", "url": ""}


class CouponCardBlock(MailBlock):
    title = blocks.CharBlock(
        label=_("Line on top"), required=False, max_length=100, help_text=_("Left empty: “Your discount”.")
    )
    show_prices = blocks.BooleanBlock(label=_("Price before and after"), required=False, default=True)
    show_deadline = blocks.BooleanBlock(
        label=_("Until when it holds"),
        required=False,
        default=True,
        help_text=_("Date, time and hours. Only for coupons that end: the mail promises what the checkout keeps."),
    )

    class Meta:
        icon = "tag"
        label = _("Coupon card")
        description = _("Code, size of the discount, price before and after, and until when it holds.")
        preview_value = {"title": "", "show_prices": True, "show_deadline": True}


class OrderSummaryBlock(MailBlock):
    title = blocks.CharBlock(
        label=_("Line on top"), required=False, max_length=100, help_text=_("Left empty: “Your order”.")
    )

    class Meta:
        icon = "list-ul"
        label = _("Order summary")
        description = _("Number, title and total of the order.")
        preview_value = {"title": ""}


class OrderDetailsBlock(MailBlock):
    title = blocks.CharBlock(
        label=_("Line on top"), required=False, max_length=100, help_text=_("Left empty: “Your order”.")
    )

    class Meta:
        icon = "doc-full"
        label = _("Order in full")
        description = _("Everything that was agreed to: products, price, discount, seller, buyer, terms of sale.")
        preview_value = {"title": ""}


class HowToPayBlock(MailBlock):
    title = blocks.CharBlock(
        label=_("Line on top"), required=False, max_length=100, help_text=_("Left empty: “How to pay”.")
    )

    class Meta:
        icon = "decimal"
        label = _("How to pay")
        description = _("For a bank transfer account, reference and QR code; for every other order a button to pay.")
        preview_value = {"title": ""}


class DividerBlock(MailBlock):
    class Meta:
        icon = "minus"
        label = pgettext_lazy("sales", "Divider")
        description = _("A thin line.")
        preview_value: dict[str, Any] = {}


def body_blocks() -> list[tuple[str, blocks.Block]]:
    """The blocks an editor composes mails of, as (name, block)."""
    return [
        ("heading", HeadingBlock()),
        ("text", TextBlock()),
        ("image", ImageBlock()),
        ("button", ButtonBlock()),
        ("coupon_card", CouponCardBlock()),
        ("order_summary", OrderSummaryBlock()),
        ("order_details", OrderDetailsBlock()),
        ("how_to_pay", HowToPayBlock()),
        ("divider", DividerBlock()),
    ]
