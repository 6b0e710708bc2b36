"""What a site is given, once and again."""

from __future__ import annotations

import io

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django_q.models import Schedule
from wagtail.models import Page, Site

from tests.orders.shop import order_for
from tests.processes import manage
from tests.support import make_contact, make_offer
from wagtail_kwiga import installation
from wagtail_kwiga import models as m
from wagtail_kwiga.installation import Standing
from wagtail_kwiga.management.commands import kwiga_setup

pytestmark = pytest.mark.django_db


def setup(*arguments, **options) -> str:
    out = io.StringIO()
    call_command("kwiga_setup", *arguments, stdout=out, **options)
    return out.getvalue()


def state() -> tuple:
    groups = {g.name: sorted(g.permissions.values_list("codename", flat=True)) for g in Group.objects.all()}
    return (
        groups,
        list(Schedule.objects.values_list("pk", "name")),
        list(m.KwigaSettings.objects.values_list("site_id")),
    )


def test_what_it_makes_and_tells():
    told = setup()
    assert Schedule.objects.filter(name="Kwiga: sweep").count() == 1
    assert m.KwigaSettings.objects.filter(site=Site.objects.get()).exists()
    editors = set(Group.objects.get(name="Kwiga: Editors").permissions.values_list("codename", flat=True))
    sales = set(Group.objects.get(name="Kwiga: Sales").permissions.values_list("codename", flat=True))
    assert {
        "access_admin",
        "add_coupon",
        "publish_scenario",
        "publish_emailtemplate",
        "change_kwigasettings",
    } <= editors
    assert {"access_admin", "view_order", "record_payment", "refund_order", "grant_access"} <= sales
    assert not {"record_payment", "refund_order", "edit_order"} & editors
    both = {
        "view_run", "stop_runs", "resume_runs", "view_contact", "export_contacts", "view_listmembership",
        "add_listmembership", "change_listmembership", "view_outgoingemail", "settle_email", "view_timelineentry",
        "resolve_attention", "view_order",
    }  # fmt: skip
    assert both <= editors
    assert both <= sales
    assert not {"add_coupon", "publish_scenario", "change_kwigasettings", "delete_order"} & sales
    assert "“Kwiga: sweep”: made" in told
    assert "“Kwiga: Sales”: made" in told


def test_every_permission_handed_out_exists():
    codes = {code for _, _, part in kwiga_setup.HANDED_OUT for code in part}
    assert len(kwiga_setup._permissions(list(codes))) == len(codes)


def test_a_second_time_changes_nothing():
    setup()
    before = state()
    told = setup()
    assert state() == before
    assert "as it should be" in told
    assert "0 permissions handed over" in told


def test_what_an_administrator_took_away_stays_away():
    setup()
    group = Group.objects.get(name="Kwiga: Editors")
    group.permissions.remove(Permission.objects.get(codename="delete_coupon", content_type__app_label="wagtail_kwiga"))
    setup()
    assert not group.permissions.filter(codename="delete_coupon").exists()


def test_a_group_removed_or_renamed_does_not_come_back():
    setup()
    Group.objects.filter(name="Kwiga: Editors").update(name="Our editors")
    Group.objects.filter(name="Kwiga: Sales").delete()
    told = setup()
    assert not Group.objects.filter(name__startswith="Kwiga").exists()
    assert "left so" in told


def test_a_later_step_is_handed_over_once(monkeypatch):
    setup()
    more = (*kwiga_setup.HANDED_OUT, (99, kwiga_setup.SALES, ("wagtail_kwiga.view_refund",)))
    monkeypatch.setattr(kwiga_setup, "HANDED_OUT", more)
    assert "1 permissions handed over" in setup()
    group = Group.objects.get(name="Kwiga: Sales")
    assert group.permissions.filter(codename="view_refund").exists()
    assert "0 permissions handed over" in setup()


def test_a_site_of_the_first_step_is_given_the_second_and_nothing_that_was_taken_away(monkeypatch):
    everything = kwiga_setup.HANDED_OUT
    monkeypatch.setattr(kwiga_setup, "HANDED_OUT", tuple(part for part in everything if part[0] == 1))
    setup()
    group = Group.objects.get(name="Kwiga: Editors")
    group.permissions.remove(Permission.objects.get(codename="delete_coupon", content_type__app_label="wagtail_kwiga"))
    assert not group.permissions.filter(codename="stop_runs").exists()
    monkeypatch.setattr(kwiga_setup, "HANDED_OUT", everything)
    assert "there, 13 permissions handed over" in setup()
    assert group.permissions.filter(codename="stop_runs").exists()
    assert not group.permissions.filter(codename="delete_coupon").exists()


def test_a_group_called_sales_is_somebody_elses():
    theirs = Group.objects.create(name="Sales")
    theirs.permissions.add(Permission.objects.get(codename="access_admin"))
    setup()
    setup()
    assert list(theirs.permissions.values_list("codename", flat=True)) == ["access_admin"]
    assert set(Group.objects.filter(name__contains="Sales").values_list("name", flat=True)) == {"Sales", "Kwiga: Sales"}


def test_a_group_it_did_not_make_is_never_touched():
    mine = Group.objects.create(name="Kwiga: Sales")
    other = Group.objects.create(name="Accountants")
    for _ in range(2):
        assert "was there before us" in setup()
    assert not mine.permissions.exists()
    assert not other.permissions.exists()


def test_no_groups():
    setup(no_groups=True)
    assert not Group.objects.filter(name__startswith="Kwiga").exists()
    assert Schedule.objects.exists()


def test_settings_of_each_site_and_never_overwritten():
    second = Site.objects.create(hostname="b.example.com", root_page=Page.objects.get(depth=2))
    m.KwigaSettings.objects.create(site=Site.objects.exclude(pk=second.pk).get(), seller_name="Ada's school")
    setup()
    assert m.KwigaSettings.objects.count() == 2
    assert m.KwigaSettings.objects.filter(seller_name="Ada's school").exists()


def test_without_the_queue(without_app):
    without_app("django_q")
    told = setup()
    assert "kwiga_work" in told
    assert Group.objects.filter(name="Kwiga: Sales").exists()


def test_without_q_cluster(settings):
    del settings.Q_CLUSTER
    assert "W002" in setup()


def test_before_migrate_nothing_is_half_done():
    Permission.objects.filter(codename="record_payment").delete()
    with pytest.raises(CommandError, match=r"record_payment.*Run migrate first"):
        setup()
    assert not Group.objects.filter(name__startswith="Kwiga").exists()
    assert not Schedule.objects.exists()


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_four_deployments_at_once():
    children = [manage("kwiga_setup") for _ in range(4)]
    outputs = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4, "\n".join(outputs)
    assert Schedule.objects.filter(name="Kwiga: sweep").count() == 1
    assert Group.objects.filter(name="Kwiga: Editors").count() == 1
    assert sum("“Kwiga: sweep”: made" in output for output in outputs) == 1


def test_it_says_whose_database_this_is(settings):
    assert "Installation: production." in setup()
    order_for(make_contact(), make_offer(), language="en")
    settings.SECRET_KEY = "another-secret-that-is-long-enough-to-sign-with"
    assert "Installation: this database is that of another one" in setup()
    assert installation.standing() == Standing.UNDECIDED
    assert "Installation: held" in setup("--hold")
    assert "Installation: held" in setup()
    assert "Installation: production." in setup("--this-is-production")
    assert installation.standing() == Standing.PRODUCTION
    with pytest.raises(CommandError):
        setup("--hold", "--this-is-production")
