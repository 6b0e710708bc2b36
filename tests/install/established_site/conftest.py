"""A site that was there, full and in use, before the shop came; and the README applied to it.

It is what ``wagtail start`` makes with the files of ``overlay`` on top, migrated and filled by ``scripts/fill.py``. What
visitors and staff find is recorded by ``scripts/record.py`` before anything of ours is named in it, and again afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.install.conftest import Site, must, readme_lines
from tests.install.established_site.browsing import Tab
from tests.journeys.desk import ARGUMENTS
from tests.mailing.smtp_servers import CERTIFICATE

HERE = Path(__file__).parent
PEOPLE = HERE.parent / "difficult_site" / "overlay" / "people"
SETTINGS = "shop.settings.established"
START = "import django, runpy, sys; django.setup(); runpy.run_path(sys.argv[1], run_name='__main__')"


class EstablishedSite(Site):
    """Run with its own settings; the README's lines are pasted at the end of those."""

    #: Where its mail goes, once there is a server for it.
    smtp_port = 25

    @property
    def environment(self) -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": SETTINGS, "ATELIER_SMTP_PORT": str(self.smtp_port)}

    def manage(self, *arguments: str, **environment: str):
        return super().manage(*arguments, **{**self.environment, **environment})

    def tell(self, script: str, *arguments: str, **environment: str) -> Any:
        """What a script of ours prints on its last line, as JSON."""
        given = {**self.environment, **environment}
        told = must(self.python, "-Wignore", "-c", START, f"{script}.py", *arguments, cwd=self.folder, **given)
        return json.loads(next(line for line in reversed(told.splitlines()) if line.startswith(("{", "["))))

    def _add_settings(self, block: str) -> None:
        path = self.folder / "shop" / "settings" / "established.py"
        path.write_text(f"{path.read_text()}\n\n{block}")

    def recorded(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    @property
    def faults(self) -> str:
        """What was logged as an error."""
        return (self.folder / "faults.log").read_text()


@pytest.fixture(scope="session")
def before(python, empty, tmp_path_factory) -> EstablishedSite:
    """The site in use, without anything of ours."""
    folder = tmp_path_factory.mktemp("established") / "site"
    shutil.copytree(empty, folder)
    shutil.rmtree(folder / "search")
    shutil.copytree(PEOPLE, folder / "people")
    shutil.copytree(HERE / "overlay", folder, dirs_exist_ok=True)
    for script in (HERE / "scripts").glob("*.py"):
        shutil.copy(script, folder)
    site = EstablishedSite(folder, python)
    site.tell("fill")
    site.tell("record", "before.json")
    return site


@pytest.fixture(scope="session")
def installed(before) -> EstablishedSite:
    """The same with the README's lines and commands, and nothing else."""
    settings, _ = readme_lines()
    before.apply(without="" if "not in INSTALLED_APPS" in settings else "wagtail.contrib.settings")  # which is there
    told = before.must("check")
    assert "no issues" in told, told
    before.must("migrate", "--verbosity", "0")
    before.must("kwiga_setup")
    before.must("collectstatic", "--noinput", "--verbosity", "0")
    before.tell("record", "after.json")
    return before


#: What the tutorial says to write for trying out, and a clock that the tests can put forward.
SELLING = """
WAGTAIL_KWIGA = {
    "PAYMENT_PROVIDERS": {
        "transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
        "card": {
            "class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider",
            "enabled": True,
            "secret": "only for trying out",
        },
    },
    "CLOCK": "shop.clock.now",
}
SILENCED_SYSTEM_CHECKS = ["wagtail_kwiga.E006"]  # a gateway that gives goods away, on a public site
"""


class Letterbox:
    """Keeps every mail that a server is handed."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 kept"

    def to(self, address: str) -> list[EmailMessage]:
        return [each for each in self.messages if address in each["To"]]


@pytest.fixture(scope="session")
def letterbox() -> Iterator[tuple[Letterbox, int]]:
    """A mail server on loopback, and its port."""
    kept = Letterbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


@pytest.fixture(scope="session")
def selling(installed, letterbox, tmp_path_factory) -> EstablishedSite:
    """A copy with ways to pay, an offer page that went through moderation, and a recovery. ``made.json`` tells of it."""
    folder = tmp_path_factory.mktemp("selling") / "site"
    shutil.copytree(installed.folder, folder)
    shutil.copy(PEOPLE.parents[1] / "scripts" / "visiting.py", folder)
    site = EstablishedSite(folder, installed.python)
    site.smtp_port = letterbox[1]
    site._add_settings(SELLING)
    (folder / "made.json").write_text(json.dumps(site.tell("make")))
    return site


@pytest.fixture(scope="session")
def bought(selling) -> Any:
    """What ``scripts/buy.py`` found: an order that was paid by bank transfer."""
    return selling.tell("buy")


@contextmanager
def served(site: EstablishedSite, folder: Path) -> Iterator[int]:
    """The port at which the site is served, over TLS; ``folder`` is for the certificate."""
    certificate = folder / "atelier.pem"
    certificate.write_text(CERTIFICATE)
    command = [str(site.python), "-Wignore", "-c", START, "serve.py", str(certificate)]
    environment = {**os.environ, **site.environment, "PYTHONPATH": ""}
    with subprocess.Popen(command, cwd=site.folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


@contextmanager
def opened(playwright: Playwright, chromium: str, port: int) -> Iterator[Browser]:
    """Chromium, for which atelier.example is the site at ``port``, and nobody else is there."""
    here = f"--host-resolver-rules=MAP atelier.example:443 127.0.0.1:{port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, here])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def playwright_here() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium_there(selling, playwright_here, chromium, tmp_path_factory) -> Iterator[Browser]:
    """A browser for the site that sells."""
    with served(selling, tmp_path_factory.mktemp("tls")) as port, opened(playwright_here, chromium, port) as browser:
        yield browser


@pytest.fixture
def tab(chromium_there) -> Iterator[Tab]:
    """One visitor with cookies of its own."""
    context = chromium_there.new_context(locale="en-GB", ignore_https_errors=True)
    yield Tab(context)
    context.close()
