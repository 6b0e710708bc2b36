"""``python -m tests.architecture.api_page`` (``make api``): write docs/reference/api.md from api.toml and the code."""

from __future__ import annotations

import ast
import enum
import inspect
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "docs" / "reference" / "api.toml"
PAGE = LIST.with_suffix(".md")
PACKAGE = "wagtail_kwiga"
WIDTH = 100

HEAD = """\
# Public names

What a site may import from `wagtail_kwiga` and call. **Whatever is not on this page is internal** and may change in any release:
other modules, other names of these modules, everything that begins with an underscore. The same holds for the names of
templates and style properties that [Make the pages look like your site](../how-to/own-templates.md) does not list.

Each heading is a module to import from. `now` may be left out wherever it has a default: the setting `CLOCK` is asked then. A
parameter `by` is the user who does it, `None` where no person did. Verbs that write bring a transaction of their own, or join
the one that is open. `make api` writes this page from the docstrings of the names in `api.toml`.
"""


def rooms() -> list[dict[str, Any]]:
    """The list: ``title``, ``text`` and ``names`` of each room."""
    return tomllib.loads(LIST.read_text())["room"]


def names() -> list[str]:
    """Every public name, as a dotted path inside the package."""
    return [name for room in rooms() for name in room["names"]]


def resolve(path: str) -> tuple[ModuleType, str, Any]:
    """The module of a dotted path inside the package, what is left of the path, and the object itself.

    Raises ``AttributeError`` where there is no such name, and for a module: only names are public.
    """
    parts = path.split(".")
    module = import_module(PACKAGE)
    while parts and inspect.ismodule(found := _member(module, parts[0])):
        module, parts = found, parts[1:]
    if not parts:
        raise AttributeError(f"{path} is a module")
    found = module
    for part in parts:
        found = inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
    return module, ".".join(parts), found


def _member(module: ModuleType, name: str) -> Any:
    if not hasattr(module, name) and hasattr(module, "__path__"):
        import_module(f"{module.__name__}.{name}")
    return getattr(module, name)


# --- how a name is written --------------------------------------------------------------------------------------------


def entry(path: str) -> tuple[str, str]:
    """The name as code, and the first sentence of what is said about it."""
    code, sentence = _written(path)
    return re.sub(r"'([^'\"\\]*)'", r'"\1"', code), sentence


def _written(path: str) -> tuple[str, str]:
    module, _name, found = resolve(path)
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    if isinstance(found, property):
        found = found.fget
    if inspect.isclass(found) or inspect.isroutine(found):
        node = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
        code = _class(node, found) if inspect.isclass(found) else _function(node)
        return code, first_sentence(ast.get_docstring(node) or "")
    return _constant(module, path.rpartition(".")[2])


def first_sentence(docstring: str) -> str:
    """Markdown, on one line; empty for an empty docstring."""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    found = re.match(r".*?[.?!](?=\s|$)", paragraph)
    return re.sub(r"``(.+?)``", r"`\1`", found[0] if found else paragraph)


def _function(node: ast.FunctionDef) -> str:
    marks = "".join(f"@{name}\n" for name in map(ast.unparse, node.decorator_list) if name.endswith("method"))
    returns = ast.unparse(node.returns) if node.returns else "Any"
    if "contextmanager" in map(ast.unparse, node.decorator_list):
        returns = returns.replace("Iterator[", "AbstractContextManager[")
    parameters = list(_parameters(node.args))
    tail = f") -> {returns}: ..."
    if len(whole := f"def {node.name}({', '.join(parameters)}{tail}") <= WIDTH:
        return marks + whole
    inside = ", ".join(parameters)
    lines = [f"    {inside},"] if len(inside) + 5 <= WIDTH else [f"    {one}," for one in parameters]
    return marks + "\n".join([f"def {node.name}(", *lines, tail])


def _parameters(args: ast.arguments) -> Iterator[str]:
    """Each parameter as it is written in a definition, with ``/`` and ``*`` where they stand."""
    placed = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(placed) - len(args.defaults)) + args.defaults
    for number, (one, default) in enumerate(zip(placed, defaults, strict=True), 1):
        yield _parameter(one, default)
        if number == len(args.posonlyargs):
            yield "/"
    if args.vararg:
        yield f"*{_parameter(args.vararg, None)}"
    elif args.kwonlyargs:
        yield "*"
    for one, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield _parameter(one, default)
    if args.kwarg:
        yield f"**{_parameter(args.kwarg, None)}"


def _parameter(one: ast.arg, default: ast.expr | None) -> str:
    text = f"{one.arg}: {ast.unparse(one.annotation)}" if one.annotation else one.arg
    return text if default is None else f"{text} = {ast.unparse(default)}"


def _class(node: ast.ClassDef, found: type) -> str:
    """Its bases, and what is declared with a type (fields, class attributes), or the members of an enumeration."""
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    members = getattr(found, "__members__", None)
    if members is not None:
        lines = [f"    {name} = {member.value!r}" for name, member in members.items()]
    else:
        lines = [
            f"    {ast.unparse(one)}"
            for one in node.body
            if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_")
        ]
    return f"class {node.name}{bases}:" + ("\n" + "\n".join(lines) if lines else " ...")


@cache
def _source(module: ModuleType) -> tuple[ast.Module, list[str]]:
    text = inspect.getsource(module)
    return ast.parse(text), text.splitlines()


def _constant(module: ModuleType, name: str) -> tuple[str, str]:
    """A name that a module assigns, and the ``#:`` comment above it."""
    tree, lines = _source(module)
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        assigned = {one.id for target in targets if target for one in ast.walk(target) if isinstance(one, ast.Name)}
        if name in assigned:
            comment, above = [], node.lineno - 2
            while lines[above].startswith("#:"):
                comment.insert(0, lines[above].removeprefix("#:"))
                above -= 1
            value = getattr(module, name)
            if isinstance(value, enum.Enum):
                code = f"{name} = {type(value).__name__}.{value.name}"
            else:
                code = f"{name} = {value!r}" if isinstance(value, str) else f"{name}: {type(value).__name__}"
            return code, first_sentence("\n".join(comment))
    raise AttributeError(f"{module.__name__} does not assign {name}")


# --- the page ---------------------------------------------------------------------------------------------------------


def page() -> str:
    """The whole page as it must stand in ``docs/reference/api.md``."""
    parts = [HEAD]
    for room in rooms():
        parts.append(f"## {room['title']}\n\n{room['text'].strip()}\n")
        parts.append(_models(room["names"]) if room["title"] == "Models" else _modules(room["names"]))
    return "\n".join(parts)


def _models(paths: list[str]) -> str:
    rows = [f"| `{path.rpartition('.')[2]}` | {entry(path)[1]} |" for path in paths]
    return "\n".join(["| model | what a row is |", "|---|---|", *rows]) + "\n"


def _modules(paths: list[str]) -> str:
    """A heading for each module, in the order of the list; under it each name."""
    parts, heading = [], ""
    for path in paths:
        module = resolve(path)[0].__name__
        if module != heading:
            parts.append(f"### `{module}`\n")
            heading = module
        code, sentence = entry(path)
        name = resolve(path)[1]
        member = f"`{name}`: " if "." in name else ""
        parts.append(f"```python\n{code}\n```\n\n{member}{sentence}\n")
    return "\n".join(parts)


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
