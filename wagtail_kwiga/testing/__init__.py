"""Tests for a site's own code. ``ProviderContract`` tries a payment provider: its adapter's test inherits it.

Needs pytest and pytest-django, which the extra ``testing`` names. No other module of the package imports this one.
"""

try:
    import pytest
except ImportError as fault:
    raise ImportError('wagtail_kwiga.testing needs pytest and pytest-django: install the extra "testing"') from fault

# Before they are imported: a failing assertion then shows what it compared.
pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("contract_base", "contract_verifying", "contract_booking", "contract_asking"))
)

from wagtail_kwiga.testing.gateways import Answer, Message, offline  # noqa: E402
from wagtail_kwiga.testing.provider_contract import ProviderContract  # noqa: E402

__all__ = ["Answer", "Message", "ProviderContract", "offline"]
