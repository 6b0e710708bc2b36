"""What a page says, read from its fields."""

from __future__ import annotations

import pytest

from tests.offers import making
from tests.site.models import Clause, TermsPage
from tests.support import START, after
from wagtail_kwiga.legal_texts import pages
from wagtail_kwiga.legal_texts.models import LegalText

pytestmark = pytest.mark.django_db

TERMS = LegalText.Kind.TERMS
BODY = [
    ("heading", "1. Returns"),
    ("text", "<p>You have <b>14 days</b>.<br/>See:</p><ul><li>unopened</li><li>complete</li></ul>"),
    ("price", {"label": "Postage", "euros": 7}),
    ("tone", "calm"),
    ("served", None),
]


def make_terms(**given) -> TermsPage:
    page = TermsPage(title="Terms of sale", slug="terms", live=False, **{"body": BODY, **given})
    making.root().add_child(instance=page)
    page.clauses.add(Clause(text="Riga is the place of jurisdiction.", sort_order=1))
    page.save_revision().publish()
    return TermsPage.objects.get(pk=page.pk)


def base_of(page: TermsPage):
    """As a chooser hands it over: the row of the base table alone."""
    return page.page_ptr


def test_every_field_of_its_own_in_order():
    page = make_terms(lead="Short and fair.", intro='<p>Read <a href="https://example.com/a">this</a> first.</p>')
    words = pages.text_of(page)
    told = [
        "Short and fair.",
        "Read this (https://example.com/a) first.",
        "1. Returns",
        "You have 14 days.\nSee:\n- unopened\n- complete",
        "Postage",
        "7",
        "said to a search",
        "Riga is the place of jurisdiction.",
    ]
    places = [words.find(each) for each in told]
    assert -1 not in places, words
    assert places == sorted(places)
    assert "wide" not in words and "terms" not in words.split()


def test_a_link_to_a_page_is_told_by_its_address():
    offer = making.make_page("Ink")
    page = make_terms(intro=f'<p><a linktype="page" id="{offer.pk}">Ink</a></p>')
    assert f"Ink ({offer.url})" in pages.text_of(page)


def test_what_is_no_text_is_left_out():
    html = "<style>p{}</style><script>x()</script><p>One &amp; two</p><p></p><p><a href='#top'>three</a></p>"
    assert pages.plain(html) == "One & two\nthree"


def test_a_page_may_say_it_itself(monkeypatch):
    monkeypatch.setattr(TermsPage, "kwiga_legal_text", lambda self: "My words", raising=False)
    assert pages.text_of(make_terms()) == "My words"


def test_a_revision_is_read_once(django_assert_num_queries):
    page = base_of(make_terms())
    first = pages.keep_page(TERMS, page, START)
    assert (first.title, first.language, first.kind) == ("Terms of sale", "en", "terms")
    assert "14 days" in first.text
    with django_assert_num_queries(1):
        assert pages.keep_page(TERMS, page, after(days=1)).pk == first.pk


def test_another_revision_with_other_words_is_another_text():
    page = make_terms()
    first = pages.keep_page(TERMS, base_of(page), START)
    page.body[1] = ("text", "<p>You have 30 days.</p>")
    page.save_revision().publish()
    second = pages.keep_page(TERMS, base_of(TermsPage.objects.get()), after(days=1))
    assert second != first
    first.refresh_from_db()
    assert ("14 days" in first.text, "30 days" in second.text) == (True, True)


def test_a_draft_is_nothing_that_anybody_saw():
    page = make_terms()
    first = pages.keep_page(TERMS, base_of(page), START)
    page.body[1] = ("text", "<p>You have 30 days.</p>")
    page.save_revision()
    assert pages.keep_page(TERMS, base_of(TermsPage.objects.get()), after(days=1)) == first


def test_another_revision_with_the_same_words_is_the_same_text():
    page = make_terms()
    first = pages.keep_page(TERMS, base_of(page), START)
    page.save_revision().publish()
    assert pages.keep_page(TERMS, base_of(TermsPage.objects.get()), after(days=1)) == first
    assert LegalText.objects.count() == 1
    assert first.sources.count() == 2


def test_a_page_that_was_never_published_through_wagtail_is_read_each_time():
    page = make_terms()
    TermsPage.objects.update(live_revision=None, lead="Before.")
    first = pages.keep_page(TERMS, base_of(TermsPage.objects.get()), START)
    TermsPage.objects.update(lead="After.")
    second = pages.keep_page(TERMS, base_of(TermsPage.objects.get()), after(days=1))
    assert (page.pk, "Before." in first.text, "After." in second.text) == (page.pk, True, True)
