"""Saying in the admin whose database this is: the banner, the page with both choices, and who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from tests.automations import story
from tests.backoffice.screens import html_of, is_refused, lacks, page_of, says, somebody_who_may
from tests.mailing.making import make_template, queue_one
from tests.support import make_contact
from wagtail_kwiga import background, conf, installation
from wagtail_kwiga import models as m
from wagtail_kwiga.backoffice import worker
from wagtail_kwiga.backoffice.worker import worker_notice
from wagtail_kwiga.installation import Installation, Standing

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/kwiga/installation/"
COPY = "This database is that of another installation"


@pytest.fixture
def copied(settings):
    """A shop that has sold something, whose database was copied to here; a worker runs."""
    told = story.tell()
    told.place()
    queue_one(make_contact(), template=make_template())
    m.Run.objects.update(due_at=conf.now())
    m.OutgoingEmail.objects.update(due_at=conf.now())
    installation.settle(is_unused=lambda: False)
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    background.beat(background.SWEEP, at=conf.now())


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("where", ["wagtailadmin_home", "wagtail_kwiga_orders:index"])
def test_home_page_and_sales_screens_say_it_until_somebody_has_spoken(admin_client, where):
    says(
        page_of(admin_client, reverse(where)),
        COPY,
        "no e-mail goes out, no scenario goes on and no refund is asked for",
    )
    assert f'href="{ADDRESS}"' in html_of(admin_client, reverse(where))
    installation.decide("held")
    says(page_of(admin_client, reverse(where)), "This installation is held: no e-mail goes out")
    installation.decide("production")
    lacks(page_of(admin_client, reverse(where)), COPY, "This installation is held")


@pytest.mark.usefixtures("copied")
def test_it_is_said_before_anything_else_and_costs_no_query_more():
    background.beat(background.SWEEP, at=conf.now(), note="failed: deliver_due")
    with CaptureQueriesContext(connection) as queries:
        assert COPY in worker_notice()
    assert len(queries) == 1
    background.Heartbeat.objects.filter(name=background.SWEEP).delete()
    background.beat(worker.SETUP)
    assert COPY in worker_notice()


@pytest.mark.usefixtures("copied")
def test_whoever_may_not_decide_reads_it_without_the_way_there():
    clerk = somebody_who_may("view_order")
    says(page_of(clerk, reverse("wagtail_kwiga_orders:index")), COPY)
    assert ADDRESS not in html_of(clerk, reverse("wagtail_kwiga_orders:index"))
    assert is_refused(clerk.get(ADDRESS))
    assert is_refused(clerk.post(f"{ADDRESS}?choice=production", {"note": ""}))
    assert installation.standing() == Standing.UNDECIDED


@pytest.mark.usefixtures("copied")
def test_both_choices_are_explained_and_nothing_is_done_by_looking(admin_client):
    page = page_of(admin_client, ADDRESS)
    says(page, COPY, "This is production", "Hold this installation", "everybody would be written to twice")
    says(page, "No mail leaves, receipts included", "money that comes is booked")
    page = page_of(admin_client, f"{ADDRESS}?choice=production")
    says(page, "Yes, this is production", "1 e-mail is due.", "1 person stands before a due step.")
    says(page_of(admin_client, f"{ADDRESS}?choice=held"), "Yes, hold it")
    says(page_of(admin_client, f"{ADDRESS}?choice=nonsense"), "Hold this installation")
    assert installation.standing() == Standing.UNDECIDED


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(("choice", "standing"), [("production", "production"), ("held", "held")])
def test_it_is_asked_first_and_written_down_with_who_and_why(choice, standing):
    boss = somebody_who_may("decide_installation", name="boss")
    answer = boss.post(f"{ADDRESS}?choice={choice}", {"note": "moved to a new server"}, follow=True)
    assert answer.redirect_chain == [(ADDRESS, 302)]
    assert installation.standing() == standing
    row = Installation.objects.get()
    assert (row.decided_by, row.note) == (User.objects.get(username="boss"), "moved to a new server")
    says(page_of(boss, ADDRESS), f"Last decided: {choice}", "by boss", "moved to a new server")


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(("decided", "other"), [("production", "held"), ("held", "production")])
def test_only_what_would_change_something_is_offered(admin_client, decided, other):
    page = html_of(admin_client, ADDRESS)
    assert ("?choice=held" in page, "?choice=production" in page) == (True, True)
    installation.decide(decided)
    page = html_of(admin_client, ADDRESS)
    assert f"?choice={other}" in page
    assert f"?choice={decided}" not in page


def test_held_is_no_use_of_a_coupon_that_is_reserved():
    with translation.override("de"):
        assert str(Installation.State.HELD.label) != gettext("held")


def test_the_settings_menu_leads_there_for_those_who_may(admin_client):
    assert f'"{ADDRESS}"' in html_of(admin_client, reverse("wagtailadmin_home"))
    assert f'"{ADDRESS}"' not in html_of(somebody_who_may("view_order"), reverse("wagtailadmin_home"))
    says(page_of(admin_client, ADDRESS), "No worker has run here yet.")
