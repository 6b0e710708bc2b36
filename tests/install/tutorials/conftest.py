"""A site in which the tutorials were followed to the letter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.install.conftest import must
from tests.install.tutorials.reading import TUTORIALS, paste, samples, section, typed

SCRIPTS = Path(__file__).parent / "scripts"
INSTALL = (TUTORIALS / "install-into-an-existing-site.md").read_text()
RECOVERY = (TUTORIALS / "first-recovery.md").read_text()
#: How a script of ours runs in the site.
START = "import django, runpy, sys; django.setup(); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


@dataclass
class Reader:
    """Somebody who does what stands in the tutorial, on a machine of their own."""

    clone: Path
    folder: Path
    python: Path

    def environment(self) -> dict[str, str]:
        """A shell in which the site's virtual environment is active."""
        return {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}

    def run(self, command: str, **environment: str) -> str:
        """One line of a shell, where the tutorial says that it is typed; what it printed."""
        place = self.clone if re.match(r"make |pip install dist/", command) else self.folder
        return must("bash", "-c", command, cwd=place, **self.environment(), **environment)

    def follow(self, text: str, *, but: tuple[str, ...] = ()) -> dict[str, str]:
        """All files and commands of a part of a tutorial, in its order; what each command printed.

        ``but`` begins commands that run until they are stopped, and are started otherwise.
        """
        printed = {}
        for sample in samples(text):
            if sample.file:
                paste(sample, self.folder)
                continue
            for line in sample.text.splitlines():
                if not line.startswith(but or ("\0",)):
                    printed[line] = self.run(*self._answered(line))
        return printed

    @staticmethod
    def _answered(line: str) -> tuple[str]:
        """``createsuperuser`` asks a person; here the answers come with it."""
        if "createsuperuser" in line:
            answers = "DJANGO_SUPERUSER_USERNAME=admin DJANGO_SUPERUSER_EMAIL=admin@example.com DJANGO_SUPERUSER_PASSWORD=admin"
            return (f"{answers} {line} --noinput",)
        return (line,)

    def walk(self, script: str, *arguments: str) -> dict[str, Any]:
        """What a script of ours found on the site."""
        told = must(
            self.python, "-Wignore", "-c", START, SCRIPTS / f"{script}.py", *arguments, cwd=self.folder,
            DJANGO_SETTINGS_MODULE="mysite.settings.dev", PYTHONPATH=f"{self.folder}{os.pathsep}{SCRIPTS}",
        )  # fmt: skip
        return json.loads(told.splitlines()[-1])


@pytest.fixture(scope="session")
def reader(clone, python, tmp_path_factory) -> Reader:
    """Before the first step: a site as ``wagtail start mysite`` makes it, in an environment with Wagtail."""
    place = tmp_path_factory.mktemp("tutorial")
    must(python.with_name("wagtail"), "start", "mysite", cwd=place)
    return Reader(clone, place / "mysite", python)


@pytest.fixture(scope="session")
def installed(reader) -> dict[str, str]:
    """Step 1; what each command printed."""
    return reader.follow(section(INSTALL, "1. Install"))


@pytest.fixture(scope="session")
def worker(reader, installed, tmp_path_factory) -> Iterator[Path]:
    """Step 2: the worker runs in a terminal of its own. The file with what it prints."""
    (line,) = (
        line
        for sample in samples(section(INSTALL, "2. Start the site and its worker"))
        for line in sample.text.splitlines()
        if "kwiga_work" in line
    )
    terminal = tmp_path_factory.mktemp("terminal") / "worker.log"
    environment = {key: text for key, text in os.environ.items() if key not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}}
    environment |= {**reader.environment(), "PYTHONUNBUFFERED": "1"}
    with terminal.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=reader.folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield terminal
        finally:
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture(scope="session")
def sold(reader, worker) -> dict[str, Any]:
    """Steps 3 to 6."""
    seller = section(INSTALL, "3. Say who sells, and where")
    told = typed(seller)
    given = {
        "site": {"Port": told.pop("Port")},
        "seller": told,
        "product": typed(section(INSTALL, "4. Make a product")),
        "offer": typed(section(INSTALL, "5. Make an offer page")),
    }
    return reader.walk("selling", json.dumps(given))


@pytest.fixture(scope="session")
def let_in(reader, sold) -> dict[str, Any]:
    """Step 7."""
    text = section(INSTALL, "7. Let buyers in")
    reader.follow(text)
    (address,) = re.findall(r"add a user with the address `([^`]+)`", text)
    return reader.walk("letting_in", json.dumps(address))


def wait_for(path: Path, words: str, seconds: float = 60) -> str:
    """What a terminal shows once these words are in it; ``AssertionError`` where they do not come."""
    until = time.monotonic() + seconds
    while words not in (shown := path.read_text()):
        assert time.monotonic() < until, shown[-3000:]
        time.sleep(0.5)
    return shown


# --- the second tutorial, on the site of the first ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def left_unpaid(reader, let_in) -> dict[str, Any]:
    """*In one form*, and an order that is left at the payment."""
    return reader.walk("recovering", "start")


@pytest.fixture(scope="session")
def half_an_hour_later(reader, left_unpaid) -> str:
    """What the terminal shows after the command that moves the clock."""
    printed = reader.follow(section(RECOVERY, "See it happen"))
    (shown,) = printed.values()
    return shown


@pytest.fixture(scope="session")
def came_back(reader, half_an_hour_later) -> dict[str, Any]:
    """What somebody sees who follows the button of the mail, orders and pays; and what the seller sees then."""
    return reader.walk("recovering", "back", resume_link(half_an_hour_later, "lin@example.com"))


@pytest.fixture(scope="session")
def by_hand(reader, came_back) -> dict[str, Any]:
    """*The same by hand*, and an order of that offer that is left at the payment."""
    given = {
        "list": typed(section(RECOVERY, "1. A contact list")),
        "coupon": typed(section(RECOVERY, "2. A coupon")),
        "email": typed(section(RECOVERY, "4. An e-mail"))["Title"],
        "scenario": {"Title": typed(section(RECOVERY, "5. A scenario"))["Title"]},
    }
    return reader.walk("by_hand", json.dumps(given))


def mails(printed: str) -> list[EmailMessage]:
    """The mails that Django's console backend has printed."""
    found = re.findall(r"^Content-Type: .*?(?=^-{79}$)", printed, re.MULTILINE | re.DOTALL)
    return [message_from_string(one, policy=policy.default) for one in found]


def mail_to(printed: str, address: str) -> EmailMessage:
    """The last mail to an address among what was printed; before it only the one that puts the order in writing."""
    *before, found = [one for one in mails(printed) if address in str(one["To"])]
    assert all(one["Subject"].startswith("Your order") for one in before)
    return found


def resume_link(printed: str, address: str) -> str:
    """Where the button leads in the mail to somebody."""
    (found,) = re.findall(r"http://\S+/shop/resume/\S+", mail_to(printed, address).get_body(("plain",)).get_content())
    return found
