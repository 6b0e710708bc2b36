"""The words of ``orders.statuses`` have labels, and the database keeps the words."""

from __future__ import annotations

import pytest
from django.utils import translation

from wagtail_kwiga import models as m
from wagtail_kwiga.orders import labels, statuses


@pytest.mark.parametrize(
    ("words", "told", "choices", "field"),
    [
        (statuses.Status, labels.STATUS_LABELS, labels.STATUS_CHOICES, "status"),
        (statuses.Origin, labels.ORIGIN_LABELS, labels.ORIGIN_CHOICES, "origin"),
        (statuses.PaymentKind, labels.PAYMENT_KIND_LABELS, labels.PAYMENT_KIND_CHOICES, "payment_kind"),
    ],
)
def test_every_word_has_a_label_and_is_a_plain_string_in_the_database(words, told, choices, field):
    assert list(told) == list(words), "in the order in which they are declared"
    column = m.Order._meta.get_field(field)
    assert [value for value, _label in column.choices] == [word.value for word in words]
    assert all(type(value) is str for value, _label in choices)
    assert type(column.default) is str and words(column.default)
    with translation.override("de"):
        assert all(str(label) for label in told.values())
