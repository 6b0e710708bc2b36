from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone, translation
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, ngettext_lazy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.support import START, after, make_contact, make_list
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.pricing.money import Money

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"]))
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.uuids()
    | st.sampled_from([Status.OPEN, Money.zero("JPY"), gettext_lazy("lists"), object(), mark_safe("<b>")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


@pytest.fixture
def told(monkeypatch):
    """Register sentences for the length of a test."""
    monkeypatch.setattr(writing, "_sentences", dict(writing._sentences))
    return writing.register_sentences


@pytest.fixture
def ada(db):
    return make_contact("ada@example.com")


@pytest.fixture
def editor(db):
    return get_user_model().objects.create_user("editor")


def test_an_entry_says_what_when_and_who(ada, editor):
    entry = writing.write(ada, "contact.called", now=START, by=editor, minutes=5)
    kept = TimelineEntry.objects.get()
    assert kept == entry
    assert (kept.subject, kept.code, kept.at, kept.by, kept.facts) == (
        ada,
        "contact.called",
        START,
        editor,
        {"minutes": 5},
    )
    assert not kept.needs_attention and kept.attended_at is None


def test_writing_is_one_insert(ada, django_assert_num_queries):
    ContentType.objects.clear_cache()
    writing.write(ada, "contact.called", now=START)  # the content type is read once a process
    with django_assert_num_queries(1) as queries:
        writing.write(ada, "contact.called", now=START)
    assert queries[0]["sql"].startswith("INSERT")


def test_writing_many_is_one_query_and_needs_no_rows(ada, django_assert_num_queries):
    ContentType.objects.get_for_model(Contact)
    with django_assert_num_queries(1):
        written = writing.write_many(
            writing.draft((Contact, ada.pk), "contact.called", now=after(minutes=n), n=n) for n in range(80)
        )  # as many as SQLite takes in one statement: 999 values
    assert len(written) == 80
    assert [entry.facts["n"] for entry in writing.timeline(ada)] == list(range(80))
    with django_assert_num_queries(0):
        assert writing.write_many([]) == []


def test_a_timeline_is_of_one_subject_oldest_first_in_one_query(ada, editor, django_assert_num_queries):
    other, same_key = make_contact(), make_list()
    for minute, subject in ((3, ada), (1, ada), (2, other)):
        writing.write(subject, f"contact.n{minute}", now=after(minutes=minute), by=editor)
    writing.write((type(same_key), ada.pk), "list.made", now=START)
    with django_assert_num_queries(1):
        entries = list(writing.timeline(ada))
        assert [entry.by.username for entry in entries] == ["editor"] * 2
    assert [entry.code for entry in entries] == ["contact.n1", "contact.n3"]
    assert list(writing.timeline((Contact, ada.pk))) == entries


@pytest.mark.parametrize("nobody", [None, AnonymousUser()])
def test_nobody_is_nobody(ada, nobody):
    assert writing.write(ada, "contact.called", now=START, by=nobody).by is None


def test_facts_may_have_any_name(ada):
    entry = writing.write(ada, "contact.called", now=START, subject="a", code="b", at="c", entry="d")
    assert entry.facts == {"subject": "a", "code": "b", "at": "c", "entry": "d"}


def test_what_needs_attention_is_open_until_somebody_attends(ada, editor):
    first = writing.write(ada, "order.late_money", now=after(minutes=2), attention=True)
    second = writing.write(ada, "order.paid_twice", now=after(minutes=1), attention=True)
    plain = writing.write(ada, "contact.called", now=START)
    assert list(writing.open_attention()) == [second, first]
    assert writing.attend(first, editor, after(hours=1)) is True
    assert (first.attended_by, first.attended_at) == (editor, after(hours=1))
    assert writing.attend(first, None, after(hours=2)) is False
    assert writing.attend(plain, editor, after(hours=2)) is False
    first.refresh_from_db()
    assert (first.attended_by, first.attended_at) == (editor, after(hours=1))
    assert list(writing.open_attention()) == [second]


def test_what_needs_attention_costs_the_same_for_one_and_for_many(ada, editor, django_assert_num_queries):
    here = make_list()
    for size in (1, 30):
        for _ in range(size):
            writing.write(ada, "contact.odd", now=START, by=editor, attention=True)
            writing.write(here, "list.odd", now=START, attention=True)
        ContentType.objects.get_for_models(Contact, type(here))
        with django_assert_num_queries(4):  # entries, their types, contacts, lists
            shown = [(str(entry.subject), str(entry.by), str(entry.subject_type)) for entry in writing.open_attention()]
        assert {subject for subject, by, kind in shown} == {str(ada), str(here)}


def test_a_sentence_with_its_facts_in_the_language_and_zone_of_the_reader(ada, told):
    told({"order.part": gettext_lazy("%(received)s came on %(when)s for %(whats)s.")})
    entry = writing.write(
        ada,
        "order.part",
        now=START,
        received=Money(Decimal("1234.5"), "EUR"),
        when=dt.datetime(2027, 7, 1, 12, 0, tzinfo=dt.UTC),
        whats=["a course", 2],
    )
    entry.refresh_from_db()
    assert entry.facts == {
        "received": {"money": "1234.50", "currency": "EUR"},
        "when": {"instant": "2027-07-01T12:00:00+00:00"},
        "whats": ["a course", 2],
    }
    with timezone.override("Europe/Warsaw"):
        assert writing.sentence(entry) == "€1,234.50 came on 07/01/2027 2 p.m.\xa0CEST for a course, 2."
        with translation.override("de"):
            assert writing.sentence(entry) == "1.234,50\xa0€ came on 01.07.2027 14:00\xa0MESZ for a course, 2."


def test_a_sentence_with_a_number(ada, told):
    told({"list.sent": ngettext_lazy("%(n)d mail sent.", "%(n)d mails sent.", "n")})
    assert writing.sentence(writing.draft(ada, "list.sent", now=START, n=1)) == "1 mail sent."
    assert writing.sentence(writing.draft(ada, "list.sent", now=START, n=2)) == "2 mails sent."
    assert writing.sentence(writing.draft(ada, "list.sent", now=START, n="two")) == "List: sent"
    assert writing.sentence(writing.draft(ada, "list.sent", now=START)) == "List: sent"


def test_registering_again_rewords(ada, told):
    told({"contact.called": "Called."})
    told({"contact.called": "Rang up."})
    assert writing.sentence(writing.draft(ada, "contact.called", now=START)) == "Rang up."


def test_a_sentence_for_a_code_that_nobody_knows(ada):
    assert writing.sentence(writing.draft(ada, "order.paid_very_late", now=START)) == "Order: paid very late"
    for code in ("", ".", "word", "a.b.c"):
        assert isinstance(writing.sentence(writing.draft(ada, code, now=START)), str)


@pytest.mark.parametrize("template", ["100 % off", "%(total)d", "%(total", "%d %d", "100%"])
def test_a_sentence_that_does_not_fit_is_replaced_by_words(ada, told, template):
    told({"order.paid": template})
    assert writing.sentence(writing.draft(ada, "order.paid", now=START, total="x")) in ("Order: paid", template)


def test_a_missing_fact_shows_as_an_ellipsis(ada, told):
    told({"order.paid": gettext_lazy("Paid: %(total)s with %(method)s")})
    assert writing.sentence(writing.draft(ada, "order.paid", now=START, total=5)) == "Paid: 5 with …"


@pytest.mark.parametrize(
    "facts",
    [
        None,
        [],
        "text",
        5,
        {"total": {"money": "much", "currency": "EUR"}},
        {"total": {"money": None, "currency": 5}},
        {"total": {"instant": "tomorrow"}},
        {"total": {"instant": None}},
        {"total": {"instant": "2027-01-01"}},
    ],
)
def test_facts_that_somebody_bent_do_not_break_the_timeline(ada, told, facts):
    told({"order.paid": gettext_lazy("Paid: %(total)s")})
    entry = writing.draft(ada, "order.paid", now=START)
    entry.facts = facts
    assert writing.sentence(entry)


def test_a_fact_is_text_and_never_markup(ada, told):
    told({"contact.named": gettext_lazy("Named %(name)s.")})
    entry = writing.write(ada, "contact.named", now=START, name=mark_safe("<script>"))
    said = writing.sentence(entry)
    assert said == "Named <script>."
    assert not hasattr(said, "__html__")


class TestOddFacts(TestCase):
    @settings(deadline=None)  # the database is slow on a busy machine; that is no fault
    @given(st.dictionaries(st.text(min_size=1, max_size=8), odd, max_size=4))
    def test_whatever_the_facts_are_they_are_kept_and_put_into_words(self, facts):
        facts = {name: value for name, value in facts.items() if name not in ("now", "by", "attention")}
        subject = (Contact, 5)
        writing.register_sentences({"test.odd": "Odd: " + "".join(f"%({name})s" for name in ("a", "b"))})
        facts |= {"a": facts.get("a", uuid.UUID(int=5)), "b": list(facts.values())}
        entry = writing.write(subject, "test.odd", now=START, **facts)
        entry.refresh_from_db()
        assert writing.sentence(entry).startswith("Odd")
