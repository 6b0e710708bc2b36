"""What an offer costs somebody at a moment: the public name of ``wagtail_kwiga.quoting``."""

from wagtail_kwiga.quoting import QuoteDraft, make, quote, quote_for

__all__ = ["QuoteDraft", "make", "quote", "quote_for"]
