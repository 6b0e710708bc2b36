"""Instants, durations, money and languages in words: told once, for pages, mails, admin and timeline alike."""
