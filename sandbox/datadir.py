"""Where the demo keeps everything it makes: database, pictures, mails, clock, logs, secrets."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

HERE = Path(__file__).resolve().parent


def where() -> Path:
    """The folder named by ``KWIGA_DEMO_DIR``, or ``sandbox/var``."""
    return Path(os.environ.get("KWIGA_DEMO_DIR") or HERE / "var").expanduser().resolve()


def data_dir() -> Path:
    """The same folder, made if it is missing."""
    folder = where()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:  # a full disk must not fill up with halves
        draft.unlink(missing_ok=True)
        raise


def kept_secret(folder: Path, name: str) -> str:
    """A secret made once for this folder and kept there, readable by its owner only."""
    path = folder / f"{name}.secret"
    with contextlib.suppress(FileExistsError):
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # of several processes that start at once, one wins
        finally:
            draft.unlink()
    return path.read_text().strip()
