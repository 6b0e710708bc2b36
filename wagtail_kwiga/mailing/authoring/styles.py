"""How a mail looks: the colours of the visitor pages in light and dark, no web fonts, nothing fetched from elsewhere.

Mail programs read inline styles; the dark colours come through classes and ``!important``, for those that know the
``prefers-color-scheme`` query.
"""

from __future__ import annotations

#: Width of the card at most, and of pictures within it (the padding and the line around the card taken off).
WIDTH = 600
INNER_WIDTH = WIDTH - 2 * 33
#: Pixels of a picture: twice the width it is shown at, for sharp screens.
PICTURE_WIDTH = 2 * INNER_WIDTH

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Helvetica Neue', Arial, sans-serif"
DISPLAY = "'Iowan Old Style', 'Palatino Linotype', Palatino, Georgia, 'Noto Serif', serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'Noto Sans Mono', monospace"

PAPER = "#f3f1ea"
SURFACE = "#ffffff"
INK = "#1b2320"
SOFT = "#56605b"
LINE = "#dedad0"
ACCENT = "#17594b"
ON_ACCENT = "#ffffff"
TINT = "#eef5f1"

LINK = f"color:{ACCENT};text-decoration:underline"

CSS = """
  :root { color-scheme: light dark; supported-color-schemes: light dark; }
  @media only screen and (max-width: 479px) {
    .kw-edge { padding-left: 20px !important; padding-right: 20px !important; }
    .kw-button table { width: 100% !important; }
    .kw-button a { display: block !important; padding-left: 12px !important; padding-right: 12px !important; }
    .kw-coupon td { padding-left: 16px !important; padding-right: 16px !important; }
    .kw-pair td { display: block !important; text-align: start !important; padding: 0 0 9px !important; border-top-width: 0 !important; }
    .kw-pair td.kw-soft { padding: 9px 0 0 !important; border-top-width: 1px !important; font-size: 13px !important; }
    .kw-code { font-size: 22px !important; letter-spacing: 1px !important; }
  }
  @media (prefers-color-scheme: dark) {
    body, .kw-body { background: #141917 !important; background-color: #141917 !important; }
    .kw-card, .kw-card > table { background: #1c2320 !important; background-color: #1c2320 !important; }
    .kw-card > table > tbody > tr > td { border-color: #343d39 !important; }
    .kw-ink, .kw-ink div, .kw-ink td, .kw-ink table { color: #ecefec !important; }
    .kw-soft, .kw-soft div, .kw-ink td.kw-soft, .kw-ink div.kw-soft { color: #a9b3ae !important; }
    .kw-ink a, .kw-soft a { color: #8fd6c1 !important; }
    .kw-coupon { background: #1d322c !important; background-color: #1d322c !important; border-color: #5f8d7e !important; }
    .kw-coupon .kw-code, .kw-coupon .kw-size { color: #b3e6d7 !important; }
    .kw-button td, .kw-button a { background: #8fd6c1 !important; background-color: #8fd6c1 !important; color: #0b211b !important; }
    .kw-rule p, .kw-row td { border-color: #343d39 !important; }
  }
"""
