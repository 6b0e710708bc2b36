"""Where people may be sent: to a page of the site, or to a web page elsewhere, and never to a script.

An address may come from an editor's slip, an import or a provider's answer: it is input like any other.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: What browsers drop or read as something else than it looks like: “/<tab>/evil.example” is another host to them.
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f]")


def is_odd(address: str) -> bool:
    """Whether ``address`` has something in it that browsers drop, or read as something else than it looks like."""
    return bool(_ODD.search(address))


def is_own_path(address: str) -> bool:
    """Whether ``address`` is a path of the site, such as ``/course/``, that no browser takes for another host."""
    return address.startswith("/") and not address.startswith("//") and not _ODD.search(address)


def is_web_page(address: str) -> bool:
    """Whether ``address`` is a full ``https://`` or ``http://`` address with a host, whichever host that is."""
    if _ODD.search(address):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:  # such as “https://[”
        return False


def destination(address: str, *, site_root: str = "") -> str:
    """``address`` where it may be followed, else an empty string, for which no link is to be shown.

    A path of the site begins with ``site_root`` (``https://host``), where one is passed: a mail has no page that it would be
    relative to.
    """
    if is_own_path(address):
        return f"{site_root}{address}"
    return address if is_web_page(address) else ""
