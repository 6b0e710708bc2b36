"""What is printed: tables for people in a terminal, or the same in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.measuring import Cost, Note, Pair

#: Heading of a column, and how wide it is in a terminal.
QUERIES = (("", 70), ("queries", 12))
TIMES = (("", 70), ("floor ms", 10), ("ours ms", 10), ("ours cpu ms", 12), ("ours / floor", 13), ("runs", 5))


@dataclass
class Report:
    """Prints as it goes, so that a long run can be watched."""

    is_markdown: bool = False

    def heading(self, text: str) -> None:
        print(f"\n## {text}" if self.is_markdown else f"\n{text}\n{'=' * len(text)}", flush=True)

    def section(self, title: str, *explanations: str) -> None:
        print(f"\n### {title}" if self.is_markdown else f"\n{title}", flush=True)
        for words in filter(None, explanations):
            print(f"\n{words}" if self.is_markdown else f"  {words}", flush=True)

    def costs(self, found: Iterable[tuple[str, Cost]]) -> None:
        self._table(QUERIES, ((what, str(cost)) for what, cost in found))

    def times(self, found: Iterable[tuple[str, Pair | Note]]) -> bool:
        """Whether there was anything to print. Notes come below the table."""
        notes: list[str] = []
        done = self._table(TIMES, self._timed(found, notes))
        for words in notes:
            self.note(words)
        return bool(done)

    def table(self, columns: tuple[str, ...], found: Iterable[tuple[str, ...]]) -> None:
        self._table(tuple((name, 70 if not place else 12) for place, name in enumerate(columns)), found)

    def note(self, words: str) -> None:
        print(f"\n{words}" if self.is_markdown else f"  {words}", flush=True)

    def _timed(self, found: Iterable[tuple[str, Pair | Note]], notes: list[str]) -> Iterable[tuple[str, ...]]:
        for what, one in found:
            if isinstance(one, Note):
                notes.append(f"{what}: {one.words}.")
            else:
                yield (
                    what, f"{one.floor:,.2f}", f"{one.ours:,.2f}", f"{one.cpu:,.2f}", f"{one.ratio:,.2f}x", str(one.runs),
                )  # fmt: skip

    def _table(self, columns: Iterable[tuple[str, int]], rows: Iterable[tuple[str, ...]]) -> int:
        columns, printed = list(columns), 0
        for row in rows:
            if not printed:
                if self.is_markdown:
                    print()
                self._row([name for name, _width in columns], columns)
                if self.is_markdown:
                    self._row(["---", *["--:"] * (len(columns) - 1)], columns)
            self._row(row, columns)
            printed += 1
        return printed

    def _row(self, cells: Iterable[str], columns: list[tuple[str, int]]) -> None:
        if self.is_markdown:
            print(f"| {' | '.join(cells)} |", flush=True)
            return
        first, *others = zip(cells, columns, strict=True)
        print(
            f"  {first[0]:<{first[1][1]}}" + "".join(f" {cell:>{width}}" for cell, (_name, width) in others), flush=True
        )
