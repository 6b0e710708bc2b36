"""The form field for an amount of money that staff type: a price, a discount, money that arrived or goes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import DecimalValidator
from django.utils.translation import gettext as _

from wagtail_kwiga.formatting import languages, typed_amounts
from wagtail_kwiga.pricing import currencies, money


class AmountField(forms.DecimalField):
    """Reads and shows an amount in the reader's own notation. A box for text, because a browser's box for numbers shows one
    notation, understands another and sends a third.

    ``currency``: whose digits behind the point the amount may have; empty where another field of the form says it, and then
    the form asks ``refuse_smaller_parts`` itself. Cleans to a ``Decimal``.
    """

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def __init__(self, *, currency: str = "", **given: Any) -> None:
        super().__init__(**{"max_digits": 14, "decimal_places": 4, **given})
        self.currency = currency

    @classmethod
    def instead_of(cls, field: forms.Field, **given: Any) -> AmountField:
        """The same field, read as an amount."""
        return cls(
            required=field.required,
            label=field.label,
            help_text=field.help_text,
            # Django's own adds the one for the digits once more.
            validators=[each for each in field.validators if not isinstance(each, DecimalValidator)],
            disabled=field.disabled,
            **given,
        )

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]  # the stubs take a decimal for a whole number
        if value in self.empty_values:
            return None
        if isinstance(value, Decimal):
            return value
        language = languages.active()
        try:
            return typed_amounts.read_amount(str(value), language)
        except ValueError:
            words = _("Please write the amount like this: %(example)s.") % {"example": typed_amounts.example(language)}
            raise ValidationError(words, code="invalid") from None

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and self.currency:
            refuse_smaller_parts(value, self.currency)

    def prepare_value(self, value: Any) -> Any:
        """What was typed stays as it was typed."""
        if not isinstance(value, Decimal) or not value.is_finite():
            return value
        known = self.currency if is_known(self.currency) else ""
        return typed_amounts.write_amount(value, known, languages.active())


def is_known(currency: str) -> bool:
    """Whether the digits of ``currency`` are known: it is active, or withdrawn and stands in old orders."""
    return currencies.is_active(currency) or currency in currencies.WITHDRAWN


def refuse_smaller_parts(amount: Decimal, currency: str) -> None:
    """Raises ``ValidationError`` where ``amount`` has more digits behind the point than ``currency`` has; nothing is rounded.
    What is no currency is left to the field that holds it."""
    if is_known(currency) and not money.fits(amount, currency):
        digits = currencies.digits(currency)
        words = (
            _("%(currency)s has no smaller parts: please give a whole number.")
            if not digits
            else _("%(currency)s has %(digits)s digits behind the decimal separator, and not more.")
        )
        raise ValidationError(words % {"currency": currency, "digits": digits}, code="smaller_parts")
