"""Sell on a Wagtail site, and win back the orders that people leave unpaid."""

__version__ = "0.1.0.dev0"
