"""Answers to a site's own fields of the order form: kept as JSON, whatever a form cleans them to."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import uuid
from decimal import Decimal

import pytest
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from tests.orders.shop import order_for
from tests.support import START, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.orders import answers


class Size(TextChoices):
    LARGE = "l", "Large"


class Level(enum.Enum):
    FIRST = 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ltd", "Ltd"),
        (True, True),
        (False, False),
        (0, 0),
        (1.5, 1.5),
        (math.inf, "inf"),
        (dt.date(2027, 3, 4), "2027-03-04"),
        (dt.time(9, 30), "09:30:00"),
        (dt.datetime(2027, 3, 4, 9, 30, tzinfo=dt.UTC), "2027-03-04T09:30:00+00:00"),
        (dt.timedelta(hours=26), "P1DT02H00M00S"),
        (Decimal("19.90"), "19.90"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Size.LARGE, "l"),
        (Level.FIRST, 1),
        (gettext_lazy("Large"), "Large"),
        (["l", Decimal("1")], ["l", "1"]),
        (("l", "s"), ["l", "s"]),
        ({"s", "l"}, ["l", "s"]),
        ({"on": dt.date(2027, 3, 4), 2: None}, {"on": "2027-03-04", "2": None}),
        ("a\x00b\ud800", "ab?"),
    ],
)
def test_json_can_hold_it(given, kept):
    assert answers.as_json({"asked": given}) == {"asked": kept}
    assert json.loads(json.dumps(answers.as_json({"asked": given}))) == {"asked": kept}


@pytest.mark.parametrize("empty", [None, "", [], (), {}, set()])
def test_what_was_left_empty_is_left_out(empty):
    assert answers.as_json({"asked": empty, "ticked": False}) == {"ticked": False}


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(st.dictionaries(st.text(), _values))
def test_every_answer_comes_back_as_it_is_kept(given_answers):
    kept = answers.as_json(given_answers)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert "\n" not in "".join(answers.text_of(each) for each in kept.values())


def test_a_length_that_nobody_types_is_too_long():
    assert not answers.is_too_long("ü" * (answers.LONGEST - 2))
    assert answers.is_too_long("ü" * (answers.LONGEST - 1))
    assert answers.is_too_long(["x" * 100] * 100)


@pytest.mark.django_db
def test_the_order_keeps_them(django_capture_on_commit_callbacks):
    product = make_product("Course")
    asked = {"company": "a\x00b\ud800", "on": START, "course": product, "courses": m.Product.objects.all(), "none": ""}
    order = order_for(make_contact(), make_offer(product), answers=asked)
    order.refresh_from_db()
    assert order.answers == {
        "company": "ab?", "on": START.isoformat(), "course": product.pk, "courses": [product.pk],
    }  # fmt: skip
    assert order_for(make_contact(), make_offer(product)).answers == {}
