"""The ready-made recovery of unpaid orders, as one form makes it."""
