"""The notice that no worker runs: when it is said, and on which screens."""

from __future__ import annotations

import pytest
from django.db import connection
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from wagtail.admin.viewsets import viewsets
from wagtail.admin.viewsets.model import ModelViewSet

from tests.automations import story
from tests.mailing.making import make_template, queue_one
from tests.support import START, after, make_contact
from wagtail_kwiga import background, conf
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice import worker
from wagtail_kwiga.backoffice.worker import worker_notice

pytestmark = pytest.mark.django_db

SAID = "so no e-mail goes out and no scenario goes on"


@pytest.mark.parametrize(("minutes", "said"), [(0, False), (4, False), (5, False), (6, True), (60 * 24 * 30, True)])
def test_it_is_said_once_five_minutes_have_passed(minutes, said):
    background.beat(background.SWEEP, at=START)
    notice = worker_notice(after(minutes=minutes))
    assert bool(notice) is said
    if said:
        assert "No worker has run since March 1, 2027, 13:00:00\xa0CET" in notice
        assert "manage.py qcluster" in notice


def test_the_patience_can_be_set(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "HEARTBEAT_STALE_MINUTES": 30}
    background.beat(background.SWEEP, at=START)
    assert not worker_notice(after(minutes=29))
    assert worker_notice(after(minutes=31))


def test_a_new_site_is_given_the_time_to_start_one():
    assert "No worker has ever run here" in worker_notice(START)
    background.beat(worker.SETUP, at=START)
    assert not worker_notice(after(minutes=5))
    assert "No worker has ever run here" in worker_notice(after(minutes=6))


def test_a_new_deployment_does_not_excuse_a_worker_that_ran_before():
    background.beat(background.SWEEP, at=START)
    background.beat(worker.SETUP, at=after(minutes=20))
    assert "since" in worker_notice(after(minutes=21))


def test_a_worker_that_beats_and_yet_fails_is_told_of():
    background.beat(background.SWEEP, at=START, note="failed: deliver_due")
    assert "a part of its work fails (failed: deliver_due)" in worker_notice(after(minutes=1))
    assert SAID in worker_notice(after(minutes=6))  # by then there is worse to say
    background.beat(background.SWEEP, at=after(minutes=7))
    assert not worker_notice(after(minutes=8))


def test_without_a_queue_it_speaks_of_cron(settings):
    del settings.Q_CLUSTER
    assert "manage.py kwiga_work" in worker_notice(START)
    assert "qcluster" not in worker_notice(START)


def test_it_costs_one_query():
    with CaptureQueriesContext(connection) as queries:
        worker_notice(START)
    assert len(queries) == 1


def our_viewsets() -> list:
    """Every viewset of the *Sales* menu, whoever added it."""
    reverse("wagtail_kwiga_orders:index")  # viewsets are registered when URLs load
    known = [one for one in viewsets.viewsets if isinstance(one, ModelViewSet)]
    return [one for one in known if type(one).__module__.startswith("wagtail_kwiga.")]


@pytest.fixture
def things():
    """One row of everything that has a screen."""
    told = story.tell()
    order = told.place()
    queue_one(make_contact(), template=make_template())
    m.TimelineEntry.objects.update(needs_attention=True)
    return {type(row): row for row in (told.list, told.coupon, told.offer, told.template, told.scenario, order)}


def screens(client) -> list[str]:
    """The addresses of all lists, cards and forms that the menu leads to, for one row of each kind."""
    found = []
    for viewset in our_viewsets():
        row = viewset.model.objects.first()
        for pattern in viewset.get_urlpatterns():
            for args in ([], [row.pk] if row else None):
                if args is None or pattern.name is None or "results" in pattern.name:
                    continue
                try:
                    found.append(reverse(viewset.get_url_name(pattern.name), args=args))
                except NoReverseMatch:
                    continue
    return found


def test_every_screen_of_the_menu_says_it_and_none_while_the_worker_runs(admin_client, things):
    addresses = screens(admin_client)
    seen = {}
    for address in addresses:
        answer = admin_client.get(address)
        if answer.status_code == 200 and b'id="wagtail-sidebar"' in answer.content:
            seen[address] = answer.content.decode().count(SAID)
    kinds = ("/orders/", "/offers/", "/coupons/", "/lists/", "/scenarios/", "/emails/", "/mail/", "/attention/")
    assert all(any(kind in address for address in seen) for kind in kinds)
    assert sum("/edit/" in address or "/inspect/" in address for address in seen) >= 6
    assert {address: times for address, times in seen.items() if times != 1} == {}
    background.beat(background.SWEEP, at=conf.now())
    for address in seen:
        assert SAID not in admin_client.get(address).content.decode(), address


def test_the_home_page_says_it(admin_client):
    assert SAID in admin_client.get(reverse("wagtailadmin_home")).content.decode()
    background.beat(background.SWEEP, at=conf.now())
    assert SAID not in admin_client.get(reverse("wagtailadmin_home")).content.decode()


def test_parts_of_a_list_and_refused_visitors_are_left_alone(admin_client, client):
    part = admin_client.get(
        reverse("wagtail_kwiga_orders:index_results"), headers={"X-Requested-With": "XMLHttpRequest"}
    )
    assert SAID not in part.content.decode()
    client.logout()
    assert client.get(reverse("wagtail_kwiga_orders:index")).status_code == 302


def test_a_screen_without_a_header_is_shown_as_it_is():
    view = worker.with_notice(
        lambda request: TemplateResponse(request, "wagtail_kwiga/backoffice/facts.html", {"facts": []})
    )
    answer = view(RequestFactory().get("/"))
    assert SAID not in answer.render().content.decode()
