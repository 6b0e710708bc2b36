"""Filters of lists that bear whatever an address says: days at the ends of the calendar, keys that no database knows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest
from django_filters import fields
from wagtail.admin.filters import DateRangePickerWidget

from wagtail_kwiga.backoffice.parts import records

# Django's field names the model of its rows to a type checker only.
if TYPE_CHECKING:
    _RowsField = forms.ModelMultipleChoiceField[Any]
else:
    _RowsField = forms.ModelMultipleChoiceField

#: Far enough from both ends that a day begins and ends in every time zone.
_DAYS: list[Any] = [MinValueValidator(dt.date(1900, 1, 1)), MaxValueValidator(dt.date(9998, 12, 31))]


class ReadableLocale:
    """For views of Wagtail that look for the locale named in the address: PostgreSQL looks for no text with NUL in it."""

    request: HttpRequest

    def get_locale(self) -> Any:
        if "\x00" in self.request.GET.get("locale", ""):
            raise Http404
        return super().get_locale()  # type: ignore[misc]  # the view's that stands behind it


class _DayRangeField(fields.DateRangeField):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields:
            field.validators.extend(_DAYS)


class DayRangeFilter(django_filters.DateFromToRangeFilter):
    """From one day to another, both included."""

    field_class = _DayRangeField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", DateRangePickerWidget)
        super().__init__(*args, **kwargs)


class _Reachable:
    """A choice of several rows. A key beyond 64 bits is refused like any other that is not there: Django hands it on to the
    database, which cannot read it."""

    default_error_messages: dict[str, Any]
    error_messages: dict[str, Any]

    def _check_values(self, value: Any) -> Any:
        try:
            wanted = list(dict.fromkeys(value))
        except TypeError:  # something that is no key at all: Django has words for it
            return super()._check_values(value)  # type: ignore[misc]  # Django's, private
        for key in wanted:
            if isinstance(key, str) and not records.keys([key]):
                raise forms.ValidationError(
                    self.error_messages["invalid_pk_value"], code="invalid_pk_value", params={"pk": key[:40]}
                )
        return super()._check_values(wanted)  # type: ignore[misc]  # Django's, private


class RowsField(_Reachable, _RowsField):
    """Several rows, in a form."""


class _RowsFilterField(_Reachable, fields.ModelMultipleChoiceField):
    pass


class RowsFilter(django_filters.ModelMultipleChoiceFilter):
    """Several rows, in a filter."""

    field_class = _RowsFilterField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.CheckboxSelectMultiple)
        super().__init__(*args, **kwargs)
