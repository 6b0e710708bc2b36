"""Where the screens of coupons are, and a form as an editor fills it in."""

from __future__ import annotations

from django.urls import reverse

LIST = "/admin/kwiga/coupons/"
ADD = "/admin/kwiga/coupons/add/"


def edit(coupon):
    return reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk])


def uses(coupon):
    return reverse("wagtail_kwiga_coupons:uses", args=[coupon.pk])


def inspect(coupon):
    return reverse("wagtail_kwiga_coupons:inspect", args=[coupon.pk])


def typed(**given):
    return {
        "code": "SPRING", "kind": "percent", "percent": "15", "amount": "", "currency": "", "valid_from": "",
        "valid_until": "", "limit_total": "", "limit_per_contact": "1", "is_active": "on", "note": "", **given,
    }  # fmt: skip
