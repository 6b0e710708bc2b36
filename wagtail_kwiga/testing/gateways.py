"""What a gateway says and answers in a test, before it is put into the words of any one gateway."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

import pytest

from wagtail_kwiga.payments.provider import CONFIRMED
from wagtail_kwiga.payments.statuses import EventKind, Outcome
from wagtail_kwiga.pricing.money import Money


class Answer(StrEnum):
    """What the gateway answers when it is asked to confirm."""

    YES = "yes"
    #: It said yes before, and says so.
    ALREADY = "already"
    NOT_YET = "not_yet"
    REJECTED = "rejected"
    #: It does not answer, or with a fault of its own.
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What the gateway is to say, for the adapter's test to put into the gateway's own words.

    ``token`` is ``PaymentAttempt.token``, ``reference`` the gateway's handle of the payment; ``number`` tells one message from
    another (make the gateway's event id of it). The rest is as in ``ReportedEvent``.
    """

    token: str
    reference: str
    amount: Money
    live: bool
    outcome: Outcome = CONFIRMED
    number: int = 1
    kind: EventKind = EventKind.PAYMENT
    refund_token: str = ""
    refund_reference: str = ""
    dispute_reference: str = ""


def _offline(*args: Any, **given: Any) -> NoReturn:
    raise AssertionError("no network and no waiting here")


@contextmanager
def offline() -> Iterator[None]:
    """Whatever opens a connection, looks a name up or sleeps fails meanwhile, with an ``AssertionError``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _offline)
        patch.setattr(socket.socket, "connect_ex", _offline)
        patch.setattr(socket, "getaddrinfo", _offline)
        patch.setattr(time, "sleep", _offline)
        yield
