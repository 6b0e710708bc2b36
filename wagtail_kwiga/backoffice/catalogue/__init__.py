"""Products and offers."""
