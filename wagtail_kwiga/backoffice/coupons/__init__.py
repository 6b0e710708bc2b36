"""Coupons, their uses, and the two gates."""
