"""*Win back unpaid orders* ready-made: in which languages it writes, in which words, and the story that it tells."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import translation
from wagtail.models import Locale

from tests.automations.recovery.starting import recovery, start
from tests.journeys.school import work
from tests.offers.making import translate
from tests.orders.shop import order_for
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.recovery import preset_texts, presets
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.authoring import default_content, validation
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.payments import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _reactions():
    """The whole table of reactions here, not only this room's: the story goes through all rooms."""


# --- texts and languages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "de", "es", "pl", "uk"])
def test_our_words_are_sendable_in_every_language(language):
    texts = default_content.standard_texts(language)
    for words in (texts.subject, texts.heading, texts.text, texts.button):
        assert words
        assert validation.mistakes_in(words) == []
    assert len(texts.subject) <= 200 and len(texts.heading) <= 150 and len(texts.button) <= 60
    assert "{{ order.title }}" in texts.subject
    assert languages.has_words(language)


def test_whatever_language_is_active_the_words_are_in_the_one_asked_for():
    with translation.override("pl"):
        assert default_content.standard_texts("en") == default_content.standard_texts("en-gb")
        assert default_content.standard_texts("en").button == "Back to my order"


def test_markup_in_words_stays_words():
    rich = default_content.as_rich_text(
        '<b>Hi</b> & {{ contact.first_name | default: "there" }}\nline\n\n\n<script>x</script>'
    )
    assert rich == (
        '<p>&lt;b&gt;Hi&lt;/b&gt; &amp; {{ contact.first_name | default: "there" }}<br/>line</p>'
        "<p>&lt;script&gt;x&lt;/script&gt;</p>"
    )


def test_every_language_of_the_page_gets_its_mail(page, offer):
    translate(page, "de", title="Aquarell")
    translate(page, "uk", title="Акварель", publish=False)
    Locale.objects.get_or_create(language_code="pl")
    languages = preset_texts.languages_of(page)
    assert (languages.own.language, [one.language for one in languages.others]) == ("en", ["de"])
    assert (languages.others[0].name, languages.others[0].title) == ("Deutsch", "Aquarell")
    made = start(offer, also_in=("de", "fr"))
    assert [one.locale.language_code for one in made.templates] == ["en", "de"]
    assert len({one.translation_key for one in made.templates}) == 1
    assert all(one.live for one in made.templates)


def test_a_page_that_speaks_as_its_visitors_do_gets_all_languages_there_are_locales_for(page):
    for code in ("de", "pl"):
        Locale.objects.get_or_create(language_code=code)
    page.language_mode = "visitor"
    page.save_revision().publish()
    languages = preset_texts.languages_of(page)
    assert [one.language for one in languages.others] == ["de", "pl"]


def test_a_page_of_one_fixed_language_is_written_to_in_that(page):
    Locale.objects.get_or_create(language_code="de")
    page.language_mode, page.fixed_language = "fixed", "de"
    page.save_revision().publish()
    languages = preset_texts.languages_of(page)
    assert (languages.own.language, languages.others) == ("de", ())


def test_the_preview_is_the_mail_with_this_offers_figures(page, offer):
    drafts = presets.draft_recovery(offer, recovery(percent=Decimal(20), hours=48), now=after())
    shown = preset_texts.preview(
        drafts.template,
        offer=offer,
        title="Watercolour",
        coupon=drafts.coupon,
        holds=dt.timedelta(hours=48),
        now=after(),
    )
    text = shown.text.replace("\xa0", " ")
    for words in (drafts.coupon.code, "20%", "€96.00", "€120.00", "48 hours", "Watercolour", "Hello Ada"):
        assert words in text, words
    assert "#resume_url" in shown.html


def test_the_sentence_says_what_will_be_done(offer):
    given = recovery(hours=36, percent=Decimal("12.5"))
    said = "30 minutes after an unpaid order for Watercolour, unless paid: 12.5% for 36 hours, one e-mail"
    assert presets.sentence(offer, given) == said
    made = presets.draft_recovery(offer, given, now=after())
    assert presets.sentence_of(presets.drafted(made.scenario, offer)) == said
    assert presets.sentence_of(presets.publish_recovery(made, now=after())) == said


# --- the story ------------------------------------------------------------------------------------------------------------------


def leave_unpaid(offer, *, email="ada@example.com", now=after(minutes=1), coupon=None, language="en"):
    contact = directory.get_or_create_contact(email=email, name="Ada Buyer", language=language, now=now)
    offer.refresh_from_db()
    quote = quoting.quote(offer=offer, coupon=coupon, contact=contact, now=now)
    return order_for(contact, offer, quote=quote, method="sandbox", language=language, now=now)


def test_an_unpaid_order_is_won_back(offer):
    made = start(offer)
    order = leave_unpaid(offer)
    work(after(minutes=30))
    assert not mail.outbox
    work(after(minutes=31))
    (message,) = mail.outbox
    body = message.body.replace("\xa0", " ")
    for words in (made.coupon.code, "15%", "€102.00", "€120.00", "24 hours", "/resume/"):
        assert words in body, words
    assert lists.is_member(made.contact_list, order.contact, after(minutes=31))
    assert str(leave_unpaid(offer, coupon=made.coupon, now=after(hours=2)).total) == "102.00 EUR"
    end = after(minutes=31, hours=24)
    assert not lists.is_member(made.contact_list, order.contact, end)
    work(end)
    assert m.Run.objects.get().state == "completed"
    assert len(mail.outbox) == 1


def test_paid_means_silent(offer):
    start(offer)
    order = leave_unpaid(offer)
    ledger.record_payment(order=order, amount=order.outstanding, method="sandbox", now=after(minutes=20))
    for moment in (after(minutes=31), after(hours=2), after(days=2)):
        work(moment)
    assert not m.OutgoingEmail.objects.filter(purpose="recovery").exists()


def test_an_order_placed_before_is_left_alone(offer):
    leave_unpaid(offer, now=after(minutes=-1))
    start(offer)
    work(after(hours=1))
    assert not mail.outbox


def test_a_german_order_gets_a_german_mail(page, offer):
    translate(page, "de", title="Aquarell")
    start(offer, also_in=("de",))
    leave_unpaid(offer, language="de")
    work(after(minutes=31))
    assert m.OutgoingEmail.objects.get().version.language == "de"
