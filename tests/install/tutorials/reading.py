"""What a tutorial tells its reader to do: files to write, commands to run, words to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.install.conftest import ROOT

TUTORIALS = ROOT / "docs" / "tutorial"


@dataclass(frozen=True)
class Sample:
    """One block of code. Without a ``file`` it is commands for a shell."""

    text: str
    file: str = ""
    #: The line of the file above which it goes. Without one it goes to the end, or makes a new file.
    above: str = ""
    new: bool = False


#: How the sentence before a block says where it goes.
_PLACES = (
    (re.compile(r"In `([\w/.]+)`, at the end:$"), False),
    (re.compile(r"In `([\w/.]+)`, above the line `([^`]+)`[^`:]*:$"), False),
    (re.compile(r"Make the file `([\w/.]+)`:$"), True),
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def samples(text: str) -> list[Sample]:
    """The blocks of code in the order of the page. A block that does not say where it goes is a ``ValueError``."""
    found, end = [], 0
    for block in _BLOCK.finditer(text):
        language, code = block.groups()
        before = " ".join(text[end : block.start()].split())
        end = block.end()
        found.append(Sample(code) if language == "sh" else _placed(code, before))
    return found


def _placed(code: str, before: str) -> Sample:
    for pattern, new in _PLACES:
        if match := pattern.search(before):
            return Sample(code, *match.groups(), new=new)
    raise ValueError(f"Nothing says where this goes: …{before[-120:]}\n{code}")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        raise ValueError(f"No heading “{title}”")
    return match[2]


def typed(text: str) -> dict[str, str]:
    """Label → what to type: every ``*Label*: `words` `` of a text."""
    return dict(re.findall(r"\*([^*\n]+)\*: `([^`]+)`", text))


def paste(sample: Sample, folder: Path) -> None:
    """Do with a block of code what the page says. ``AssertionError`` where the site has no such file or line."""
    path = folder / sample.file
    if sample.new:
        assert not path.exists(), f"{sample.file} is there already"
        assert path.parent.is_dir(), f"there is no folder for {sample.file}"
        path.write_text(sample.text)
        return
    assert path.is_file(), f"there is no {sample.file}"
    old = path.read_text()
    if not sample.above:
        path.write_text(f"{old}\n{sample.text}")
        return
    lines = old.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.rstrip("\n") == sample.above]
    assert len(places) == 1, f"“{sample.above}” stands {len(places)} times in {sample.file}"
    lines.insert(places[0], f"{sample.text}\n")
    path.write_text("".join(lines))
