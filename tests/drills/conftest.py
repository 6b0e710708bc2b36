"""What all drills share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _quiet_queue():
    """The ticker of a drill makes hundreds of tasks, and django-q2 tells of each."""
    logger = logging.getLogger("django-q")
    level = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(level)
