"""Where a coupon and an offer do not agree: said on both screens and above the page's editor, mended after a look."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from wagtail.models import GroupPagePermission, PageLogEntry

from tests.backoffice.screens import (
    MARKUP,
    cost,
    history_of,
    html_of,
    is_refused,
    lacks,
    page_of,
    says,
    somebody_who_may,
)
from tests.offers.making import make_page, offer_of, root, translate
from tests.support import make_coupon, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.coupons.gates import conflicts

pytestmark = pytest.mark.django_db


def coupon_screen(coupon):
    return reverse("wagtail_kwiga_coupons:edit", args=[coupon.pk])


def offer_screen(offer):
    return reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])


def mend(coupon, offer, code):
    return reverse("wagtail_kwiga_coupons:mend", args=[coupon.pk, offer.pk, code])


def page_editor(page):
    return reverse("wagtailadmin_pages:edit", args=[page.pk])


def codes(subject):
    return sorted(fault.code for fault in conflicts(subject))


def page_editors(name="publisher", words=("change_page", "publish_page"), ours=("view_coupon",)) -> Client:
    """Somebody who may edit (and publish) pages but no coupons."""
    client = somebody_who_may(*ours, name=name)
    group = Group.objects.get(name=f"Those like {name}")
    for word in words:
        permission = Permission.objects.get(content_type__app_label="wagtailcore", codename=word)
        GroupPagePermission.objects.create(group=group, page=root(), permission=permission)
    return client


def fresh(page):
    return type(page).objects.get(pk=page.pk)


# --- the offer's side, which stands on its page -----------------------------------------------------------------------


def test_an_offer_that_takes_none_takes_the_coupon_after_a_look(admin_client):
    old = make_coupon("OLD")
    page = make_page(coupon_mode="none", coupons=[old])
    offer = offer_of(page)
    coupon = make_coupon("SPRING", offers=[offer])
    for screen in (coupon_screen(coupon), offer_screen(offer), page_editor(page)):
        html = html_of(admin_client, screen)
        says(html, "SPRING is made for the offer", "which takes no coupons", mend(coupon, offer, "offer_takes_none"))
    look = page_of(admin_client, mend(coupon, offer, "offer_takes_none"))
    says(look, "takes coupons from now on, but only this one: SPRING", "Left over", "OLD", "published with this change")
    assert codes(coupon) == ["offer_takes_none"], "a look changes nothing"

    answer = admin_client.post(mend(coupon, offer, "offer_takes_none"), follow=True)
    says(answer.content.decode(), "agree now")
    offer.refresh_from_db()
    assert codes(coupon) == codes(offer) == []
    assert offer.coupon_mode == "only"
    assert list(gates.taken_by(offer)) == [coupon]
    assert (fresh(page).coupon_mode, fresh(page).has_unpublished_changes, fresh(page).live) == ("only", False, True)
    assert [block.value for block in fresh(page).coupons] == [coupon]
    assert any("made to take the coupon" in line for line in history_of(coupon))
    audit = PageLogEntry.objects.filter(page=page.pk, user__username="admin").values_list("action", flat=True)
    assert sorted(audit) == ["wagtail.edit", "wagtail.publish"]


def test_an_offer_that_takes_others_takes_this_one_beside_them(admin_client):
    other = make_coupon("OTHER")
    page = make_page(coupon_mode="only", coupons=[other])
    offer = offer_of(page)
    coupon = make_coupon("SPRING", offers=[offer])
    says(page_of(admin_client, mend(coupon, offer, "offer_takes_others")), "beside the coupons that it names already")
    admin_client.post(mend(coupon, offer, "offer_takes_others"))
    assert {block.value for block in fresh(page).coupons} == {other, coupon}
    assert codes(coupon) == codes(other) == []


def test_an_unfinished_draft_is_never_published(admin_client):
    page = make_page("Watercolour", coupon_mode="none")
    offer = offer_of(page)
    coupon = make_coupon("SPRING", offers=[offer])
    page.title = "Half typed"
    page.save_revision()
    look = html_of(admin_client, mend(coupon, offer, "offer_takes_none"))
    says(look, "has changes that are not published yet", page_editor(page))
    lacks(look, 'csrfmiddlewaretoken" value')
    answer = admin_client.post(mend(coupon, offer, "offer_takes_none"))
    assert answer.status_code == 200
    assert codes(coupon) == ["offer_takes_none"]
    assert (fresh(page).title, fresh(page).coupon_mode, fresh(page).has_unpublished_changes) == (
        "Watercolour",
        "none",
        True,
    )


def test_a_page_that_is_not_live_or_locked_is_left_alone(admin_client):
    draft = make_page("Draft", coupon_mode="none", publish=False)
    from wagtail_kwiga.offers import publishing

    publishing.prepare(draft)
    locked = make_page("Locked", coupon_mode="none")
    type(locked).objects.filter(pk=locked.pk).update(locked=True)
    coupon = make_coupon("SPRING", offers=[offer_of(draft), offer_of(locked)])
    for page, words in ((draft, "is not published"), (locked, "locked")):
        answer = admin_client.post(mend(coupon, offer_of(page), "offer_takes_none"), follow=True)
        assert codes(coupon) == ["offer_takes_none", "offer_takes_none"]
        assert words in answer.content.decode() or is_refused(answer), words


def test_terms_that_lag_behind_their_page_are_written_anew(admin_client):
    coupon = make_coupon("SPRING")
    page = make_page(coupon_mode="only", coupons=[coupon])
    offer = offer_of(page)
    coupon.offers.add(offer)
    gates.name_coupons(offer, [])
    says(page_of(admin_client, mend(coupon, offer, "offer_takes_others")), "takes it already")
    admin_client.post(mend(coupon, offer, "offer_takes_others"))
    assert codes(coupon) == []


def test_a_translation_shows_its_source_in_the_confirmation_and_no_warning_of_its_own(admin_client):
    page = make_page("Watercolour", coupon_mode="none")
    offer = offer_of(page)
    german = translate(page, "de")
    coupon = make_coupon("SPRING", offers=[offer])
    lacks(html_of(admin_client, page_editor(german)), "which takes no coupons")
    admin_client.post(mend(coupon, offer, "offer_takes_none"))
    assert codes(coupon) == []
    assert fresh(page).coupon_mode == "only"


def test_an_offer_without_a_page_gets_no_button_and_cannot_be_mended(admin_client):
    offer = make_offer(coupon_mode="none")
    coupon = make_coupon("SPRING", offers=[offer])
    lacks(html_of(admin_client, coupon_screen(coupon)), mend(coupon, offer, "offer_takes_none"))
    assert is_refused(admin_client.post(mend(coupon, offer, "offer_takes_none")))


# --- the coupon's side ------------------------------------------------------------------------------------------------


def test_a_coupon_limited_to_other_offers_is_widened(admin_client):
    elsewhere = make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", offers=[elsewhere])
    page = make_page(coupon_mode="only", coupons=[coupon])
    offer = offer_of(page)
    says(page_of(admin_client, mend(coupon, offer, "wrong_offer")), "works for the offer “Watercolour” too")
    admin_client.post(mend(coupon, offer, "wrong_offer"))
    assert set(coupon.offers.all()) == {elsewhere, offer}
    assert codes(coupon) == []
    assert any("made to work for the offer “Watercolour” too" in line for line in history_of(coupon))


def test_a_sleeping_coupon_is_made_active(admin_client):
    members = make_list("Come back")
    coupon = make_coupon("SPRING", is_active=False, lists=[members])
    offer = offer_of(make_page(coupon_mode="only", coupons=[coupon]))
    look = page_of(admin_client, mend(coupon, offer, "inactive"))
    says(look, "becomes active", "the list “Come back” is empty")
    admin_client.post(mend(coupon, offer, "inactive"))
    coupon.refresh_from_db()
    assert coupon.is_active
    assert codes(coupon) == []


def test_what_only_a_person_can_decide_has_a_way_and_no_remedy(admin_client):
    fixed = make_coupon("TENNER", percent=None, amount=10, currency="USD")
    page = make_page(coupon_mode="only", coupons=[fixed])
    offer = offer_of(page)
    says(html_of(admin_client, coupon_screen(fixed)), "the price of the offer", page_editor(page))
    says(html_of(admin_client, offer_screen(offer)), "the price of the offer", coupon_screen(fixed))
    assert admin_client.post(mend(fixed, offer, "other_currency")).status_code == 404
    empty = make_page("Empty", coupon_mode="only")
    says(html_of(admin_client, offer_screen(offer_of(empty))), "names none", page_editor(empty))
    says(html_of(admin_client, page_editor(empty)), "names none")
    alone = make_coupon("ALONE")
    says(html_of(admin_client, coupon_screen(alone)), "No offer takes the coupon ALONE", "/admin/kwiga/offers/")


def test_mending_what_is_well_says_so(admin_client):
    coupon = make_coupon("SPRING")
    offer = offer_of(make_page(coupon_mode="only", coupons=[coupon]))
    for answer in (
        admin_client.get(mend(coupon, offer, "inactive"), follow=True),
        admin_client.post(mend(coupon, offer, "wrong_offer"), follow=True),
    ):
        says(answer.content.decode(), "agree about this already")
    assert not history_of(coupon)


def test_after_mending_one_thing_the_rest_is_said(admin_client):
    coupon = make_coupon("SPRING", is_active=False, offers=[make_offer(coupon_mode="any")])
    offer = offer_of(make_page(coupon_mode="only", coupons=[coupon]))
    answer = admin_client.post(mend(coupon, offer, "inactive"), follow=True)
    says(answer.content.decode(), "limited to other offers")


def test_the_way_back_is_the_screen_one_came_from_and_no_other_site(admin_client):
    coupon = make_coupon("SPRING", is_active=False)
    offer = offer_of(make_page(coupon_mode="only", coupons=[coupon]))
    to = mend(coupon, offer, "inactive")
    answer = admin_client.post(f"{to}?next={offer_screen(offer)}")
    assert answer.headers["Location"] == offer_screen(offer)
    m.Coupon.objects.update(is_active=False)
    assert "evil" not in admin_client.post(f"{to}?next=https://evil.example/").headers["Location"]


# --- who may ----------------------------------------------------------------------------------------------------------


def test_the_offers_side_asks_for_the_right_to_publish_its_page(client):
    page = make_page(coupon_mode="none")
    offer = offer_of(page)
    coupon = make_coupon("SPRING", offers=[offer])
    to = mend(coupon, offer, "offer_takes_none")
    for who in (
        somebody_who_may("view_coupon", "change_coupon", "view_offer", name="seller"),
        page_editors("author", ("change_page",)),
    ):
        assert is_refused(who.get(to))
        assert is_refused(who.post(to))
    lacks(html_of(Client(), "/"), "SPRING")
    seller = Client()
    seller.force_login(User.objects.get(username="seller"))
    lacks(html_of(seller, coupon_screen(coupon)), to)
    assert codes(coupon) == ["offer_takes_none"]
    publisher = page_editors()
    says(html_of(publisher, page_editor(page)), to)
    assert publisher.post(to).status_code == 302
    assert codes(coupon) == []
    assert client.post(to).status_code == 302


def test_the_coupons_side_asks_for_the_right_to_change_coupons():
    coupon = make_coupon("SPRING", is_active=False)
    page = make_page(coupon_mode="only", coupons=[coupon])
    to = mend(coupon, offer_of(page), "inactive")
    for who in (somebody_who_may("view_coupon", "view_offer", name="looker"), page_editors()):
        assert is_refused(who.get(to))
        assert is_refused(who.post(to))
    coupon.refresh_from_db()
    assert not coupon.is_active
    somebody_who_may("change_coupon", name="seller").post(to)
    coupon.refresh_from_db()
    assert coupon.is_active


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_the_page_editor_shows_three_and_leads_to_the_rest(admin_client):
    page = make_page(coupon_mode="none")
    offer = offer_of(page)
    for number in range(5):
        make_coupon(f"CODE{number}", offers=[offer])
    html = html_of(admin_client, page_editor(page))
    assert html.count("which takes no coupons") == 3
    says(html, "More coupons and this offer do not agree", offer_screen(offer))
    other = admin_client.get(reverse("wagtailadmin_pages:edit", args=[root().pk]))
    assert other.status_code in (200, 302)


def test_the_number_of_queries_does_not_grow(admin_client):
    page = make_page(coupon_mode="none")
    offer = offer_of(page)
    make_coupon("FIRST", offers=[offer])
    before = [cost(admin_client, screen) for screen in (offer_screen(offer), page_editor(page))]
    for _ in range(12):
        make_coupon(offers=[offer])
    assert cost(admin_client, offer_screen(offer)) == before[0] <= 30
    assert cost(admin_client, page_editor(page)) == before[1]


def test_markup_is_shown_as_it_was_typed(admin_client):
    page = make_page(MARKUP, slug="markup", coupon_mode="none")
    coupon = make_coupon("<b>X</b>", offers=[offer_of(page)])
    for screen in (
        coupon_screen(coupon),
        offer_screen(offer_of(page)),
        page_editor(page),
        mend(coupon, offer_of(page), "offer_takes_none"),
    ):
        lacks(html_of(admin_client, screen), MARKUP, "<b>X</b>")
    admin_client.post(mend(coupon, offer_of(page), "offer_takes_none"))
    lacks(html_of(admin_client, reverse("wagtail_kwiga_coupons:history", args=[coupon.pk])), MARKUP)


def test_odd_addresses_are_not_found(admin_client):
    coupon, offer = make_coupon(), make_offer()
    for address in (mend(coupon, offer, "nonsense"), mend(coupon, offer, "nowhere")):
        assert admin_client.get(address).status_code == 404
    gone = mend(coupon, offer, "inactive").replace(f"/{offer.pk}/", "/99999/")
    assert admin_client.get(gone).status_code == 404
