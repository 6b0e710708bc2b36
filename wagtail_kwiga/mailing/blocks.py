"""Blocks."""


def body_blocks():
    return []
