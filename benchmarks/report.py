"""What is printed."""

from __future__ import annotations

from benchmarks.measuring import Cost, Pair

WIDTH = 66


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}", flush=True)


def section(title: str, explanation: str = "") -> None:
    print(f"\n{title}", flush=True)
    if explanation:
        print(f"  {explanation}", flush=True)


def cost(what: str, found: Cost) -> None:
    print(f"  {what:<{WIDTH}} {found!s:>10}", flush=True)


def columns() -> None:
    print(
        f"  {'':<{WIDTH}} {'floor ms':>10} {'ours ms':>10} {'ours cpu':>10} {'ours/floor':>11} {'rate':>6} {'runs':>5}",
        flush=True,
    )


def pair(what: str, found: Pair) -> None:
    print(
        f"  {what:<{WIDTH}} {found.floor:>10.2f} {found.ours:>10.2f} {found.cpu:>10.2f} {found.ratio:>10.2f}x {1 / found.ratio:>6.2f}"
        f" {found.runs:>5}",
        flush=True,
    )


def note(text: str) -> None:
    print(f"  {text}", flush=True)
