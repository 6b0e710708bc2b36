"""What a site builder or an editor may rely on is written down, and what is written down is so."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db.models.base import ModelBase
from django.urls import reverse
from django.utils.text import capfirst

from wagtail_kwiga import checks, conf, hooks, urls
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.conditions import CONDITIONS
from wagtail_kwiga.automations.core.steps import STEPS
from wagtail_kwiga.automations.core.triggers import EVENTS
from wagtail_kwiga.automations.editing import blocks
from wagtail_kwiga.backoffice.menu import SalesGroup
from wagtail_kwiga.mailing import placeholders
from wagtail_kwiga.management.commands import kwiga_setup

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
FRONT_PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
COMMANDS = sorted(
    path.stem for path in (ROOT / "wagtail_kwiga" / "management" / "commands").glob("*.py") if path.stem != "__init__"
)


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def check_ids() -> list[str]:
    """Every id that is given out: by the calls of ``error`` and ``warning`` in checks/, and by name in urls.py."""
    found = re.findall(r'id="(wagtail_kwiga\.[EW]\d{3})"', Path(urls.__file__).read_text())
    for module in sorted(Path(checks.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"error", "warning"}:
                found.append(f"wagtail_kwiga.{node.func.id[0].upper()}{node.args[0].value:03}")
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


def test_every_hook_is_run_somewhere():
    """A hook that is listed and never asked is a promise not kept."""
    source = "\n".join(path.read_text() for path in (ROOT / "wagtail_kwiga").rglob("*.py") if path.name != "hooks.py")
    assert {hook for hook in hooks.HOOKS if f'"{hook}"' not in source} == set()


def test_the_readme_and_the_installation_page_say_the_same(monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "…")

    def said(path: Path) -> dict:
        text = "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
        text, urls = re.sub(r"^path\(.*$", "", text, flags=re.MULTILINE), re.findall(r"^path\(.*$", text, re.MULTILINE)
        told = {"INSTALLED_APPS": [], "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}
        exec(text, told)
        names = ("INSTALLED_APPS", "Q_CLUSTER", "DEFAULT_FROM_EMAIL", "WAGTAIL_KWIGA", "DATABASES")
        return {name: told[name] for name in names} | {"urls": urls}

    assert said(ROOT / "README.md") == said(ROOT / "docs" / "how-to" / "install.md")


@pytest.mark.parametrize("path", [ROOT / "README.md", DOCS / "how-to" / "install.md"], ids=lambda path: path.name)
@pytest.mark.parametrize("kind", [list, tuple])
def test_what_is_pasted_minds_what_the_site_has(path, kind, monkeypatch):
    """An app twice is ``ImproperlyConfigured``, and PostgreSQL refuses the options of SQLite."""
    monkeypatch.setenv("SMTP_PASSWORD", "…")
    text = "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
    there = kind(["django_q", "wagtail.contrib.settings", "home"])
    told = {"INSTALLED_APPS": there, "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}}}
    exec(re.sub(r"^path\(.*$", "", text, flags=re.MULTILINE), told)
    assert list(told["INSTALLED_APPS"]) == [*there, "wagtail_kwiga"]
    assert told["DATABASES"] == {"default": {"ENGINE": "django.db.backends.postgresql"}}


def test_no_page_installs_by_a_name_that_no_index_has():
    """Until the package is on one: the wheel, or the folder of a clone."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    assert [path.name for path in pages if re.search(r"pip install [^\n]*wagtail-kwiga", path.read_text())] == []


def test_no_page_adds_an_app_that_may_be_there():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    assert [
        path.name
        for path in pages
        if re.search(r"INSTALLED_APPS \+= |INSTALLED_APPS\.(append|extend)", path.read_text())
    ] == []


# --- reference pages against the code ---------------------------------------------------------------------------------


def sections(text: str, level: int) -> dict[str, str]:
    """The text under each heading of this level, up to the next heading of it or above."""
    found = re.split(rf"^(#{{1,{level}}}) (.+)$", text, flags=re.MULTILINE)
    parts = zip(found[1::3], found[2::3], found[3::3], strict=True)
    return {title: text for marks, title, text in parts if len(marks) == level}


def first_cells(text: str) -> list[str]:
    """What stands in backquotes at the beginning of each row of its tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def event_classes() -> dict[str, type]:
    modules = [f"wagtail_kwiga.{path.parent.name}.events" for path in (ROOT / "wagtail_kwiga").glob("*/events.py")]
    found = [
        one for name in modules for one in vars(import_module(name)).values() if getattr(one, "__module__", "") == name
    ]
    return {one.__name__: one for one in found if is_dataclass(one)}


def test_events():
    written = {name.strip("`"): text for name, text in sections(page("events.md"), 3).items() if name.startswith("`")}
    assert {name: first_cells(text) for name, text in written.items()} == {
        name: [field.name for field in fields(one)] for name, one in event_classes().items()
    }


def test_placeholders():
    ours = [one for one in placeholders.OURS.values() if not one.internal]
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|(?: (.+?) \|)?$", page("placeholders.md"), re.MULTILINE)
    assert rows == [(one.name, str(one.label), str(one.sample) if one.kind == "text" else "") for one in ours]


def test_start_events_steps_and_conditions():
    forms = dict([*blocks.start_blocks(), *blocks.step_blocks(), *blocks.condition_blocks()])
    known = {**EVENTS, **STEPS, **CONDITIONS}
    expected = {
        f"{forms[kind].label} (`{kind}`)": [field.name for field in fields(one) if field.name != "id"]
        for kind, one in known.items()
    }
    written = sections(page("steps-and-conditions.md"), 3)
    assert {title: first_cells(written.get(title, "")) for title in expected} == expected
    assert {title for title in written if "(`" in title} == set(expected)
    assert set(registry.kinds().steps) - set(STEPS) == {"studio_ask_to_call"}  # the example app's is not ours


def asked_for() -> set[str]:
    """Permissions that the code asks for by name."""
    found = set()
    for path in (ROOT / "wagtail_kwiga").rglob("*.py"):
        if "migrations" not in path.parts and "commands" not in path.parts:
            text = path.read_text()
            found |= set(re.findall(r"\"wagtail_kwiga\.((?:view|add|change|delete|publish|confirm)_[a-z]+)\"", text))
            asked = re.findall(r"\bmay\([\w. ]+, \"(\w+)\", (\w+)\)", text)
            found |= {f"{verb}_{model.lower()}" for verb, model in asked}
            found |= set(re.findall(r"\bcan\([\w. ]+, \"(\w+)\"\)", text))
    return found


def test_permissions():
    """Every permission that is handed out or asked for, and no other."""
    named = {code.partition(".")[2] for _step, _group, codes in kwiga_setup.HANDED_OUT for code in codes} | asked_for()
    assert len(asked_for()) > 10
    text = sections(page("permissions.md"), 2)["Permissions"]
    assert set(re.findall(r"`([a-z]+_[a-z]+)`", text)) - {"wagtail_kwiga"} == named


def test_screens():
    paths = [getattr(one, "base_url_path", None) or one.url_prefix for one in SalesGroup.items]
    paths.append(reverse("wagtail_kwiga_installation:decide").strip("/").removeprefix("admin/"))
    written = re.findall(r"\| `([a-z/_]+)` \|", sections(page("permissions.md"), 2)["Screens"])
    assert set(paths) == {path.rstrip("/") for path in written if path.startswith("kwiga/") and "queue" not in path}


@pytest.mark.parametrize("group", [kwiga_setup.EDITORS, kwiga_setup.SALES])
def test_who_is_handed_what(group):
    handed = {code.partition(".")[2] for _step, to, codes in kwiga_setup.HANDED_OUT for code in codes if to == group}
    column = 2 if group == kwiga_setup.EDITORS else 3
    written = set()
    for row in re.findall(r"^\|(.+)\|$", sections(page("permissions.md"), 2)["Permissions"], re.MULTILINE):
        cells = [cell.strip() for cell in row.split("|")]
        if cells[column] == "yes":
            written |= set(re.findall(r"`([a-z_]+)`", cells[0]))
    assert written == handed


# --- the glossary -----------------------------------------------------------------------------------------------------


@cache
def glossary() -> dict[str, list[str]]:
    """concept → Kwiga's words, the screen's, names of the code, words of the field."""
    rows = re.findall(r"^\| (.+) \|$", page("glossary.md"), re.MULTILINE)
    cells = [row.split(" | ") for row in rows]
    assert {len(row) for row in cells} == {2, 5}
    concepts = [row for row in cells if len(row) == 5 and row[0] != "concept"]
    assert len(concepts) == len({row[0] for row in concepts})
    return {concept: words for concept, *words in concepts}


def named(path: str) -> Any:
    """What a dotted path inside the package leads to: a module, a name in one, an attribute, a column. Raises where it ends."""
    found: Any = import_module("wagtail_kwiga")
    for part in path.split("."):
        if isinstance(found, ModuleType) and not hasattr(found, part):
            found = import_module(f"{found.__name__}.{part}")
        elif part in getattr(found, "__dataclass_fields__", {}):
            found = found.__dataclass_fields__[part]
        elif isinstance(found, ModelBase) and not isinstance(vars(found).get(part), type):
            found = found._meta.get_field(part)
        else:
            found = getattr(found, part)
    return found


@cache
def labels() -> set[str]:
    """Every text that is translated, of the package's Python and of its templates; those of fields in capitals, too."""
    gettext = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
    found = set()
    for path in (ROOT / "wagtail_kwiga").rglob("*.py"):
        if "migrations" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in gettext:
                    found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    for path in (ROOT / "wagtail_kwiga" / "templates").rglob("*.html"):
        found |= set(re.findall(r"{%-? *trans(?:late)? \"([^\"]+)\"", path.read_text()))
    return found | {capfirst(text) for text in found}


def test_the_glossary_covers_the_words_people_search_for():
    text = " ".join(words[3] for words in glossary().values())
    words = """
        webhook polling reservation redemption release state machine ledger refund throttling abandoned cart dunning
        suppression list outbox lease idempotency supersede entitlement
    """
    assert [word for word in words.split() if word not in text] == []
    assert len(glossary()) > 80


@pytest.mark.parametrize("concept", glossary())
def test_names_of_the_glossary_exist(concept):
    """A name that was changed fails here; change the glossary with it."""
    for path in re.findall(r"`([^`]+)`", glossary()[concept][2]):
        named(path)


@pytest.mark.parametrize("concept", glossary())
def test_labels_of_the_glossary_are_on_screens(concept):
    wagtails_own = {"Groups"}
    assert set(re.findall(r"\*([^*]+)\*", glossary()[concept][1])) - labels() - wagtails_own == set()


def test_a_name_that_is_not_there_is_found_out():
    named("models.Order.status")
    named("models.Run.State")
    for path in (
        "models.Order.satus",
        "orders.placing.place",
        "orders.palcing",
        "models.Ordre",
        "conf.Defaults.TOO_LATE",
    ):
        with pytest.raises((ImportError, AttributeError, FieldDoesNotExist)):
            named(path)


# --- the examples -----------------------------------------------------------------------------------------------------


def code_blocks(path: Path, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


EXAMPLE = "\n".join(
    path.read_text() for path in sorted((ROOT / "tests" / "example").rglob("*.*")) if path.suffix != ".pyc"
)
#: Pages whose samples are the example app.
FROM_EXAMPLE = ["own-block.md", "own-step.md", "own-provider.md", "hook-into-sales.md"]


@pytest.mark.parametrize("name", FROM_EXAMPLE)
def test_samples_are_taken_from_the_example_app(name):
    path = DOCS / "how-to" / name
    for sample in [*code_blocks(path), *code_blocks(path, "html")]:
        settings_or_imports = re.match(r"(WAGTAIL_KWIGA = |from wagtail_kwiga)", sample)
        assert settings_or_imports or sample.strip() in EXAMPLE, sample


def test_the_example_app_uses_every_hook_but_listens_to_two_things_only():
    used = {hook for hook in hooks.HOOKS if f'"{hook}"' in EXAMPLE}
    assert {hook for hook in set(hooks.HOOKS) - used if not hook.startswith("after_")} == set()
    assert len([hook for hook in used if hook.startswith("after_")]) == 2


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(DOCS)))
def test_samples_can_be_read_and_their_imports_exist(path):
    for sample in code_blocks(path):
        for node in ast.walk(ast.parse(sample)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wagtail"):
                module = import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name) or import_module(f"{node.module}.{alias.name}"), alias.name


@pytest.mark.parametrize("path", [*FRONT_PAGES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_settings_that_are_named_exist(path):
    text = path.read_text()
    for named in re.findall(r"`((?:tests|wagtail_kwiga|sandbox)/[\w/.-]+)`", text):
        inside = ROOT / "wagtail_kwiga" / "templates" / named, ROOT / "wagtail_kwiga" / "static" / named
        assert (ROOT / named).exists() or any(one.exists() for one in inside), named
    for setting in re.findall(r"`WAGTAIL_KWIGA\[\"([A-Z_]+)\"\]`", text):
        assert setting in {field.name for field in fields(conf.Defaults)}


def test_custom_properties_that_are_named_exist():
    css = (ROOT / "wagtail_kwiga" / "static" / "wagtail_kwiga" / "kwiga.css").read_text()
    named = set(re.findall(r"--kwiga-[a-z-]+", (DOCS / "how-to" / "own-templates.md").read_text()))
    assert len(named) > 10
    assert {name for name in named if f"{name}:" not in css} == set()


def test_the_promises_are_all_there_and_name_who_tries_them():
    promises = sections((DOCS / "explanation" / "promises.md").read_text(), 2)
    assert [title.partition(".")[0] for title in promises] == [str(number) for number in range(1, 16)]
    for title, text in promises.items():
        assert re.findall(r"`tests/[\w/]+/test_\w+\.py`", text.partition("*Tried by:*")[2]), title


def test_every_page_can_be_found():
    """In the navigation, and from the first page."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    index = (DOCS / "index.md").read_text()
    for path in PAGES:
        name = str(path.relative_to(DOCS))
        assert name in navigation, name
        assert name == "index.md" or f"({name})" in index, name
