"""How a check says what it found, with an id that stays."""

from __future__ import annotations

from django.core.checks import Error, Warning


def error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"wagtail_kwiga.E{number:03}")


def warning(number: int, message: str, hint: str) -> Warning:
    return Warning(message, hint=hint, id=f"wagtail_kwiga.W{number:03}")
