"""What an offer sells and which coupons it takes, as an editor chooses it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from wagtail import blocks
from wagtail.blocks import BlockGroup
from wagtail.blocks.struct_block import StructBlockValidationError
from wagtail.snippets.blocks import SnippetChooserBlock

from wagtail_kwiga.catalogue.terms import AT_PAYMENT, AccessTerms, Length, Lessons, Release

ON_DATE = "date"
STARTS = [(AT_PAYMENT, _("as soon as the order is paid")), (ON_DATE, _("on a fixed date, for everybody"))]
LENGTHS = [
    ("unlimited", _("without end")),
    ("days", _("a number of days")),
    ("months", _("a number of months")),
    ("until", _("until a date")),
]
LESSONS = [("all", _("all lessons")), ("first", _("only the first ones"))]
RELEASES = [("all", _("all at once")), ("every", _("one after the other, every so many days"))]
PRACTICES = [
    ("none", _("nobody looks at it")),
    ("automatic", _("checked automatically")),
    ("curator", _("by a curator")),
]


class ProductValue(blocks.StructValue):
    """One product of an offer; reads as the terms it is sold on."""

    def access_terms(self) -> AccessTerms:
        """The terms as the frozen value that offers and orders keep. Numbers and dates left out fall back to the widest."""
        return AccessTerms(
            start=self._date("start_date") if self.get("start") == ON_DATE and self.get("start_date") else AT_PAYMENT,
            length=self._length(),
            lessons=Lessons.first(self["lessons_first"])
            if self.get("lessons") == "first" and self.get("lessons_first")
            else Lessons(),
            release=Release.every(self["release_days"])
            if self.get("release") == "every" and self.get("release_days")
            else Release(),
            auto_open_new=bool(self.get("new_lessons")),
            practice=self.get("practice") or "none",
            checkpoints=bool(self.get("checkpoints")),
            comments=bool(self.get("comments")),
            certificate=bool(self.get("certificate")),
        )

    def _length(self) -> Length:
        kind, number = self.get("length"), self.get("length_number")
        if kind in ("days", "months") and number:
            return Length(kind, number)
        if kind == "until" and self.get("length_until"):
            return Length.until(self["length_until"])
        return Length()

    def _date(self, name: str) -> str:
        return self[name].isoformat()


class ProductBlock(blocks.StructBlock):
    """A product and the access that buyers of this offer get to it."""

    product = SnippetChooserBlock("wagtail_kwiga.Product", label=_("Product"))
    length = blocks.ChoiceBlock(choices=LENGTHS, default="unlimited", label=_("Access lasts"))
    length_number = blocks.IntegerBlock(
        required=False, min_value=1, max_value=36500, label=_("How many days or months")
    )
    length_until = blocks.DateBlock(required=False, label=_("Last day"), help_text=_("That day included (UTC)."))
    start = blocks.ChoiceBlock(choices=STARTS, default=AT_PAYMENT, label=_("Access starts"))
    start_date = blocks.DateBlock(required=False, label=_("Start date"))
    lessons = blocks.ChoiceBlock(choices=LESSONS, default="all", label=_("Lessons"))
    lessons_first = blocks.IntegerBlock(required=False, min_value=1, max_value=10000, label=_("How many lessons"))
    release = blocks.ChoiceBlock(choices=RELEASES, default="all", label=_("Lessons open"))
    release_days = blocks.IntegerBlock(required=False, min_value=1, max_value=3650, label=_("Days between two lessons"))
    new_lessons = blocks.BooleanBlock(
        required=False,
        default=True,
        label=_("Open lessons that are added later"),
        help_text=_("Without any further doing."),
    )
    practice = blocks.ChoiceBlock(choices=PRACTICES, default="none", label=_("Practice work"))
    checkpoints = blocks.BooleanBlock(required=False, label=_("A lesson opens when the one before is done"))
    comments = blocks.BooleanBlock(required=False, label=_("Buyers may comment"))
    certificate = blocks.BooleanBlock(required=False, label=_("A certificate at the end"))

    class Meta:
        icon = "snippet"
        label = _("Product")
        description = _("A product, and the access that buyers of this offer get to it")
        label_format = "{product}"
        value_class = ProductValue
        form_layout = BlockGroup(
            children=["product", "length", "length_number", "length_until"],
            settings=[
                "start", "start_date", "lessons", "lessons_first", "release", "release_days", "new_lessons",
                "practice", "checkpoints", "comments", "certificate",
            ],
        )  # fmt: skip

    #: choice → its value → the field that must then be filled in.
    NEEDS = (
        ("length", "days", "length_number"),
        ("length", "months", "length_number"),
        ("length", "until", "length_until"),
        ("start", ON_DATE, "start_date"),
        ("lessons", "first", "lessons_first"),
        ("release", "every", "release_days"),
    )

    def clean(self, value: Any) -> Any:
        value = super().clean(value)
        missing = {
            needed for choice, chosen, needed in self.NEEDS if value.get(choice) == chosen and not value.get(needed)
        }
        if missing:
            raise StructBlockValidationError(
                block_errors={
                    name: ValidationError(_("Please fill this in, as it was chosen above.")) for name in missing
                }
            )
        return value


def product_blocks() -> list[tuple[str, blocks.Block]]:
    """What the field *products* of an offer page is made of."""
    return [("product", ProductBlock())]


def coupon_blocks() -> list[tuple[str, blocks.Block]]:
    """What the field *these coupons* of an offer page is made of."""
    return [("coupon", SnippetChooserBlock("wagtail_kwiga.Coupon", icon="tag", label=_("Coupon")))]
