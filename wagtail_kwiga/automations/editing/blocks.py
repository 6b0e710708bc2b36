"""The forms in which editors write scenarios. Each block turns what was filled in into the fields of its pure class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.blocks import (
    Block,
    ChoiceBlock,
    IntegerBlock,
    StreamBlock,
    StructBlock,
    StructBlockValidationError,
    StructValue,
)
from wagtail.snippets.blocks import SnippetChooserBlock

from wagtail_kwiga.automations import registry
from wagtail_kwiga.catalogue.models import Offer


def start_blocks() -> list[tuple[str, Block]]:
    """The start events an editor may choose from, the site's own among them."""
    return _blocks_of(registry.kinds().events)


def step_blocks() -> list[tuple[str, Block]]:
    """The steps an editor may choose from, the site's own among them."""
    return _blocks_of(registry.kinds().steps)


def condition_blocks() -> list[tuple[str, Block]]:
    """The conditions of *continue only if*, the site's own among them."""
    return _blocks_of(registry.kinds().conditions)


def _blocks_of(classes: Mapping[str, Any]) -> list[tuple[str, Block]]:
    """A class without a block still runs where it is in use, and is not offered to editors."""
    return [(kind, import_string(one.block)()) for kind, one in classes.items() if one.block]


class CodedBlock(StructBlock):
    """A form for one frozen class of the pure core, named like its ``kind``.

    In the picker it shows its ``description``, and as a preview ``preview_words``: an example of what it does.
    """

    class Meta:
        preview_template = "wagtail_kwiga/backoffice/scenarios/block_preview.html"
        preview_words = ""

    #: Field of the class → field of the form, where they bear other names; for messages about what is missing.
    FORM_FIELDS: Mapping[str, str] = {}

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_preview_context(value, parent_context)
        return {**context, "words": self.meta.preview_words or self.label}

    def coded(self, value: StructValue) -> dict[str, Any]:
        """The fields of the class, as JSON values. An object that is gone, or was never chosen, is ``None``."""
        return {name: getattr(field, "pk", field) for name, field in value.items()}


class EventBlock(CodedBlock):
    """A start event; the fields are its filters."""


class StepBlock(CodedBlock):
    """A step."""


class ConditionBlock(CodedBlock):
    """A condition of *continue only if*."""


def offer_choices() -> list[tuple[int, str]]:
    """Every offer, read when the form is shown."""
    return [(offer.pk, str(offer)) for offer in Offer.objects.only("pk", "title")]


class WaitBlock(StepBlock):
    """So many minutes, hours or days. Code may write ``{"minutes": 30}`` for short."""

    UNITS = {"days": 24 * 60, "hours": 60, "minutes": 1}
    FORM_FIELDS = {"minutes": "amount"}

    amount = IntegerBlock(label=pgettext_lazy("sales", "Wait"), default=30, min_value=1, max_value=100_000)
    unit = ChoiceBlock(
        label=pgettext_lazy("sales", "Unit"),
        choices=[
            ("minutes", pgettext_lazy("sales", "minutes")),
            ("hours", pgettext_lazy("sales", "hours")),
            ("days", pgettext_lazy("sales", "days")),
        ],
        default="minutes",
    )

    class Meta:
        icon = "time"
        label = pgettext_lazy("sales", "Wait")
        label_format = "{amount} {unit}"
        description = _("Counted from the moment the step before was really done. The worker looks once a minute.")
        preview_words = _("Wait 30 minutes")

    def to_python(self, value: Any) -> StructValue:
        return super().to_python(self._long(value))

    def bulk_to_python(self, values: Any) -> list[StructValue]:
        made: list[StructValue] = super().bulk_to_python([self._long(value) for value in values])
        return made

    def normalize(self, value: Any) -> StructValue:
        return super().normalize(self._long(value))

    def _long(self, value: Any) -> Any:
        if not isinstance(value, Mapping) or set(value) != {"minutes"}:
            return value
        minutes = value["minutes"]
        unit = next(unit for unit, size in self.UNITS.items() if minutes % size == 0)
        return {"amount": minutes // self.UNITS[unit], "unit": unit}

    def coded(self, value: StructValue) -> dict[str, Any]:
        amount, size = value["amount"], self.UNITS.get(value["unit"])
        return {"minutes": None if amount is None or size is None else amount * size}


class ContinueIfBlock(StepBlock):
    """A choice of one condition."""

    class Meta:
        icon = "tick-inverse"
        label = _("Continue only if")
        description = _("Whoever does not fit leaves the scenario here.")
        preview_words = _("Only who has never bought")

    def __init__(self, local_blocks: Any = (), **kwargs: Any) -> None:
        asked = StreamBlock(condition_blocks(), label=pgettext_lazy("sales", "Condition"), min_num=1, max_num=1)
        super().__init__([("condition", asked), *local_blocks], **kwargs)

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {
            "condition": next(
                ({"kind": one.block_type, **one.block.coded(one.value)} for one in value["condition"]), None
            )
        }


class AddToListBlock(StepBlock):
    """A list, and until when."""

    list = SnippetChooserBlock("wagtail_kwiga.ContactList", label=pgettext_lazy("sales", "List"))
    until = ChoiceBlock(
        label=_("For how long"),
        default="scenario",
        choices=[
            ("scenario", _("a later step takes them off")),
            ("hours", _("so many hours have passed")),
            ("none", _("for good, without an end")),
        ],
        help_text=_("The end is told in the mail and holds by the clock, also when no worker runs."),
    )
    hours = IntegerBlock(
        label=pgettext_lazy("sales", "Hours"),
        required=False,
        min_value=1,
        max_value=24 * 366,
        help_text=_("Only for “so many hours have passed”, counted from this step."),
    )

    class Meta:
        icon = "plus"
        label = _("Add to list")
        label_format = "{list}"
        description = _("Whoever is on the list may use the coupons that are only for people on it.")
        preview_words = _("On the list “Come back” for 24 hours")

    def clean(self, value: StructValue) -> StructValue:
        cleaned = super().clean(value)
        if cleaned["until"] == "hours" and not cleaned["hours"]:
            raise StructBlockValidationError(block_errors={"hours": ValidationError(_("Say how many hours."))})
        return cleaned

    def coded(self, value: StructValue) -> dict[str, Any]:
        hours = value["hours"] if value["until"] == "hours" else None
        return {"list_id": getattr(value["list"], "pk", None), "until": value["until"], "hours": hours}


class RemoveFromListBlock(StepBlock):
    """A list."""

    list = SnippetChooserBlock("wagtail_kwiga.ContactList", label=pgettext_lazy("sales", "List"))

    class Meta:
        icon = "minus"
        label = _("Remove from list")
        label_format = "{list}"
        description = _("Takes back what this scenario added. Who is on the list for another reason stays on it.")
        preview_words = _("Off the list “Come back”")

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"list_id": getattr(value["list"], "pk", None)}


class SendEmailBlock(StepBlock):
    """An e-mail, and the coupon it speaks of."""

    template = SnippetChooserBlock("wagtail_kwiga.EmailTemplate", label=pgettext_lazy("sales", "E-mail"))
    coupon = SnippetChooserBlock(
        "wagtail_kwiga.Coupon",
        label=pgettext_lazy("sales", "Coupon"),
        required=False,
        help_text=_("Left empty, it is the coupon of the list that a step before added to, if that list has just one."),
    )
    offer = ChoiceBlock(
        label=pgettext_lazy("sales", "Offer"),
        choices=offer_choices,
        required=False,
        help_text=_(
            "Only where what starts the scenario has no order: the offer that the email is about and leads to."
        ),
    )

    class Meta:
        icon = "mail"
        label = _("Send e-mail")
        label_format = "{template}"
        description = _(
            "Not sent once the order is paid. After an unpaid order it is promotion, whatever it says: not for people who have "
            "unsubscribed, unless the kind of the email itself is “service”."
        )
        preview_words = _("E-mail “Your place is free” with the coupon COMEBACK15 (15%)")

    def coded(self, value: StructValue) -> dict[str, Any]:
        named = {f"{name}_id": getattr(value[name], "pk", None) for name in ("template", "coupon")}
        return {**named, "offer_id": int(value["offer"]) if value.get("offer") else None}
