"""Finding every screen of the package in the admin by following links, as somebody does who clicks on everything."""

from __future__ import annotations

import re
from collections import deque
from html import unescape

from django.test import Client
from django.urls import Resolver404, resolve

#: What leads out of a screen or ends the session.
_LINK = re.compile(r"""(?:href|data-w-[a-z-]*url-value)=["'](/admin/[^"'#]*)""")


def screens(client: Client, *starts: str, within: str = "/admin/kwiga/", most: int = 400) -> dict[str, str]:
    """View name → an address of it, for every screen under ``within`` that links lead to. Only GET, which changes nothing."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = deque(starts)
    while waiting and len(seen) < most:
        address = waiting.popleft()
        path = address.partition("?")[0]
        try:
            name = resolve(path).view_name
        except Resolver404:
            continue
        if path in seen or (name in found and path not in starts):
            continue
        seen.add(path)
        answer = client.get(address)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        text = answer.content.decode()
        if path.startswith(within) and "<html" in text:
            found.setdefault(name, address)
        for link in _LINK.findall(text):
            target = unescape(link)
            if target.startswith(within):
                waiting.append(target)
    return found
