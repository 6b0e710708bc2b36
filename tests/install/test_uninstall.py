"""*Uninstall*, followed to the letter on a site that has sold something; then every table is searched for remains."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.install.conftest import ROOT, Site, run

pytestmark = pytest.mark.install

PAGE = (ROOT / "docs" / "how-to" / "uninstall.md").read_text()

#: A shop that is in use: a list that an editor made, a mail with revisions, an order left unpaid and one that was paid.
USE = """
from html.parser import HTMLParser
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client
from wagtail.models import GroupPagePermission, Page
from wagtail_kwiga.mailing.authoring import default_content
from wagtail_kwiga.models import EmailTemplate, OfferPage, Order
from wagtail_kwiga.payments import ledger

class Fields(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)
    def handle_starttag(self, tag, given):
        given = dict(given)
        if tag == "input" and given.get("name"):
            self.found[given["name"]] = given.get("value") or ""

user = get_user_model().objects.get(username="admin")
group = Group.objects.get(name="Kwiga: Editors")
change = Permission.objects.get(codename="change_page")
GroupPagePermission.objects.create(group=group, page=Page.objects.get(depth=2), permission=change)
admin, visitor = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
admin.force_login(user)
assert admin.post("/admin/kwiga/lists/add/", {"title": "Come back"}).status_code == 302
starter = default_content.win_back("en")
mail = EmailTemplate.objects.create(title="Come back", subject=starter.subject, body=starter.body, live=False)
mail.save_revision(user=user, log_action=True).publish(user=user)
page = OfferPage.objects.get()
page.copy(update_attrs={"slug": "ink", "title": "Ink"}, keep_live=False)
for name in ("ada", "grace"):
    typed = {"name": name, "email": f"{name}@example.com"}
    visitor.post(page.url, {**Fields(visitor.get(page.url).content.decode()).found, **typed})
order = Order.objects.latest("pk")
assert Order.objects.count() == 2
ledger.record_payment(order=order, amount=order.outstanding.amount, method="transfer", reference="1", by=None)
"""


def commands(page: str) -> list[tuple[str, str]]:
    """The blocks of code of the page, with their language, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


#: Every table and column of the site's database in which the word is found.
REMAINS = """
import json
from django.db import connection

found = {}
with connection.cursor() as cursor:
    for table in connection.introspection.table_names(cursor):
        if "kwiga" in table:
            found[table] = ["the table"]
        for column in connection.introspection.get_table_description(cursor, table):
            cursor.execute(f'SELECT COUNT(*) FROM "{table}" WHERE LOWER(CAST("{column.name}" AS TEXT)) LIKE %s', ["%kwiga%"])
            if cursor.fetchone()[0]:
                found.setdefault(table, []).append(column.name)
    cursor.execute("SELECT COUNT(*) FROM django_q_ormq")  # what they are to do is signed, and cannot be searched
    found |= {"waiting tasks": count} if (count := cursor.fetchone()[0]) else {}
    cursor.execute("PRAGMA foreign_key_check")
    found |= {"dangling": rows} if (rows := [row[0] for row in cursor.fetchall()]) else {}
print(json.dumps(found))
"""

#: What people then do in the admin with the page that was an offer.
AFTERWARDS = """
import json
from django.contrib.auth import get_user_model
from django.test import Client
from wagtail.models import ModelLogEntry, Page

visitor, admin = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
visitor.raise_request_exception = admin.raise_request_exception = False
admin.force_login(get_user_model().objects.get(username="admin"))
page = Page.objects.get(slug="watercolour")
told = {"type": type(page.specific).__name__, "visit": visitor.get("/watercolour/").status_code}
told["edit"] = admin.get(f"/admin/pages/{page.pk}/edit/").status_code
told["history"] = admin.get(f"/admin/pages/{page.pk}/history/").status_code
told["site history"] = admin.get("/admin/reports/site-history/").status_code
told["log without type"] = sorted({entry.label for entry in ModelLogEntry.objects.filter(content_type=None)})
told["groups"] = admin.get("/admin/groups/").status_code
told["home"] = admin.get("/admin/").status_code
told["delete"] = admin.post(f"/admin/pages/{page.pk}/delete/").status_code
told["left"] = Page.objects.filter(slug="watercolour").count()
print(json.dumps(told))
"""


def told(site: Site, script: str) -> dict:
    return json.loads(site.ask(script).splitlines()[-1])


@pytest.fixture
def in_use(full_site) -> Site:
    full_site.ask("""
        from django_q.tasks import async_task
        async_task("wagtail_kwiga.tasks.sweep", "an argument too many")
    """)
    full_site.must("qcluster", "--run-once")  # which notes that it failed
    full_site.ask(USE)
    full_site.must("kwiga_work")
    return full_site


def take_out_of_the_settings(site: Site, empty: Path) -> None:
    """Step 5 before its commands: the files are again what they were before the lines of the README came."""
    for name in ("settings/base.py", "urls.py"):
        shutil.copy(empty / "shop" / name, site.folder / "shop" / name)


def keep_the_queue(site: Site) -> None:
    """Other tasks of the site need it, so its lines stay."""
    base = site.folder / "shop" / "settings" / "base.py"
    base.write_text(
        f"{base.read_text()}\nINSTALLED_APPS += ['django_q']\nQ_CLUSTER = {{'name': 'shop', 'orm': 'default'}}\n"
    )


def test_the_page_leaves_what_it_says_and_nothing_else(in_use, empty):
    before = told(in_use, REMAINS)
    assert {"wagtail_kwiga_order", "django_q_schedule", "auth_group", "waiting tasks"} <= set(before)
    for language, block in commands(PAGE):
        if language == "python":
            in_use.must("shell", "-c", block)
            continue
        for line in block.splitlines():
            if line.startswith("python manage.py check"):
                take_out_of_the_settings(in_use, empty)
                keep_the_queue(in_use)
            path = f"{in_use.python.parent}:/usr/bin:/bin"
            done = run("bash", "-c", f"yes yes | {line}", cwd=in_use.folder, PATH=path, PYTHONWARNINGS="ignore")
            assert done.returncode == 0, f"{line}\n{done.stdout}"
    assert (in_use.folder / "shop.json").stat().st_size > 5000
    assert "No changes detected" in in_use.must("makemigrations", "--check", "--dry-run")

    assert told(in_use, REMAINS) == {
        "auth_group": ["name"],
        "django_q_task": ["func"],
    }
    assert told(in_use, AFTERWARDS) == {
        "type": "HomePage", "visit": 200, "edit": 200, "history": 200, "site history": 200, "groups": 200,
        "log without type": ["Come back"], "home": 200,
        "delete": 302, "left": 0,
    }  # fmt: skip


def test_in_the_other_order_an_old_offer_page_cannot_be_deleted(full_site, empty):
    """What the page warns of."""
    take_out_of_the_settings(full_site, empty)
    found = told(full_site, AFTERWARDS)
    assert found["type"] == "Page"
    assert (found["delete"], found["left"]) == (500, 1)
