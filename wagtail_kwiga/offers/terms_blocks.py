"""What an offer sells and which coupons it takes, as an editor chooses it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail import blocks
from wagtail.admin.utils import get_user_display_name
from wagtail.blocks import BlockGroup
from wagtail.blocks.list_block import ListBlockValidationError
from wagtail.blocks.struct_block import StructBlockValidationError
from wagtail.snippets.blocks import SnippetChooserBlock

from wagtail_kwiga.catalogue.access_rules import Length, Lessons, Release, Start
from wagtail_kwiga.catalogue.terms import AccessTerms

STARTS = [
    ("payment", _("as soon as the order is paid")),
    ("date", _("on a fixed date, for everybody")),
    ("not_before", _("as soon as the order is paid, but not before a date")),
    ("days_after", _("a number of days after the order is paid")),
]
LENGTHS = [
    ("unlimited", _("without end")),
    ("days", _("a number of days")),
    ("months", _("a number of months")),
    ("until", _("until a date")),
]
LESSONS = [
    ("all", _("all lessons")),
    ("first", _("only the first ones")),
    ("chosen", _("only the ones listed here")),
]
RELEASES = [
    ("course", _("as the course itself says")),
    ("all", _("all at once")),
    ("every", _("one after the other, every so many days")),
    ("dated", _("on the dates listed here")),
    ("after_previous", _("each after the one before is finished")),
]
PRACTICES = [
    ("none", _("nobody looks at it")),
    ("automatic", _("checked automatically")),
    ("by_instructor", _("by an instructor")),
]


def keys_in(text: str | None) -> tuple[str, ...]:
    """The keys of lessons in ``text``, one a line; each counts once."""
    return tuple(dict.fromkeys(filter(None, (line.strip() for line in (text or "").splitlines()))))


def instructors() -> list[tuple[str, str]]:
    """Everybody who may work in the Wagtail admin, as choices."""
    users = ModelBackend().with_perm("wagtailadmin.access_admin")
    # A site's own user model need not know full names, hence Wagtail's way to call people.
    return sorted(((str(user.pk), get_user_display_name(user)) for user in users), key=lambda each: each[1].casefold())


class ProductValue(blocks.StructValue):
    """One product of an offer; reads as the terms it is sold on."""

    def access_terms(self, zone: str = "UTC") -> AccessTerms:
        """The terms as the frozen value that offers and orders keep. Numbers and dates left out fall back to the widest.

        ``zone`` is the IANA name of the zone in which their days are meant.
        """
        return AccessTerms(
            zone=zone,
            start=self._start(),
            length=self._length(),
            lessons=self._lessons(),
            release=self._release(),
            auto_open_new=bool(self.get("new_lessons")),
            practice=self.get("practice") or "none",
            checkpoints=bool(self.get("checkpoints")),
            comments=bool(self.get("comments")),
            certificate=bool(self.get("certificate")),
            instructors=tuple(self.get("instructors") or ()),
        )

    def _start(self) -> Start:
        kind = self.get("start")
        if kind in ("date", "not_before") and self.get("start_date"):
            return Start(kind, day=self["start_date"].isoformat())
        if kind == "days_after" and self.get("start_days"):
            return Start.days_after(self["start_days"])
        return Start()

    def _length(self) -> Length:
        kind, number = self.get("length"), self.get("length_number")
        if kind in ("days", "months") and number:
            return Length(kind, number, extends=bool(self.get("extends")))
        if kind == "until" and self.get("length_until"):
            return Length.until(self["length_until"])
        return Length()

    def _lessons(self) -> Lessons:
        kind, known = self.get("lessons"), keys_in(self.get("lessons_known"))
        new_in = keys_in(self.get("new_lessons_in"))
        if kind == "first" and self.get("lessons_first"):
            return Lessons.first(self["lessons_first"])
        keys, modules = keys_in(self.get("lessons_chosen")), keys_in(self.get("modules_chosen"))
        if kind == "chosen" and (keys or modules):
            return Lessons.chosen(keys, modules=modules, known=known, new_in=new_in)
        return Lessons(known=known, new_in=new_in)

    def _release(self) -> Release:
        kind = self.get("release")
        if kind in ("all", "after_previous"):
            return Release(kind)
        if kind == "every" and self.get("release_days"):
            return Release.every(self["release_days"])
        if kind == "dated":
            rows = [row for row in self.get("release_dates") or () if row.get("lesson") and row.get("date")]
            return Release.dated({row["lesson"].strip(): row["date"] for row in rows}) if rows else Release()
        return Release()


class LessonDateBlock(blocks.StructBlock):
    """A lesson and the day on which it opens."""

    lesson = blocks.CharBlock(max_length=100, label=_("Key of the lesson"))
    date = blocks.DateBlock(label=_("Opens on"))

    class Meta:
        icon = "date"
        label = pgettext_lazy("sales", "Lesson")
        label_format = "{lesson}"


class ProductBlock(blocks.StructBlock):
    """A product and the access that buyers of this offer get to it."""

    product = SnippetChooserBlock("wagtail_kwiga.Product", label=pgettext_lazy("sales", "Product"))
    price_share = blocks.DecimalBlock(
        required=False,
        min_value=Decimal("0.0001"),
        max_digits=14,
        decimal_places=4,
        label=_("Share of the price"),
        help_text=_(
            "Counts where several products are sold together: how much of the price falls to this one, relative to the "
            "others, as in 80 and 20. Most simply the price that each would have alone. Left empty on all: equal shares."
        ),
    )
    length = blocks.ChoiceBlock(choices=LENGTHS, default="unlimited", label=_("Access lasts"))
    length_number = blocks.IntegerBlock(
        required=False,
        min_value=1,
        max_value=36500,
        label=_("How many days or months"),
        help_text=_("Counts under “a number of days” and “a number of months”."),
    )
    length_until = blocks.DateBlock(
        required=False,
        label=_("Last day"),
        help_text=_("Counts under “until a date”. That day included, in the time zone of this site."),
    )
    extends = blocks.BooleanBlock(
        required=False,
        label=_("Extends the access the buyer has"),
        help_text=_(
            "For renewals, with a number of days or months: they are added to the end of the access that the buyer has, so "
            "whoever renews early loses nothing. Without access they count from the start as usual."
        ),
    )
    start = blocks.ChoiceBlock(choices=STARTS, default="payment", label=_("Access starts"))
    start_date = blocks.DateBlock(
        required=False,
        label=_("Start date"),
        help_text=_(
            "Counts under “on a fixed date” and “not before a date”. The day begins at midnight in the time zone of this site."
        ),
    )
    start_days = blocks.IntegerBlock(
        required=False,
        min_value=1,
        max_value=3650,
        label=_("Days after the payment"),
        help_text=_("Counts under “a number of days after the order is paid”."),
    )
    lessons = blocks.ChoiceBlock(choices=LESSONS, default="all", label=pgettext_lazy("sales", "Lessons"))
    lessons_first = blocks.IntegerBlock(
        required=False,
        min_value=1,
        max_value=10000,
        label=_("How many lessons"),
        help_text=_("Counts under “only the first ones”."),
    )
    lessons_chosen = blocks.TextBlock(
        required=False,
        rows=3,
        label=_("These lessons"),
        help_text=_(
            "Counts under “only the ones listed here”. One key a line, as your course pages call their lessons."
        ),
    )
    modules_chosen = blocks.TextBlock(
        required=False,
        rows=3,
        label=_("These modules"),
        help_text=_(
            "Counts under “only the ones listed here”: all lessons of these modules. One key a line, as your course pages "
            "call their modules; one that has no lessons yet may be among them."
        ),
    )
    new_lessons = blocks.BooleanBlock(
        required=False,
        default=True,
        label=_("Open lessons that are added later"),
        help_text=_("They open by themselves. With “only the first ones” their number stays as it is."),
    )
    new_lessons_in = blocks.TextBlock(
        required=False,
        rows=2,
        label=_("Later lessons only in these modules"),
        help_text=_("One key a line. Left empty: wherever they are added."),
    )
    lessons_known = blocks.TextBlock(
        required=False,
        rows=3,
        label=_("Lessons there are today"),
        help_text=_(
            "One key a line. Needed only to tell later lessons from earlier ones: where later ones stay closed, or open "
            "beside chosen ones."
        ),
    )
    release = blocks.ChoiceBlock(choices=RELEASES, default="course", label=_("Lessons open"))
    release_days = blocks.IntegerBlock(
        required=False,
        min_value=1,
        max_value=3650,
        label=_("Days between two lessons"),
        help_text=_("Counts under “one after the other”."),
    )
    release_dates = blocks.ListBlock(
        LessonDateBlock(),
        required=False,
        default=[],
        label=pgettext_lazy("sales", "Dates"),
        help_text=_("Counts under “on the dates listed here”. A lesson without a date opens with the rest."),
    )
    practice = blocks.ChoiceBlock(choices=PRACTICES, default="none", label=_("Practice work"))
    instructors = blocks.MultipleChoiceBlock(
        required=False,
        choices=instructors,
        widget=forms.CheckboxSelectMultiple,
        label=pgettext_lazy("sales", "Instructors"),
        help_text=_("Who looks after these buyers."),
    )
    checkpoints = blocks.BooleanBlock(
        required=False, label=_("Checkpoints hold back what follows until they are passed")
    )
    comments = blocks.BooleanBlock(required=False, label=_("Buyers may comment"))
    certificate = blocks.BooleanBlock(required=False, label=_("A certificate at the end"))

    class Meta:
        icon = "snippet"
        label = pgettext_lazy("sales", "Product")
        description = _("A product, and the access that buyers of this offer get to it")
        label_format = "{product}"
        value_class = ProductValue
        form_layout = BlockGroup(
            children=["product", "length", "length_number", "length_until", "extends"],
            settings=[
                BlockGroup(["price_share"], heading=pgettext_lazy("sales", "Price"), icon="tag"),
                BlockGroup(["start", "start_date", "start_days"], heading=_("When access starts"), icon="date"),
                BlockGroup(
                    [
                        "lessons",
                        "lessons_first",
                        "lessons_chosen",
                        "modules_chosen",
                        "new_lessons",
                        "new_lessons_in",
                        "lessons_known",
                    ],
                    heading=_("Which lessons"),
                    icon="list-ol",
                ),
                BlockGroup(
                    ["release", "release_days", "release_dates"], heading=_("When lessons open"), icon="lock-open"
                ),
                BlockGroup(
                    ["practice", "instructors", "checkpoints", "comments", "certificate"],
                    heading=_("What comes with them"),
                    icon="group",
                ),
            ],
        )

    #: choice → its value → the field that must then be filled in, and the words that ask for it.
    NEEDS = (
        ("length", "days", "length_number", _("How many days does the access last?")),
        ("length", "months", "length_number", _("How many months does the access last?")),
        ("length", "until", "length_until", _("Which is the last day of the access?")),
        ("start", "date", "start_date", _("On which date does the access start?")),
        ("start", "not_before", "start_date", _("Before which date does the access not start?")),
        ("start", "days_after", "start_days", _("How many days after the payment does the access start?")),
        ("lessons", "first", "lessons_first", _("How many lessons are sold?")),
        ("release", "every", "release_days", _("How many days lie between two lessons?")),
    )

    def clean(self, value: Any) -> Any:
        value = super().clean(value)
        faults = {
            name: ValidationError(words)
            for choice, chosen, name, words in self.NEEDS
            if value.get(choice) == chosen and not (value.get(name) and str(value.get(name)).strip())
        }
        keys, modules = keys_in(value.get("lessons_chosen")), keys_in(value.get("modules_chosen"))
        if value.get("lessons") == "chosen" and not keys and not modules:
            faults["lessons_chosen"] = ValidationError(
                _("Which lessons are sold? Give the key of at least one lesson or module.")
            )
        holds_back = value.get("lessons") == "all" or (value.get("lessons") == "chosen" and modules)
        if holds_back and not value.get("new_lessons") and not keys_in(value.get("lessons_known")):
            faults["lessons_known"] = ValidationError(
                _("List the lessons there are today. Only so can it be told which ones came later.")
            )
        if value.get("extends") and value.get("length") not in ("days", "months"):
            faults["extends"] = ValidationError(_("Only a number of days or months can be added to what somebody has."))
        dated = [row["lesson"].strip() for row in value.get("release_dates") or ()]
        if value.get("release") == "dated" and (words := _wrong_dates(dated)):
            faults["release_dates"] = ListBlockValidationError(non_block_errors=[words])
        if faults:
            raise StructBlockValidationError(block_errors=faults)
        return value


def _wrong_dates(lessons: list[str]) -> Any:
    """What is wrong with the list of dates, in words; empty where nothing is."""
    if not lessons:
        return _("Which lessons open when? Give at least one date.")
    if len(set(lessons)) < len(lessons):
        return _("A lesson stands here twice. Please keep one of its dates.")
    return ""


def product_blocks() -> list[tuple[str, blocks.Block]]:
    """What the field *products* of an offer page is made of."""
    return [("product", ProductBlock())]


def coupon_blocks() -> list[tuple[str, blocks.Block]]:
    """What the field *these coupons* of an offer page is made of."""
    return [("coupon", SnippetChooserBlock("wagtail_kwiga.Coupon", icon="tag", label=pgettext_lazy("sales", "Coupon")))]
