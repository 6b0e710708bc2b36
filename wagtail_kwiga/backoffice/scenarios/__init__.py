"""Scenarios, and the people inside."""
