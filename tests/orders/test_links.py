"""A link is not a login: signed, single-purpose, expiring (promise 10)."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from django.urls import get_script_prefix, set_script_prefix
from wagtail.models import Site

from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import signing
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.orders import links
from wagtail_kwiga.signing import Purpose


@pytest.mark.django_db
def test_links_are_absolute_from_the_orders_site_in_its_language():
    order = order_for(make_contact(), make_offer(), language="de")
    url = links.pay_url(order, START)
    assert url.startswith("http://localhost/shop/pay/")
    assert links.order_of(Purpose.PAY, url.rstrip("/").rsplit("/", 1)[1], START)[0] == order


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("port", "given", "root"),
    [
        (80, {}, "http://shop.example.com"),
        (443, {}, "https://shop.example.com"),
        (80, {"SECURE_SSL_REDIRECT": True}, "https://shop.example.com"),
        (443, {"SECURE_SSL_REDIRECT": True}, "https://shop.example.com"),
        (8000, {"SECURE_SSL_REDIRECT": True}, "https://shop.example.com:8000"),
        (80, {"SECURE_SSL_REDIRECT": True, "SECURE_SSL_HOST": "safe.example.com"}, "https://safe.example.com"),
    ],
)
def test_links_lead_where_the_site_sends_its_visitors_on_to(client, settings, port, given, root):
    """A mail program that unsubscribes by one click follows no redirect."""
    Site.objects.update(hostname="shop.example.com", port=port)
    for name, value in given.items():
        setattr(settings, name, value)
    order = order_for(make_contact(), make_offer())
    assert links.pay_url(order, START).startswith(f"{root}/shop/pay/")
    assert links.site_root(None) == root
    if given and port != 443:
        settings.MIDDLEWARE = settings.MIDDLEWARE  # made anew with the settings of now
        sent_on = client.get("/shop/", SERVER_NAME="shop.example.com", SERVER_PORT=port)
        assert sent_on["Location"] == f"{root}/shop/"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["/school", "/school/"])
@pytest.mark.parametrize("given", ["/", "/school/"], ids=["a thread of a worker", "a thread of a request"])
def test_a_site_below_a_prefix(settings, name, given):
    """Django sets the prefix in each thread for itself, and in some it does not."""
    settings.FORCE_SCRIPT_NAME = name
    order = order_for(make_contact(), make_offer())
    before = get_script_prefix()
    set_script_prefix(given)
    try:
        assert links.pay_url(order, START).startswith("http://localhost/school/shop/pay/")
    finally:
        set_script_prefix(before)


@pytest.mark.django_db
def test_a_deleted_order_is_said_to_be_gone():
    token = signing.make(Purpose.ORDER, expires=after(days=1), order=10**9)
    with pytest.raises(BadToken) as refusal:
        links.order_of(Purpose.ORDER, token, START)
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
