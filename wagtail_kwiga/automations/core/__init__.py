"""What a scenario means. Plain Python: no database, no clock, neither Django nor Wagtail."""
