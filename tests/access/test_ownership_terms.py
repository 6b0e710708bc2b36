"""Which lessons are among which, whenever they open; and an offer whose terms cannot be read, which nobody owns."""

from __future__ import annotations

import logging

import pytest

from tests.support import START, make_contact, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access.ownership import includes_all, owned_offers, owns_all
from wagtail_kwiga.catalogue.access_rules import Lessons, Release
from wagtail_kwiga.catalogue.terms import AccessTerms

ALL, FIRST = Lessons(), Lessons.first(3)


@pytest.mark.parametrize(
    ("held", "sold", "all_of_it"),
    [
        pytest.param(ALL, ALL, True, id="all"),
        pytest.param(ALL, FIRST, True, id="the first of all"),
        pytest.param(ALL, Lessons.chosen(["a"], modules=["I"]), True, id="a chosen one of all"),
        pytest.param(FIRST, ALL, False, id="all, of which the first are held"),
        pytest.param(FIRST, Lessons.first(2), True, id="fewer"),
        pytest.param(FIRST, FIRST, True, id="as many"),
        pytest.param(FIRST, Lessons.first(4), False, id="one more"),
        pytest.param(Lessons.first(1), Lessons.first(2), False, id="two of which one is held"),
        pytest.param(Lessons.chosen(["a"]), Lessons.first(1), False, id="the first, whichever it is"),
        pytest.param(FIRST, Lessons.chosen(["a"]), False, id="who knows at which place it is"),
        pytest.param(Lessons.chosen(["a", "b"]), Lessons.chosen(["a"]), True, id="one of two"),
        pytest.param(Lessons.chosen(["a"]), Lessons.chosen(["a", "b"]), False, id="two, of which one is held"),
        pytest.param(Lessons.chosen(["a"]), Lessons.chosen(["b"]), False, id="another"),
        pytest.param(Lessons.chosen(modules=["I", "II"]), Lessons.chosen(modules=["I"]), True, id="one of two modules"),
        pytest.param(Lessons.chosen(modules=["I"]), Lessons.chosen(modules=["II"]), False, id="another module"),
        pytest.param(Lessons.chosen(["a"], modules=["I"]), Lessons.chosen(modules=["I"]), True, id="the module alone"),
        pytest.param(Lessons.chosen(modules=["I"]), ALL, False, id="all, of which a module is held"),
    ],
)
@pytest.mark.parametrize("release", [Release.at_once(), Release.every(900), Release.dated({"a": "2099-01-01"})])
def test_whether_all_lessons_are_held(held, sold, all_of_it, release):
    """Whenever either may open them: a renewal extends what is held, however slowly that opens."""
    terms = AccessTerms(lessons=held, release=release), AccessTerms(lessons=sold, release=Release.at_once())
    assert includes_all(*terms) is all_of_it
    assert includes_all(terms[0], AccessTerms(lessons=sold, release=release)) is all_of_it


@pytest.mark.django_db
def test_an_offer_whose_terms_cannot_be_read_is_owned_by_nobody(caplog):
    """Not even where all of it that can be read is owned; and the others are answered all the same."""
    ada, course, oil = make_contact(), make_product(), make_product("Oil")
    for product in (course, oil):
        m.AccessGrant.objects.create(
            contact=ada, product=product, source=f"staff:{product.pk}", terms=AccessTerms().to_json(),
            granted_at=START, starts_at=START,
        )  # fmt: skip
    both, alone = make_offer(course, oil), make_offer(course)
    assert owns_all(ada.pk, both.pk, START)
    both.offer_products.filter(product=oil).update(access_terms={"schema": 999})
    with caplog.at_level(logging.ERROR, logger="wagtail_kwiga.access"):
        owned = owned_offers([(ada.pk, both.pk), (ada.pk, alone.pk)], START)
    assert owned == {(ada.pk, alone.pk)}
    assert [record.getMessage() for record in caplog.records] == [f"The terms of offer {both.pk} cannot be read"]
