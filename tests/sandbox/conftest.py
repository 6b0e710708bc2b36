"""One demo shop for the tests of this folder: the real command, real processes, real HTTP on a free loopback port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(folder: Path, port: int) -> dict[str, str]:
    """The environment of a fresh clone: no database and no Redis of the test run, data in a folder of its own."""
    ours = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"KWIGA_DEMO_DIR": str(folder), "PORT": str(port), "PYTHONUNBUFFERED": "1"}


#: What is told of the past that the demo has when it opens. Asked then, because other tests move the clock.
PAST = (
    "from wagtail_kwiga.models import *; from sandbox import clock;"
    "print('STATUSES', *sorted(set(Order.objects.values_list('status', flat=True))));"
    "print('NUMBER', Order.objects.count());"
    "print('LIVE', Run.objects.filter(state__in=['active', 'paused']).count());"
    "print('DONE', Run.objects.exclude(state='active').count());"
    "print('WAITING', OutgoingEmail.objects.filter(status__in=['queued', 'leased', 'sending', 'failed']).count());"
    "print('UNKNOWN', OutgoingEmail.objects.filter(status='unknown').count());"
    "print('ATTENTION', TimelineEntry.objects.filter(needs_attention=True, attended_at=None).count());"
    "print('LATER', Order.objects.filter(placed_at__gt=clock.now()).count());"
    "print('BARE', sum(not TimelineEntry.objects.filter(subject_type__model='order', subject_id=o.pk).exists() for o in Order.objects.all()));"
)


@dataclass
class Shop:
    """A running demo."""

    process: subprocess.Popen
    folder: Path
    port: int
    #: The answer to ``PAST``.
    told: str = ""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def manage(self, *words: str, fails: bool = False, given: str = "") -> str:
        """Run a management command of the demo; what it printed."""
        done = subprocess.run(
            [sys.executable, "sandbox/manage.py", *words],
            cwd=ROOT, env=clean_environment(self.folder, self.port), capture_output=True, text=True, input=given,
            timeout=180,
        )  # fmt: skip
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def visitor(self) -> Visitor:
        return Visitor(self)


class Visitor:
    """Somebody with a browser of their own: cookies, links, forms."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.session = requests.Session()
        self.session.trust_env = False

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(self, address: str, status: int = 200, **kw: object) -> BeautifulSoup:
        """The page at ``address`` (a path, or a whole address as it stands in a mail)."""
        answer = self.session.get(self._whole(address), timeout=30, **kw)
        self.answer = answer
        return self._read(status)

    def _read(self, status: int = 200) -> BeautifulSoup:
        page = BeautifulSoup(self.answer.text, "html.parser")
        if self.answer.status_code != status:  # of a page of errors, the words that tell
            told = "\n".join(part.get_text(" ", strip=True) for part in page.select("#summary, #traceback .user"))
            raise AssertionError(
                f"{self.answer.url}: {self.answer.status_code}\n{told[:4000] or self.answer.text[:4000]}"
            )
        return page

    def send(self, page: BeautifulSoup, form: str = "form", button: str = "", **values: str) -> BeautifulSoup:
        """Fill in a form of ``page`` (a CSS selector) and send it, following redirects."""
        tag = page.select_one(form)
        assert tag is not None, page.prettify()[:3000]
        data: dict[str, str] = {}
        for field in tag.select("input[name], select[name], textarea[name]"):
            kind = field.get("type", "")
            if kind in ("checkbox", "radio") and not field.has_attr("checked"):
                continue
            if kind not in ("submit", "button"):
                data[field["name"]] = field.get("value", "on" if kind == "checkbox" else "")
        if button:
            pressed = tag.select_one(button)
            assert pressed is not None, tag.prettify()
            if pressed.get("name"):
                data[pressed["name"]] = pressed.get("value", "")
        data |= values
        # ``Request.url`` and not the form's page: after a redirect relative addresses mean the last one.
        target = requests.compat.urljoin(self.answer.url, tag.get("action") or self.answer.url)
        headers = {"Referer": self.answer.url, "Origin": self.shop.url}
        self.answer = self.session.post(target, data=data, headers=headers, timeout=60)
        return self._read()

    def _whole(self, address: str) -> str:
        return address if address.startswith("http") else self.shop.url + address


def start_shop(folder: Path) -> Shop:
    """``python -m sandbox.demo`` until it says that it is open."""
    port = free_port()
    log = (folder / "demo.out").open("w+b")
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=clean_environment(folder, port), stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    log.close()
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if "is open" in (folder / "demo.out").read_text():
            return Shop(process, folder, port)
        time.sleep(0.2)
    process.kill()
    process.wait()
    raise AssertionError(f"The demo did not start:\n{(folder / 'demo.out').read_text()}")


def stop_shop(shop: Shop) -> int:
    """Ctrl-C, as far as processes go; the exit code."""
    if shop.process.poll() is None:
        shop.process.send_signal(signal.SIGTERM)
    try:
        code = shop.process.wait(timeout=60)
        assert processes_of(shop.folder) == []
        return code
    finally:
        for pid in processes_of(shop.folder):
            os.kill(pid, signal.SIGKILL)


def processes_of(folder: Path) -> list[int]:
    """Processes that work on this data folder (Linux tells them by their environment)."""
    mark = f"KWIGA_DEMO_DIR={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            state = re.search(rb"\) (\w)", (entry / "stat").read_bytes())
        except OSError:
            continue
        if mark in variables and state is not None and state[1] != b"Z":
            found.append(int(entry.name))
    return found


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A demo shop, made and started once for all tests of this folder."""
    running = start_shop(tmp_path_factory.mktemp("demo"))
    running.told = running.manage("shell", "-v", "0", "-c", PAST)
    yield running
    stop_shop(running)


@pytest.fixture
def at_now(shop: Shop) -> Iterator[None]:
    """The shop's clock shows the real time before and after."""
    shop.manage("kwiga_clock", "reset")
    yield
    shop.manage("kwiga_clock", "reset")
