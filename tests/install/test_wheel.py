"""What is in the wheel, and what a package index would show of it."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from html.parser import HTMLParser

import pytest
from readme_renderer.markdown import render

from tests.install.conftest import ROOT, must

pytestmark = pytest.mark.install

PACKAGE = ROOT / "wagtail_kwiga"
LANGUAGES = {"de", "en", "es", "pl", "uk"}
#: What lies in the folder and is not for sites: what translators work on, and what Python leaves behind.
NOT_SHIPPED = {".po", ".pot", ".pyc"}


def files_of_the_package() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file()}


def test_exactly_what_a_site_needs(wheel_names):
    """Modules, templates, styles, migrations, compiled translations and ``py.typed``: the folder without sources."""
    wanted = {name for name in files_of_the_package() if not any(name.endswith(end) for end in NOT_SHIPPED)}
    assert {name for name in wheel_names if ".dist-info/" not in name} == wanted
    assert "wagtail_kwiga/py.typed" in wheel_names
    assert "wagtail_kwiga/migrations/0001_initial.py" in wheel_names
    for folder, end in (("templates", ".html"), ("static", ".css"), ("static", ".js")):
        assert any(name.startswith(f"wagtail_kwiga/{folder}/") and name.endswith(end) for name in wheel_names), folder


def test_compiled_translations_and_not_their_sources(wheel_names):
    catalogues = {f"wagtail_kwiga/locale/{code}/LC_MESSAGES/django" for code in LANGUAGES}
    assert {f"{name}.po" for name in catalogues} <= files_of_the_package()  # they are there to be left out
    assert {name.removesuffix(".mo") for name in wheel_names if name.endswith(".mo")} == catalogues
    assert [name for name in wheel_names if name.endswith((".po", ".pot"))] == []


def test_the_same_wheel_comes_out_of_the_source_archive(wheel, wheel_names, tmp_path):
    """Which has the sources of the translations: they are what translators change."""
    must(sys.executable, "-m", "build", "--outdir", tmp_path, ROOT)  # the archive first, and the wheel from that
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {f"wagtail_kwiga/locale/{code}/LC_MESSAGES/django.po" for code in LANGUAGES} <= names
    assert {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"} <= names
    assert {name.split("/")[0] for name in names if "/" in name} == {"wagtail_kwiga"}
    with zipfile.ZipFile(tmp_path / wheel.name) as opened:
        assert sorted(opened.namelist()) == sorted(wheel_names)


# --- metadata ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
        return message_from_bytes(archive.read(path))


@pytest.fixture(scope="module")
def description(metadata) -> str:
    """The long description: what a package index shows."""
    return metadata.get_payload(decode=True).decode()


def test_metadata(metadata):
    assert metadata["Name"] == "wagtail-kwiga"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert len(metadata["Summary"]) > 20


class Outward(HTMLParser):
    """Where the links and pictures of a page lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [value or "" for name, value in attrs if name in {"href", "src", "srcset"}]


def test_an_index_can_show_the_description_without_the_repository(description):
    """No picture and no link that is relative; as an index renders it, and in the text (which others may show)."""
    page = render(description)
    assert page is not None
    assert re.search(r"<h2[^>]*>Put it into your site<", page)
    outward = Outward(page).found
    assert "https://anymail.dev" in outward
    assert [one for one in outward if not one.startswith(("https://", "#"))] == []
    assert "<img" not in page
    assert re.findall(r"\]\((?!https://)[^)]*\)", description) == []
    assert "![" not in description
    assert "<!--" not in description


def test_the_description_is_the_readme(description):
    """Its words and samples, but for the pictures; and it says where the rest is."""
    readme = (ROOT / "README.md").read_text()
    for sample in re.findall(r"^```.*?^```", readme, re.MULTILINE | re.DOTALL):
        assert sample in description
    assert re.findall(r"^## .*", description, re.MULTILINE) == re.findall(r"^## .*", readme, re.MULTILINE)
    assert "`docs/`" in description
