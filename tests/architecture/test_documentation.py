"""What a site builder may rely on is written down: every hook, setting, command and check."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from wagtail_kwiga import checks, conf, hooks, urls

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = sorted(
    path.stem for path in (ROOT / "wagtail_kwiga" / "management" / "commands").glob("*.py") if path.stem != "__init__"
)


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def check_ids() -> list[str]:
    """Every id that is given out: by the calls of ``_error`` and ``_warning`` in checks.py, and by name in urls.py."""
    found = re.findall(r'id="(wagtail_kwiga\.[EW]\d{3})"', Path(urls.__file__).read_text())
    for node in ast.walk(ast.parse(Path(checks.__file__).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_error", "_warning"}:
            found.append(f"wagtail_kwiga.{node.func.id[1].upper()}{node.args[0].value:03}")
    return found


@pytest.mark.parametrize("hook", sorted(hooks.HOOKS))
def test_hooks(hook):
    assert f"`{hook}`" in page("hooks.md")


@pytest.mark.parametrize("setting", [field.name for field in fields(conf.Defaults)])
def test_settings(setting):
    assert f"`{setting}`" in page("settings.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command):
    assert f"`{command}`" in page("commands.md")


@pytest.mark.parametrize("check", sorted(set(check_ids())))
def test_checks(check):
    assert f"`{check}`" in page("checks.md")


def test_ids_are_given_out_once():
    ids = check_ids()
    assert len(ids) == len(set(ids))


def test_nothing_is_documented_that_is_not_there():
    assert set(re.findall(r"`(wagtail_kwiga\.[EW]\d{3})`", page("checks.md"))) == set(check_ids())
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page("settings.md"), re.MULTILINE)) == {
        f.name for f in fields(conf.Defaults)
    }
    assert set(re.findall(r"^\| `([a-z_]+kwiga[a-z_]*)` \|", page("hooks.md"), re.MULTILINE)) == set(hooks.HOOKS)


#: Hooks whose place is named already and that nothing asks yet; the page says so.
LATER = {"register_kwiga_menu_item", "register_kwiga_order_panels"}


def test_every_hook_is_run_somewhere():
    """A hook that is listed and never asked is a promise not kept."""
    source = "\n".join(path.read_text() for path in (ROOT / "wagtail_kwiga").rglob("*.py") if path.name != "hooks.py")
    assert {hook for hook in hooks.HOOKS if f'"{hook}"' not in source} == LATER
    for hook in LATER:
        assert re.search(rf"^\| `{hook}` \|.*not asked yet", page("hooks.md"), re.MULTILINE)


def test_the_readme_and_the_installation_page_say_the_same():
    def said(path: Path) -> dict:
        text = "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
        told = {"INSTALLED_APPS": [], "DATABASES": {"default": {}}}
        exec(re.sub(r"^path\(.*$", "", text, flags=re.MULTILINE), told)
        return {name: told[name] for name in ("INSTALLED_APPS", "Q_CLUSTER", "DEFAULT_FROM_EMAIL")} | {
            "urls": re.findall(r"^path\(.*$", text, re.MULTILINE)
        }

    assert said(ROOT / "README.md") == said(ROOT / "docs" / "how-to" / "install.md")
