"""What is in the wheel."""

from __future__ import annotations

import zipfile

import pytest

from tests.install.conftest import ROOT

pytestmark = pytest.mark.install


def test_everything_a_site_needs(wheel_names):
    package = ROOT / "wagtail_kwiga"
    wanted = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".pot"}
    }
    assert wanted - set(wheel_names) == set()
    assert "wagtail_kwiga/py.typed" in wheel_names
    assert any(name.startswith("wagtail_kwiga/templates/") for name in wheel_names)
    assert any(name.startswith("wagtail_kwiga/static/") for name in wheel_names)


def test_compiled_translations(wheel_names):
    sources = {name.removesuffix(".po") for name in wheel_names if name.endswith(".po")}
    compiled = {name.removesuffix(".mo") for name in wheel_names if name.endswith(".mo")}
    assert sources == compiled
    assert {f"wagtail_kwiga/locale/{code}/LC_MESSAGES/django" for code in ("de", "es", "pl", "uk")} <= compiled


def test_nothing_else(wheel_names):
    assert {name.split("/")[0] for name in wheel_names if ".dist-info/" not in name} == {"wagtail_kwiga"}


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(path).decode()
        assert "License-Expression: BSD-3-Clause" in text
        assert "Requires-Python: >=3.11" in text
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
