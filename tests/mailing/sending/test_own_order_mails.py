"""An e-mail of the site's own in place of the standard one, offer by offer; and what becomes of one with a mistake."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from wagtail.models import Locale

from tests.mailing.making import make_template, settings_of_default_site, stream
from tests.mailing.sending.test_order_mails import parts, sent
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import flagged, new_attempt, tell
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.authoring import builtin_mails, versions
from wagtail_kwiga.mailing.sending import order_mails
from wagtail_kwiga.mailing.sending.order_mails import Chosen

pytestmark = pytest.mark.django_db

OWN = [
    ("heading", {"text": "Hooray, {{ contact.first_name }}"}),
    ("how_to_pay", {"title": ""}),
    ("order_details", {"title": ""}),
]


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


@pytest.fixture
def offer():
    return make_offer(title="Watercolour")


def own(**given) -> m.EmailTemplate:
    return make_template(OWN, **{"title": "Ours", "subject": "Ours: {{ order.number }}", "preheader": "", **given})


def choose(offer, occasion, mode, template=None):
    return order_mails.choose(offer, {occasion: Chosen(mode, template.pk if template else None)})


def order(offer, **given):
    return order_for(make_contact(name="Ada"), offer, language="en", confirmation=True, **given)


def test_an_email_of_ones_own_goes_out_in_place_of_the_standard_one(smtp, offer):
    assert choose(offer, "order_received", "own", own())
    placed = order(offer)
    order(make_offer())
    ours, standard = sent(smtp)
    assert ours["Subject"] == f"Ours: {placed.number}"
    plain, _html = parts(ours)
    assert "Hooray, Ada" in plain
    assert "Pay now" in plain
    assert "Your order" in standard["Subject"]
    assert m.OutgoingEmail.objects.get(order=placed).purpose == "order"


def test_it_speaks_the_language_of_the_order_where_it_is_translated(smtp, offer):
    template = own()
    Locale.objects.get_or_create(language_code="de")
    german = template.copy_for_translation(Locale.objects.get(language_code="de"))
    german.subject, german.live = "Unsere: {{ order.number }}", True
    german.save()
    choose(offer, "order_received", "own", template)
    order_for(make_contact(), offer, language="de", confirmation=True)
    assert m.OutgoingEmail.objects.get().subject.startswith("Unsere: ")


@pytest.mark.parametrize("occasion", ["order_received", "paid", "free"])
def test_what_the_law_asks_for_cannot_be_left_out(offer, occasion):
    with pytest.raises(ValueError, match="law"):
        choose(offer, occasion, "none")
    with pytest.raises(IntegrityError), transaction.atomic():
        m.OfferEmail.objects.create(offer=offer, occasion=occasion, mode="none")


def test_what_the_law_does_not_ask_for_can_be_left_out(offer):
    choose(offer, "waiting", "none")
    choose(offer, "failed", "none")
    attempt = new_attempt(order_for(make_contact(), offer))
    tell(attempt, "pending")
    tell(attempt, "failed", now=after(minutes=1), failure="declined")
    assert not m.OutgoingEmail.objects.exists()


def test_an_email_of_ones_own_is_named_and_no_other(offer):
    with pytest.raises(ValueError, match="named"):
        choose(offer, "paid", "own")
    with pytest.raises(ValueError, match="named"):
        choose(offer, "paid", "standard", own())
    with pytest.raises(IntegrityError), transaction.atomic():
        m.OfferEmail.objects.create(offer=offer, occasion="paid", mode="own")


def test_choosing_the_same_again_changes_nothing(offer):
    template = own()
    assert choose(offer, "paid", "own", template)
    assert not choose(offer, "paid", "own", template)
    assert choose(offer, "paid", "standard")
    assert not choose(offer, "paid", "standard")
    assert m.OfferEmail.objects.get().template_id is None


def test_one_that_an_offer_uses_cannot_be_deleted(offer):
    template = own()
    choose(offer, "paid", "own", template)
    with pytest.raises(ProtectedError):
        template.delete()


def test_one_with_a_mistake_gives_way_to_the_standard_one_and_a_person_is_told_once(smtp, offer):
    template = own()
    choose(offer, "paid", "own", template)
    m.EmailTemplate.objects.filter(pk=template.pk).update(subject="{{ gone.with_the_extension }}")
    orders = [order_for(make_contact(), offer, language="en") for _ in range(2)]
    for one in orders:
        books_receive(one, "120.00", now=START, reference=one.number)
    assert [parts(message)[0].splitlines()[0] for message in sent(smtp)] == ["Thank you for your order"] * 2
    assert [flagged(one) for one in orders] == [["mailing.own_email_fault"], []]
    entry = m.TimelineEntry.objects.get(needs_attention=True)
    assert entry.facts["title"] == "Ours"


@pytest.mark.parametrize("ended", ["unpublished", "expired"])
def test_one_that_is_not_published_any_more_gives_way_to_the_standard_one_and_a_person_is_told_once(smtp, offer, ended):
    template = own()
    choose(offer, "paid", "own", template)
    if ended == "expired":
        m.EmailTemplate.objects.filter(pk=template.pk).update(
            live=False, expired=True
        )  # as Wagtail's scheduler leaves it
    else:
        template.unpublish()
    orders = [order_for(make_contact(), offer, language="en") for _ in range(2)]
    for one in orders:
        books_receive(one, "120.00", now=START, reference=one.number)
    assert [parts(message)[0].splitlines()[0] for message in sent(smtp)] == ["Thank you for your order"] * 2
    assert [flagged(one) for one in orders] == [["mailing.own_email_unpublished"], []]
    says = writing.sentence(m.TimelineEntry.objects.get(needs_attention=True))
    assert says == "The email “Ours” chosen for this offer is not published. The standard email went out instead."
    template.refresh_from_db()
    template.save_revision().publish()
    again = order_for(make_contact(), offer, language="en")
    books_receive(again, "120.00", now=START, reference=again.number)
    assert parts(sent(smtp)[-1])[0].splitlines()[0] != "Thank you for your order"


def test_promotion_does_not_go_out_as_a_receipt(smtp, offer):
    template = own(kind="promotion")
    choose(offer, "paid", "own", template)
    placed = order_for(make_contact(), offer, language="en")
    books_receive(placed, "120.00", now=START)
    (message,) = sent(smtp)
    assert message["List-Unsubscribe"] is None
    assert flagged(placed) == ["mailing.own_email_promotion"]


@pytest.mark.parametrize("name", builtin_mails.REPLACEABLE)
def test_a_built_in_mail_can_be_written_anew_with_the_same_blocks(name):
    subject, preheader, blocks = builtin_mails.BUILTINS[name]()
    template = make_template([], subject=subject, preheader=preheader, kind="service")
    template.body = stream([(one["type"], one["value"]) for one in builtin_mails.as_stream(blocks)])
    template.save()
    template = m.EmailTemplate.objects.get(pk=template.pk)
    assert versions.problems(template) == []
    ours, theirs = versions.compiled(template), versions.compiled_builtin(name, "en")
    if name != "access_opened":  # whose button is left out where there is no way in
        assert ours.text == theirs.text
    assert set(ours.placeholders) == set(theirs.placeholders)
