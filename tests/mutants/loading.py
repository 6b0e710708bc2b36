"""pytest plugin: loads one module from another text, and runs only the tests named, in their order.

For mutants whose change takes effect while the module is loaded, and to confirm that a mutant survives. The text comes
from a file elsewhere; nothing is written where the module lives, and no byte code of it is kept.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path

JOB = "KWIGA_MUTANT"


class _Loader(SourceFileLoader):
    """Reads another text than that of the file, and neither reads nor writes byte code."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str):
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=_Loader(fullname, spec.origin, self.text)
        )


def pytest_collection_modifyitems(config, items):
    wanted = {nodeid: place for place, nodeid in enumerate(_job["tests"])}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in wanted])
    items[:] = sorted((item for item in items if item.nodeid in wanted), key=lambda item: wanted[item.nodeid])


_job = json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))
sys.meta_path.insert(0, _Finder(_job["module"], _job["source"]))
