"""Blocks."""


def offer_blocks():
    return []


def product_blocks():
    return []


def coupon_blocks():
    return []
