"""A site that had its own ways before the shop came: languages in its addresses, two hosts, models, a queue, a group.

It is what ``wagtail start`` makes, with the README's lines, the files of ``overlay`` on top, and what ``scripts/fill.py``
puts into its database. Wagtail-localize is put beside the environment of the empty site, not into it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.install.conftest import ROOT, Site, must, world

HERE = Path(__file__).parent
#: What the site has and an empty one has not; their dependencies are there already, or named here.
EXTRAS = ("wagtail-localize>=1.14", "polib>=1.1", "typing_extensions>=4.0")
#: How a script of ours runs there.
START = "import django, runpy, sys; django.setup(); runpy.run_path(sys.argv[1], run_name='__main__')"


class DifficultSite(Site):
    """Run with its own settings, and with wagtail-localize on the path."""

    extras: Path

    def _environment(self, given: dict[str, str]) -> dict[str, str]:
        return {"PYTHONPATH": str(self.extras), "DJANGO_SETTINGS_MODULE": "shop.settings.difficult", **given}

    def manage(self, *arguments: str, **environment: str):
        return super().manage(*arguments, **self._environment(environment))

    def tell(self, script: str, *arguments: str, **environment: str) -> Any:
        """What a script of ours prints on its last line, as JSON."""
        given = self._environment(environment)
        told = must(self.python, "-Wignore", "-c", START, f"{script}.py", *arguments, cwd=self.folder, **given)
        return json.loads(next(line for line in reversed(told.splitlines()) if line.startswith(("{", "["))))


@pytest.fixture(scope="session")
def extras(python, wagtail_version) -> Path:
    """A folder with wagtail-localize in it. Kept between runs."""
    folder = ROOT / ".envs" / f"localize-{world(wagtail_version)}"
    if not (folder / "wagtail_localize").exists():
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", folder]
        must(*pip, *EXTRAS)
    return folder


@pytest.fixture(scope="session")
def difficult(python, empty, extras, tmp_path_factory) -> DifficultSite:
    """The site with everything in it. The tests only look at it."""
    folder = tmp_path_factory.mktemp("difficult") / "site"
    shutil.copytree(empty, folder)
    site = DifficultSite(folder, python)
    site.extras = extras
    site.apply(without="urls")
    shutil.copytree(HERE / "overlay", folder, dirs_exist_ok=True)
    for script in (HERE / "scripts").glob("*.py"):
        shutil.copy(script, folder)
    site.must("makemigrations", "people", "library", "home", "--verbosity", "0")
    site.must("migrate", "--verbosity", "0")
    site.tell("fill")
    return site


@pytest.fixture(scope="session")
def told(difficult) -> dict[str, Any]:
    """What ``scripts/walk.py`` found, walking about on the site."""
    return difficult.tell("walk")
