"""Makes the mutants of a module: its text with one small change each.

The changes are those of mutmut (comparisons, ``and``/``or``, arithmetic, numbers, arguments, assignments …), and three
that it lacks and that stand for the worst faults here: a condition turned round, a call left out, a value not returned.
Left out are changes that nothing could ever notice: annotations, doc strings, what is logged, and texts for people (a
translation may say anything).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation import mutators

#: Calls whose words are read by people only.
_WORDS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy", "npgettext"}
_LOGS = {"log", "logger"}


@dataclass(frozen=True)
class Mutant:
    """One changed text of a module.

    ``function`` is the outermost function that holds the change (``Class.method`` for a method), empty where the change
    is outside of any body and so takes effect while the module is loaded. ``first`` and ``last`` are the lines of the
    statement that was changed. ``diff`` has only the changed lines; with ``function`` (and ``nth``, where a line stands
    twice in it) it names the mutant for good, wherever in the file the function moves.
    """

    function: str
    first: int
    last: int
    diff: str
    nth: int
    source: str

    @property
    def key(self) -> str:
        return hashlib.sha256(f"{self.function}\n{self.nth}\n{self.diff}".encode()).hexdigest()[:12]


def mutants(source: str) -> list[Mutant]:
    """All mutants of ``source``, in the order of its lines; texts that are the same are made once."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder(wrapper.module)
    wrapper.visit(finder)
    made: dict[str, Mutant] = {}
    times: Counter[tuple[str, str]] = Counter()
    for function, first, last, place, code in finder.found:
        text, diff = _put(source, place, code)
        if text == source or text in made:
            continue
        times[function, diff] += 1
        made[text] = Mutant(function, first, last, diff, times[function, diff], text)
    return sorted(made.values(), key=_place)


def sample(all_mutants: Iterable[Mutant], size: int | None) -> list[Mutant]:
    """A fixed sample, spread over the lines: the first of each line, then the second …, each chosen by its own key.

    The same text gives the same sample, and a change to one function leaves the choice in the others as it was. What
    Python does not even compile is no mutant.
    """
    by_line: dict[int, list[Mutant]] = {}
    for mutant in all_mutants:
        by_line.setdefault(mutant.first, []).append(mutant)
    ranked = [
        (rank, mutant.key, mutant)
        for those in by_line.values()
        for rank, mutant in enumerate(sorted(those, key=lambda each: each.key))
    ]
    ranked.sort(key=lambda each: each[:2])
    return sorted(islice((mutant for _, _, mutant in ranked if _compiles(mutant.source)), size), key=_place)


def _place(mutant: Mutant) -> tuple[int, str]:
    return mutant.first, mutant.key


def _put(source: str, place: CodeRange, code: str) -> tuple[str, str]:
    """The text with ``code`` at ``place``, and the lines that differ."""
    lines = source.splitlines(keepends=True)
    first, last = place.start.line - 1, place.end.line
    before = lines[first:last]
    after = before[0][: place.start.column] + code + before[-1][place.end.column :]
    text = "".join(lines[:first]) + after + "".join(lines[last:])
    removed = [f"- {line.strip()}" for line in before if line.strip()]
    added = [f"+ {line.strip()}" for line in after.splitlines() if line.strip()]
    while len(removed) > 1 and len(added) > 1 and removed[0][1:] == added[0][1:]:
        del removed[0], added[0]
    while len(removed) > 1 and len(added) > 1 and removed[-1][1:] == added[-1][1:]:
        del removed[-1], added[-1]
    return text, "\n".join(removed + added)


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Finder(cst.CSTVisitor):
    """Collects (function, first line, last line, place, what stands there instead)."""

    METADATA_DEPENDENCIES = (PositionProvider, WhitespaceInclusivePositionProvider)

    def __init__(self, module: cst.Module) -> None:
        super().__init__()
        self.found: list[tuple[str, int, int, CodeRange, str]] = []
        self._module = module
        self._names: list[str] = []
        self._bodies = 0  # how many function bodies we are in
        self._statements: list[tuple[int, int]] = []

    # --- where we are -----------------------------------------------------------------------------------------------

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef | cst.ClassDef) and not self._bodies:
            self._names.append(node.name.value)
        if isinstance(node, cst.BaseStatement):
            self._statements.append(self._lines(node))
        if self._is_beyond_notice(node):
            return False
        for original, changed in _changes(node):
            self._note(original, changed)
        if isinstance(node, cst.FunctionDef):
            self._visit_function(node)
            return False
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.BaseStatement):
            self._statements.pop()
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef) and not self._bodies:
            self._names.pop()

    def _visit_function(self, node: cst.FunctionDef) -> None:
        """Defaults are evaluated where the function is defined, the body where it is called."""
        node.params.visit(self)
        self._bodies += 1
        node.body.visit(self)
        self._bodies -= 1

    def _lines(self, node: cst.CSTNode) -> tuple[int, int]:
        place = self.get_metadata(PositionProvider, node)
        if isinstance(node, cst.BaseCompoundStatement) and not isinstance(node, cst.Match):
            body = self.get_metadata(PositionProvider, node.body)
            return place.start.line, max(place.start.line, body.start.line - 1)
        return place.start.line, place.end.line

    def _note(self, node: cst.CSTNode, changed: cst.CSTNode) -> None:
        last = self._statements[-1][1]
        function = ".".join(self._names) if self._bodies else ""
        place = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        shown = self.get_metadata(PositionProvider, node, place)
        self.found.append(
            (function, shown.start.line, max(last, shown.end.line), place, self._module.code_for_node(changed))
        )

    # --- what is left alone -----------------------------------------------------------------------------------------

    def _is_beyond_notice(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom() | cst.Raise() | cst.TypeAlias():
                return True
            case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()):
                return True  # a doc string
            case cst.Call(func=cst.Name(value=name)) if name in _WORDS:
                return True
            case cst.Call(func=cst.Attribute(value=cst.Name(value=name))) if name in _LOGS:
                return True
            case cst.Call(func=cst.Name(value="cast" | "isinstance" | "TypeVar" | "format_lazy")):
                return True
            case cst.If(test=cst.Name(value="TYPE_CHECKING")):
                return True
        return False


def _changes(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """(node, changed node): of ``node``, or of a part of it."""
    for kind, operator in mutators.mutation_operators:
        if isinstance(node, kind) and not isinstance(node, cst.Match):
            made = list(operator(node))
            yield from (
                (node, each) for each in (made[:1] if kind is cst.BaseString else made)
            )  # one spoilt text will do
    match node:
        case cst.If(test=test) | cst.While(test=test) | cst.CompIf(test=test):
            yield test, cst.UnaryOperation(cst.Not(), _in_parentheses(test))
        case cst.Expr(value=cst.Call() as call) if not _is_log(call):
            yield node, cst.Pass()
        case cst.Return(value=cst.BaseExpression() as value) if not _is_none(value):
            yield value, cst.Name("None")


def _in_parentheses(expression: cst.BaseExpression) -> cst.BaseExpression:
    return expression.with_changes(lpar=[*expression.lpar, cst.LeftParen()], rpar=[*expression.rpar, cst.RightParen()])


def _is_none(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Name) and node.value == "None"


def _is_log(call: cst.Call) -> bool:
    func = call.func
    return isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name) and func.value.value in _LOGS
