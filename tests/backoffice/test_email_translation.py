"""An e-mail in several languages: made with Wagtail's own *Translate*, chosen by the order's language."""

from __future__ import annotations

import pytest
from django.urls import reverse
from wagtail.models import Locale

from tests.automations import story
from tests.backoffice.mails import HEADING, data, url, words
from tests.mailing.making import make_template
from tests.orders.shop import order_for
from tests.support import after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.mailing.authoring import versions

pytestmark = pytest.mark.django_db


def translate_url(template):
    return reverse(
        "simple_translation:submit_snippet_translation", args=["wagtail_kwiga", "emailtemplate", template.pk]
    )


def test_an_english_mail_is_translated_in_the_admin_and_the_german_order_gets_the_german_one(admin_client):
    german, _made = Locale.objects.get_or_create(language_code="de")
    told = story.tell()
    page = words(admin_client.get(url("list")))
    assert translate_url(told.template) in page and "Translate" in page
    assert admin_client.get(translate_url(told.template)).status_code == 200
    assert admin_client.post(translate_url(told.template), {"locales": [german.pk]}).status_code == 302
    copy = m.EmailTemplate.objects.get(locale=german)
    assert not copy.live and copy.translation_key == told.template.translation_key
    assert [block.block_type for block in copy.body] == ["text", "coupon_card", "button"]
    assert versions.languages_missing(told.template, ["en", "de"]) == ["de"]

    edited = data(HEADING, title="Komm zurück", subject="Dein Platz", **{"action-publish": "1"})
    assert admin_client.post(url("edit", copy.pk), edited).status_code == 302
    copy.refresh_from_db()
    assert copy.live and copy.subject == "Dein Platz"
    assert versions.languages_missing(told.template, ["en", "de", "de-at"]) == []

    for language in ("de", "en"):
        told.offer.refresh_from_db()
        order_for(make_contact(f"{language}@example.com"), told.offer, language=language, now=after())
    engine.run_due(after(minutes=30))
    sent = dict(m.OutgoingEmail.objects.values_list("to_email", "subject"))
    assert sent == {"de@example.com": "Dein Platz", "en@example.com": f"Your place in {told.offer.title}"}


def test_the_editor_leads_to_the_other_languages(admin_client):
    template = make_template()
    german = template.copy_for_translation(Locale.objects.get_or_create(language_code="de")[0])
    german.save()
    assert url("edit", german.pk) in words(admin_client.get(url("edit", template.pk)))


def test_missing_languages_cost_one_query(django_assert_num_queries):
    template = make_template(live=False)
    french, _made = Locale.objects.get_or_create(language_code="fr")
    draft = template.copy_for_translation(french)
    draft.live = False
    draft.save()
    with django_assert_num_queries(1):
        assert versions.languages_missing(template, ["en-gb", "fr", "de", "de", "EN"]) == ["fr", "de"]
