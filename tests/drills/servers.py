"""Servers of a drill's own, which it may stop, kill and start again: SMTP, PostgreSQL, Redis. All on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.processes import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A folder in memory where there is one; readable by the user as whom PostgreSQL runs."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix=f"kwiga-drill-{name}-", dir=parent, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# --- mail -----------------------------------------------------------------------------------------------------------------------


class MailServer:
    """What arrived, as (Message-ID, recipient), in the order of arrival."""

    def __init__(self, port: int, file: Path) -> None:
        self.port, self.file = port, file

    def arrived(self) -> list[tuple[str, str]]:
        text = self.file.read_text() if self.file.exists() else ""
        return [tuple(line.split(" ", 1)) for line in text[: text.rfind("\n") + 1].splitlines()]

    def recipients(self) -> list[str]:
        return [recipient for _message_id, recipient in self.arrived()]


@contextmanager
def mail_server(folder: Path, *, seconds: float = 0.02) -> Iterator[MailServer]:
    """``seconds``: for how long each mail keeps its sender waiting."""
    file = folder / "arrived.txt"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.drills.mailserver", str(file), str(seconds)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield MailServer(int(process.stdout.readline()), file)
    finally:
        process.kill()
        process.communicate()


# --- PostgreSQL -----------------------------------------------------------------------------------------------------------------


def find_postgres() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl``; the same places as in ``.ci/lib.sh``, newest first."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    for parent in ("/opt/homebrew/opt", "/usr/local/opt"):
        known += sorted(Path(parent).glob("postgresql*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    known += [Path(on_path).parent] if on_path else []
    return next((path for path in known if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


class Postgres:
    """A PostgreSQL server whose database is a copy of the test's."""

    def __init__(self, folder: Path) -> None:
        self.bin = find_postgres()
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        self.as_owner = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []  # it refuses to run as root
        if self.as_owner:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--encoding=UTF8", "--no-locale", "-N")

    def _run(self, program: str, *arguments: object) -> None:
        with (self.folder.parent / f"{self.folder.name}.log").open(
            "a+"
        ) as log:  # never a pipe: the server would keep it open
            done = subprocess.run(
                [*self.as_owner, str(self.bin / program), *map(str, arguments)],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=300,
            )  # fmt: skip
            log.seek(0)
            assert done.returncode == 0, f"{program} failed:\n{log.read()[-3000:]}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c max_connections=60"
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-t", "120", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """``fast`` ends every session in order; ``immediate`` is a crash, after which the log is replayed."""
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "120", "-m", how, "stop")

    def copy(self) -> None:
        """Take over schema and rows of the database of the test."""
        given = connection.settings_dict
        environment = {**os.environ, "PGPASSWORD": given["PASSWORD"] or ""}
        login = ["-h", given["HOST"], "-p", str(given["PORT"] or 5432), "-U", given["USER"]]
        dump = subprocess.run(
            [self.bin / "pg_dump", *login, "--no-owner", "--no-privileges", given["NAME"]],
            env=environment, capture_output=True, timeout=300,
        )  # fmt: skip
        assert dump.returncode == 0, dump.stderr.decode()
        target = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        filled = subprocess.run(
            [self.bin / "psql", *target, "-q", "-X", "-v", "ON_ERROR_STOP=1", "--single-transaction"],
            input=dump.stdout, capture_output=True, timeout=300,
        )  # fmt: skip
        assert filled.returncode == 0, filled.stderr.decode()


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A running copy of the test's database, which the test and its processes use within the block in place of the given one."""
    with _folder("pg") as parent:
        folder = parent / "server"
        folder.mkdir()
        server = Postgres(folder)
        server.start()
        given = {name: connection.settings_dict[name] for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD")}
        try:
            server.copy()
            connection.close()
            connection.settings_dict.update({
                "HOST": "127.0.0.1", "PORT": server.port, "NAME": "postgres", "USER": "postgres", "PASSWORD": "",
            })  # fmt: skip
            yield server
        finally:
            connection.close()
            connection.settings_dict.update(given)
            if (server.data / "postmaster.pid").exists():
                server.stop("immediate")


# --- Redis ----------------------------------------------------------------------------------------------------------------------


class Redis:
    """A Redis that keeps nothing on disk: killed and started again, it has forgotten all."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen | None = None

    def client(self):
        from redis import Redis as Client

        return Client.from_url(self.url)

    def start(self) -> None:
        from redis.exceptions import ConnectionError

        from tests.drills.crew import until

        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def answers() -> bool:
            with self.client() as client:
                try:
                    return client.ping()
                except ConnectionError:
                    return False

        until(answers, "Redis answers")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def flush(self, key: str) -> int:
        """Forget all; returns how many tasks were waiting under ``key``."""
        with self.client() as client, client.pipeline() as both:
            return both.llen(key).flushdb().execute()[0]


@contextmanager
def own_redis() -> Iterator[Redis]:
    with _folder("redis") as folder:
        server = Redis(folder)
        try:
            server.start()
            yield server
        finally:
            server.kill()
