"""What an editor decides once for a site."""

from __future__ import annotations

import pytest

from wagtail_kwiga.site_settings import address_below


@pytest.mark.parametrize(
    ("address", "below"),
    [
        ("Paper Harbour\nQuay 3", "Quay 3"),
        ("Paper Harbour\r\nQuay 3\r\n12345 Sampleport\r\n", "Quay 3\n12345 Sampleport"),
        ("PAPER HARBOUR, Quay 3", "Quay 3"),
        ("  Paper Harbour  \n\nQuay 3", "Quay 3"),
        ("Paper Harbour", ""),
        ("", ""),
        ("Quay 3\nPaper Harbour", "Quay 3\nPaper Harbour"),
        ("Paper Harbour Ltd\nQuay 3", "Paper Harbour Ltd\nQuay 3"),
        ("Paper Harbourmaster, Quay 3", "Paper Harbourmaster, Quay 3"),
    ],
)
def test_below_the_sellers_name_its_address_does_not_begin_with_it(address, below):
    assert address_below("Paper Harbour", address) == below


def test_a_name_with_signs_of_its_own_is_taken_as_it_is():
    assert address_below("Brush & Paper (2.0)", "Brush & Paper (2.0)\nQuay 7") == "Quay 7"
    assert address_below("", " Quay 7 ") == "Quay 7"
