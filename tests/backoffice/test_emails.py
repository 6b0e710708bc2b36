"""The e-mail editor, through the admin: its form, advice, list, history, test to oneself and chooser."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail.models import Locale, Site

from tests.automations import story
from tests.backoffice.mails import CARD, HEADING, WRITES, data, editor, url, words
from tests.mailing.making import make_template, settings_of_default_site
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import default_content, validation, versions
from wagtail_kwiga.mailing.placeholders import Placeholder
from wagtail_kwiga.mailing.sending import delivery

pytestmark = pytest.mark.django_db


def tags(page):
    """The status tags of a table, in order."""
    return [
        words for words in re.findall(r"w-status[^>]*>\s*(?:<span[^>]*>[^<]*</span>\s*)?([^<]*?)\s*<", page) if words
    ]


def queries(client, address):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


# --- the form -----------------------------------------------------------------------------------------------------------


def test_a_new_email_opens_with_a_starter_in_its_language(admin_client):
    page = html.unescape(words(admin_client.get(url("add"))))
    assert "your order is still here" in page
    assert all(kind in page for kind in ("coupon_card", "order_summary", "Back to my order"))
    Locale.objects.get_or_create(language_code="de")
    german = words(admin_client.get(url("add"), {"locale": "de"}))
    assert html.escape(default_content.win_back("de").subject) in german


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_starter_can_be_sent_as_it_is_and_lacks_nothing(language):
    starter = default_content.win_back(language)
    template = make_template(language=language, subject=starter.subject, preheader=starter.preheader)
    template.body = starter.body
    assert versions.problems(template) == []
    assert validation.hints(template) == []


def test_an_editor_makes_and_publishes_an_email():
    client = editor(*WRITES)
    assert client.post(url("add"), data(**{"action-publish": "1"})).status_code == 302
    template = m.EmailTemplate.objects.get()
    assert template.live and template.kind == "" and template.settled_kind == "service"
    assert client.post(url("edit", template.pk), data(CARD, **{"action-publish": "1"})).status_code == 302
    template.refresh_from_db()
    assert template.settled_kind == "promotion"
    assert versions.for_template(template, "en").kind == "promotion"


def test_the_form_says_what_automatic_means(admin_client):
    page = words(admin_client.get(url("add")))
    assert "automatic: promotion where it holds a coupon, else service" in page
    assert page.count('type="radio" name="kind"') == 3
    assert "---------" not in page


@pytest.mark.parametrize("publish", [{}, {"action-publish": "1"}], ids=["draft", "publishing"])
@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"subject": "Hi {{ contact.fist_name }}"}, "subject-errors"),
        ({"preheader": "{{ contact.fist_name }}"}, "preheader-errors"),
        ({}, "blockErrors"),
    ],
    ids=["subject", "preview line", "block"],
)
def test_an_unknown_placeholder_is_refused_at_its_place_in_drafts_too(admin_client, given, place, publish):
    wrong = ("heading", {"text": "{{ contact.fist_name }}"})
    answer = admin_client.post(url("add"), data(HEADING if given else wrong, **given, **publish))
    assert answer.status_code == 200
    page = html.unescape(words(answer)).replace(r"\u201c", "“").replace(r"\u201d", "”")
    said = "There is no placeholder “contact.fist_name”. Did you mean “contact.first_name”?"
    assert re.search(place + r"[^§]{0,400}?" + re.escape(said), page), page
    assert not m.EmailTemplate.objects.exists()


def test_a_draft_may_be_unfinished_but_is_not_published_so(admin_client):
    unfinished = data(("heading", {"text": ""}), subject="")
    assert admin_client.post(url("add"), unfinished).status_code == 302
    template = m.EmailTemplate.objects.get()
    answer = admin_client.post(url("edit", template.pk), {**unfinished, "action-publish": "1"})
    assert answer.status_code == 200
    template.refresh_from_db()
    assert not template.live


def test_a_mail_that_gmail_would_cut_is_not_published(admin_client):
    from wagtail.test.utils.form_data import rich_text

    long = ("text", {"text": rich_text("<p>" + "many words " * 9000 + "</p>")})
    answer = admin_client.post(url("add"), data(long, **{"action-publish": "1"}))
    assert "Gmail would cut it off" in words(answer)
    assert not m.EmailTemplate.objects.exists()


def test_a_line_break_in_the_subject_makes_no_header(admin_client):
    hostile = "Hello\r\nBcc: everybody@example.com\r\n\r\n<script>alert(1)</script>"
    admin_client.post(url("add"), data(subject=hostile, **{"action-publish": "1"}))
    template = m.EmailTemplate.objects.get()
    assert template.subject == "Hello Bcc: everybody@example.com <script>alert(1)</script>"
    page = words(admin_client.get(url("list")))
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


def test_autosave_keeps_a_draft_and_says_nothing(admin_client):
    template = make_template([("heading", {"text": "x"})], live=True)
    answer = admin_client.post(url("edit", template.pk), data(CARD), HTTP_ACCEPT="application/json")
    assert answer.json()["success"] is True
    template.refresh_from_db()
    assert template.body[0].block_type == "heading" and template.has_unpublished_changes


def test_autosave_of_a_new_email_goes_on_in_the_editor(admin_client):
    saved = admin_client.post(url("add") + "?locale=en", data(), HTTP_ACCEPT="application/json").json()
    assert saved["success"] is True
    page = words(admin_client.get(saved["hydrate_url"]))
    assert "[data-side-panel=&#x27;placeholders&#x27;]" in page or "[data-side-panel='placeholders']" in page
    assert "Send test to me" in page
    assert not m.EmailTemplate.objects.get().live


# --- advice -------------------------------------------------------------------------------------------------------------


def test_saving_says_what_a_coupon_email_lacks(admin_client):
    lacking = ("heading", {"text": "{{ coupon.size }} off"})
    page = words(admin_client.post(url("add"), data(lacking), follow=True))
    assert "Please look at this once more" in page
    for missing in ("its code", "until when it holds", "the price before and after"):
        assert missing in page, missing
    assert "how much it takes off" not in page


def test_saving_says_nothing_of_a_mail_that_lacks_nothing(admin_client):
    for blocks in ([CARD], [HEADING]):
        page = words(admin_client.post(url("add"), data(*blocks), follow=True))
        assert "look at this once more" not in page


def test_a_coupon_in_a_service_mail_is_warned_of(admin_client):
    page = words(admin_client.post(url("add"), data(CARD, kind="service"), follow=True))
    assert "people who have unsubscribed would get it too" in page


# --- placeholders -------------------------------------------------------------------------------------------------------


def theirs():
    return [Placeholder("studio.room", "room <b>of</b> the visit", "Room 3 & 4", "text", lambda situation: "Room 1")]


def test_the_placeholders_are_listed_beside_the_form_with_examples_in_the_language_of_the_mail(admin_client):
    from wagtail import hooks

    settings_of_default_site()
    template = make_template(language="de")
    with hooks.register_temporarily("register_kwiga_placeholders", theirs):
        page = words(admin_client.get(url("edit", template.pk)))
    assert 'data-side-panel="placeholders"' in page and 'data-side-panel-toggle="placeholders"' in page
    for shown in ("{{ contact.first_name }}", "{{ price.after }}", "{{ resume_url }}", "102,00\xa0€", "24 Stunden"):
        assert shown in page, shown
    assert 'data-w-clipboard-value-param="{{ coupon.code }}"' in page
    assert "{{ studio.room }}" in page and "Room 3 &amp; 4" in page and "room &lt;b&gt;of" in page
    assert "site.root" not in page


def test_a_new_email_has_the_list_too_and_costs_no_more_for_more_mails(admin_client):
    assert 'data-side-panel="placeholders"' in words(admin_client.get(url("add")))
    template = make_template()
    address = url("edit", template.pk)
    queries(admin_client, address)
    one = queries(admin_client, address)
    for _number in range(12):
        make_template()
    assert queries(admin_client, address) == one


# --- the list -----------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_tells_mails_apart():
    client = editor(*WRITES)
    told = story.tell()
    make_template(
        [("heading", {"text": "Hi"})], title="Thanks", subject="Thank you", preheader="", language="de", live=False
    )
    page = words(client.get(url("list")))
    for shown in (
        "Your place is free",
        "Your place in {{ offer.title }}",
        "promotion",
        "service",
        "Win back",
        "no scenario",
    ):
        assert shown in page, shown
    assert "English" in page and "Deutsch" in page
    assert tags(page) == ["Deutsch", "draft", "English", "live"]
    told.scenario.title, told.scenario.live = "Another", False
    told.scenario.save()
    assert "Another (draft)" in words(client.get(url("list")))


def test_a_translation_is_used_by_the_scenarios_of_its_source(admin_client):
    told = story.tell()
    german = told.template.copy_for_translation(Locale.objects.get_or_create(language_code="de")[0])
    german.save()
    assert words(admin_client.get(url("list"))).count("Win back") == 2


def test_the_list_costs_the_same_for_one_and_for_thirteen():
    client = editor(*WRITES)
    story.tell()
    queries(client, url("list"))
    one = queries(client, url("list"))
    for number in range(12):
        template = make_template(title=f"Mail {number}", live=number % 2 == 0)
        template.save_revision()
        m.Scenario.objects.create(
            title=f"Scenario {number}", steps=story.stream(("send_email", {"template": template.pk}))
        )
    assert queries(client, url("list")) == one


def test_the_list_is_searched_and_filtered(admin_client):
    make_template(title="Recovery", subject="Still free")
    make_template(
        [("heading", {"text": "x"})], title="Thanks", subject="Thank you", preheader="", language="de", live=False
    )

    def found(**given):
        page = words(admin_client.get(reverse("wagtail_kwiga_emails:list_results"), given))
        return [title for title in ("Recovery", "Thanks") if title in page]

    assert found() == ["Recovery", "Thanks"]
    assert found(q="Still free") == ["Recovery"]
    assert found(kind="service") == ["Thanks"]
    assert found(kind="promotion") == ["Recovery"]
    assert found(live="true") == ["Recovery"]
    assert found(locale="de") == ["Thanks"]


def test_an_empty_list_says_what_to_do(admin_client):
    page = words(admin_client.get(url("list")))
    assert "Write the first one" in page and f'href="{url("add")}' in page
    make_template()
    assert "Write the first one" not in words(admin_client.get(url("list"), {"q": "nothing like it"}))


def test_history_comparison_usage_and_copy_work(admin_client):
    told = story.tell()
    template = m.EmailTemplate.objects.get(pk=told.template.pk)
    first = template.save_revision()
    template.subject = "Changed subject"
    template.body = template.body.stream_block.to_python(story.stream(("heading", {"text": "Changed heading"})))
    second = template.save_revision()
    assert admin_client.get(url("history", template.pk)).status_code == 200
    page = words(admin_client.get(url("revisions_compare", template.pk, first.pk, second.pk)))
    assert "Changed" in page and "Changed heading" in page
    assert admin_client.get(url("revisions_view", template.pk, second.pk)).status_code == 200
    assert "Win back" in words(admin_client.get(url("usage", template.pk)))


def test_a_copy_stays_in_its_language_and_leaves_the_original_alone(admin_client):
    template = make_template(language="de")
    page = words(admin_client.get(url("copy", template.pk)))
    assert html.escape(template.subject) in page
    action = url("add") + "?locale=de"
    assert f'action="{action}"' in page
    assert admin_client.post(action, data(title="A copy")).status_code == 302
    copy = m.EmailTemplate.objects.get(title="A copy")
    assert copy.locale == template.locale and copy.translation_key != template.translation_key
    # Wagtail's own view would make the original a draft here.
    assert admin_client.post(url("copy", template.pk), data(title="Another")).status_code == 405
    assert m.EmailTemplate.objects.filter(live=True).get() == template


# --- a test to oneself --------------------------------------------------------------------------------------------------


def test_the_editor_offers_a_test(admin_client):
    template = make_template()
    page = words(admin_client.get(url("edit", template.pk)))
    assert "Send test to me" in page and url("send_test", template.pk) in page


@pytest.mark.django_db(transaction=True)
def test_the_latest_draft_goes_to_oneself_through_the_outbox(mailoutbox):
    Site.objects.get_or_create(is_default_site=True, defaults={"hostname": "localhost", "root_page_id": 1})
    client = editor(*WRITES, "view_outgoingemail")
    template = make_template([HEADING], subject="Live subject")
    template.subject = "Draft for {{ contact.first_name }}"
    template.save_revision()
    asked = words(client.get(url("send_test", template.pk)))
    assert "ed@school.example" in asked and "sample data" in asked
    assert not m.OutgoingEmail.objects.exists()  # GET changes nothing
    answer = words(client.post(url("send_test", template.pk), follow=True))
    row = m.OutgoingEmail.objects.get()
    assert (row.purpose, row.to_email, row.contact, row.status) == ("test", "ed@school.example", None, "queued")
    assert row.subject == "Test: Draft for Ada"
    assert "goes out with the next pass of the worker" in answer
    assert reverse("wagtail_kwiga_mail:inspect", args=[row.pk]) in answer
    delivery.deliver_due()
    (message,) = mailoutbox
    assert message.to == ["ed@school.example"] and message.subject == "Test: Draft for Ada"
    assert "test" in words(client.get(reverse("wagtail_kwiga_mail:index")))


def test_whoever_has_no_address_is_told_where_to_add_one():
    client = editor(*WRITES, email="")
    template = make_template()
    page = words(client.get(url("send_test", template.pk)))
    assert "no e-mail address" in page and reverse("wagtailadmin_account") in page
    client.post(url("send_test", template.pk))
    assert not m.OutgoingEmail.objects.exists()


def test_a_draft_that_cannot_be_sent_says_why_instead(admin_client):
    template = make_template([("heading", {"text": "{{ no.such }}"})])
    page = words(admin_client.post(url("send_test", template.pk)))
    assert "block 1 (Heading)" in page and "no.such" in page
    assert not m.OutgoingEmail.objects.exists()


def test_tests_are_limited(admin_client, monkeypatch):
    get_user_model().objects.update(email="boss@school.example")
    monkeypatch.setattr("wagtail_kwiga.backoffice.emails.email_trial.LIMIT", 2)
    template = make_template()
    for _number in range(3):
        answer = admin_client.post(url("send_test", template.pk), follow=True)
    assert m.OutgoingEmail.objects.count() == 2
    assert "Too many tries" in words(answer)


def test_a_test_needs_the_permission_to_edit_and_a_token(admin_user):
    from django.test import Client

    template = make_template()
    looker = editor("view_emailtemplate")
    assert looker.post(url("send_test", template.pk)).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(url("send_test", template.pk)).status_code == 403
    assert not m.OutgoingEmail.objects.exists()
    assert editor_is_lost(Client().get(url("send_test", template.pk)))


def editor_is_lost(answer):
    return answer.status_code == 302 and "login" in answer["Location"]


# --- the chooser --------------------------------------------------------------------------------------------------------

CHOOSE = "wagtailsnippetchoosers_wagtail_kwiga_emailtemplate:"


def test_the_chooser_shows_what_tells_mails_apart(admin_client):
    make_template(title="Recovery", subject="Still free")
    make_template(title="Thanks", subject="Thank you", preheader="", language="de", live=False)
    page = admin_client.get(reverse(CHOOSE + "choose")).json()["html"]
    for shown in ("Recovery", "Still free", "Thank you", "Deutsch", "Make a new one"):
        assert shown in page, shown
    assert tags(page) == ["English", "live", "Deutsch", "draft"]
    found = words(admin_client.get(reverse(CHOOSE + "choose_results"), {"q": "still"}))
    assert "Recovery" in found and "Thanks" not in found
    german = words(admin_client.get(reverse(CHOOSE + "choose_results"), {"locale": "de"}))
    assert "Recovery" not in german and "Thanks" in german


def test_the_chooser_costs_the_same_for_one_and_for_ten(admin_client):
    make_template()
    queries(admin_client, reverse(CHOOSE + "choose"))
    one = queries(admin_client, reverse(CHOOSE + "choose"))
    for number in range(9):
        make_template(live=number % 2 == 0)
    assert queries(admin_client, reverse(CHOOSE + "choose")) == one


def test_a_draft_is_made_in_the_chooser(admin_client):
    answer = admin_client.post(reverse(CHOOSE + "create"), {"title": "New one", "subject": "Hi {{ order.title }}"})
    chosen = json.loads(answer.content)
    template = m.EmailTemplate.objects.get()
    assert chosen["step"] == "chosen" and chosen["result"]["string"] == "New one"
    assert chosen["result"]["edit_url"] == url("edit", template.pk)
    assert not template.live and [block.block_type for block in template.body][2] == "coupon_card"
    assert template.latest_revision is not None and versions.problems(template) == []


def test_the_chooser_refuses_a_mistake_and_whoever_may_not_add(admin_client):
    answer = admin_client.post(reverse(CHOOSE + "create"), {"title": "New", "subject": "{{ no.such }}"})
    assert "no.such" in answer.json()["htmlFragment"]
    looker = editor("view_emailtemplate")
    assert looker.post(reverse(CHOOSE + "create"), {"title": "New", "subject": "Hi"}).status_code in (302, 403)
    assert not m.EmailTemplate.objects.exists()


def test_an_empty_chooser_says_what_to_do(admin_client):
    assert "No e-mail has been written yet" in admin_client.get(reverse(CHOOSE + "choose")).json()["html"]
