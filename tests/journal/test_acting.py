"""Who did it, and about whom: what an entry keeps beside its subject."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model

from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import conf
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.acting import Actor, acting_as, current_actor
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import expiry, transitions

pytestmark = pytest.mark.django_db


def entry_of(code: str) -> m.TimelineEntry:
    return m.TimelineEntry.objects.filter(code=code).latest("pk")


def test_the_innermost_door_counts_and_what_nobody_says_is_the_systems():
    assert current_actor() == Actor.SYSTEM
    with acting_as(Actor.BUYER):
        with pytest.raises(RuntimeError), acting_as(Actor.PROVIDER):
            assert current_actor() == Actor.PROVIDER
            raise RuntimeError
        assert current_actor() == Actor.BUYER
    assert current_actor() == Actor.SYSTEM


def test_staff_are_themselves_whatever_door_it_was():
    user = get_user_model().objects.create_user("clerk")
    order = order_for(make_contact(), make_offer())
    with acting_as(Actor.BUYER):
        transitions.cancel(order, by=user, now=after(hours=1))
    entry = entry_of("order.cancelled")
    assert (entry.actor, entry.by, entry.contact_id) == ("user", user, order.contact_id)


def test_an_entry_knows_its_person_whatever_its_subject():
    order = order_for(make_contact(), make_offer())
    assert entry_of("order.placed").contact_id == order.contact_id
    about_them = writing.write(order.contact, "test.person", now=START)
    elsewhere = writing.write((m.Order, order.pk), "test.key", now=START, contact_id=order.contact_id)
    nobody = writing.write(order.offer, "test.offer", now=START)
    assert [one.contact_id for one in (about_them, elsewhere, nobody)] == [order.contact_id, order.contact_id, None]


def test_whoever_unsubscribes_is_the_reader(client):
    contact = make_contact()
    link = link_building.unsubscribe_url(contact.token, to=contact.email, at=conf.now(), site_id=None, language="en")
    assert client.post(urlsplit(link).path).status_code == 200
    entry = entry_of("contact.unsubscribed")
    assert (entry.actor, entry.contact_id) == ("buyer", contact.pk)


def test_what_expires_is_nobodys_doing():
    order = order_for(make_contact(), make_offer())
    expiry.expire_due(after(days=20))
    entry = entry_of("order.expired")
    assert (entry.actor, entry.subject_id, entry.contact_id) == ("system", order.pk, order.contact_id)
