"""For which reason somebody has access. Knows neither Django nor Wagtail."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What a grant comes from."""

    ORDER = "order"
    STAFF = "staff"
    IMPORT = "import"
    SCENARIO = "scenario"
    SUBSCRIPTION = "subscription"
