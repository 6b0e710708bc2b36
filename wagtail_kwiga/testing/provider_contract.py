"""What every payment provider must hold, as one class of tests."""

from __future__ import annotations

from wagtail_kwiga.testing.contract_asking import AskingContract
from wagtail_kwiga.testing.contract_booking import BookingContract
from wagtail_kwiga.testing.contract_verifying import VerifyingContract


class ProviderContract(VerifyingContract, BookingContract, AskingContract):
    """What every payment provider must hold. Inherit it, call the class ``Test…``, and say what your gateway would send.

    Write ``provider_class`` and ``webhook``; ``gateway_answers`` for a provider that ``needs_confirm``, ``gateway_knows`` for one
    that ``can_fetch``. What a provider does not claim is not tried. Override the fixture ``options`` for the options of the
    settings; it may ask for fixtures of your own, such as a local server that plays the gateway.
    """
