"""The stack of rooms: imports (import-linter) and foreign keys (which import-linter cannot see when they are strings)."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def rooms() -> dict[str, tuple[int, str]]:
    """room → (row counted from the top, name)."""
    (contract,) = (c for c in LINTER["contracts"] if c["id"] == "rooms")
    found = {}
    for row, line in enumerate(contract["layers"]):
        for name in line.replace("|", ":").split(":"):
            found[name.strip(" ()")] = (row, name.strip(" ()"))
    return found


ROOMS = rooms()


def room_of(model) -> tuple[int, str]:
    package, name = model.__module__.split(".")[:2]
    assert package == "wagtail_kwiga"
    return ROOMS[name]


def our_models():
    return [
        model
        for model in apps.get_app_config("wagtail_kwiga").get_models(include_auto_created=False)
        if model.__module__.startswith("wagtail_kwiga.")
    ]


def test_imports_go_down():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_model_has_a_room():
    assert len(our_models()) >= 25
    assert all(room_of(model)[1] not in {"models", "migrations"} for model in our_models())


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model.__name__)
def test_foreign_keys_go_down(model):
    row, room = room_of(model)
    for field in model._meta.get_fields(include_hidden=True):
        target = field.related_model
        if field.auto_created or not field.concrete or not isinstance(target, type):
            continue
        if not target.__module__.startswith("wagtail_kwiga."):
            continue
        target_row, target_room = room_of(target)
        assert target_room == room or target_row > row, (
            f"{model.__name__}.{field.name} refers from {room} up or across to {target_room}"
        )


def test_no_row_needs_itself():
    """No cycle of foreign keys that must be filled in: such rows cannot be made, or deleted, in one go."""
    edges = {
        model: {
            field.related_model
            for field in model._meta.get_fields(include_hidden=True)
            if field.concrete and not field.auto_created and not field.null and isinstance(field.related_model, type)
        }
        for model in our_models()
    }

    def below(model, seen):
        for target in edges.get(model, set()) - seen:
            seen.add(target)
            below(target, seen)
        return seen

    assert [model.__name__ for model in edges if model in below(model, set())] == []


def test_no_foreign_key_to_a_page():
    """A protected page makes deleting its parent an HTTP 500, so nothing of ours refers to one (but a page itself)."""
    from wagtail.models import Page

    for model in our_models():
        if issubclass(model, Page):
            continue
        for field in model._meta.get_fields():
            if field.concrete and isinstance(field.related_model, type):
                assert not issubclass(field.related_model, Page), f"{model.__name__}.{field.name}"
