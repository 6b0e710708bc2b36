"""Versions: compiled once, immutable, in the right language."""

from __future__ import annotations

import threading

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import translation
from wagtail.images.models import Image
from wagtail.images.tests.utils import get_test_image_file
from wagtail.models import Locale

from tests.mailing.making import make_template, situation_for, stream
from tests.support import START
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import placeholders, rendering
from wagtail_kwiga.mailing.authoring import compiling, unsendable, versions

pytestmark = pytest.mark.django_db


def test_the_same_content_is_compiled_once(django_assert_num_queries):
    template = make_template()
    first = versions.for_template(template, "en")
    with django_assert_num_queries(2):
        assert versions.for_template(template, "en") == first
    assert m.EmailTemplateVersion.objects.count() == 1


def test_editing_makes_another_version_and_keeps_the_old(django_assert_num_queries):
    template = make_template()
    before = versions.for_template(template, "en")
    template.subject = "Another"
    template.save()
    after = versions.for_template(template, "en")
    assert after != before
    before.refresh_from_db()
    assert "place is still free" in before.subject


def test_a_draft_is_not_sent():
    template = make_template()
    live = versions.for_template(template, "en")
    template.subject = "A draft"
    template.save_revision()
    assert versions.for_template(template, "en") == live


def _translated(template, language, **given):
    locale, _made = Locale.objects.get_or_create(language_code=language)
    copy = template.copy_for_translation(locale)
    for name, value in {"live": True, **given}.items():
        setattr(copy, name, value)
    copy.save()
    return copy


def test_the_language_chain():
    """The order's language, its base language, the template itself."""
    template = make_template()
    _translated(template, "de", subject="Dein Platz ist noch frei")
    _translated(template, "pl", subject="Miejsce czeka", live=False)
    chosen = {
        language: versions.for_template(template, language).subject[:4]
        for language in ("de", "de-at", "DE", "pl", "uk", "en-gb", "")
    }
    start = template.subject[:4]
    assert chosen == {"de": "Dein", "de-at": "Dein", "DE": "Dein", "pl": start, "uk": start, "en-gb": start, "": start}


def test_a_variant_serves_who_reads_the_language_it_is_a_variant_of():
    """As on pages: whoever reads ``pt`` is better off with ``pt-br`` than with the default."""
    template = make_template()
    brazilian = _translated(template, "pt-br", subject="Olá")
    made = versions.for_many([(template.pk, code) for code in ("pt", "pt-br", "pt-pt", "es")])
    found = {code: version.template_id for (_pk, code), version in made.items()}
    assert found == {"pt": brazilian.pk, "pt-br": brazilian.pk, "pt-pt": brazilian.pk, "es": template.pk}
    assert versions.languages_missing(template, ["pt", "pt-pt", "es"]) == ["es"]


def test_the_chain_may_start_anywhere():
    german = _translated(make_template(), "de", subject="Deutsch")
    assert versions.for_template(german, "en").language == "en"
    assert versions.for_template(german, "uk").subject == "Deutsch"


def test_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries):
    template, other = make_template(), make_template(subject="Other")
    _translated(template, "de")
    wanted = [(template.pk, "en"), (template.pk, "de"), (other.pk, "de"), (other.pk, "uk"), (template.pk, "en")]
    versions.for_many(wanted)
    with django_assert_num_queries(2):
        found = versions.for_many(wanted)
    assert {key: version.language for key, version in found.items()} == {
        (template.pk, "en"): "en", (template.pk, "de"): "de", (other.pk, "de"): "en", (other.pk, "uk"): "en",
    }  # fmt: skip


def test_a_template_that_is_gone():
    with pytest.raises(m.EmailTemplate.DoesNotExist):
        versions.for_many([(0, "en")])


def test_a_mistake_is_not_compiled():
    template = make_template(subject="{{ order.secret }}")
    with pytest.raises(TemplateFault):
        versions.for_template(template, "en")
    assert not m.EmailTemplateVersion.objects.exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_picture_is_another_mail(django_assert_num_queries):
    image = Image.objects.create(title="A boat", file=get_test_image_file())
    template = make_template([("image", {"image": image.pk, "alt": "A boat"})])
    first = versions.for_template(template, "en")
    image.file = get_test_image_file("another.png")
    image.save()
    image.renditions.all().delete()  # as the admin does for a new file
    template = m.EmailTemplate.objects.get(pk=template.pk)
    second = versions.for_template(template, "en")
    assert second != first
    with django_assert_num_queries(4):  # templates, the picture of the body, its file, versions
        assert versions.for_template(template, "en") == second


def test_an_old_compiler_does_not_speak_for_a_new_one(monkeypatch):
    template = make_template()
    first = versions.for_template(template, "en")
    monkeypatch.setattr(compiling, "COMPILER", compiling.COMPILER + 1)
    assert versions.for_template(template, "en") != first


@pytest.mark.parametrize("language", ["en", "de", "pl", "uk", "es", "pt-br", ""])
def test_the_receipt(language):
    version = versions.builtin("receipt", language)
    assert version.kind == "service"
    assert version.builtin == "receipt" and version.template is None
    assert set(version.placeholders) == {
        "access_url", "order.number", "order.total", "order.lines", "order.list_price", "order.discount", "order.placed",
        "order.paid", "order.method", "order.buyer", "order.terms", "seller.name", "seller.address", "seller.tax_number",
        "seller.in_full", "access.opens", "access.is_open",
    }  # fmt: skip
    assert versions.builtin("receipt", language) == version
    situation = situation_for(language=language)
    texts, links = placeholders.build_context(version.placeholders, situation)
    mail = rendering.fill(version, texts, {name: f"https://x.example/{name}" for name in links})
    for words in (situation.order.number, "Watercolour", texts["order.total"], "https://x.example/access_url"):
        assert words in mail.text
        assert words in mail.html
    assert situation.order.number in mail.subject


def test_no_other_mail_is_built_in():
    with pytest.raises(KeyError):
        versions.builtin("nonsense", "en")


@pytest.mark.django_db(transaction=True)
def test_compiled_by_several_at_once_there_is_one():
    template = make_template([("heading", {"text": "At once"})])
    found, gate = [], threading.Barrier(4)

    def compile_it():
        try:
            gate.wait()
            found.append(versions.for_template(template, "en").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=compile_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_fresh_translation_is_a_draft_and_reaches_nobody():
    """Wagtail's *Translate* of a live snippet would put the untranslated words live, those of its draft even."""
    template = make_template(subject="Live words")
    template.save_revision().publish()
    template.subject = "Secret draft"
    template.save_revision()
    copy = template.copy_for_translation(Locale.objects.get_or_create(language_code="de")[0])
    copy.save()
    assert copy.subject == "Secret draft" and not copy.live and copy.has_unpublished_changes
    assert (copy.live_revision, copy.latest_revision, copy.first_published_at) == (None, None, None)
    assert versions.for_template(template, "de").subject == "Live words"
    copy.save_revision().publish()
    assert versions.for_template(template, "de").subject == "Secret draft"


class TestATranslationThatCannotBeSent:
    """As an app for translating publishes it that knows nothing of placeholders."""

    @pytest.fixture
    def template(self):
        return make_template()

    @pytest.fixture
    def german(self, template):
        german = _translated(template, "de", subject="Dein Platz ist noch frei")
        m.EmailTemplate.objects.filter(pk=german.pk).update(subject="{{ contact.first_nmae }}, komm zurück")
        return german

    def test_its_readers_get_the_next_one_and_a_person_is_told_once(self, template, german):
        for _time in range(2):
            version = versions.for_template(template, "de", now=START)
            assert (version.template, version.language) == (template, "en")
        (entry,) = writing.open_attention()
        assert entry.subject == german
        said = writing.sentence(entry)
        assert "Deutsch" in said and "first_nmae" in said and german.title in said

    def test_once_mended_it_is_sent_and_nobody_need_look_any_more(self, template, german):
        versions.for_template(template, "de", now=START)
        m.EmailTemplate.objects.filter(pk=german.pk).update(subject="Komm zurück")
        assert versions.for_template(template, "de", now=START).language == "de"
        assert not writing.open_attention().exists()

    def test_mended_with_the_words_of_before_it_needs_nobody_either(self, template):
        """Nothing is compiled anew then."""
        german = _translated(template, "de", subject="Dein Platz ist noch frei")
        versions.for_template(template, "de", now=START)
        m.EmailTemplate.objects.filter(pk=german.pk).update(subject="{{ contact.first_nmae }}, komm zurück")
        versions.for_template(template, "de", now=START)
        assert writing.open_attention().count() == 1
        german.refresh_from_db()
        german.subject = "Dein Platz ist noch frei"
        german.save_revision().publish()
        assert not writing.open_attention().exists()
        assert versions.for_template(template, "de", now=START).language == "de"

    @pytest.mark.parametrize("how", ["unpublish", "delete"])
    def test_taken_down_it_needs_nobody(self, template, german, how):
        versions.for_template(template, "de", now=START)
        assert writing.open_attention().count() == 1
        getattr(m.EmailTemplate.objects.get(pk=german.pk), how)()
        assert not writing.open_attention().exists()

    def test_a_variant_serves_before_the_template_itself(self, template, german):
        _translated(template, "de-at", subject="Dein Platz")
        assert versions.for_template(template, "de", now=START).language == "de-at"

    def test_others_of_the_batch_are_not_held_up(self, template, german):
        other = make_template(title="Other")
        made = versions.for_many([(template.pk, "de"), (other.pk, "en"), (template.pk, "en")], now=START)
        assert {key: version.language for key, version in made.items()} == {
            (template.pk, "de"): "en", (other.pk, "en"): "en", (template.pk, "en"): "en",
        }  # fmt: skip

    def test_a_mistake_in_the_template_itself_is_said(self, template, german):
        m.EmailTemplate.objects.filter(pk=template.pk).update(subject="{{ contact.first_nmae }}")
        with pytest.raises(TemplateFault):
            versions.for_template(template, "de", now=START)

    @pytest.mark.parametrize("field", ["subject", "preheader", "body"])
    def test_no_revision_is_made_of_it(self, german, field):
        """What wagtail-localize calls: it sets *live* and saves a revision."""
        german = m.EmailTemplate.objects.get(pk=german.pk)
        german.subject = "Komm zurück"
        german.live = True
        words = "Hallo {{ contact.first_nmae }}"
        setattr(german, field, stream([("heading", {"text": words})]) if field == "body" else words)
        with pytest.raises(ValidationError) as refusal:
            german.save_revision()
        assert list(refusal.value.error_dict) == [field]
        assert "first_nmae" in str(refusal.value)

    def test_staff_read_what_is_wrong_in_their_language_whoever_got_the_mail(self, template, german):
        with translation.override("es"):  # as a worker may be left by what it did before
            versions.for_template(template, "de", now=START)
        (entry,) = writing.open_attention()
        entry.facts["problems"] = dict(
            sorted(entry.facts["problems"].items())
        )  # the order in which PostgreSQL gives it back
        said = {}
        for code in ("en", "de", "de-at", "pl", "fr"):
            with translation.override(code):
                said[code] = writing.sentence(entry)
        assert all("first_nmae" in words for words in said.values())
        assert "There is no placeholder" in said["en"]
        assert "Es gibt keinen Platzhalter „contact.first_nmae“" in said["de"] == said["de-at"]
        assert len({said["en"], said["de"], said["pl"]}) == 3
        assert "There is no placeholder" in said["fr"], "a language that we do not speak"

    def test_what_was_told_by_an_earlier_release_is_still_read(self, german):
        words = {"title": "Come back", "language": "Deutsch", "problems": "subject: There is no placeholder “x”."}
        entry = writing.write(german, unsendable.CODE, now=START, attention=True, **words)
        assert "There is no placeholder “x”." in writing.sentence(entry)

    def test_a_translators_editor_is_told_at_the_place(self, german, monkeypatch):
        """wagtail-localize keeps what is wrong by its path; with itself: tests/install/difficult_site."""
        german.body = stream(
            [("heading", {"text": "{{ contact.first_nmae }}"}), ("text", {"text": "<p>{{ contact.first_nmae }}</p>"})]
        )
        german.subject = "Komm zurück"
        with pytest.raises(ValidationError) as refusal:
            german.full_clean()
        assert list(refusal.value.message_dict) == ["body"]
        installed = apps.is_installed
        monkeypatch.setattr(apps, "is_installed", lambda name: name == "wagtail_localize" or installed(name))
        with pytest.raises(ValidationError) as refusal:
            german.full_clean()
        heading = german.body[0]
        assert set(refusal.value.message_dict) == {"body", f"body.{heading.id}.text"}
        assert len(refusal.value.message_dict["body"]) == 2
