"""What a site's own fields of the order form were answered, on the order's card and in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from django import forms
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation
from django.utils.translation import pgettext_lazy
from wagtail import hooks

from tests.offers.making import text_of
from tests.orders.shop import order_for
from tests.support import START, make_contact, make_offer, make_product
from wagtail_kwiga import background, conf
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.orders import answers

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def worker_runs():
    background.beat(background.SWEEP, at=conf.now())


def asks_for_more(form_class):
    class WithMore(form_class):
        company = forms.CharField(label="Your company")
        size = forms.ChoiceField(
            label=pgettext_lazy("sales", "Order"),
            choices=[("Of cloth", [("s", "Small"), ("l", "Large")]), ("x", "None")],
        )
        days = forms.MultipleChoiceField(choices=[("1", "Monday"), ("2", "Tuesday")])
        visit = forms.DateField(label="Visit")
        hour = forms.DateTimeField(label="Hour")
        course = forms.ModelChoiceField(m.Product.objects.all(), label="Course before")
        news = forms.BooleanField(label="News", required=False)

    return WithMore


@pytest.fixture(autouse=True)
def site_form():
    with hooks.register_temporarily("construct_kwiga_checkout_form", asks_for_more):
        yield


def answered(**given) -> m.Order:
    return order_for(make_contact(), make_offer(), answers=given)


def card(client, order):
    return client.get(reverse("wagtail_kwiga_orders:inspect", args=[order.pk]))


def test_each_is_told_as_the_form_words_it(admin_client):
    course = make_product("Ink")
    order = answered(
        company=EVIL,
        size="l",
        days=["1", "2"],
        visit=START.date(),
        hour=START,
        course=course,
        news=False,
        seat_number="7",
    )
    order.refresh_from_db()
    with translation.override("de"):
        assert answers.told(order) == [
            ("Your company", EVIL),
            ("Bestellung", "Large"),
            ("Days", "Monday, Tuesday"),
            ("Visit", "1. März 2027"),
            ("Hour", "1. März 2027 13:00"),
            ("Course before", "Ink"),
            ("News", "nein"),
            ("Seat number", "7"),
        ]
    page = card(admin_client, order)
    assert "Answers on the order form" in text_of(page)
    assert "Days Monday, Tuesday" in text_of(page)
    assert EVIL not in page.content.decode()


def test_what_no_longer_fits_the_form_is_told_as_it_is(admin_client):
    order = answered(size="m", days="1", visit="soon", course="nowhere", news="perhaps")
    assert [text for _label, text in answers.told(order)] == ["m", "Monday", "soon", "nowhere", "perhaps"]
    assert card(admin_client, order).status_code == 200
    gone = make_product("Gone")
    order = answered(course=gone)
    key = str(gone.pk)
    gone.delete()
    assert [text for _label, text in answers.told(order)] == [key]


def test_without_answers_there_is_no_such_panel(admin_client):
    order, plain = answered(company="Ltd", size="s"), answered()
    card(admin_client, plain)  # what is cached from the first look on
    with CaptureQueriesContext(connection) as none:
        assert "Answers on the order form" not in text_of(card(admin_client, plain))
    with CaptureQueriesContext(connection) as some:
        assert "Your company Ltd" in text_of(card(admin_client, order))
    assert len(some) == len(none)


def test_a_spreadsheet_holds_them_in_one_cell_as_they_are_kept(admin_client):
    answered(company="=1+1", size="l", days=["1", "2"], news=True)
    answer = admin_client.get(f"{reverse('wagtail_kwiga_orders:index')}?export=csv")
    (row,) = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert row["Answers on the order form"] == "company: =1+1; days: 1, 2; news: true; size: l"
