"""A link is not a login: signed, single-purpose, expiring (promise 10)."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from wagtail.models import Site

from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.orders import links
from wagtail_kwiga.orders.links import LinkPurpose


def test_a_token_carries_its_payload_until_it_expires():
    token = links.make(LinkPurpose.PAY, expires=after(days=1), order=17)
    assert links.read(LinkPurpose.PAY, token, after(hours=23)) == {"order": 17}
    with pytest.raises(BadToken) as refusal:
        links.read(LinkPurpose.PAY, token, after(days=1))
    assert refusal.value.code == "expired_token"


@pytest.mark.parametrize("other", [p for p in LinkPurpose if p != LinkPurpose.PAY])
def test_a_token_serves_one_purpose(other):
    token = links.make(LinkPurpose.PAY, expires=after(days=1), order=17)
    with pytest.raises(BadToken):
        links.read(other, token, START)


@given(st.text(max_size=600))
def test_rubbish_is_refused_kindly(rubbish):
    with pytest.raises(BadToken):
        links.read(LinkPurpose.PAY, rubbish, START)


@given(st.integers(min_value=0, max_value=10_000), st.characters(codec="ascii"))
def test_one_changed_character_is_noticed(position, character):
    token = links.make(LinkPurpose.PAY, expires=after(days=1), order=17)
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(BadToken):
            links.read(LinkPurpose.PAY, changed, START)


@pytest.mark.django_db
def test_links_are_absolute_from_the_orders_site_in_its_language():
    order = order_for(make_contact(), make_offer(), language="de")
    url = links.pay_url(order, START)
    assert url.startswith("http://localhost/shop/pay/")
    assert links.order_of(LinkPurpose.PAY, url.rstrip("/").rsplit("/", 1)[1], START)[0] == order


@pytest.mark.django_db
def test_a_deleted_order_is_said_to_be_gone():
    token = links.make(LinkPurpose.ORDER, expires=after(days=1), order=10**9)
    with pytest.raises(BadToken) as refusal:
        links.order_of(LinkPurpose.ORDER, token, START)
    assert refusal.value.code == "gone"


@pytest.mark.django_db
class TestFromHere:
    """Where a visitor is sent on to within the shop."""

    @pytest.fixture
    def order(self):
        return order_for(make_contact(), make_offer())

    def request(self, host: str):
        return RequestFactory().get("/", headers={"host": host})

    def test_the_host_and_port_by_which_they_came_stay(self, order):
        url = links.pay_url(order, START)
        assert url.startswith("http://localhost/shop/pay/")
        assert links.from_here(self.request("localhost:8000"), url) == url.removeprefix("http://localhost")

    def test_another_site_and_strangers_stay_as_they_are(self, order):
        other = Site.objects.create(hostname="other.example", port=80, root_page=Site.objects.get().root_page)
        url = links.pay_url(order, START)
        assert links.from_here(self.request("other.example"), url) == url
        assert other.root_url == "http://other.example"
        for stranger in ("https://bank.example/pay", "http://localhost.bank.example/", "http://localhost:81/pay"):
            assert links.from_here(self.request("localhost"), stranger) == stranger
