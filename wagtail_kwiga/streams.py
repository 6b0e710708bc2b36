"""StreamFields whose blocks a site may add to, and which never enter a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import BadRequest
from django.db import models
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from wagtail.blocks import Block, StreamBlock
from wagtail.fields import StreamField


class SentWhole(StreamBlock):
    """Blocks read from a form that was sent. One without their number or with parts left out is no form of ours: it is
    answered with 400, for read as *no blocks* it would empty the field."""

    def value_from_datadict(self, data: Any, files: Any, prefix: str) -> Any:
        try:
            return super().value_from_datadict(data, files, prefix)
        except (KeyError, ValueError, TypeError, AttributeError) as fault:
            raise BadRequest(f"the blocks of {prefix} cannot be read") from fault


class OpenStreamField(StreamField):
    """A StreamField that builds its blocks when they are first needed.

    ``blocks`` is a callable that returns ``(name, block)`` pairs, or its dotted path where the blocks stand above the models. Hooks cannot be read while models load, and a site's hook
    must never make a migration inside this package, so neither the callable nor the blocks appear in migrations.
    """

    def __init__(
        self, block_types: Any = (), *, blocks: str | Callable[[], Iterable[tuple[str, Block]]] = "", **kw: Any
    ):
        kw.pop("block_lookup", None)
        self._blocks = blocks
        super().__init__(block_types or [], **kw)

    @cached_property
    def stream_block(self) -> StreamBlock:
        block = SentWhole(list(self._pairs()))
        block.set_meta_options(self.block_opts)
        return block

    def _pairs(self) -> Iterable[tuple[str, Block]]:
        make = import_string(self._blocks) if isinstance(self._blocks, str) and self._blocks else self._blocks
        return make() if make else []

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, _args, kwargs = models.Field.deconstruct(self)
        return name, path, [], kwargs
