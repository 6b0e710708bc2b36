"""The oldest versions that ``pyproject.toml`` allows are enough: a site is made with exactly these, checked, and sells."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.install.conftest import FILL, ROOT, Site, must
from tests.install.test_empty_site import visited

pytestmark = [pytest.mark.install, pytest.mark.lowest]

DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


@pytest.fixture(scope="module")
def lowest(wheel) -> Path:
    """A Python with the oldest versions of all that the package names itself. Kept between runs."""
    exactly = [one.replace(">=", "==") for one in DEPENDENCIES]
    home = ROOT / ".envs" / "lowest"
    found = home / "bin" / "python"
    if not found.exists():
        must(sys.executable, "-m", "venv", home)
    pip = [found, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    must(*pip, *exactly)
    must(*pip, "--force-reinstall", "--no-deps", wheel)
    return found


def test_every_dependency_has_a_lower_bound_and_no_upper_one():
    for one in DEPENDENCIES:
        _name, bound, version = one.partition(">=")
        assert bound, one
        assert not set("<,;!~=") & set(version), one


def test_a_site_sells_with_them(lowest, tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    must(lowest.with_name("wagtail"), "start", "shop", folder, cwd=folder)
    site = Site(folder, lowest)
    site.apply()
    site.must("migrate", "--verbosity", "0")
    site.must("kwiga_setup")
    site.ask(FILL)
    told = site.must("check", "--database", "default")  # an error ends it; Wagtail 7.4.0 has warnings of its own
    assert "(wagtail_kwiga." not in told
    assert "No changes detected" in site.must("makemigrations", "--check", "--dry-run")
    answers = visited(site)
    assert answers["post /watercolour/"] in {302, 303}
    assert answers.get("get /shop/order/TOKEN/") == 200, answers
    assert {path: code for path, code in answers.items() if code >= 500} == {}
    assert ": failed:" not in site.must("kwiga_work")
