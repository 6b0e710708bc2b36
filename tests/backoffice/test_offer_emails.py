"""The built-in emails in the admin, and the choice of an offer among them and the site's own."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse
from django.utils import translation

from tests.backoffice.mails import WRITES, editor, url, words
from tests.mailing.making import make_template, settings_of_default_site
from tests.mailing.sending.test_order_mails import mail_about, submit
from tests.payments.shop import bank_data
from tests.support import make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice.emails.builtin_emails import WORDS
from wagtail_kwiga.mailing.authoring import builtin_mails

pytestmark = pytest.mark.django_db

MAY_CHOOSE = ("view_offer", "change_emailtemplate", "publish_emailtemplate")


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site(tax_number="IE1234567T")


@pytest.fixture
def offer():
    return make_offer(title="Watercolour")


def framed(answer) -> str:
    return html.unescape(re.search(r'srcdoc="([^"]*)"', words(answer))[1])


# --- built-in emails ------------------------------------------------------------------------------------------------------


def test_the_list_names_every_built_in_email_and_when_it_goes_out(admin_client):
    assert set(WORDS) == set(builtin_mails.BUILTINS)
    page = words(admin_client.get(url("builtin")))
    for name, (title, when) in WORDS.items():
        assert html.escape(str(title)) in page
        assert html.escape(str(when)) in page
        assert url("builtin_show", name) in page
    assert url("builtin") in words(admin_client.get(url("list")))


@pytest.mark.parametrize("name", sorted(builtin_mails.BUILTINS))
def test_each_is_shown_with_sample_data_and_no_link_that_works(admin_client, name):
    mail = framed(admin_client.get(url("builtin_show", name), {"language": "en"}))
    assert "Riverside Studio" in mail
    assert "{{" not in mail
    assert "}}" not in mail
    assert "cid:" not in mail
    assert set(re.findall(r'href="([^"]*)"', mail)) <= {"#pay_url", "#order_url", "#access_url", "#resume_url"}


def test_the_order_received_is_shown_with_bank_data_and_its_code(admin_client):
    mail = framed(admin_client.get(url("builtin_show", "order_received"), {"language": "en"}))
    assert "DE02 1203 0000 0000 2020 51" in mail
    assert "data:image/png;base64," in mail
    assert "Paid on" not in mail


def test_language_look_and_width_can_be_chosen(admin_client):
    address = url("builtin_show", "receipt")
    german = words(admin_client.get(address, {"language": "de", "look": "text", "width": "phone"}))
    with translation.override("de"):
        subject, _line, _blocks = builtin_mails.BUILTINS["receipt"]()
    assert html.escape(subject.split("{{")[0].strip()) in german
    assert "srcdoc" not in german
    dark = words(admin_client.get(address, {"look": "dark", "width": "phone"}))
    assert "kwiga-mail--phone" in dark
    assert "dark only" in html.unescape(dark)
    assert admin_client.get(address, {"language": "xx", "look": "x", "width": "x"}).status_code == 200


def test_there_is_no_other(admin_client):
    assert admin_client.get(url("builtin_show", "recovery")).status_code == 404
    assert admin_client.post(url("builtin_own", "recovery")).status_code == 404
    assert admin_client.post(url("builtin_own", "already_owned")).status_code == 404


def test_ones_own_begins_as_a_draft_that_says_the_same(admin_client):
    answer = admin_client.post(url("builtin_own", "receipt"), {"language": "en"})
    template = m.EmailTemplate.objects.get()
    assert answer.url == url("edit", template.pk)
    assert not template.live
    assert template.kind == "service"
    kinds = [block.block_type for block in template.body]
    assert kinds == [block.block_type for block in builtin_mails.BUILTINS["receipt"]()[2]]
    assert admin_client.get(answer.url).status_code == 200
    assert admin_client.get(url("builtin_own", "receipt")).status_code == 405


def test_who_may_write_no_emails_sees_none_of_it():
    stranger = editor("view_order")
    assert stranger.get(url("builtin")).status_code == 302
    assert stranger.get(url("builtin_show", "receipt")).status_code == 302
    assert stranger.post(url("builtin_own", "receipt")).status_code == 302
    assert not m.EmailTemplate.objects.exists()


def test_who_may_only_look_makes_none():
    reader = editor("view_emailtemplate")
    page = words(reader.get(url("builtin_show", "receipt")))
    assert url("builtin_own", "receipt") not in page
    assert reader.post(url("builtin_own", "receipt")).status_code == 302
    assert not m.EmailTemplate.objects.exists()


def test_the_card_of_a_mail_shows_the_code_that_went_with_it(admin_client):
    bank_data()
    row = mail_about(submit(make_offer()), "order_received:")
    shown = words(admin_client.get(reverse("wagtail_kwiga_mail:shown", args=[row.pk])))
    assert "data:image/png;base64," in shown
    assert "cid:" not in shown
    row.attachments.update(maker="nowhere.to_be_found")
    assert "cid:" in words(admin_client.get(reverse("wagtail_kwiga_mail:shown", args=[row.pk])))


# --- the emails of an offer -----------------------------------------------------------------------------------------------


def form(**given):
    modes = {f"{occasion}-mode": "standard" for occasion in m.OfferEmail.Occasion.values}
    templates = {f"{occasion}-template": "" for occasion in m.OfferEmail.Occasion.values}
    return {**modes, **templates, **{name.replace("__", "-"): value for name, value in given.items()}}


def address(offer):
    return reverse("wagtail_kwiga_offers:emails", args=[offer.pk])


def card(offer):
    return reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])


def test_the_card_of_an_offer_leads_to_its_emails(admin_client, offer):
    assert address(offer) in words(admin_client.get(card(offer)))
    page = words(admin_client.get(address(offer)))
    assert page.count('value="none"') == 3


def test_what_is_chosen_is_kept_and_shown_again(admin_client, offer):
    template = make_template([("heading", {"text": "Ours"})], subject="Ours", preheader="", kind="service")
    answer = admin_client.post(address(offer), form(paid__mode="own", paid__template=template.pk, waiting__mode="none"))
    assert answer.url == card(offer)
    rows = {row.occasion: (row.mode, row.template_id) for row in m.OfferEmail.objects.all()}
    assert rows == {"paid": ("own", template.pk), "waiting": ("none", None)}
    page = words(admin_client.get(address(offer)))
    assert re.search(r'name="waiting-mode" value="none"[^>]*checked', page)
    assert template.title in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"paid__mode": "own"}, "Choose the e-mail that is to be sent."),
        ({"paid__mode": "none"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_refused_in_words(admin_client, offer, given, said):
    answer = admin_client.post(address(offer), form(**given))
    assert answer.status_code == 200
    assert said in words(answer)
    assert not m.OfferEmail.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"live": False}, "This e-mail is a draft."),
        ({"kind": "promotion"}, "This e-mail is promotion"),
        ({"subject": "{{ nothing.known }}"}, "There is no placeholder"),
    ],
)
def test_an_email_that_could_not_be_sent_is_refused_with_the_reason(admin_client, offer, given, said):
    given = {"subject": "Ours", "preheader": "", "kind": "service", **given}
    template = make_template([("heading", {"text": "Ours"})], **given)
    answer = admin_client.post(address(offer), form(paid__mode="own", paid__template=template.pk))
    assert said in html.unescape(words(answer))
    assert not m.OfferEmail.objects.exists()


def test_an_email_that_an_offer_uses_is_not_deleted_silently(admin_client, offer):
    template = make_template([("heading", {"text": "Ours"})], subject="Ours", preheader="", kind="service")
    admin_client.post(address(offer), form(paid__mode="own", paid__template=template.pk))
    answer = admin_client.post(url("delete", template.pk), follow=True)
    assert m.EmailTemplate.objects.filter(pk=template.pk).exists()
    assert "in use by" in words(answer)


@pytest.mark.parametrize("lacking", MAY_CHOOSE)
def test_who_lacks_a_permission_chooses_none(offer, lacking):
    client = editor(*(one for one in (*MAY_CHOOSE, *WRITES) if one != lacking))
    assert client.get(address(offer)).status_code == 302
    assert client.post(address(offer), form(waiting__mode="none")).status_code == 302
    assert not m.OfferEmail.objects.exists()


# --- where it is used ---------------------------------------------------------------------------------------------------


def test_the_list_and_unpublishing_name_the_offers_whose_orders_an_email_answers(admin_client, offer):
    template = make_template(title="Our receipt")
    m.OfferEmail.objects.create(offer=offer, occasion="paid", mode="own", template=template)
    listed = words(admin_client.get(url("list")))
    assert "orders of “Watercolour”" in listed
    page = words(admin_client.get(url("unpublish", template.pk)))
    assert "Orders of these offers are answered with it" in page and "<li>Watercolour</li>" in page
    assert "No scenario sends it." not in page


def test_an_email_of_no_offer_says_nothing_of_offers(admin_client, offer):
    page = words(admin_client.get(url("unpublish", make_template(title="Hello").pk)))
    assert "Orders of these offers" not in page and "No scenario sends it." in page
