"""StreamFields whose blocks a site may add to, and which never enter a migration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.functional import cached_property
from wagtail.blocks import Block, StreamBlock
from wagtail.fields import StreamField


class OpenStreamField(StreamField):
    """A StreamField that builds its blocks when they are first needed.

    ``blocks`` is a callable returning ``(name, block)`` pairs. Hooks cannot be read while models load, and a site's hook
    must never make a migration inside this package, so neither the callable nor the blocks appear in migrations.
    """

    def __init__(
        self, block_types: Any = (), *, blocks: Callable[[], Iterable[tuple[str, Block]]] | None = None, **kw: Any
    ):
        kw.pop("block_lookup", None)
        self._blocks = blocks
        super().__init__(block_types or [], **kw)

    @cached_property
    def stream_block(self) -> StreamBlock:
        block = StreamBlock(list(self._blocks()) if self._blocks else [])
        block.set_meta_options(self.block_opts)
        return block

    def deconstruct(self) -> tuple[str, str, list, dict]:
        from django.db import models

        name, path, _args, kwargs = models.Field.deconstruct(self)
        return name, path, [], kwargs
