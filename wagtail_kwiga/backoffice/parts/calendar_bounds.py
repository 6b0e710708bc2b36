"""Instants that somebody types: far enough from both ends of the calendar to be told in every time zone."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator

#: “For ever” is often typed as the last day that a calendar has; in some zones that day is over before it can be kept.
VALIDATORS: list[Any] = [
    MinValueValidator(dt.datetime(1900, 1, 1, tzinfo=dt.UTC)),
    MaxValueValidator(dt.datetime(9999, 12, 30, tzinfo=dt.UTC)),
]
