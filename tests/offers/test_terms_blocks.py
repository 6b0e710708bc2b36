"""The form of what an offer sells: every choice reaches the terms, every gap is told in words."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import translation
from wagtail.blocks.struct_block import StructBlockValidationError

from tests.support import make_product
from wagtail_kwiga.catalogue import terms_text
from wagtail_kwiga.catalogue.access_rules import Length, Lesson, Lessons, Release, Start
from wagtail_kwiga.catalogue.terms import AccessTerms
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
    assert terms(start="date", start_date="2027-09-01").start == Start.on("2027-09-01")
    assert terms(start="not_before", start_date="2027-09-01").start == Start.not_before("2027-09-01")
    assert terms(start="days_after", start_days=3).start == Start.days_after(3)
    assert terms(length="months", length_number=6, extends=True).length == Length.months(6, extends=True)
    for kind in ("course", "all", "after_previous"):
        assert terms(release=kind).release == Release(kind)
    assert terms(lessons="first", lessons_first=3).lessons == Lessons.first(3)
    assert terms(release="every", release_days=7).release == Release.every(7)
    rest = terms(new_lessons=False, practice="by_instructor", checkpoints=True, comments=True, certificate=True)
    assert (rest.auto_open_new, rest.practice, rest.checkpoints, rest.comments, rest.certificate) == (
        False,
        "by_instructor",
        True,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [({"length": "days"}, "length_number"), ({"length": "until"}, "length_until"), ({"start": "date"}, "start_date"),
     ({"start": "not_before"}, "start_date"), ({"start": "days_after"}, "start_days"),
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
    assert chosen.includes(Lesson("sky", 4))
    assert not chosen.includes(Lesson("trees", 0))
    assert chosen.includes(Lesson("added-later", 9))


def test_chosen_modules_are_written_one_a_line(db):
    chosen = terms(
        lessons="chosen", modules_chosen="I\n\nII\nI", lessons_known="water", new_lessons_in="II", lessons_chosen="sky"
    )
    assert chosen.lessons == Lessons.chosen(["sky"], modules=["I", "II"], known=["water"], new_in=["II"])
    with translation.override("en"):
        assert terms_text.access_in_words(chosen)[1:3] == ("1 lesson of it", "2 modules of it")


@pytest.mark.parametrize(
    ("sold", "said"),
    [
        (AccessTerms(start=Start.on("2027-09-01")), ("access without end", "starts on Sept. 1, 2027")),
        (
            AccessTerms(start=Start.not_before("2027-09-01")),
            ("access without end", "starts when you have paid, but not before Sept. 1, 2027"),
        ),
        (AccessTerms(start=Start.days_after(1)), ("access without end", "starts a day after you have paid")),
        (AccessTerms(start=Start.days_after(3)), ("access without end", "starts 3 days after you have paid")),
        (AccessTerms(length=Length.days(1, extends=True)), ("extends the access you have by 1 day",)),
        (AccessTerms(length=Length.months(2, extends=True)), ("extends the access you have by 2 months",)),
        (
            AccessTerms(release=Release.after_previous()),
            ("access without end", "each lesson opens once you have finished the one before"),
        ),
        (
            AccessTerms(practice="by_instructor"),
            ("access without end", "an instructor looks at your practice work"),
        ),
        (AccessTerms(lessons=Lessons.chosen(modules=["I"])), ("access without end", "1 module of it")),
        (AccessTerms(release=Release.at_once()), ("access without end",)),
    ],
)
def test_terms_in_words(sold, said):
    with translation.override("en"):
        assert terms_text.access_in_words(sold) == said


def test_later_lessons_stay_closed_where_the_present_ones_are_listed(db):
    kept = terms(new_lessons=False, lessons_known="water\nsky")
    assert kept.includes(Lesson("sky", 1))
    assert not kept.includes(Lesson("added-later", 2))


def test_lessons_open_on_their_dates(db):
    rows = [{"lesson": "water", "date": "2027-09-01"}, {"lesson": "sky ", "date": "2027-09-08"}]
    dated = terms(release="dated", release_dates=rows)
    assert dated.release == Release.dated({"water": "2027-09-01", "sky": "2027-09-08"})
    with translation.override("en"):
        assert terms_text.access_in_words(dated)[1] == "lessons open one by one, the last on Sept. 8, 2027"


def test_instructors_are_people_who_may_work_in_the_admin(db):
    group = Group.objects.create(name="Instructors")
    group.permissions.add(Permission.objects.get(content_type__app_label="wagtailadmin", codename="access_admin"))
    for name in ("anna", "bert", "cleo"):
        User.objects.create_user(name)
    anna, bert = User.objects.get(username="anna"), User.objects.get(username="bert")
    anna.groups.add(group)
    User.objects.create_superuser("zoe", first_name="Zoe", last_name="Last")
    gone = User.objects.create_superuser("gone", is_active=False)
    named = dict(terms_blocks.instructors())
    assert list(named.values()) == ["anna", "Zoe Last"]
    assert str(gone.pk) not in named
    assert terms(practice="by_instructor", instructors=[str(anna.pk)]).instructors == (str(anna.pk),)
    block = ProductBlock()
    value = block.to_python({"product": make_product().pk, "instructors": [str(bert.pk)]})
    with pytest.raises(StructBlockValidationError) as refusal:
        block.clean(value)
    assert list(refusal.value.block_errors) == ["instructors"]


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"lessons": "chosen"}, "lessons_chosen", "at least one lesson or module"),
        ({"lessons": "chosen", "lessons_chosen": " \n "}, "lessons_chosen", "at least one lesson or module"),
        ({"new_lessons": False}, "lessons_known", "List the lessons there are today"),
        ({"release": "dated"}, "release_dates", "at least one date"),
        (
            {"release": "dated", "release_dates": [{"lesson": "a", "date": "2027-09-01"}, {"lesson": "a ", "date": "2027-09-02"}]},
            "release_dates",
            "A lesson stands here twice",
        ),
        ({"length": "months"}, "length_number", "How many months"),
        ({"lessons": "chosen", "modules_chosen": "I", "new_lessons": False}, "lessons_known", "List the lessons there are"),
        ({"extends": True}, "extends", "Only a number of days or months"),
        ({"length": "until", "length_until": "2027-09-01", "extends": True}, "extends", "Only a number of days or months"),
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
        practice="by_instructor", instructors=["7"],
    )  # fmt: skip
    assert AccessTerms.from_json(whole.to_json()) == whole
    with translation.override("en"):
        assert "2 lessons of it" in terms_text.access_in_words(whole)
