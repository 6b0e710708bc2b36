"""The extra [modeladmin] is a choice: without it, or with one that does not work here, everything else does.

Each in a process of its own: what is installed is settled when Django starts.
"""

from __future__ import annotations

import pytest

from tests.processes import ROOT, manage
from wagtail_kwiga.checks.queue import check_queue_admin
from wagtail_kwiga.queue_admin import showing

LOOK = """
import logging
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import NoReverseMatch, reverse
from wagtail_kwiga.queue_admin import showing
chief = get_user_model().objects.create_superuser("chief", "chief@example.com", "x")
client = Client()
client.force_login(chief)
page = client.get("/admin/kwiga/orders/")
print("orders", page.status_code, "kwiga/queue" in page.content.decode())
try:
    print("failed tasks", client.get(reverse("kwiga_queue_failed_modeladmin_index")).status_code)
except NoReverseMatch:
    print("failed tasks are nowhere")
"""
WITHOUT = """
from tests.settings import *
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "wagtail_modeladmin"]
"""
#: A release written for a Wagtail in which what it imports stood elsewhere.
ELSEWHERE = "from wagtail.admin.edit_handlers import extract_panel_definitions_from_model_class\n"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


@pytest.fixture
def told(tmp_path):
    """The output of a command in a process with its own settings, and with these files before what is installed."""

    def run(*arguments: str, settings: str = "from tests.settings import *\n", status: int = 0, **files: str) -> str:
        (tmp_path / "choice.py").write_text(settings)
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".py")
            path.parent.mkdir(exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)
        command = manage(*arguments, DJANGO_SETTINGS_MODULE="choice", PYTHONPATH=f"{tmp_path}:{ROOT}")
        said, _ = command.communicate(timeout=120)
        assert command.returncode == status, said
        return said

    return run


def test_the_installed_one_works():
    assert showing.is_wanted()
    assert showing.fault() == ""
    assert check_queue_admin(None) == []


def test_not_listed(told):
    assert "W024" not in told("check", settings=WITHOUT)
    said = told("shell", "-c", LOOK, settings=WITHOUT)
    assert "orders 200 False" in said
    assert "failed tasks are nowhere" in said


def test_listed(told):
    said = told("shell", "-c", LOOK)
    assert "orders 200 True" in said
    assert "failed tasks 200" in said


def test_one_that_does_not_go_with_this_wagtail(told):
    """The app is there and its modules cannot be imported."""
    broken = {"wagtail_modeladmin__options": ELSEWHERE}
    said = told("check", **broken)
    assert said.count("(wagtail_kwiga.W024)") == 1
    assert "wagtail.admin.edit_handlers" in said
    assert "HINT" in said
    said = told("shell", "-c", LOOK, **broken)
    assert "orders 200 False" in said
    assert "failed tasks are nowhere" in said
    assert "The screens of the queue are left out" in said, "the log has it"
    assert "deliver_due" in told("kwiga_work", **broken)


def test_listed_and_not_installed(told):
    """Django does not start without an app that is listed, and says which one: that is not ours to mend."""
    missing = "from tests.settings import *\nimport sys\nsys.modules['wagtail_modeladmin'] = None\n"
    said = told("check", settings=missing, status=1)
    assert "ModuleNotFoundError" in said
    assert "wagtail_modeladmin" in said
