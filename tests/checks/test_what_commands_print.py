"""What a command prints of our checks, in a process of its own: what can wait is not said by all of them."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from tests.processes import ROOT, manage
from wagtail_kwiga import background, conf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

#: A site that speaks a language that we do not speak (W012), and works without a queue and has not silenced it (W002).
FRENCH = """
from tests.settings import *
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("fr", "Français")]
del Q_CLUSTER
"""


@pytest.fixture
def printed(tmp_path):
    """The output of a command of the French site; its settings end with ``more``."""

    def run(*arguments: str, more: str = "", status: int = 0) -> str:
        (tmp_path / "french.py").write_text(FRENCH + more)
        command = manage(*arguments, DJANGO_SETTINGS_MODULE="french", PYTHONPATH=f"{ROOT}:{tmp_path}")
        told, _ = command.communicate(timeout=120)
        assert command.returncode == status, told
        return told

    return run


def test_a_missing_language_is_said_by_migrate_and_the_check_of_the_database(printed):
    for arguments in (("check", "--database", "default"), ("migrate",)):
        told = printed(*arguments)
        assert told.count("(wagtail_kwiga.W012)") == 1, told
        assert "no words in: fr" in told


def test_a_missing_language_is_not_said_by_every_command(printed):
    for arguments in (("check",), ("clearsessions",), ("kwiga_setup", "--no-groups")):
        told = printed(*arguments)
        assert "wagtail_kwiga.W012" not in told
        assert "(wagtail_kwiga.W002)" in told, "what would harm is still said by all"


def test_the_worker_of_cron_prints_no_warnings(printed):
    told = printed("kwiga_work")
    assert "W0" not in told
    assert "System check" not in told
    assert "deliver_due" in told, "it has worked"


def test_the_worker_does_not_work_with_an_error(printed):
    told = printed("kwiga_work", more="WAGTAIL_KWIGA = {'PRICE_HOLD_DAYS': 7}\n", status=1)
    assert "(wagtail_kwiga.E001)" in told
    assert "deliver_due" not in told
    silenced = "WAGTAIL_KWIGA = {'PRICE_HOLD_DAYS': 7}\nSILENCED_SYSTEM_CHECKS = ['wagtail_kwiga.E001']\n"
    assert "deliver_due" in printed("kwiga_work", more=silenced)


class TestHomePage:
    WORDS = "no words of their own in: fr"

    @pytest.fixture(autouse=True)
    def _french(self, settings):
        call_command("kwiga_setup", verbosity=0)
        background.beat(background.SWEEP, at=conf.now())
        settings.LANGUAGES = settings.WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("fr", "Français")]

    def test_superusers_are_told(self, admin_client):
        assert self.WORDS in admin_client.get("/admin/").content.decode()

    def test_others_are_not(self, client, django_user_model):
        from django.contrib.auth.models import Group

        user = django_user_model.objects.create_user("seller", "seller@example.com", "x")
        user.groups.add(Group.objects.get(name="Kwiga: Sales"))
        client.force_login(user)
        page = client.get("/admin/").content.decode()
        assert "kwiga-sales" in page
        assert self.WORDS not in page

    def test_nor_where_it_is_silenced(self, admin_client, settings):
        settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "wagtail_kwiga.W012"]
        assert self.WORDS not in admin_client.get("/admin/").content.decode()
