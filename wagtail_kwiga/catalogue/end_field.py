"""The form field for an end that staff type: of a sale, a coupon, a membership, of what Wagtail takes down on a date.

A date without a time ends with that day, in the zone of the site (not of whoever types it); with a time it is meant to the
minute, in the reader's own zone as everywhere in Wagtail. An end that falls on a site's midnight is shown as the day that
it ends, so that what was typed comes back as it was typed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils import formats
from wagtail.admin.widgets import AdminDateTimeInput

from wagtail_kwiga.catalogue.calendar_days import end_of
from wagtail_kwiga.formatting import instants


class EndInput(AdminDateTimeInput):
    """Wagtail's own, but leaving the field does not replace a date without a time."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "validateOnBlur": False}


class EndField(forms.DateTimeField):
    """An instant that ends something; cleans to the first instant that is no longer inside."""

    widget = EndInput

    @classmethod
    def instead_of(cls, field: forms.Field) -> EndField:
        """The same field, with the meaning of an end."""
        return cls(
            required=field.required,
            label=field.label,
            help_text=field.help_text,
            validators=field.validators,
            disabled=field.disabled,
        )

    def to_python(self, value: Any) -> dt.datetime | None:
        day = _day_in(value) if isinstance(value, str) else None
        return super().to_python(value) if day is None else end_of(day, instants.site_zone_name())

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            here = instants.local(value, instants.site_zone())
            if here.time() == dt.time():
                return (here.date() - dt.timedelta(days=1)).isoformat()
        return super().prepare_value(value)


def replace(fields: dict[str, forms.Field], *names: str) -> None:
    """Give those of a form's ``fields`` the meaning of an end, where it has them."""
    for name in names:
        if name in fields:
            fields[name] = EndField.instead_of(fields[name])


def _day_in(text: str) -> dt.date | None:
    """The day in ``text`` where it says a day and nothing else."""
    for form in ("%Y-%m-%d", *formats.get_format("DATE_INPUT_FORMATS")):
        try:
            day = dt.datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
        return day if day < dt.date.max else None
    return None
