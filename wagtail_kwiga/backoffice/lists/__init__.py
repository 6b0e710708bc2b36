"""Contact lists and who is on them."""
