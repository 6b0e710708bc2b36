"""The forms of the conditions."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from wagtail.blocks import CharBlock, ChoiceBlock, DecimalBlock, StructValue
from wagtail.snippets.blocks import SnippetChooserBlock

from wagtail_kwiga.automations.editing.blocks import ConditionBlock


class OnListBlock(ConditionBlock):
    """On a list, or not."""

    list = SnippetChooserBlock("wagtail_kwiga.ContactList", label=_("List"))
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


class OrderTotalBlock(ConditionBlock):
    """A large enough order."""

    amount = DecimalBlock(label=_("At least"), min_value=0, decimal_places=4, max_digits=14)
    currency = CharBlock(
        label=_("Currency"),
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

    def coded(self, value: StructValue) -> dict[str, Any]:
        return {"amount": str(value["amount"]), "currency": value["currency"]}
