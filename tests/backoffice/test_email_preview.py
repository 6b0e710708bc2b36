"""Wagtail's preview panel for e-mails: the draft as it stands in the editor, with sample data or with an order."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from wagtail import hooks
from wagtail.models import Locale

from tests.backoffice.mails import CARD, HEADING, WRITES, data, editor, url, words
from tests.mailing.making import make_template, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.placeholders import Placeholder

pytestmark = pytest.mark.django_db


@pytest.fixture
def template():
    settings_of_default_site()
    return make_template()


def panel(client, template, *blocks, mode="", **given):
    """What the panel shows of a form as it stands: it posts the form, then asks for the page."""
    address = url("preview_on_edit", template.pk)
    told = client.post(address, data(*blocks, **given)).json()
    assert told == {"is_valid": True, "is_available": True}
    answer = client.get(address, {"mode": mode, "in_preview_panel": "true"})
    assert answer.status_code == 200 and answer["X-Frame-Options"] == "SAMEORIGIN"
    return words(answer)


def mail_in(page):
    return html.unescape(re.search(r'srcdoc="([^"]*)"', page)[1])


def choose(client, words_, **given):
    return client.post(url("preview_with"), {"order": words_, **given})


def order(**given):
    given = {"name": "Grace Hopper", "email": "grace@example.com", **given}
    return order_for(
        make_contact(**given), make_offer(coupon_mode="any", amount="200.00"), now=conf.now(), language="en"
    )


def test_the_draft_is_shown_as_it_stands_with_all_that_an_inbox_shows(admin_client, template):
    page = panel(
        admin_client,
        template,
        HEADING,
        CARD,
        subject="Draft for {{ contact.first_name }}",
        preheader="{{ coupon.size }} off",
    )
    assert "Draft for Ada" in page and "15% off" in page
    assert "From &quot;Mara of Riverside&quot; &lt;mara@riverside.example&gt;" in page
    assert re.search(r"Size: \d+ kB\.", page) and "Too long" not in page
    assert "Sample data" in page and "Links lead nowhere" in page
    assert "COMEBACK15" in mail_in(page)
    assert m.EmailTemplate.objects.get().subject != "Draft for {{ contact.first_name }}"  # nothing was saved


def test_a_mail_that_is_not_saved_yet_is_shown_in_its_language(admin_client):
    Locale.objects.get_or_create(language_code="de")
    add = words(admin_client.get(url("add"), {"locale": "de"}))
    address = url("preview_on_add") + "?locale=de"
    assert f'data-w-preview-url-value="{address}"' in add
    assert admin_client.post(address, data(CARD)).json()["is_valid"]
    assert "24 Stunden" in mail_in(words(admin_client.get(address)))


def test_the_modes_show_night_and_plain_text_whatever_the_screen_is_set_to(admin_client, template):
    day = mail_in(panel(admin_client, template, CARD))
    night = mail_in(panel(admin_client, template, CARD, mode="dark"))
    assert "@media not all" in day and "prefers-color-scheme" not in day + night
    assert "@media all" in night and 'content="dark only"' in night and "color-scheme: dark only" in night
    text = panel(admin_client, template, CARD, mode="text")
    assert "<pre>" in text and "Code: COMEBACK15" in text and "<iframe" not in text


def test_the_sizes_begin_with_the_narrowest_telephone(admin_client, template):
    page = words(admin_client.get(url("edit", template.pk)))
    assert 'data-device-width="360"' in page
    assert "Mail in dark mode" in page and "Plain text" in page


def test_no_link_leads_anywhere_and_no_script_runs(admin_client, template):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    button = ("button", {"label": hostile, "where": "own", "url": "https://example.com/own"})
    page = panel(
        admin_client, template, ("heading", {"text": hostile}), button, CARD, subject=hostile, preheader=hostile
    )
    mail = mail_in(page)
    assert "<iframe" in page and " sandbox srcdoc" in page  # no script, no pop-up, no form, no origin
    assert '<base target="_blank">' in mail  # needs a window, which the sandbox does not give
    for part in (page.split("srcdoc")[0], mail):
        assert "<script" not in part and "<img src=x" not in part
        assert "&lt;script&gt;alert(1)" in part
    for path in ("/resume/", "/pay/", "/unsubscribe/"):
        assert path not in mail


def test_a_mail_above_90_kb_is_warned_of(admin_client, template):
    from wagtail.test.utils.form_data import rich_text

    page = panel(admin_client, template, ("text", {"text": rich_text("<p>" + "many words " * 9000 + "</p>")}))
    assert "Too long" in page and "90 kB" in page


def test_advice_stands_in_the_preview(admin_client, template):
    assert "does not say its code" in panel(admin_client, template, ("heading", {"text": "{{ coupon.size }} off"}))
    assert 'class="hints"' not in panel(admin_client, template, CARD)


# --- with an order ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["number", "grace@example.com", "GRACE@Example.com "])
def test_an_order_is_chosen_by_number_or_address(admin_client, template, asked):
    chosen = order()
    answer = choose(admin_client, chosen.number if asked == "number" else asked)
    assert answer.status_code == 302 and answer["Location"] == url("list")
    page = panel(admin_client, template, HEADING, CARD, ("order_summary", {"title": ""}))
    assert f"Order {chosen.number} of grace@example.com" in page and "The coupon is made up" in page
    mail = mail_in(page)
    for shown in ("Hello Grace", chosen.number, "€200.00", "€170.00"):
        assert shown in mail, shown
    assert "Ada" not in mail and "#resume_url" not in page.split("srcdoc")[0]
    assert "/resume/" not in mail and chosen.token not in page
    assert not m.OutgoingEmail.objects.exists() and not m.EmailTemplateVersion.objects.exclude(template=None).exists()


def test_the_order_with_a_coupon_shows_its_coupon_and_its_end(admin_client, template):
    coupon = make_coupon("REAL20", percent="20", valid_until=conf.now().replace(year=conf.now().year + 1))
    offer = make_offer(coupon_mode="any")
    chosen = order_for(make_contact(name="Grace"), offer, coupon=coupon, now=conf.now(), language="en")
    choose(admin_client, chosen.number)
    page = panel(admin_client, template, CARD)
    mail = mail_in(page)
    assert "REAL20" in mail and "€96.00" in mail and "20% off" in mail and "Valid for" in mail
    assert "The coupon is made up" not in page


def test_the_newest_order_of_an_address_is_meant(admin_client, template):
    contact = make_contact("grace@example.com")
    orders = [order_for(contact, make_offer(), now=conf.now(), language="en") for _number in range(2)]
    choose(admin_client, "grace@example.com")
    assert f"Order {orders[1].number} of" in panel(admin_client, template)


def test_the_language_is_that_of_the_mail_even_for_an_order_in_another(admin_client):
    chosen = order()
    german = make_template(language="de")
    choose(admin_client, chosen.number)
    assert "170,00\xa0€" in mail_in(panel(admin_client, german, CARD))


def test_what_is_not_found_is_said_and_sample_data_comes_back(admin_client, template):
    chosen = order()
    choose(admin_client, "<b>99999</b>")
    page = panel(admin_client, template)
    assert (
        "There is no order “&lt;b&gt;99999&lt;/b&gt;”." in page and "Sample data" in page and "<details open>" in page
    )
    choose(admin_client, chosen.number)
    page = panel(admin_client, template)
    assert "There is no order" not in page
    assert 'name="sample"' in page
    choose(admin_client, chosen.number, sample="1")
    assert "The person and the order are made up" in panel(admin_client, template)


def test_the_choice_comes_from_the_preview_itself_with_a_token_and_leads_back(admin_user, template):
    chosen = order()
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    form = words(client.get(url("edit", template.pk)))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
    client.post(url("preview_on_edit", template.pk), {**data(CARD), "csrfmiddlewaretoken": token})
    address = url("preview_on_edit", template.pk) + "?mode=dark&in_preview_panel=true"
    page = words(client.get(address))
    assert f'action="{url("preview_with")}"' in page and f'<option value="{chosen.number}">grace@example.com' in page
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    back = html.unescape(re.search(r'name="next" value="([^"]+)"', page)[1])
    assert back == address
    assert client.post(url("preview_with"), {"order": chosen.number, "next": back}).status_code == 403
    answer = client.post(url("preview_with"), {"order": chosen.number, "next": back, "csrfmiddlewaretoken": token})
    assert answer.status_code == 302 and answer["Location"] == address
    assert f"Order {chosen.number} of" in words(client.get(address))


def test_the_choice_leads_nowhere_else_and_get_changes_nothing(admin_client):
    answer = choose(admin_client, "", next="https://evil.example/")
    assert answer["Location"] == url("list")
    assert admin_client.get(url("preview_with"), {"order": "1"}).status_code == 405


def test_whoever_may_not_see_orders_sees_none(template):
    chosen = order()
    client = editor(*WRITES)
    assert choose(client, chosen.number).status_code == 302
    session = client.session
    session["wagtail_kwiga_preview_order"] = chosen.pk  # had the permission yesterday
    session.save()
    page = panel(client, template)
    assert "Sample data" in page and "grace@example.com" not in page and "Preview with an order" not in page
    looker = m.Order.objects.get()
    assert looker.number not in page


def test_an_order_that_is_gone_gives_sample_data(admin_client, template):
    session = admin_client.session
    session["wagtail_kwiga_preview_order"] = 987654
    session.save()
    assert "Sample data" in panel(admin_client, template)


def test_a_revision_is_shown_without_the_form(admin_client, template):
    revision = template.save_revision()
    page = words(admin_client.get(url("revisions_view", template.pk, revision.pk)))
    assert "COMEBACK15" in mail_in(page) and "<form" not in page


# --- the site's own -----------------------------------------------------------------------------------------------------


def theirs():
    return [Placeholder("studio.room", "room", "Sample room", "text", lambda s: f"Room for {s.order.number}")]


def broken():
    return [Placeholder("studio.room", "room", "Sample room", "text", lambda s: 1 / 0)]


ROOM = ("heading", {"text": "{{ studio.room }}"})


def test_a_placeholder_of_the_site_shows_its_sample_and_for_an_order_its_value(admin_client, template):
    with hooks.register_temporarily("register_kwiga_placeholders", theirs):
        assert "Sample room" in mail_in(panel(admin_client, template, ROOM))
        chosen = order()
        choose(admin_client, chosen.number)
        assert f"Room for {chosen.number}" in mail_in(panel(admin_client, template, ROOM))


def test_an_extension_that_stumbles_is_told_not_thrown(admin_client, template):
    choose(admin_client, order().number)
    with hooks.register_temporarily("register_kwiga_placeholders", broken):
        page = panel(admin_client, template, ROOM)
    assert "An extension of this site stumbled over this mail: ZeroDivisionError" in html.unescape(page)


def test_a_preview_costs_the_same_however_many_orders_and_mails_there_are(admin_client, template):
    chosen = order()
    choose(admin_client, chosen.number)
    panel(admin_client, template, CARD)

    def cost():
        with CaptureQueriesContext(connection) as captured:
            answer = admin_client.get(url("preview_on_edit", template.pk))
        assert chosen.number in words(answer)
        return len(captured)

    cost()
    one = cost()
    for number in range(12):
        make_template()
        order(email=f"buyer{number}@other.example")
    assert cost() == one <= 24
