"""Buyers who come for the same coupon: the code that the races run, in threads and as a process of its own.

``python -m tests.coupons.buyers COUPON FIRST LAST`` sets Django up by itself, says ``ready``, waits for a line, lets
the contacts with keys FIRST to LAST take the coupon one after the other, and prints what each was told as JSON.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys


def buy(coupon_id: int, contact_id: int, now: dt.datetime, minutes: int = 60) -> str:
    """One buyer, as placing does it: lock the contact, hold the coupon last. What came of it."""
    from wagtail_kwiga import locking
    from wagtail_kwiga.contacts import directory
    from wagtail_kwiga.coupons import uses
    from wagtail_kwiga.coupons.models import Coupon
    from wagtail_kwiga.exceptions import CouponRefused

    try:
        with locking.atomic_write():
            contact = directory.lock(contact_id)
            coupon = Coupon.objects.get(pk=coupon_id)
            uses.reserve(coupon, contact, until=now + dt.timedelta(minutes=minutes), now=now)
    except CouponRefused as refusal:
        return str(refusal.code)
    return "reserved"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from tests.support import START

    coupon, first, last = map(int, sys.argv[1:])
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps({contact: buy(coupon, contact, START) for contact in range(first, last + 1)}), flush=True)


if __name__ == "__main__":
    main()
