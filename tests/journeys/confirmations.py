"""Telling the mail *order received*, which every order has, from what a story is about."""

from __future__ import annotations

from typing import Any

from django.core import mail

from wagtail_kwiga import models as m


def besides_confirmations() -> list[Any]:
    """The messages that went out, in order, but for those that confirm an order."""
    ids = _confirmed()
    return [message for message in mail.outbox if message.extra_headers.get("Message-ID") not in ids]


def confirmations() -> list[Any]:
    """The messages that confirm an order, in order."""
    ids = _confirmed()
    return [message for message in mail.outbox if message.extra_headers.get("Message-ID") in ids]


def _confirmed() -> set[str]:
    rows = m.OutgoingEmail.objects.filter(purpose="order", key__startswith="order_received:", status="sent")
    return set(rows.values_list("message_id", flat=True))
