"""The lines of the installation page are enough; each one left out is named by a check and breaks no page."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.install

#: What people open: the pages, the checkout and what comes after it, the admin with every list of its menu.
VISIT = """
import json, re
from html.parser import HTMLParser
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

settings.ALLOWED_HOSTS = ["*"]
answers = {}

class Fields(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)
    def handle_starttag(self, tag, given):
        given = dict(given)
        if tag == "input" and given.get("name") and (given.get("type") != "radio" or "checked" in given):
            self.found[given["name"]] = given.get("value") or ""

def visit(client, method, path, data=None):
    client.raise_request_exception = False
    response = getattr(client, method)(path, data)
    path = re.sub("^https?://[^/]*", "", path)
    answers[method + " " + re.sub("(/shop/[a-z]+)/.+", "\\\\1/TOKEN/", path)] = response.status_code
    return response

visitor, admin = Client(), Client()
admin.force_login(get_user_model().objects.get(username="admin"))
visit(visitor, "get", "/")
page = visit(visitor, "get", "/watercolour/")
sent = {**Fields(page.content.decode()).found, "name": "Ada", "email": "ada@example.com", "phone": ""}
answer = visit(visitor, "post", "/watercolour/", sent)
if answer.status_code in (302, 303):
    visit(visitor, "get", answer["Location"])
menu = admin.get("/admin/").content.decode()
answers["get /admin/"] = 200 if "sidebar" in menu else 500
for path in sorted(set(re.findall(r'"url": *"(/admin/[^"]*)"', menu.replace("&quot;", '"')))):
    if "logout" not in path:
        visit(admin, "get", path)
        if "kwiga" in path:
            visit(admin, "get", path.rstrip("/") + "/add/")
print(json.dumps(answers))
"""


#: A pass of the worker, in the same process: each one takes longer to start than to work.
WORK = """
from django.core.management import call_command
call_command("kwiga_work")
"""


def visited(site, **environment) -> dict[str, int]:
    return json.loads(site.ask(VISIT, **environment).splitlines()[-1])


def test_check_has_nothing_to_say(full_site):
    assert "no issues" in full_site.must("check")
    assert "no issues" in full_site.must("check", "--database", "default", "--fail-level", "WARNING")
    assert "no issues" in full_site.must("check", "--tag", "urls", "--tag", "wagtail_kwiga")


def test_nothing_to_migrate(full_site):
    assert "No changes detected" in full_site.must("makemigrations", "--check", "--dry-run")


def test_the_worker_works(full_site):
    told = full_site.must("kwiga_work")
    assert ": failed:" not in told
    assert "The last pass ran" in full_site.must("kwiga_work", "--status")


def test_every_page_answers(full_site):
    answers = visited(full_site)
    assert answers["get /"] == 200
    assert answers["get /watercolour/"] == 200
    assert answers["get /admin/"] == 200
    assert answers["post /watercolour/"] in {302, 303}
    assert answers.get("get /shop/order/TOKEN/") == 200, answers
    assert len([path for path in answers if "/admin/" in path and "kwiga" in path]) >= 8, answers
    assert {path: code for path, code in answers.items() if code >= 500} == {}


@pytest.mark.parametrize(
    ("without", "check", "named"),
    [
        ("wagtail_kwiga", "E011", "wagtail_kwiga"),
        ("wagtail.contrib.settings", "E002", "wagtail.contrib.settings"),
        ("django_q", "W001", "django_q"),
        ("Q_CLUSTER", "W002", "Q_CLUSTER"),
        ("urls", "E003", "wagtail_kwiga.urls"),
        ('DATABASES["default"]["OPTIONS"]', "W005", "transaction_mode"),
    ],
)
def test_each_line_left_out_is_named(site, database, without, check, named):
    site.apply(without=without)
    done = site.manage("check")
    assert f"(wagtail_kwiga.{check})" in done.stdout
    assert named in done.stdout
    assert "Traceback" not in done.stdout
    assert done.returncode == (1 if check.startswith("E") else 0)
    if without != "wagtail_kwiga":
        shutil.copy(database, site.folder / "db.sqlite3")
        told = site.ask(WORK + VISIT)
        assert {path: code for path, code in json.loads(told.splitlines()[-1]).items() if code >= 500} == {}
        assert "run_due:" in told and ": failed:" not in told


def test_urls_below_the_catch_all(site, database):
    site.apply(urls_last=True)
    done = site.manage("check")
    assert "(wagtail_kwiga.E004)" in done.stdout
    assert "Traceback" not in done.stdout
    shutil.copy(database, site.folder / "db.sqlite3")
    assert {path: code for path, code in visited(site).items() if code >= 500} == {}


def test_sender_left_out_in_production(site):
    site.apply(without="DEFAULT_FROM_EMAIL")
    local = site.folder / "shop" / "settings" / "local.py"
    local.write_text('SECRET_KEY = "a key long enough to sign the tokens of links with"\n')
    done = site.manage("check", "--settings", "shop.settings.production")
    assert "(wagtail_kwiga.W004)" in done.stdout
    assert "Traceback" not in done.stdout
