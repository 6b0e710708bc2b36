"""``python tether.py COMMAND …``: runs one command, and ends it when whoever wants it is gone.

The demo starts its children through this little process, each in a process group of its own. It holds one end of a pipe as its
standard input, and the demo the other: however the demo ends, be it by SIGKILL, the pipe closes, and the command is stopped
with everything it started. SIGTERM, SIGINT and SIGHUP stop the command too.

Uses the standard library only and is run as a file, so that it is there at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

#: Seconds that a command gets to end by itself; the worker may be in the middle of a sweep.
GRACE = 20.0


class Stop:
    """Remembers that SIGTERM, SIGINT or SIGHUP came, and wakes whoever waits; further ones change nothing.

    The handlers never raise: an exception could come between the start of a child and the note that it is there, or in the
    middle of ending the children, and leave somebody behind.
    """

    def __init__(self) -> None:
        self.asked = False
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        # Through a socket, because a signal that comes just before ``select`` would otherwise not end it.
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, _wake)

    def ignore_the_rest(self) -> None:
        """For the very end: as Python ends it puts the default action in the place of handlers, and one more would kill.

        Held back and not ignored: where one has come and its handler has not run yet, Python complains of a handler that is gone
        (*Signal 15 ignored due to race condition*). This process has one thread, so none else takes them.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))

    def _ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float | None, *others: int) -> list[int]:
        """Wait until a signal comes (also when a child has ended), one of ``others`` can be read, or the time is over.

        ``others`` are file descriptors; returns those that can be read. With ``None`` there is no limit of time. Once a stop
        was asked for, returns at once.
        """
        if self.asked:
            return []
        ready, _, _ = select.select([self._woken, *others], [], [], seconds)
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(1024)
        return [one for one in ready if one is not self._woken]


def _wake(*_: object) -> None:
    """A handler that does nothing: without one, the signal would not write to the wakeup socket."""


def main(command: Sequence[str]) -> int:
    """Run ``command`` until it ends, a signal comes, or standard input is closed; its exit code."""
    stop = Stop()
    child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    while child.poll() is None and not stop.asked and not _is_forsaken():
        stop.wait(None, 0)
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE)
    if _is_forsaken() and os.getpgrp() == os.getpid():  # nobody else will end what the command left behind
        os.killpg(0, signal.SIGKILL)
    if child.poll() is None:
        child.kill()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _is_forsaken() -> bool:
    """Whether the other end of standard input is closed."""
    ready, _, _ = select.select([0], [], [], 0)
    return bool(ready) and not os.read(0, 1024)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
