"""Blocks."""


def start_blocks():
    return []


def step_blocks():
    return []
