"""The form of what an offer sells: every choice reaches the terms, every gap is told in words."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import translation
from wagtail.blocks.struct_block import StructBlockValidationError

from tests.support import make_product
from wagtail_kwiga.catalogue import terms_text
from wagtail_kwiga.catalogue.terms import AccessTerms, Length, Lessons, Release
from wagtail_kwiga.offers import terms_blocks
from wagtail_kwiga.offers.terms_blocks import ProductBlock

pytestmark = pytest.mark.django_db


def terms(**given) -> AccessTerms:
    block = ProductBlock()
    return block.to_python({"product": make_product().pk, **given}).access_terms()


def test_a_product_alone_is_sold_without_any_limit(db):
    assert terms() == AccessTerms()


def test_each_choice_reaches_the_terms(db):
    assert terms(length="days", length_number=30).length == Length.days(30)
    assert terms(length="months", length_number=6).length == Length.months(6)
    assert terms(length="until", length_until="2027-12-31").length == Length.until("2027-12-31")
    assert terms(start="date", start_date="2027-09-01").start == "2027-09-01"
    assert terms(lessons="first", lessons_first=3).lessons == Lessons.first(3)
    assert terms(release="every", release_days=7).release == Release.every(7)
    rest = terms(new_lessons=False, practice="curator", checkpoints=True, comments=True, certificate=True)
    assert (rest.auto_open_new, rest.practice, rest.checkpoints, rest.comments, rest.certificate) == (
        False,
        "curator",
        True,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [({"length": "days"}, "length_number"), ({"length": "until"}, "length_until"), ({"start": "date"}, "start_date"),
     ({"lessons": "first"}, "lessons_first"), ({"release": "every"}, "release_days")],
)  # fmt: skip
def test_a_choice_that_needs_a_number_or_a_date(db, given, field):
    block = ProductBlock()
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(block.to_python({"product": make_product().pk, **given}))
    assert list(refusal.value.block_errors) == [field]


def test_chosen_lessons_are_written_one_a_line(db):
    chosen = terms(lessons="chosen", lessons_chosen=" sky \n\nwater\nsky\n", lessons_known="water\nsky\ntrees")
    assert chosen.lessons == Lessons.chosen(["sky", "water"], known=["water", "sky", "trees"])
    assert chosen.includes("sky", 4)
    assert not chosen.includes("trees", 0)
    assert chosen.includes("added-later", 9)


def test_later_lessons_stay_closed_where_the_present_ones_are_listed(db):
    kept = terms(new_lessons=False, lessons_known="water\nsky")
    assert kept.includes("sky", 1)
    assert not kept.includes("added-later", 2)


def test_lessons_open_on_their_dates(db):
    rows = [{"lesson": "water", "date": "2027-09-01"}, {"lesson": "sky ", "date": "2027-09-08"}]
    dated = terms(release="dated", release_dates=rows)
    assert dated.release == Release.dated({"water": "2027-09-01", "sky": "2027-09-08"})
    with translation.override("en"):
        assert terms_text.access_in_words(dated)[1] == "lessons open one by one, the last on Sept. 8, 2027"


def test_curators_are_people_who_may_work_in_the_admin(db):
    group = Group.objects.create(name="Curators")
    group.permissions.add(Permission.objects.get(content_type__app_label="wagtailadmin", codename="access_admin"))
    for name in ("anna", "bert", "cleo"):
        User.objects.create_user(name)
    anna, bert = User.objects.get(username="anna"), User.objects.get(username="bert")
    anna.groups.add(group)
    User.objects.create_superuser("zoe", first_name="Zoe", last_name="Last")
    gone = User.objects.create_superuser("gone", is_active=False)
    named = dict(terms_blocks.curators())
    assert list(named.values()) == ["anna", "Zoe Last"]
    assert str(gone.pk) not in named
    assert terms(practice="curator", curators=[str(anna.pk)]).curators == (str(anna.pk),)
    block = ProductBlock()
    value = block.to_python({"product": make_product().pk, "curators": [str(bert.pk)]})
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(value)
    assert list(refusal.value.block_errors) == ["curators"]


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"lessons": "chosen"}, "lessons_chosen", "at least one key"),
        ({"lessons": "chosen", "lessons_chosen": " \n "}, "lessons_chosen", "at least one key"),
        ({"new_lessons": False}, "lessons_known", "List the lessons there are today"),
        ({"release": "dated"}, "release_dates", "at least one date"),
        (
            {"release": "dated", "release_dates": [{"lesson": "a", "date": "2027-09-01"}, {"lesson": "a ", "date": "2027-09-02"}]},
            "release_dates",
            "A lesson stands here twice",
        ),
        ({"length": "months"}, "length_number", "How many months"),
    ],
)  # fmt: skip
def test_what_is_missing_is_asked_for_in_words(given, field, said):
    block = ProductBlock()
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(block.to_python({"product": make_product().pk, **given}))
    told = refusal.value.block_errors
    assert list(told) == [field]
    assert said in str(told[field].as_json_data() if hasattr(told[field], "as_json_data") else told[field].messages)


def test_what_was_not_chosen_asks_for_nothing(db):
    block = ProductBlock()
    value = block.to_python(
        {"product": make_product().pk, "lessons": "first", "lessons_first": 2, "new_lessons": False}
    )
    assert block.clean(value).access_terms().lessons == Lessons.first(2)


def test_terms_survive_their_way_to_json_and_back(db):
    whole = terms(
        lessons="chosen", lessons_chosen="a\nb", release="dated", release_dates=[{"lesson": "a", "date": dt.date(2027, 9, 1)}],
        practice="curator", curators=["7"],
    )  # fmt: skip
    assert AccessTerms.from_json(whole.to_json()) == whole
    with translation.override("en"):
        assert "2 lessons of it" in terms_text.access_in_words(whole)
