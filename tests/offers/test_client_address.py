"""From where a request comes: what counts as one place for limits, and what a visitor can claim in a header."""

from __future__ import annotations

import pytest

from wagtail_kwiga.offers import client_address


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", ""),
        ("127.0.0.1", ""),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("2001:470:1:2:3:4:5:6", "2001:470:1:2::/64"),
        ("2001:470:1:2::ffff", "2001:470:1:2::/64"),
        ("2001:470:1:3::1", "2001:470:1:3::/64"),
        ("fe80::1%eth0", ""),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_without_a_header(rf, address, place):
    assert client_address.place_of(rf.get("/", REMOTE_ADDR=address)) == place


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("unknown, 203.0.113.7:4711", "203.0.113.7"),
        ("6.6.6.6, [2001:db8::7]:443", "2001:db8::/64"),
        ("192.168.7.7", "192.168.7.7"),
        ("nonsense", "9.9.9.9"),
        ("6.6.6.6,", "9.9.9.9"),
        ("", "9.9.9.9"),
    ],
)
def test_what_the_sites_own_proxy_has_written_counts(rf, settings, header, place):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLIENT_IP_HEADER": "HTTP_X_FORWARDED_FOR"}
    request = rf.get("/", REMOTE_ADDR="9.9.9.9", headers={"X-Forwarded-For": header})
    assert client_address.place_of(request) == place
