"""Having an offer page take a coupon: the page's own gate is changed where editors change it, on the page, and published.

A page that somebody is in the middle of changing is left alone: publishing the coupon would publish their draft as well.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.offers import publishing

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

Mode = Offer.CouponMode


def takes(page: Any, coupon: Coupon) -> bool:
    """Whether the gate of ``page``, as it stands in memory, lets ``coupon`` in. The coupon's own limits are not asked."""
    if page.coupon_mode == Mode.ANY:
        return True
    return page.coupon_mode == Mode.ONLY and coupon.pk in _named(page)


def why_not_nameable(page: Any, *, now: dt.datetime | None = None) -> str:
    """Why the gate of ``page`` (the specific source page) cannot be changed at once, in words for editors; empty if it can.

    Says nothing about a page that takes any coupon: there is nothing to change.
    """
    if page.coupon_mode == Mode.ANY:
        return ""
    if publishing.is_translation(page):
        return _("This page is a translation: its coupons are chosen on the page it was translated from.")
    if page.alias_of_id:
        return _("The page “%(page)s” repeats another page. Choose the coupon on that one.") % {"page": page.title}
    if not page.live:
        return _("The page “%(page)s” is not published. Publish it first.") % {"page": page.title}
    if page.has_unpublished_changes or (page.go_live_at is not None and page.go_live_at > (now or conf.now())):
        words = _(
            "The page “%(page)s” has changes that are not published yet, and letting it take a coupon would publish them "
            "too. Publish or discard them first."
        )
        return words % {"page": page.title}
    if page.locked:
        return _("The page “%(page)s” is locked. Unlock it first.") % {"page": page.title}
    return ""


def name_coupon(page: Any, coupon: Coupon, *, by: AbstractBaseUser | None, now: dt.datetime | None = None) -> None:
    """Have ``page`` (the source page) take ``coupon``, and publish it; nothing is done where it takes it already.

    A page that took no coupons takes *only these* from now on, and only this one: what was left in its list from an
    earlier time does not come back unasked. ``by`` must be allowed to publish the page (``None`` asks nobody). Raises
    ``KwigaError`` with the words of ``why_not_nameable``, and ``PermissionDenied``; then nothing is changed.
    """
    with locking.atomic_write():
        # Read again under the lock: what was looked at before may have been edited meanwhile.
        locking.locked(publishing.page_model().objects.filter(pk=page.pk)).get()
        current = publishing.page_model().objects.get(pk=page.pk).specific
        if takes(current, coupon):
            return
        if words := why_not_nameable(current, now=now):
            raise KwigaError(words, code="page_not_nameable")
        if current.coupon_mode == Mode.NONE:
            current.coupon_mode = Mode.ONLY
            current.coupons = []
        current.coupons.append(("coupon", coupon))
        try:
            revision = current.save_revision(user=by, log_action=True)
        except ValidationError as fault:
            words = _("The page “%(page)s” cannot be published as it stands: %(fault)s")
            told = {"page": current.title, "fault": " ".join(fault.messages)}
            raise KwigaError(words % told, code="page_not_nameable") from fault
        revision.publish(user=by)


def _named(page: Any) -> set[int]:
    return {block.value.pk for block in page.coupons if block.value is not None}
