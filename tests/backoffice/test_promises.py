"""Before something is saved that breaks what mail has told people (promise 5): how many, and saved only by whoever knows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from wagtail.models import Page, PageLogEntry
from wagtail.test.utils.form_data import streamfield

from tests.backoffice.screens import history_of, lacks, says, words_of
from tests.backoffice.test_coupons import typed
from tests.mailing.making import queue_one
from tests.offers.making import make_page, offer_of, translate
from tests.offers.test_panels import product_row, sent
from tests.orders.shop import order_for
from tests.support import make_contact, make_coupon, make_list
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.offers import promise_panel, publishing

pytestmark = pytest.mark.django_db

WARNED = "This breaks what people were told by mail and could still use."
KNOWN = {"kwiga_ends_promises": "1"}
BOX = 'name="kwiga_ends_promises"'


@pytest.fixture
def page():
    return make_page(coupon_mode="any", price=Decimal("120.00"))


@pytest.fixture
def told(page):
    """Two people were told 102.00 EUR, with COMEBACK15, until tomorrow."""
    now, offer = timezone.now(), offer_of(page)
    coupon = make_coupon("COMEBACK15")
    for _ in range(2):
        contact = make_contact()
        order = order_for(contact, offer, now=now)
        queue_one(contact, order=order, coupon=coupon, now=now, coupon_until=now + dt.timedelta(days=1))
    m.OutgoingEmail.objects.update(status="sent")
    return coupon


def ended() -> set:
    return set(m.OutgoingEmail.objects.values_list("promise_ended_by__username", flat=True))


def is_told(answer) -> None:
    says(words_of(answer), WARNED, "2 people were told €102.00 until")


# --- a coupon ----------------------------------------------------------------------------------------------------------------


def edit(coupon) -> str:
    return reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk])


def delete(coupon) -> str:
    return reverse("wagtail_kwiga_coupons:delete", args=[coupon.pk])


def test_a_smaller_discount_is_saved_only_knowingly(admin_client, told):
    lacks(admin_client.get(edit(told)).content.decode(), BOX)
    answer = admin_client.post(edit(told), typed(code="COMEBACK15", percent="10"))
    is_told(answer)
    assert BOX in answer.content.decode()
    told.refresh_from_db()
    assert (told.percent, ended()) == (15, {None})
    answer = admin_client.post(edit(told), typed(code="COMEBACK15", percent="10", **KNOWN))
    assert answer.status_code == 302
    told.refresh_from_db()
    assert (told.percent, ended()) == (10, {"admin"})
    assert "Ended what 2 people were told by mail" in history_of(told)


def test_a_change_that_makes_nothing_worse_asks_nothing(admin_client, told):
    assert admin_client.post(edit(told), typed(code="COMEBACK15", percent="20", note="More")).status_code == 302
    assert ended() == {None}
    assert history_of(told) == ["Edited"]


def test_what_was_ended_is_not_asked_about_again(admin_client, told):
    admin_client.post(edit(told), typed(code="COMEBACK15", percent="10", **KNOWN))
    assert admin_client.post(edit(told), typed(code="COMEBACK15", percent="5")).status_code == 302


def test_a_form_with_other_faults_speaks_of_those_first(admin_client, told):
    answer = admin_client.post(edit(told), typed(code="COMEBACK15", percent=""))
    says(words_of(answer), "How many percent does it take off?")
    lacks(words_of(answer), WARNED)


def test_deleting_a_coupon_is_asked_about(admin_client, told):
    m.Order.objects.update(coupon=None)
    is_told(admin_client.post(delete(told)))
    assert m.Coupon.objects.filter(pk=told.pk).exists()
    answer = admin_client.post(delete(told), KNOWN)
    assert answer.status_code == 302
    assert not m.Coupon.objects.exists()
    assert ended() == {"admin"}


def test_so_is_deleting_ticked_ones(admin_client, told):
    address = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "coupon", "delete"]) + f"?id={told.pk}"
    is_told(admin_client.post(address))
    assert m.Coupon.objects.exists()
    assert admin_client.post(address, KNOWN).status_code == 302
    assert not m.Coupon.objects.exists()


def test_a_coupon_that_nobody_was_told_of_is_deleted_as_ever(admin_client):
    assert admin_client.post(delete(make_coupon())).status_code == 302
    assert not m.Coupon.objects.exists()


# --- an offer page -------------------------------------------------------------------------------------------------------------


def edit_page(page) -> str:
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def form_of(page, **changes):
    rows = streamfield([("product", product_row(block.value["product"])) for block in page.products])
    return sent(**{"products": rows, "title": page.title, "slug": page.slug, "coupon_mode": "any", **changes})


def test_a_worse_price_is_published_only_knowingly(admin_client, page, told):
    answer = admin_client.post(edit_page(page), form_of(page, price="200.00"))
    is_told(answer)
    assert BOX in answer.content.decode()
    assert offer_of(page).amount == 120
    answer = admin_client.post(edit_page(page), form_of(page, price="200.00", **KNOWN))
    assert answer.status_code == 302
    assert (offer_of(page).amount, ended()) == (200, {"admin"})
    assert "Ended what 2 people were told by mail" in history_of(page)
    assert not m.TimelineEntry.objects.filter(code="mailing.promises_ended").exists()


@pytest.mark.parametrize("changes", [{"coupon_mode": "none"}, {"sales_until": "now"}], ids=str)
def test_a_closer_gate_or_an_earlier_end_is_asked_about(admin_client, page, told, changes):
    if changes.get("sales_until"):
        changes = {"sales_until": f"{timezone.now() + dt.timedelta(hours=3):%Y-%m-%d %H:%M}"}
    is_told(admin_client.post(edit_page(page), form_of(page, **changes)))


def test_neither_a_better_price_nor_a_draft_asks(admin_client, page, told):
    assert admin_client.post(edit_page(page), form_of(page, price="110.00")).status_code == 302
    assert offer_of(page).amount == 110
    draft = form_of(page, price="500.00")
    del draft["action-publish"]
    assert admin_client.post(edit_page(page), draft).status_code == 302
    assert (offer_of(page).amount, ended()) == (110, {None})


@pytest.mark.parametrize("name", ["unpublish", "delete"])
def test_taking_a_page_down_is_asked_about(admin_client, page, told, name):
    address = reverse(f"wagtailadmin_pages:{name}", args=[page.pk])
    assert admin_client.get(address).status_code == 200
    is_told(admin_client.post(address))
    assert offer_of(page).state == "on_sale"
    assert admin_client.post(address, KNOWN).status_code == 302
    assert (offer_of(page).state, ended()) == ("withdrawn", {"admin"})
    assert not m.TimelineEntry.objects.filter(code="mailing.promises_ended").exists()


@pytest.mark.parametrize("name", ["unpublish", "delete"])
def test_so_is_taking_down_ticked_pages(admin_client, page, told, name):
    address = reverse("wagtail_bulk_action", args=["wagtailcore", "page", name]) + f"?id={page.pk}"
    is_told(admin_client.post(address))
    assert offer_of(page).state == "on_sale"
    admin_client.post(address, KNOWN)
    assert (offer_of(page).state, ended()) == ("withdrawn", {"admin"})


@pytest.mark.parametrize("name", ["unpublish", "delete"])
@pytest.mark.parametrize("is_ticked", [False, True], ids=["one", "ticked"])
def test_so_is_taking_down_what_they_lie_below(admin_client, page, told, name, is_ticked):
    above = page.get_parent().add_child(instance=Page(title="Courses", slug="courses"))
    page.move(above, pos="first-child")
    address = reverse(f"wagtailadmin_pages:{name}", args=[above.pk])
    if is_ticked:
        address = reverse("wagtail_bulk_action", args=["wagtailcore", "page", name]) + f"?id={above.pk}"
    below = {"include_descendants": "on"} if name == "unpublish" else {}
    is_told(admin_client.post(address, below))
    assert offer_of(page).state == "on_sale"
    admin_client.post(address, {**below, **KNOWN})
    assert (offer_of(page).state, ended()) == ("withdrawn", {"admin"})
    entry = PageLogEntry.objects.get(action=promise_panel.LOG_ACTION)
    assert (entry.page_id, entry.content_type.model) == (page.pk, "offerpage")
    assert not m.TimelineEntry.objects.filter(code="mailing.promises_ended").exists()


@pytest.mark.usefixtures("told")
def test_what_stays_below_is_not_asked_about(admin_client, page):
    above = page.get_parent().add_child(instance=Page(title="Courses", slug="courses"))
    page.move(above, pos="first-child")
    assert admin_client.post(reverse("wagtailadmin_pages:unpublish", args=[above.pk])).status_code == 302
    assert (offer_of(page).state, ended()) == ("on_sale", {None})


@pytest.mark.usefixtures("told")
def test_a_page_and_its_translation_taken_down_together_are_asked_about_once(admin_client, page):
    translation = translate(page, "de")
    one = reverse("wagtailadmin_pages:delete", args=[translation.pk])
    both = reverse("wagtail_bulk_action", args=["wagtailcore", "page", "delete"]) + f"?id={page.pk}&id={translation.pk}"
    answer = admin_client.post(both)
    is_told(answer)
    assert words_of(answer).count("2 people were told") == 1
    assert offer_of(page).state == "on_sale"
    assert admin_client.post(one).status_code == 302
    assert (offer_of(page).state, ended()) == ("on_sale", {None})


def test_so_is_publishing_ticked_drafts(admin_client, page, told):
    page.price = Decimal(300)
    page.save_revision()
    address = reverse("wagtail_bulk_action", args=["wagtailcore", "page", "publish"]) + f"?id={page.pk}"
    is_told(admin_client.post(address))
    assert offer_of(page).amount == 120
    admin_client.post(address, KNOWN)
    assert (offer_of(page).amount, ended()) == (300, {"admin"})


def test_a_page_that_is_no_offer_is_taken_down_as_ever(admin_client, page):
    other = page.get_parent()
    assert admin_client.get(reverse("wagtailadmin_pages:unpublish", args=[other.pk])).status_code == 200


# --- where nobody can be asked --------------------------------------------------------------------------------------------------


def test_a_scheduled_price_goes_through_and_is_put_on_a_persons_list(admin_client, page, told):
    later = timezone.localtime() + dt.timedelta(hours=1)
    answer = admin_client.post(edit_page(page), form_of(page, price="200.00", go_live_at=f"{later:%Y-%m-%d %H:%M}"))
    assert answer.status_code == 302, "scheduling is not asked about"
    assert (offer_of(page).amount, ended()) == (120, {None})
    revision = m.OfferPage.objects.get(pk=page.pk).scheduled_revision
    due = timezone.now() - dt.timedelta(minutes=1)  # an hour has passed
    revision.approved_go_live_at, revision.content["go_live_at"] = due, due.isoformat()
    revision.save()
    call_command("publish_scheduled")
    assert offer_of(page).amount == 200
    assert m.OutgoingEmail.objects.filter(promise_ended_at=None).count() == 0
    entry = m.TimelineEntry.objects.get(code="mailing.promises_ended")
    assert entry.needs_attention and entry.subject == offer_of(page)
    listed = words_of(admin_client.get(reverse("wagtail_kwiga_attention:index")))
    says(listed, "“Watercolour” was changed where nobody could be asked.", "People: 2")


@pytest.mark.parametrize("change", [{"price": None}, {"products": []}], ids=str)
def test_a_page_that_code_publishes_without_price_or_product_ends_what_was_told(page, told, change):
    m.OfferPage.objects.filter(pk=page.pk).update(**change)
    publishing.publish_terms(m.OfferPage.objects.get(pk=page.pk))
    assert not selling.is_for_sale(offer_of(page))
    assert m.OutgoingEmail.objects.filter(promise_ended_at=None).count() == 0
    entry = m.TimelineEntry.objects.get(code="mailing.promises_ended")
    assert entry.needs_attention and entry.facts["people"] == 2


# --- a list ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def members(told):
    """The same two people, told of it because they are on a list of the coupon until tomorrow, by hand."""
    come_back = make_list("Come back")
    told.list_links.create(contact_list=come_back)
    for mail in m.OutgoingEmail.objects.all():
        lists.add(come_back, mail.contact, until=mail.promised_until)
    return come_back


def on_it(contact_list) -> int:
    return m.ListMembership.objects.filter(list=contact_list, removed_at=None).count()


def test_taking_somebody_off_a_list_is_told_on_the_page_that_asks(admin_client, members):
    person = m.Contact.objects.earliest("pk")
    where = reverse("wagtail_kwiga_lists:remove_member", args=[members.pk, person.pk])
    says(words_of(admin_client.get(where)), WARNED, "1 person was told €102.00 until")
    assert (on_it(members), ended()) == (2, {None})
    admin_client.post(where)
    assert on_it(members) == 1
    assert dict(m.OutgoingEmail.objects.values_list("contact", "promise_ended_by__username")) == {
        mail.contact_id: "admin" if mail.contact_id == person.pk else None for mail in m.OutgoingEmail.objects.all()
    }
    assert history_of(members) == ["Ended what 1 person was told by mail"]


def test_so_is_taking_off_ticked_people(admin_client, members):
    ticked = "&".join(f"id={pk}" for pk in m.ListMembership.objects.values_list("pk", flat=True))
    where = f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'listmembership', 'take_off'])}?{ticked}"
    is_told(admin_client.get(where))
    assert (on_it(members), ended()) == (2, {None})
    admin_client.post(where)
    assert (on_it(members), ended()) == (0, {"admin"})


def test_a_sooner_end_than_was_told_is_asked_about(admin_client, members):
    where, person = reverse("wagtail_kwiga_lists:add_member", args=[members.pk]), m.Contact.objects.earliest("pk")
    later, sooner = timezone.localdate() + dt.timedelta(days=9), timezone.now() + dt.timedelta(hours=1)
    sooner = timezone.localtime(sooner).strftime("%Y-%m-%d %H:%M")
    assert admin_client.post(where, {"email": person.email, "until": later.isoformat()}).status_code == 302
    asked = admin_client.post(where, {"email": person.email, "until": sooner})
    says(words_of(asked), WARNED, "1 person was told €102.00 until")
    assert ended() == {None}
    assert admin_client.post(where, {"email": person.email, "until": sooner, **KNOWN}).status_code == 302
    assert ended() == {None, "admin"}


def test_whoever_is_on_another_list_of_the_coupon_keeps_what_was_told(admin_client, members, told):
    other, person = make_list("Others"), m.Contact.objects.earliest("pk")
    told.list_links.create(contact_list=other)
    lists.add(other, person)
    admin_client.post(reverse("wagtail_kwiga_lists:remove_member", args=[members.pk, person.pk]))
    assert (on_it(members), ended()) == (1, {None})
