"""Own page types that are offers."""

from __future__ import annotations

import pytest
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.contrib.routable_page.models import RoutablePageMixin

from tests.site.models import WorkshopPage
from wagtail_kwiga.checks import page_types
from wagtail_kwiga.models import OfferPageMixin


@pytest.fixture
def kind():
    yield WorkshopPage
    WorkshopPage.get_edit_handler.cache_clear()


def found():
    messages = page_types.check_page_types(None)
    assert all(message.hint and "site.WorkshopPage" in message.msg for message in messages)
    return [(message.id.removeprefix("wagtail_kwiga."), message.is_serious()) for message in messages]


def test_fine_page_types_hear_nothing(kind):
    assert found() == []


def test_an_editor_of_its_own_without_the_selling_fields(kind, monkeypatch):
    """As a base does that builds its own tabs and knows nothing of ours."""
    monkeypatch.setattr(kind, "edit_handler", ObjectList([FieldPanel("title"), FieldPanel("price")]))
    kind.get_edit_handler.cache_clear()
    assert found() == [("W032", False)]
    (message,) = page_types.check_page_types(None)
    assert "products" in message.msg and "price" not in message.msg


def test_an_editor_of_its_own_with_them(kind, monkeypatch):
    monkeypatch.setattr(kind, "edit_handler", ObjectList([FieldPanel("title"), *OfferPageMixin.selling_panels]))
    kind.get_edit_handler.cache_clear()
    assert found() == []


def test_a_template_that_is_not_there(kind, monkeypatch):
    monkeypatch.setattr(kind, "template", "tests_site/workshop_page.html")
    assert found() == [("E031", True)]


def test_a_page_type_that_chooses_its_template_is_not_asked(kind, monkeypatch):
    monkeypatch.setattr(kind, "template", "tests_site/workshop_page.html")
    monkeypatch.setattr(kind, "get_template", lambda self, request, *given, **named: "wagtail_kwiga/base.html")
    assert found() == []


def test_routes_that_come_before_the_offer(kind, monkeypatch):
    class Wrong(RoutablePageMixin, OfferPageMixin):
        class Meta:
            abstract = True
            app_label = "site"

    class Right(OfferPageMixin, RoutablePageMixin):
        class Meta:
            abstract = True
            app_label = "site"

    assert page_types._is_routed_first(Wrong)
    assert not page_types._is_routed_first(Right)
    monkeypatch.setattr(page_types, "_is_routed_first", lambda kind: kind is WorkshopPage)
    assert found() == [("E032", True)]
