"""How frozen values of this room are kept as JSON: by kind and fields. Plain Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from wagtail_kwiga.exceptions import NewerScenario, ScenarioFault


class Serializable:
    """A frozen dataclass that knows its ``kind`` and turns itself into JSON and back.

    Fields hold plain JSON values (tuples for lists). A stored value with a field this class does not know, or without
    one it needs, is refused: to guess what an editor meant would be to decide for somebody. All fields are
    written, so that a published version keeps its meaning when a default changes; only those of ``added_later`` are not where they
    say what they say by default, so that the release before can read whatever does not use them.
    """

    #: Stable word for the class, kept in published versions: never rename one in use.
    kind: ClassVar[str] = ""
    #: Names of fields that came with a later release than the class. Their defaults never change.
    added_later: ClassVar[frozenset[str]] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """``{"kind": …, field: value, …}``."""
        said = {name: getattr(self, name) for name in _names(type(self)) if not self._is_left_out(name)}
        return {"kind": self.kind, **{name: _plain(value) for name, value in said.items()}}

    def _is_left_out(self, name: str) -> bool:
        field = type(self).__dataclass_fields__[name]  # type: ignore[attr-defined]  # see the docstring
        return name in self.added_later and bool(getattr(self, name) == field.default)

    def words(self) -> Any:
        """A site's own class in words, in the active language, for sentences, lists of steps and where somebody stands: “ask
        staff to call about the key”. Without this method it is called by the label of its form. (Ours: ``descriptions``.)"""
        return self.kind.replace("_", " ")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The value that ``to_json`` wrote. Raises ``ScenarioFault``, and of that ``NewerScenario`` for a field nobody knows."""
        given = {name: value for name, value in data.items() if name != "kind"}
        strange = sorted(set(given) - set(_names(cls)))
        if strange:
            raise NewerScenario(f"{cls.kind} has no field {', '.join(strange)}.")
        try:
            return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
        except TypeError as fault:
            raise ScenarioFault(f"{cls.kind} cannot be read: {fault}") from fault


AnyCoded = TypeVar("AnyCoded", bound=Serializable)


def _names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def _plain(value: Any) -> Any:
    if isinstance(value, Serializable):
        return value.to_json()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def read(data: Any, kinds: Mapping[str, type[AnyCoded]], what: str) -> AnyCoded:
    """The value of ``data`` by its kind. Raises ``NewerScenario`` for a kind nobody knows, and never leaves one out."""
    kind = str(data.get("kind")) if isinstance(data, Mapping) else ""
    if kind not in kinds:
        raise NewerScenario(f"Nobody knows the {what} {kind!r}.", kind=kind)
    return kinds[kind].from_json(data)


def whole(name: str, value: Any, *, least: int = 0) -> None:
    """Raise ``ScenarioFault`` unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ScenarioFault(f"{name} must be a whole number of at least {least}, not {value!r}.")
