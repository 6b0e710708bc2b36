"""What keeps a scenario from being published, with the place where an editor mends it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True)
class ScenarioProblem:
    """``message`` is for the editor. ``stream`` says in which part of the form it belongs (``start`` or ``steps``; empty
    for the whole), ``index`` at which step, ``step`` what that step is called."""

    message: str
    stream: str = ""
    index: int | None = None
    step: str = ""

    def __str__(self) -> str:
        if self.index is None or not self.step:
            return self.message
        return _("%(where)s: %(message)s") % {"where": place(self.index, self.step), "message": self.message}


def place(index: int, step: str) -> str:
    """How problems and cautions name a step."""
    return _("Step %(number)s (%(step)s)") % {"number": index + 1, "step": step}
