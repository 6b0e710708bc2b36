"""Where people may be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import START, make_contact, make_offer, make_product
from wagtail_kwiga import web_addresses
from wagtail_kwiga.web_addresses import destination

ROOT = "https://shop.example"

#: What leads to a script, or from a path to another host, in one browser or another.
HOSTILE = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "\tjavascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example/",
    "/ /evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://",
    "https://[",
    "https://evil.example\\@shop.example/",
    "https://evil.example /",
    "course/",
    "",
    "\x00/course/",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_these_lead_nowhere(address):
    assert destination(address) == destination(address, site_root=ROOT) == ""
    assert not web_addresses.is_own_path(address)
    assert not web_addresses.is_web_page(address)


@pytest.mark.parametrize("path", ["/", "/course/", "/course/?lesson=1#top", "/курс/", "/a//b/", "/x:y"])
def test_a_path_of_the_site(path):
    assert destination(path) == path
    assert destination(path, site_root=ROOT) == f"{ROOT}{path}"


@pytest.mark.parametrize(
    "address", ["https://school.example/x?y=1", "http://school.example", "HTTPS://school.example/"]
)
def test_another_host_is_the_editors_to_choose(address):
    assert destination(address, site_root=ROOT) == address


@given(st.text(max_size=60))
def test_whatever_comes_is_a_path_a_web_page_or_nothing(address):
    found = destination(address)
    assert found in ("", address)
    if found:
        assert found.lower().startswith(("https://", "http://")) or (found[0] == "/" and found[1:2] not in ("/", "\\"))


@pytest.mark.django_db
@pytest.mark.parametrize("address", HOSTILE)
def test_pages_mails_and_the_order_page_agree(address):
    """Each had a rule of its own: a tab inside ``/<tab>/evil`` went through on pages, a mail led to a page that is not there."""
    from dataclasses import replace

    from tests.mailing.making import situation_for
    from tests.orders.shop import order_for
    from wagtail_kwiga.mailing import link_building
    from wagtail_kwiga.mailing.models import EmailTemplateVersion, OutgoingEmail
    from wagtail_kwiga.mailing.placeholders import build_context
    from wagtail_kwiga.offers import presentation as offer_words
    from wagtail_kwiga.orders import links
    from wagtail_kwiga.payments import presentation as order_words
    from wagtail_kwiga.payments.provider import Redirect

    contact = make_contact()
    order = order_for(contact, make_offer(make_product(entry_url=address.replace("\x00", "\x01"))))
    assert [way.url for way in offer_words.ways_in(order, START)] == [""]
    assert [line.way_in for line in order_words._bought(order, START, paid=True)] == [""]
    built = build_context(["access_url"], replace(situation_for(contact, order=order)))[1]
    assert built == {
        "access_url": {"order": order.pk, "at": int(START.timestamp())}
    }  # the order page, which lists none
    version = EmailTemplateVersion(placeholders=["access_url"])
    # queued before the rule
    stored = OutgoingEmail(links={"access_url": {"to": address}}, site_id=order.site_id, version=version)
    assert link_building.of(stored) == {"access_url": links.site_root(order.site_id)}
    with pytest.raises(ValueError, match="web address"):
        Redirect(address)
