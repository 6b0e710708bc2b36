"""What the package ships for other people's tests: it asks for pytest, says so where it is missing, and brings nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wagtail_kwiga.testing
from tests.processes import environment
from wagtail_kwiga.testing import Answer, ProviderContract

FOLDER = Path(wagtail_kwiga.testing.__file__).parent


def test_without_pytest_it_says_what_to_install():
    run = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['pytest'] = None; import wagtail_kwiga.testing"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert (
        'ImportError: wagtail_kwiga.testing needs pytest and pytest-django: install the extra "testing"' in run.stderr
    )


def test_it_imports_what_the_wheel_brings_and_pytest():
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"django", "pytest", "wagtail_kwiga"}


@pytest.mark.parametrize("missing", ["webhook", "gateway_answers", "gateway_knows"])
def test_what_an_adapters_test_must_write_says_so(missing):
    arguments = {
        "webhook": (None, [], None),
        "gateway_answers": (None, Answer.YES),
        "gateway_knows": (None,),
    }
    with pytest.raises(NotImplementedError, match=missing):
        getattr(ProviderContract(), missing)(*arguments[missing])
