"""The forms of the conditions."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.blocks import CharBlock, ChoiceBlock, DecimalBlock, StructBlockValidationError, StructValue
from wagtail.snippets.blocks import SnippetChooserBlock

from wagtail_kwiga.automations.editing.blocks import ConditionBlock
from wagtail_kwiga.catalogue.amount_field import AmountField, refuse_smaller_parts


class OnListBlock(ConditionBlock):
    """On a list, or not."""

    list = SnippetChooserBlock("wagtail_kwiga.ContactList", label=pgettext_lazy("sales", "List"))
    expected = ChoiceBlock(
        label=_("The person"), choices=[("yes", _("is on this list")), ("no", _("is not on this list"))], default="yes"
    )

    class Meta:
        icon = "group"
        label = _("On a list")
        description = _("Whether the person is on a list at this moment, for whatever reason.")
        preview_words = _("Only who is on the list “Come back”")

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"list_id": getattr(value["list"], "pk", None), "expected": value["expected"] != "no"}


class BoughtBeforeBlock(ConditionBlock):
    """A buyer already, or not."""

    expected = ChoiceBlock(
        label=_("The person"),
        choices=[("yes", _("has bought here before")), ("no", _("has never bought here"))],
        default="no",
    )

    class Meta:
        icon = "history"
        label = _("Bought before")
        description = _("Whether the person has paid for something here before; this purchase does not count.")
        preview_words = _("Only who has never bought")

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"expected": value["expected"] != "no"}


class AmountBlock(DecimalBlock):
    """An amount of money, read and shown in the reader's own notation."""

    field: Any  # Wagtail says nothing of it

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.field = AmountField.instead_of(self.field, min_value=self.field.min_value)


class OrderTotalBlock(ConditionBlock):
    """A large enough order."""

    amount = AmountBlock(label=_("At least"), min_value=0, decimal_places=4, max_digits=14)
    currency = CharBlock(
        label=pgettext_lazy("sales", "Currency"),
        max_length=3,
        default="EUR",
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as EUR."))],
        help_text=_("An order in another currency does not count as enough."),
    )

    class Meta:
        icon = "decimal"
        label = _("Total of the order")
        description = _("Whether the order comes to at least a sum.")
        preview_words = _("Only orders of at least €50.00")

    def clean(self, value: StructValue) -> StructValue:
        cleaned: StructValue = super().clean(value)
        try:
            refuse_smaller_parts(cleaned["amount"], cleaned["currency"])
        except ValidationError as refusal:
            raise StructBlockValidationError(block_errors={"amount": refusal}) from None
        return cleaned

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"amount": str(value["amount"]), "currency": value["currency"]}
