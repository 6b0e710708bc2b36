"""Rules about the source that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "wagtail_kwiga"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
TEMPLATES = sorted(PACKAGE.rglob("templates/**/*.html"))
LIMIT = 420


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of(path: Path) -> int:
    return path.read_text().count("\n")


def test_there_is_something_to_look_at():
    assert len(MODULES) > 60
    assert len(TEMPLATES) > 5


def test_no_file_is_too_long():
    too_long = {}
    for folder in ("wagtail_kwiga", "sandbox", "benchmarks", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" not in path.parts and lines_of(path) > LIMIT:
                too_long[name(path)] = lines_of(path)
    assert too_long == {}


def test_no_module_is_named_after_nothing():
    bad = {"utils", "helpers", "services", "common", "misc", "util", "helper"}
    folders = {path.parent for path in MODULES}
    assert [name(path) for path in MODULES if path.stem in bad] == []
    assert [name(folder) for folder in folders if folder.name in bad] == []


def test_every_module_says_what_it_is():
    silent = [
        name(path)
        for path in MODULES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def _calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node, ast.unparse(node)


def test_only_conf_asks_the_clock():
    """Time is a value: every rule takes ``now``, and where none is passed ``conf.now`` is asked."""
    clock = re.compile(r"(^|\.)(datetime|dt|timezone|date)\.(now|utcnow|today|localdate|localtime)$|^time\.time$")
    found = []
    for path in MODULES:
        if path == PACKAGE / "conf.py":
            continue
        for node, text in _calls(ast.parse(path.read_text())):
            if clock.search(text) and not text.endswith("timezone.localtime"):
                found.append(f"{name(path)}:{node.lineno} {text}")
    assert found == []


def test_only_one_function_makes_unions():
    """Since Django 6.1 whoever forgets to take the ordering off a union gets a page that crashes (``parts/unions.py``)."""
    found = []
    for path in MODULES:
        for node, text in _calls(ast.parse(path.read_text())):
            if node.attr in {"union", "intersection", "difference"}:
                found.append(f"{path.relative_to(PACKAGE)} {text}")
    assert found == ["backoffice/parts/unions.py unordered[0].union"]


#: Who may write the field ``status``, and of which model. Nobody else assigns one or updates one.
STATUS_DOORS = {"orders/transitions.py": "Order"}


def test_the_status_of_an_order_has_one_door():
    """``order.status = …`` and ``.update(status=…)`` only in orders/transitions.py.

    Mails have a status of their own, and so has an answer over HTTP (``self.status``); the model has no such method.
    """
    found = []
    for path in MODULES:
        relative = str(path.relative_to(PACKAGE))
        if relative in STATUS_DOORS or relative.startswith("mailing/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            targets = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            if any(
                isinstance(t, ast.Attribute) and t.attr == "status" and ast.unparse(t) != "self.status" for t in targets
            ):
                found.append(f"{relative}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                writes = node.func.attr in {"update", "bulk_update", "update_or_create"}
                if writes and any(keyword.arg == "status" for keyword in node.keywords):
                    found.append(f"{relative}:{node.lineno} {ast.unparse(node)[:80]}")
    assert found == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_templates_have_no_inline_script_or_style(path):
    """A site's content security policy must be able to forbid both. Data goes through ``json_script``."""
    text = re.sub(r"{#.*?#}|{%\s*comment\s*%}.*?{%\s*endcomment\s*%}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"<style\b", text)
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"javascript:", text)
    for opening in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in opening, opening
    # (A schema.org address is a word of a vocabulary; nobody fetches it.)
    assert not re.search(r"(src|href)=[\"'](https?:)?//(?!schema\.org/)", text), "nothing comes from a third party"


#: How papers that only their authors have were cited: by file, by title and number, by a number of a list of tasks.
PRIVATE_PAPERS = re.compile(
    r"\bspec[ /](?:kwiga|libraries|peers|performance|review|style|titles|verification|wagtail)\b"
    r"|\bDESIGN(?:\.md)? [0-9]|\bDESIGN\.md\b|\b(?:review-[0-9]|kwiga|libraries|peers)\.md\b|\bissue [0-9]\b"
)
#: Written by people, in any language of the repository.
WRITTEN = {".cfg", ".css", ".html", ".js", ".md", ".mjml", ".py", ".sh", ".sql", ".toml", ".txt", ".yml", ".yaml"}


def test_papers_are_found():
    cited = (
        "(spec kwiga 21.1)",
        "``spec/libraries.md`` 2.1",
        "(DESIGN 6)",
        "see DESIGN.md",
        "review-2.md",
        "(issue 7)",
    )
    assert [words for words in cited if not PRIVATE_PAPERS.search(words)] == []
    public = (
        "(RFC 1047)",
        "the article “Discount coupons and possible settings”",
        "promise 7",
        "spec.origin",
        "issue 36211",
    )
    assert [words for words in public if PRIVATE_PAPERS.search(words)] == []


def test_nothing_is_cited_that_a_reader_does_not_have():
    """A public article by its title, an RFC by its number, a page of ``docs/``; never a paper that is not here."""
    folders = [ROOT / folder for folder in ("wagtail_kwiga", "tests", "docs", "sandbox", "benchmarks", ".ci")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [path for path in ROOT.iterdir() if path.is_file()]
    read = [p for p in paths if p != Path(__file__) and (p.suffix in WRITTEN or p.name == "Makefile" or not p.suffix)]
    assert len(read) > 500
    found = []
    for path in read:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if cited := PRIVATE_PAPERS.search(line):
                found.append(f"{name(path)}:{number} {cited[0]}")
    assert found == []


def test_no_print():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", name(path)


def test_whatever_is_queued_can_be_called():
    """``enqueue`` takes the name of a task; a wrong one would only be noticed by a worker's log."""
    from wagtail_kwiga import tasks

    names = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("background.enqueue"):
                names.add(ast.literal_eval(node.args[0]))
    assert names
    assert [task for task in names if not callable(getattr(tasks, task, None))] == []


# --- imports inside functions ---------------------------------------------------------------------------------------------

#: file → why it imports where it is called. Everywhere else imports stand on top, where circles are seen.
_IMPORTS_WHEN_CALLED = {
    "apps.py": "models can be imported when Django is ready, and not before",
    "background.py": "django-q2 is read only where a site has installed it",
    "backoffice/parts/policies.py": "Wagtail 7.4 has no registry of permission policies",
    "offers/localize.py": "wagtail-localize is optional",
    "queue_admin/showing.py": "wagtail-modeladmin is optional, and may fail in whatever way it likes",
    "tasks.py": "a room that cannot be imported stops no other sweep",
}


def _imports_in_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import):
                    yield inner.names[0].name
                elif isinstance(inner, ast.ImportFrom):
                    yield inner.module or "."


def test_imports_stand_on_top():
    """One inside a function hides a circle, or an import that is slow or may fail: only with its reason."""
    found = {
        path.relative_to(PACKAGE).as_posix(): sorted(set(_imports_in_functions(ast.parse(path.read_text()))))
        for path in PACKAGE.rglob("*.py")
    }
    assert {file: names for file, names in found.items() if names and file not in _IMPORTS_WHEN_CALLED} == {}
    assert [file for file in _IMPORTS_WHEN_CALLED if not found[file]] == [], "a reason for nothing"
