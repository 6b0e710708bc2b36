"""Orders: the list and the card."""
