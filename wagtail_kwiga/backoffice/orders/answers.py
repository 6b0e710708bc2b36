"""What a site's own fields of the order form were answered, for people to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import formats, timezone
from django.utils.translation import pgettext

from wagtail_kwiga.offers.forms import form_class
from wagtail_kwiga.orders import answers
from wagtail_kwiga.orders.models import Order


def told(order: Order) -> list[tuple[str, str]]:
    """(label, answer) of each, in the reader's language, as the form of today words and orders them.

    A field that the form does not declare any more keeps its name and the value as it is. One query for each answer that
    chooses rows.
    """
    if not order.answers:
        return []
    fields = form_class().base_fields
    # PostgreSQL keeps no order of names.
    names = [name for name in fields if name in order.answers]
    names += sorted(set(order.answers) - set(names))
    return [_told(name, fields.get(name), order.answers[name]) for name in names]


def in_one_cell(order: Order) -> str:
    """All answers as a spreadsheet gets them: names and values as they are kept. No query."""
    return "; ".join(f"{name}: {answers.text_of(answer)}" for name, answer in sorted(order.answers.items()))


def _told(name: str, field: forms.Field | None, answer: Any) -> tuple[str, str]:
    label = str(field.label) if field is not None and field.label else name.replace("_", " ").capitalize()
    if isinstance(answer, bool):
        return label, pgettext("sales", "yes") if answer else pgettext("sales", "no")
    if isinstance(field, forms.ModelChoiceField):
        return label, ", ".join(_titles(field, answer))
    if isinstance(field, forms.ChoiceField):
        known = dict(_flat(field.choices))
        return label, ", ".join(str(known.get(str(each), each)) for each in _several(answer))
    if isinstance(field, forms.DateField | forms.DateTimeField):
        return label, _moment(field, answer)
    return label, answers.text_of(answer)


def _several(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def _flat(choices: Any) -> Iterator[tuple[str, Any]]:
    """Choices without their groups."""
    for value, label in choices:
        if isinstance(label, list | tuple):
            yield from _flat(label)
        else:
            yield str(value), label


def _titles(field: forms.ModelChoiceField[Any], answer: Any) -> Iterator[str]:
    """The rows chosen, as they are called; one that is gone by its key."""
    try:
        found = {str(row.pk): str(row) for row in cast("QuerySet[Any]", field.queryset).filter(pk__in=_several(answer))}
    except (TypeError, ValueError, ValidationError):  # keys of another kind than today's
        found = {}
    return (found.get(str(key), str(key)) for key in _several(answer))


def _moment(field: forms.Field, answer: Any) -> str:
    try:
        moment = field.to_python(answer)
    except ValidationError:
        return answers.text_of(answer)
    here = timezone.template_localtime(moment)  # type: ignore[attr-defined]  # the stubs have left it out
    words: str = formats.localize(here)
    return words
