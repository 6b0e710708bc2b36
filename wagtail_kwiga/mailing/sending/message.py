"""The message that is given to the mail backend."""

from __future__ import annotations

import email.policy
from typing import Any

import django
from django.core.mail import EmailMultiAlternatives

from wagtail_kwiga.mailing.sending import headers

#: Whether Django makes messages with Python's newer mail API, whose policies say how headers are written.
HAS_POLICIES = django.VERSION >= (6, 0)


class Message(EmailMultiAlternatives):
    """Django's message, with headers that say on the wire what they said before, whichever Django and Python writes them."""

    #: What kept the message from being written when it was last tried, by whichever backend. Nothing of it can have left then.
    fault: Exception | None = None

    def message(self, **given: Any) -> Any:
        """The message as Python's ``email`` writes it. From Django 6.0 on it takes a ``policy``.

        Raises ``ValueError`` and others for what cannot be written, and keeps that as ``fault``.
        """
        if HAS_POLICIES:
            given["policy"] = headers.policy_like(given.get("policy", email.policy.default))
        self.fault = None
        try:
            return super().message(**given)
        except Exception as fault:
            self.fault = fault
            raise
