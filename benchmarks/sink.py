"""An SMTP server in a process of its own, which takes every mail and keeps none.

``python -m benchmarks.sink`` prints the port on which it listens, and ends when its standard input does.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running() -> Iterator[int]:
    """The port of a sink that runs as long as the block."""
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        try:
            yield int(child.stdout.readline())
        finally:
            child.stdin.close()
            child.wait(timeout=30)


class _Taker:
    async def handle_DATA(self, server, session, envelope) -> str:
        return "250 taken"


def main() -> None:
    from aiosmtpd.controller import Controller

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(_Taker(), hostname="127.0.0.1", port=port)
    controller.start()
    print(port, flush=True)
    sys.stdin.read()
    controller.stop()


if __name__ == "__main__":
    main()
