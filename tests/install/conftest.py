"""An empty Wagtail site with the built wheel in it, of the version given by ``--install-wagtail 7.4``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import tomllib
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
#: The commit that upgrades are tried from.
BASELINE = tomllib.loads((Path(__file__).parent / "baseline.toml").read_text())["commit"]


@pytest.fixture(scope="session")
def wagtail_version(request) -> str:
    return request.config.getoption("--install-wagtail")


def world(wagtail_version: str) -> str:
    """What the environments that are kept between runs are named after."""
    return f"py{sys.version_info.major}.{sys.version_info.minor}-wagtail{wagtail_version}"


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def readme_lines() -> tuple[str, str]:
    """What the README says to put into the settings, and the line for the URLs."""
    (block,) = (block for block in python_blocks(README) if "INSTALLED_APPS" in block)
    settings, urls = block.split("# urls.py")
    (line,) = (line for line in urls.splitlines() if line.startswith("path("))
    return settings, line


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=300,
    )


def must(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    must(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def git(*command: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *command], check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def old_source(tmp_path_factory) -> Path:
    """The repository as it was at the baseline."""
    folder = tmp_path_factory.mktemp("baseline") / "source"
    with tarfile.open(fileobj=BytesIO(git("archive", BASELINE))) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def old_wheel(old_source) -> Path:
    """The wheel of the baseline, built from the repository's history."""
    must(sys.executable, "-m", "build", "--wheel", "--outdir", old_source.parent, old_source)
    (built,) = old_source.parent.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def wheel_names(wheel) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """What of the repository a wheel is built from."""
    folder = tmp_path_factory.mktemp("clone") / "wagtail_kwiga"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "wagtail_kwiga", folder / "wagtail_kwiga", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def python(wheel, wagtail_version) -> Path:
    """A Python that has Wagtail and the wheel with its dependencies, and nothing else. Kept between runs."""
    home = ROOT / ".envs" / f"site-{world(wagtail_version)}"
    found = home / "bin" / "python"
    pip = [found, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    fresh = not found.exists()
    if fresh:
        must(sys.executable, "-m", "venv", home)
    must(*pip, f"wagtail~={wagtail_version}.0", wheel)
    if not fresh:  # every build has the same version, so pip thought that it was there
        must(*pip, "--force-reinstall", "--no-deps", wheel)
    return found


@dataclass
class Site:
    """A site made by ``wagtail start``, in a folder of its own."""

    folder: Path
    python: Path

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(self.python, "-Wignore", "manage.py", *arguments, cwd=self.folder, **environment)

    def must(self, *arguments: str, **environment: str) -> str:
        done = self.manage(*arguments, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def apply(self, *, without: str = "", urls_last: bool = False) -> None:
        """The lines of the README; ``without`` leaves one out (by a word of it)."""
        settings, url = readme_lines()
        self._add_settings(_leave_out(settings, without))
        if without != "urls":
            self._insert_url(url, last=urls_last)

    def _add_settings(self, block: str) -> None:
        path = self.folder / "shop" / "settings" / "base.py"
        path.write_text(path.read_text() + "\n\n" + block)

    def _insert_url(self, line: str, *, last: bool) -> None:
        path = self.folder / "shop" / "urls.py"
        text = path.read_text()
        if last:
            path.write_text(f"{text}\nurlpatterns += [{line}]\n")
        else:
            catch_all = '    path("", include(wagtail_urls)),\n'
            assert text.count(catch_all) == 1
            path.write_text(text.replace(catch_all, f"    {line}\n{catch_all}"))

    def ask(self, script: str, **environment: str) -> str:
        """What a script prints that runs with the site set up."""
        path = self.folder / "ask.py"
        path.write_text(
            "import os, django\n"
            'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")\n'
            "django.setup()\n" + textwrap.dedent(script)
        )
        return must(self.python, "-Wignore", path, cwd=self.folder, **environment)


def _leave_out(block: str, word: str) -> str:
    """A settings block without the statement, or the entry of a list, that ``word`` begins."""
    if not word or word == "urls":
        return block
    block = re.sub(rf'^    "{re.escape(word)}",\n', "", block, flags=re.MULTILINE)
    statement = rf"^( *){re.escape(word)} = (\{{.*?^\1\}}|[^\n{{]*)$"
    return re.sub(statement, r"\1pass", block, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def empty(python, tmp_path_factory) -> Path:
    """What ``wagtail start`` makes, untouched."""
    folder = tmp_path_factory.mktemp("empty") / "site"
    folder.mkdir()
    must(python.with_name("wagtail"), "start", "shop", folder, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def migrated(python, empty, tmp_path_factory) -> Path:
    """The same with all lines, a database, an administrator and an offer that is for sale."""
    folder = tmp_path_factory.mktemp("migrated") / "site"
    shutil.copytree(empty, folder)
    site = Site(folder, python)
    site.apply()
    told = site.must("migrate", "--verbosity", "0")  # which runs the checks that read the database, before it is there
    assert told == "", told
    site.must("kwiga_setup")
    site.ask(FILL)
    return folder


#: An administrator, a seller with a bank account, a product, and an offer page that sells it.
FILL = """
from django.contrib.auth import get_user_model
from wagtail.models import Page
from wagtail_kwiga.models import KwigaSettings, OfferPage, Product

KwigaSettings.objects.update(seller_name="School of Watercolour", bank_iban="DE02120300000000202051")
get_user_model().objects.create_superuser("admin", "admin@example.com", "admin")
product = Product.objects.create(title="Watercolour", slug="watercolour")
rows = [("product", {"product": product})]
page = OfferPage(title="Watercolour", slug="watercolour", price=120, currency="EUR", products=rows, live=False)
Page.objects.get(depth=2).add_child(instance=page)
page.save_revision().publish()
"""


@pytest.fixture
def site(python, empty, tmp_path) -> Site:
    """A site of the test's own, as ``wagtail start`` makes it."""
    folder = tmp_path / "site"
    shutil.copytree(empty, folder)
    return Site(folder, python)


@pytest.fixture
def full_site(python, migrated, tmp_path) -> Site:
    """A site of the test's own with everything in it."""
    folder = tmp_path / "site"
    shutil.copytree(migrated, folder)
    return Site(folder, python)


@pytest.fixture
def database(migrated) -> Path:
    """The database of the full site, to be put under a site that lacks a line."""
    return migrated / "db.sqlite3"
