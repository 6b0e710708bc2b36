"""What editors and staff see: previews with sample data, and the very mail that went out."""

from __future__ import annotations

import re

import pytest
from django.test import RequestFactory
from wagtail.models import Site

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.support import make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing import rendering
from wagtail_kwiga.mailing.authoring import previewing

pytestmark = pytest.mark.django_db


def preview(template, mode=""):
    response = previewing.preview(RequestFactory().get("/"), template, mode)
    response.render()
    return response.content.decode()


def test_the_preview_is_the_real_mail_with_sample_data():
    settings_of_default_site()
    page = preview(make_template())
    for words in (
        "Ada, your place is still free",
        "COMEBACK15",
        "€102.00",
        "24 hours",
        "Riverside Studio",
        "#resume_url",
    ):
        assert words in page
    assert "{{" not in page
    assert not m.EmailTemplateVersion.objects.exists()
    assert not m.OutgoingEmail.objects.exists()


def test_the_plain_text_part_has_a_mode_of_its_own():
    page = preview(make_template(), "text")
    assert "<pre>" in page and "Code: COMEBACK15" in page
    assert "<iframe" not in page


def test_a_preview_speaks_the_language_of_the_template():
    page = preview(make_template(language="de"))
    assert "102,00\xa0€" in page and "24 Stunden" in page


def test_a_draft_with_mistakes_shows_them():
    page = preview(make_template([("heading", {"text": "{{ order.secret }} <b>"})]))
    assert "This mail cannot be sent yet" in page
    assert "block 1 (Heading)" in page and "order.secret" in page


def test_a_new_template_without_a_site_can_be_previewed():
    Site.objects.all().delete()
    kept = make_template()
    assert "COMEBACK15" in preview(m.EmailTemplate(locale=kept.locale, subject="Hi", body=kept.body))


def test_staff_see_the_very_mail_and_its_links_lead_nowhere():
    settings_of_default_site()
    row = queue_one(make_contact(name="Grace Hopper"))
    mail = rendering.view_of(row)
    assert mail.subject == "Grace, your place is still free"
    assert "Grace" in mail.html and "€102.00" in mail.text
    hrefs = re.findall(r'<a href="([^"]*)"', mail.html)
    assert set(hrefs) == {"#resume_url", "#unsubscribe_url"}
    assert "/resume/" not in mail.html + mail.text
    sent = rendering.mail_of(m.OutgoingEmail.objects.select_related("version", "order__site").get(pk=row.pk))
    assert "/resume/" in sent.text
    assert re.sub(r"https?://\S+|#\w+_url", "", sent.text) == re.sub(r"https?://\S+|#\w+_url", "", mail.text)


def test_the_admin_previews_a_template(admin_client):
    template = make_template()
    row = m.EmailTemplate.objects.get(pk=template.pk)
    response = row.make_preview_request(preview_mode="")
    assert response.status_code == 200
    assert b"COMEBACK15" in response.content
