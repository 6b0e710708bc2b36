"""Mutants that no test needs to notice, each with the reason (``accepted.toml``)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.generating import Mutant

FILE = Path(__file__).with_name("accepted.toml")


@dataclass(frozen=True)
class Accepted:
    """``function`` and ``diff`` (and ``nth``) name the mutant, wherever in the file it stands."""

    module: str
    function: str
    diff: str
    reason: str
    nth: int = 1

    @property
    def identity(self) -> tuple[str, str, int]:
        return self.function, self.diff.strip(), self.nth


def accepted() -> list[Accepted]:
    """All that are accepted, in the order of the file. Each must give a reason."""
    return [Accepted(**entry) for entry in tomllib.loads(FILE.read_text(encoding="utf-8")).get("accepted", [])]


def reason(module: str, mutant: Mutant) -> str:
    """Why ``mutant`` of ``module`` may survive; empty where it may not."""
    wanted = mutant.function, mutant.diff, mutant.nth
    return next((each.reason for each in accepted() if each.module == module and each.identity == wanted), "")


def as_table() -> str:
    """The table of docs/explanation/testing.md."""
    rows = [
        f"| `{each.module}` | `{each.function or '(module)'}` | {_inline(each.diff)} | {each.reason} |"
        for each in accepted()
    ]
    return "\n".join(["| module | function | change | why no test notices it |", "|---|---|---|---|", *rows])


def _inline(diff: str) -> str:
    return "<br>".join(f"`{line}`".replace("|", "\\|") for line in diff.strip().splitlines())
