"""*Upgrade*, followed to the letter: a site in use goes from the version of ``baseline.toml`` to this one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.install.conftest import BASELINE, FILL, ROOT, Site, git, must, readme_lines, world

pytestmark = pytest.mark.history

PAGE = (ROOT / "docs" / "how-to" / "upgrade.md").read_text()

#: An order as it is before and after, and one more that is placed at the moment. Addresses in ``orders`` say who ordered.
ORDER = """
import json
from html.parser import HTMLParser
from django.test import Client
from wagtail_kwiga.models import OfferPage, Order

class Fields(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)
    def handle_starttag(self, tag, given):
        given = dict(given)
        if tag == "input" and given.get("name"):
            self.found[given["name"]] = given.get("value") or ""

visitor = Client(SERVER_NAME="localhost")
page = OfferPage.objects.get()
fields = Fields(visitor.get(page.url).content.decode()).found
answer = visitor.post(page.url, {**fields, "name": "Somebody", "email": "EMAIL"})
orders = list(Order.objects.order_by("pk").values_list("contact__email", "total_amount", "status"))
print(json.dumps({"sent": answer.status_code, "orders": orders}, default=str))
"""


#: A page type of the site's own, and a page of it that nobody has published yet.
COURSES = """
from wagtail.models import Page
from wagtail_kwiga.offers.models import OfferPageMixin  # where the baseline has it, too

class CoursePage(OfferPageMixin, Page):
    template = "wagtail_kwiga/offers/offer_page.html"
"""
FILL_COURSES = """
from courses.models import CoursePage
from wagtail.models import Page
Page.objects.get(depth=2).add_child(instance=CoursePage(title="Oil", slug="oil", price=80, currency="EUR", live=False))
"""
READ_COURSES = """
import json
from courses.models import CoursePage
print(json.dumps(list(CoursePage.objects.values_list("slug", "price", "sells_no_access")), default=str))
"""


def add_courses(site: Site) -> None:
    """Put an app with that type into the site, with its first migration."""
    app = site.folder / "courses"
    (app / "migrations").mkdir(parents=True)
    for name, text in (("__init__.py", ""), ("migrations/__init__.py", ""), ("models.py", COURSES)):
        (app / name).write_text(text)
    site._add_settings('INSTALLED_APPS += ["courses"]')
    site.must("makemigrations", "courses")


def test_no_migration_has_changed_since():
    """A site that has run it once does not run it again. (Before the first release, move the baseline on instead.)"""
    changed = {}
    for name in git("ls-tree", "-r", "--name-only", BASELINE, "wagtail_kwiga/migrations/").decode().split():
        path = ROOT / name
        if not path.exists() or path.read_bytes() != git("show", f"{BASELINE}:{name}"):
            changed[name] = "changed or gone since the commit of tests/install/baseline.toml"
    assert changed == {}


@pytest.fixture
def own_python(python, tmp_path) -> Path:
    """An environment of the test's own, which has from the shared one whatever it does not have itself."""
    home = tmp_path / "env"
    must(python, "-m", "venv", home)
    (packages,) = home.glob("lib/python*/site-packages")
    shared = must(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (packages / "shared.pth").write_text(shared + "\n")
    return home / "bin" / "python"


def contents(python: Path) -> dict[str, bytes]:
    """The modules of the package that this Python imports."""
    told = must(python, "-c", "import wagtail_kwiga; print(wagtail_kwiga.__path__[0])", cwd=python.parent)
    where = Path(told.strip())
    return {str(path.relative_to(where.parent)): path.read_bytes() for path in where.rglob("*.py")}


def modules(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}


@pytest.fixture
def old_site(old_wheel, own_python, empty, tmp_path, wagtail_version) -> Site:
    """A site with the baseline in it, set up and with an offer. What its commands make is kept between runs, as the environments
    are: it is the same each time, and migrating alone takes twenty seconds of a processor."""
    pip = [own_python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--force-reinstall", "--no-deps"]
    must(*pip, old_wheel)
    assert contents(own_python) == modules(old_wheel)
    site = Site(tmp_path / "site", own_python)
    versions = must(own_python, "-m", "pip", "freeze", "--exclude", "wagtail-kwiga")
    made_of = json.dumps([BASELINE, FILL, COURSES, FILL_COURSES, readme_lines(), versions])
    name = f"baseline-{world(wagtail_version)}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    kept = ROOT / ".envs" / name
    if not kept.exists():
        shutil.copytree(empty, site.folder)
        site.apply()
        add_courses(site)
        site.must("migrate", "--verbosity", "0")
        site.must("kwiga_setup")
        site.ask(FILL)
        site.ask(FILL_COURSES)
        for older in kept.parent.glob(f"baseline-{world(wagtail_version)}-*"):
            shutil.rmtree(older)
        shutil.copytree(site.folder, tmp_path / name)
        shutil.move(tmp_path / name, kept)
    else:
        shutil.copytree(kept, site.folder)
    return site


@pytest.mark.install
def test_a_site_in_use_goes_on(old_wheel, own_python, clone, old_site):
    site, folder = old_site, old_site.folder
    before = json.loads(site.ask(ORDER.replace("EMAIL", "ada@example.com")).splitlines()[-1])
    assert before == {"sent": 302, "orders": [["ada@example.com", "120.0000", "open"]]}

    printed = {}
    path = f"{own_python.parent}{os.pathsep}{os.environ['PATH']}"
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            place = folder if line.startswith("python manage.py") else clone
            if "--database" in line:
                assert ": failed:" not in site.must("kwiga_work")  # the first pass of the new worker
            printed[line] = must("bash", "-c", line, cwd=place, PATH=path, PYTHONWARNINGS="ignore")

    (new_wheel,) = (clone / "dist").glob("*.whl")
    assert contents(own_python) == modules(new_wheel)
    # Right after the baseline was moved on there is nothing new but the version's name.
    is_new = bool(git("diff", "--name-only", BASELINE, "--", "wagtail_kwiga/*.py"))
    assert (contents(own_python) != modules(old_wheel)) == is_new
    assert "no issues" in printed["python manage.py check"]
    assert "no issues" in printed["python manage.py check --database default"]
    assert "Kwiga: Editors" in printed["python manage.py kwiga_setup"]
    assert "[ ]" not in site.must("showmigrations", "wagtail_kwiga")
    assert "No changes detected" in site.must("makemigrations", "--check", "--dry-run")
    # What the mixin has got since is in the site's own table, too.
    assert json.loads(site.ask(READ_COURSES).splitlines()[-1]) == [["oil", "80.0000", False]]
    after = json.loads(site.ask(ORDER.replace("EMAIL", "grace@example.com")).splitlines()[-1])
    assert after == {"sent": 302, "orders": [*before["orders"], ["grace@example.com", "120.0000", "open"]]}
