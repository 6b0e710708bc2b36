"""Scenarios, decisions and their reasons in words, in the active language."""
