"""From where a request comes, for limits: one place, and how many wrong codes were guessed from it.

Wrong guesses by GET are counted in Django's cache: looking changes nothing that anybody can see (promise 9), and a counter
that vanishes with the cache is nobody's data. Right codes count nothing, so a link in a newsletter works for everybody
behind one connection. With a cache that keeps nothing, guesses by GET have no limit; those by POST always have.
"""

from __future__ import annotations

import datetime as dt
import ipaddress

from django.core.cache import cache
from django.http import HttpRequest

from wagtail_kwiga import conf
from wagtail_kwiga.contacts import limits


def place_of(request: HttpRequest) -> str:
    """The visitor's place: an IPv4 address, or the /64 network of an IPv6 one, in which whoever has one has all.

    Empty where it can only be that of a proxy, which all visitors share. Of a header with several addresses the last one
    counts, which the site's own proxy has written; the others are what the visitor claims.
    """
    header = conf.settings.CLIENT_IP_HEADER
    if header and (told := _read(request.META.get(header, "").split(",")[-1])):
        return _network(told)
    address = _read(request.META.get("REMOTE_ADDR", ""))
    return _network(address) if address is not None and address.is_global else ""


def guess_of(place: str) -> limits.RateLimit:
    """A try of a coupon code from ``place``."""
    return limits.RateLimit(f"coupon:ip:{place}", conf.settings.COUPON_TRIES_PER_IP)


def wait(place: str, now: dt.datetime) -> int | None:
    """For how many seconds no code is judged that comes from ``place`` by GET; ``None`` where it may be. No query."""
    if not place:
        return None
    guess = guess_of(place)
    kept = cache.get_many([_key(guess, now, "wrong"), _key(guess, now, "over")])
    is_over = _key(guess, now, "over") in kept or kept.get(_key(guess, now, "wrong"), 0) >= guess.limit
    return guess.retry_after(now) if is_over else None


def note_wrong(place: str, now: dt.datetime) -> None:
    """A code that nobody knows came from ``place`` by GET."""
    if not place:
        return
    guess = guess_of(place)
    key = _key(guess, now, "wrong")
    cache.add(key, 0, guess.retry_after(now) + 60)
    try:
        cache.incr(key)
    except ValueError:  # a cache that keeps nothing, or is full
        return


def note_over(place: str, now: dt.datetime) -> None:
    """The limit for codes sent by POST is reached: it binds looking as well."""
    guess = guess_of(place)
    cache.set(_key(guess, now, "over"), True, guess.retry_after(now) + 60)


def _key(guess: limits.RateLimit, now: dt.datetime, what: str) -> str:
    return f"kwiga:{what}:{guess.hashed}:{int(guess.window(now).timestamp())}"


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in ``203.0.113.7``, ``203.0.113.7:80``, ``2001:db8::7``, ``[2001:db8::7]:80`` or ``fe80::7%eth0``."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))
