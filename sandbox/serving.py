"""``python -m sandbox.serving PORT LOG``: prepare what is missing, then serve the site on the loopback interface.

One process does both, because half of the time until a site is up goes into reading its code. Preparing talks to the terminal;
from then on everything goes to the log.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.datadir import HERE

HOST = "127.0.0.1"
#: Exit code for: it could not be prepared, and the terminal has been told why.
UNPREPARED = 3


def main(port: int, log: Path) -> int:
    """Prepare and serve until a signal ends the process; an exit code if it cannot."""
    try:
        prepare()
    except Exception as fault:
        from django.core.exceptions import ImproperlyConfigured

        # Settings that cannot work are told in words; of anything else, where it happened matters.
        print(
            f"\n{fault}" if isinstance(fault, ImproperlyConfigured) else f"\n{traceback.format_exc()}", file=sys.stderr
        )
        return UNPREPARED
    _talk_to(log)
    import waitress

    from sandbox.wsgi import application

    waitress.serve(application, listen=f"{HOST}:{port}", threads=8)
    return 0


def prepare() -> None:
    """Bring the database up to date and fill in demo content where there is none; says what it does and how long it takes."""
    with _rare_collections(), _step("Reading the code"):
        import django

        django.setup()
    from django.core.management import call_command
    from django.db import connections

    from sandbox.school.management.commands import kwiga_demo

    with _painter() as paint, _rare_collections():
        with _step("Preparing the database"):
            call_command("migrate", interactive=False, verbosity=0)
        with _step("Setting up schedules, groups and the school"):
            call_command("kwiga_setup", verbosity=0, stdout=io.StringIO())
            kwiga_demo.fill(paint=paint)
    connections.close_all()


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Within the block garbage is collected seldom, and never looked for in what is there already.

    Migrations build thousands of model classes: with Python's own thresholds a fifth of their time goes into looking for garbage
    among them. Not switched off, for that would take 300 MB more.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
        gc.collect()


@contextlib.contextmanager
def _painter() -> Iterator[Callable[[str], bytes]]:
    """Whoever paints the pictures: where all are missing, a process of its own that does while the database is prepared."""
    from django.conf import settings

    from sandbox.school import washes

    if (settings.MEDIA_ROOT / "original_images").exists():
        yield washes.picture
        return
    studio = settings.DATA_DIR / "studio"
    process = subprocess.Popen([sys.executable, "-m", "sandbox.school.washes", str(studio)], cwd=HERE.parent)

    def paint(name: str) -> bytes:
        return (studio / f"{name}.jpg").read_bytes() if process.wait() == 0 else washes.picture(name)

    try:
        yield paint
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(studio, ignore_errors=True)


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{what} …", end=" ", flush=True)
    yield
    print(f"done ({time.monotonic() - began:.0f} s).", flush=True)


def _talk_to(log: Path) -> None:
    """From here on, standard output and errors go to the end of ``log``, those of libraries too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
