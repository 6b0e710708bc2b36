"""*Win back unpaid orders* in the admin: one form, what it shows, what it makes, and who may."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from wagtail.models import GroupPagePermission, Locale, Page

from tests.backoffice.recovery_screens import counts, form_of, opened, send
from tests.offers import making
from tests.offers.making import fields_of, make_page, offer_of, text_of, translate
from tests.support import after, make_coupon, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import default_content

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.offers.making.clock"}
    making.set_clock(after())


# --- the form ---------------------------------------------------------------------------------------------------------------


def test_the_form_is_filled_in_and_says_what_will_happen(client, editor, offer):
    answer = client.get(form_of(offer))
    words = text_of(answer)
    assert "30 minutes after an unpaid order for Watercolour, unless paid" in words
    assert "The page takes no coupons so far. It will take this one and no other" in words
    assert "the contact list “Win back: Watercolour”" in words
    given = {name: answer.context["form"][name].value() for name in answer.context["form"].fields}
    texts = default_content.standard_texts("en")
    assert (str(given["percent"]), given["wait"], given["hours"]) == ("15", 30, 24)
    assert (given["subject"], given["text"], given["button"]) == (texts.subject, texts.text, texts.button)
    html = unescape(re.search(r'srcdoc="([^"]*)"', answer.content.decode()).group(1)).replace("\xa0", " ")
    for shown in (given["code"], "15%", "€102.00", "€120.00", "24 hours", "Back to my order", "Hello Ada"):
        assert shown in unescape(html), shown
    assert "<iframe" in answer.content.decode() and " sandbox " in answer.content.decode()
    assert counts() == [0, 0, 0, 0]


def test_one_press_and_it_is_live(client, editor, page, offer):
    answer = send(client, offer)
    scenario = m.Scenario.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("wagtail_kwiga_offers:win_back_made", args=[offer.pk, scenario.pk])
    assert scenario.live and scenario.version.published_at == after()
    assert counts() == [1, 1, 1, 1]
    words = text_of(client.get(answer["Location"]))
    for told in (
        "It is live. Whoever leaves an order of “Watercolour” unpaid from now on is written to", "This is live",
        "Only orders placed from now on", "Unpublish the scenario", "active",
    ):  # fmt: skip
        assert told in words, told
    assert m.OfferPage.objects.get(pk=page.pk).coupon_mode == "only"


def test_what_was_typed_is_what_is_made(client, editor, offer):
    send(
        client, offer, percent="12.50", wait="45", hours="48", subject="Still there?", heading="Hi", button="Go on",
        text="One <b>bold</b> word.\n\nAnd {{ order.title }}.",
    )  # fmt: skip
    coupon, template, scenario = m.Coupon.objects.get(), m.EmailTemplate.objects.get(), m.Scenario.objects.get()
    assert str(coupon.percent) == "12.50"
    assert template.subject == "Still there?"
    blocks = {child.block_type: child.value for child in template.body}
    assert blocks["text"]["text"].source == "<p>One &lt;b&gt;bold&lt;/b&gt; word.</p><p>And {{ order.title }}.</p>"
    assert (blocks["heading"]["text"], blocks["button"]["label"]) == ("Hi", "Go on")
    waits = [step["minutes"] for step in scenario.version.definition["steps"] if step["kind"] == "wait"]
    assert waits == [45, 48 * 60]


def test_show_makes_nothing_and_keeps_what_was_typed(client, editor, offer):
    answer = send(client, offer, press="show", percent="20", subject="Only <b>today</b>")
    words = text_of(answer)
    assert answer.status_code == 200
    assert "20% off this offer" in words
    assert answer.context["form"]["subject"].value() == "Only <b>today</b>"
    body = answer.content.decode()
    assert "<b>today</b>" not in body
    assert "€96.00" in unescape(unescape(body)).replace("\xa0", " ")
    assert counts() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("percent", "0", "greater than or equal to 1"),
        ("percent", "101", "less than or equal to 100"),
        ("percent", "-5", "greater than or equal to 1"),
        ("percent", "1e999999", "less than or equal to 100"),
        ("percent", "NaN", "Enter a number"),
        ("percent", "a lot", "Enter a number"),
        ("percent", "12.345", "no more than 2 decimal places"),
        ("percent", "", "required"),
        ("wait", "9", "Payment systems may be slow to confirm"),
        ("wait", "-30", "At least 10 minutes"),
        ("wait", "10081", "less than or equal to 10080"),
        ("wait", "9" * 5000, "whole number"),
        ("wait", "soon", "Enter a whole number"),
        ("hours", "0", "greater than or equal to 1"),
        ("hours", "721", "less than or equal to 720"),
        ("hours", "1.5", "Enter a whole number"),
        ("subject", "", "required"),
        ("subject", "x" * 201, "at most 200 characters"),
        ("subject", "{{ coupon.cod }}", "Did you mean “coupon.code”?"),
        ("heading", "{{ resume_url }}", "is a link and cannot stand in words"),
        ("text", "Hello {{ contact.nmae }}", "There is no placeholder “contact.nmae”"),
        ("text", "{{ contact.first_name | upper }}", "is not a placeholder"),
        ("text", "x" * 5001, "at most 5000 characters"),
        ("button", "{{ coupon.code", "is not a placeholder"),
        ("button", "b" * 61, "at most 60 characters"),
        ("code", "no\tgood", "control characters"),
    ],
)  # fmt: skip
def test_mistakes_stand_at_their_field_and_nothing_is_lost(client, editor, offer, field, typed, told):
    data = opened(client, offer, **{field: typed})
    kept = "subject" if field != "subject" else "heading"
    answer = send(client, offer, data=data, **{kept: "Words of my own"})
    assert answer.status_code == 200
    errors = answer.context["form"].errors
    assert list(errors) == [field]
    assert told in str(errors[field])
    assert answer.context["form"][kept].value() == "Words of my own"
    assert counts() == [0, 0, 0, 0]
    if field != "code":
        assert told in text_of(answer)


@pytest.mark.parametrize("press", ["draft", "show"])
def test_the_other_buttons_refuse_as_well(client, editor, offer, press):
    answer = send(client, offer, press=press, wait="5")
    assert "Payment systems may be slow" in text_of(answer)
    assert "Mend what is marked, and this tells what will happen." in text_of(answer)
    assert counts() == [0, 0, 0, 0]


def test_a_percentage_that_gives_it_away_is_told(client, editor, offer):
    assert "gets it for nothing" in text_of(send(client, offer, press="show", percent="100"))


def test_a_form_from_nowhere_is_refused_in_words(client, editor, offer):
    assert client.post(form_of(offer), {"publish": "1", "also_in": ["xx"], "percent": "\x00"}).status_code == 200
    assert counts() == [0, 0, 0, 0]


# --- twice ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("press", ["publish", "draft"])
def test_the_same_form_sent_twice_makes_one(client, editor, offer, press):
    data = opened(client, offer)
    first = send(client, offer, press=press, data=data)
    second = send(client, offer, press=press, data=data)
    assert first["Location"] == second["Location"]
    assert counts() == [1, 1, 1, 1]
    assert "You sent this form before; everything was made only once." in text_of(client.get(second["Location"]))


def test_another_tab_is_refused_with_a_link_and_keeps_its_words(client, editor, offer):
    tab = opened(client, offer)
    send(client, offer)
    answer = send(client, offer, data={**tab, "subject": "My words"})
    assert answer.status_code == 200
    scenario = m.Scenario.objects.get()
    assert "won back already, by the scenario “Win back: Watercolour”" in text_of(answer)
    assert reverse("wagtail_kwiga_scenarios:edit", args=[scenario.pk]) in answer.content.decode()
    assert answer.context["form"]["subject"].value() == "My words"
    assert counts() == [1, 1, 1, 1]


def test_another_tab_of_drafts_is_refused_with_a_link(client, editor, offer):
    tab = opened(client, offer)
    send(client, offer, press="draft")
    for press in ("draft", "publish"):
        answer = send(client, offer, press=press, data=tab)
        assert "Drafts have been made for this offer meanwhile" in text_of(answer)
    assert counts() == [1, 1, 1, 1]


def test_a_code_that_was_taken_meanwhile_is_replaced(client, editor, offer):
    data = opened(client, offer)
    make_coupon(data["code"])
    answer = send(client, offer, data=data, subject="My words")
    assert "send the form once more" in text_of(answer)
    fresh = fields_of(answer)["code"]
    assert fresh != data["code"]
    assert send(client, offer, data={**data, "code": fresh}).status_code == 302


def test_an_offer_that_is_won_back_has_a_link_instead_of_a_form(client, editor, offer):
    send(client, offer)
    answer = client.get(form_of(offer))
    scenario = m.Scenario.objects.get()
    assert "won back already, by the scenario" in text_of(answer)
    assert "form" not in (answer.context_data or {})
    assert reverse("wagtail_kwiga_offers:win_back_made", args=[offer.pk, scenario.pk]) in answer.content.decode()


# --- languages --------------------------------------------------------------------------------------------------------------


def test_each_language_of_the_page_is_ticked_and_shown(client, editor, page, offer):
    translate(page, "de", title="Aquarell")
    answer = client.get(form_of(offer))
    assert 'name="also_in" value="de"' in answer.content.decode()
    assert answer.content.decode().count("<iframe") == 2
    assert "in 2 languages" in text_of(answer)
    send(client, offer)
    assert sorted(one.locale.language_code for one in m.EmailTemplate.objects.filter(live=True)) == ["de", "en"]


def test_a_language_that_is_not_wanted_is_left_out(client, editor, page, offer):
    translate(page, "de")
    send(client, offer, data=opened(client, offer, also_in=[]))
    assert m.EmailTemplate.objects.get().locale.language_code == "en"


def test_the_words_are_in_the_language_of_the_page(client, editor, settings):
    settings.WAGTAIL_CONTENT_LANGUAGES = settings.LANGUAGES = [*settings.LANGUAGES, ("fr", "Français")]
    german = Locale.objects.get_or_create(language_code="de")[0]
    page = make_page("Aquarell", locale=german)
    answer = client.get(form_of(offer_of(page)))
    assert "E-mail in Deutsch" in text_of(answer)
    assert answer.context["form"]["button"].value() == default_content.standard_texts("de").button
    assert 'lang="de"' in answer.content.decode()


def test_a_language_we_do_not_speak_is_said(client, editor, page, offer, settings):
    settings.LANGUAGES = [*settings.LANGUAGES, ("fr", "Français")]
    settings.WAGTAIL_CONTENT_LANGUAGES = settings.LANGUAGES
    translate(page, "fr")
    assert "The page is also in: Français." in text_of(client.get(form_of(offer)))


# --- what stands in the way ---------------------------------------------------------------------------------------------------


def test_a_page_with_unpublished_changes_can_only_have_drafts(client, editor, page, offer):
    data = opened(client, offer)
    page.title = "Half a thought"
    page.save_revision()
    answer = client.get(form_of(offer))
    assert "has changes that are not published yet" in text_of(answer)
    assert 'name="publish"' not in answer.content.decode()
    assert reverse("wagtailadmin_pages:edit", args=[page.pk]) in answer.content.decode()
    answer = send(client, offer, data=data)
    assert answer.status_code == 200
    assert counts() == [0, 0, 0, 0]
    made = send(client, offer, press="draft", data=data)["Location"]
    assert "has changes that are not published yet" in text_of(client.get(made))
    assert client.post(made).status_code == 200
    assert Page.objects.get(pk=page.pk).title == "Watercolour"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"price": 0}, "costs nothing"),
        ({"publish": False}, "is not published"),
        ({"sales_until": after(days=-1)}, "Sales have ended"),
    ],
)
def test_where_there_is_nothing_to_win_back_it_is_explained(client, editor, given, told):
    page = make_page(**given)
    offer = m.Offer.objects.filter(translation_key=page.translation_key).first()
    if offer is None:
        from wagtail_kwiga.offers import publishing

        offer = publishing.prepare(page)
    answer = client.get(form_of(offer))
    assert answer.status_code == 200
    assert told in text_of(answer)
    assert client.post(form_of(offer), {"publish": "1"}).status_code == 200
    assert counts() == [0, 0, 0, 0]


def test_an_offer_without_a_page_or_no_offer_at_all(client, editor, page, offer):
    page.delete()
    for each in (offer, make_offer()):
        assert "has no page" in text_of(client.get(form_of(each)))
    assert client.get(reverse("wagtail_kwiga_offers:win_back", args=[99_999])).status_code == 404


# --- who may ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing", ["add_scenario", "publish_scenario", "add_emailtemplate", "publish_emailtemplate", "add_coupon",
                "add_contactlist"],
)  # fmt: skip
def test_without_a_permission_there_is_no_button_and_no_screen(client, editor, page, offer, missing):
    data = opened(client, offer)
    Group.objects.get(name="Kwiga: Editors").permissions.remove(Permission.objects.get(codename=missing))
    assert client.get(form_of(offer)).status_code == 302
    assert client.post(form_of(offer), {**data, "publish": "1"}).status_code == 302
    assert counts() == [0, 0, 0, 0]
    assert form_of(offer) not in client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])).content.decode()


def test_who_may_not_publish_the_page_may_not_win_back_its_orders(client, editor, page, offer):
    data = opened(client, offer)
    GroupPagePermission.objects.filter(permission__codename="publish_page").delete()
    assert client.get(form_of(offer)).status_code == 302
    assert client.post(form_of(offer), {**data, "publish": "1"}).status_code == 302
    assert form_of(offer) not in client.get(reverse("wagtailadmin_pages:edit", args=[page.pk])).content.decode()
    assert counts() == [0, 0, 0, 0]


def test_a_stranger_is_asked_to_log_in(client, offer):
    assert "login" in client.get(form_of(offer))["Location"]


def test_who_may_not_delete_removes_nothing(client, editor, offer):
    made = send(client, offer, press="draft")["Location"]
    Group.objects.get(name="Kwiga: Editors").permissions.remove(Permission.objects.get(codename="delete_coupon"))
    assert f"{made}remove/" not in client.get(made).content.decode()
    client.post(f"{made}remove/")
    assert counts() == [1, 1, 1, 1]
