"""The demo as a visitor meets it: one command, real processes, real HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.school import texts
from tests.sandbox.conftest import ROOT, Shop, clean_environment, processes_of, start_shop, stop_shop

pytestmark = pytest.mark.processes

OFFERS = {
    "en": ("/watercolour/", "Watercolour for beginners"),
    "de": ("/de/aquarell/", "Aquarell für Anfänger"),
    "es": ("/es/acuarela/", "Acuarela para principiantes"),
    "pl": ("/pl/akwarela/", "Akwarela dla początkujących"),
    "uk": ("/uk/akvarel/", "Акварель для початківців"),
}
EVERY_STATUS = {"open", "processing", "partly_paid", "paid", "superseded", "cancelled", "expired", "refunded"}


def test_the_home_page_tells_how_to_see_a_recovery(shop: Shop):
    with shop.visitor() as visitor:
        page = visitor.get("/")
        assert len(page.select(".school-steps li")) == 3
        links = {link["href"] for link in page.select("main a")}
        assert {"/watercolour/", "/inbox/", "/admin/"} <= links
        for address in sorted(links):
            visitor.get(address)


@pytest.mark.parametrize("language", OFFERS)
def test_the_offer_in_every_language(shop: Shop, language):
    address, title = OFFERS[language]
    with shop.visitor() as visitor:
        page = visitor.get(address)
        assert page.html["lang"] == language
        assert page.h1.get_text(strip=True) == title
        alternates = {link["hreflang"]: link["href"] for link in page.select('head link[rel="alternate"][hreflang]')}
        expected = {code: f"{shop.url}{path}" for code, (path, _title) in OFFERS.items()}
        assert {code: href for code, href in alternates.items() if code != "x-default"} == expected
        assert page.select_one("form input[name=email]")
        assert "120" in page.get_text()


@pytest.mark.parametrize("language", OFFERS)
def test_the_home_page_in_every_language(shop: Shop, language):
    with shop.visitor() as visitor:
        page = visitor.get("/" if language == "en" else f"/{language}/")
        assert page.html["lang"] == language
        assert page.h1.get_text(strip=True) == texts.texts(language)["home"]["title"]
        assert len(page.select('head link[rel="alternate"][hreflang]')) == 6
        for link in page.select(".school-step__link a"):
            visitor.get(link["href"])


def test_everything_a_page_refers_to_is_served_and_nothing_comes_from_elsewhere(shop: Shop):
    with shop.visitor() as visitor:
        for address in ("/", "/watercolour/", "/course/", "/inbox/"):
            page = visitor.get(address)
            sources = [tag.get("src") or tag.get("href") for tag in page.select("[src], link[href]")]
            sources += [part.split()[0] for tag in page.select("[srcset]") for part in tag["srcset"].split(",")]
            for source in sources:
                assert source.startswith(("/", shop.url)), source
                answer = visitor.session.get(visitor._whole(source), timeout=30)
                assert answer.status_code == 200, source
                assert answer.content
            assert not page.select("[style], style, script:not([src])"), address


def test_the_film_can_be_asked_for_in_pieces(shop: Shop):
    """Safari plays nothing else."""
    with shop.visitor() as visitor:
        page = visitor.get("/watercolour/")
        source = re.search(r"/media/documents/[\w.-]+\.mp4", str(page))[0]
        answer = visitor.session.get(shop.url + source, headers={"Range": "bytes=0-99"}, timeout=30)
        assert answer.status_code == 206
        assert len(answer.content) == 100
        assert answer.headers["Content-Type"] == "video/mp4"


def test_lessons_open_for_buyers_only(shop: Shop):
    lessons = [
        "/course/water-first/",
        "/course/where-colours-meet/",
        "/course/light-is-paper/",
        "/course/a-harbour-in-the-evening/",
    ]
    secret = "as sharp as a cut"
    with shop.visitor() as stranger:
        assert len(stranger.get("/course/").select(".school-lesson--closed")) == 3
        assert secret in stranger.get(lessons[0]).get_text()
        for lesson in lessons[1:]:
            page = stranger.get(lesson)
            assert "This lesson opens for buyers" in page.get_text()
            assert not page.select(".school-prose")
    with shop.visitor() as buyer:
        page = buyer.get("/login/?next=/course/")
        page = buyer.send(page, "main form", username="buyer", password="buyer")
        assert not page.select(".school-lesson--closed")
        for lesson in lessons:
            assert buyer.get(lesson).select_one(".school-prose")
    with shop.visitor() as other:  # logged in, but nobody bought anything with this address
        other.send(other.get("/login/"), "main form", username="editor", password="editor")
        page = other.get(lessons[1])
        assert "This lesson opens for buyers" in page.get_text()
        assert "editor@example.com" in page.get_text()


def test_a_wrong_password_is_told_kindly(shop: Shop):
    with shop.visitor() as visitor:
        page = visitor.send(visitor.get("/login/"), "main form", username="buyer", password="wrong")
        assert page.select_one("[role=alert]")


@pytest.mark.parametrize(("name", "may_sites"), [("admin", True), ("editor", False)])
def test_the_team_gets_into_the_admin(shop: Shop, name, may_sites):
    with shop.visitor() as visitor:
        page = visitor.send(visitor.get("/admin/"), "form", username=name, password=name)
        assert page.select_one("#wagtail-sidebar-props, #wagtail-sidebar, [data-wagtail-sidebar]")
        answer = visitor.session.get(f"{shop.url}/admin/sites/", timeout=30, allow_redirects=False)
        assert (answer.status_code == 200) is may_sites


def test_the_editor_may_publish_what_makes_the_shop(shop: Shop):
    told = shop.manage(
        "shell", "-v", "0", "-c",
        "from wagtail.admin.admin_url_finder import AdminURLFinder; from wagtail_kwiga.models import *;"
        "from django.contrib.auth import get_user_model;"
        "finder = AdminURLFinder(get_user_model().objects.get(username='editor'));"
        "print(*[f'URL {m.__name__} {finder.get_edit_url(o)}' for m in (OfferPage, EmailTemplate, Scenario, Coupon)"
        " for o in m.objects.all()], sep='\\n')",
    )  # fmt: skip
    addresses = [line.split()[1:] for line in told.splitlines() if line.startswith("URL")]
    assert len(addresses) == 6 + 5 + 1 + 3
    with shop.visitor() as editor:
        editor.send(editor.get("/admin/"), "form", username="editor", password="editor")
        for kind, address in addresses:
            page = editor.get(address)
            if kind != "Coupon":
                assert page.select_one("button[name=action-publish]"), (kind, address)
            else:
                assert page.select_one("form [name=code]")


def test_orders_of_the_past_in_every_status_and_three_things_for_a_person(shop: Shop):
    facts = {words[0]: words[1:] for words in map(str.split, shop.told.splitlines()) if words}
    assert set(facts["STATUSES"]) == EVERY_STATUS
    assert 45 <= int(facts["NUMBER"][0]) <= 75
    assert int(facts["LIVE"][0]) >= 2  # have had their mail, and a day to come back
    assert int(facts["DONE"][0]) >= 10
    assert facts["WAITING"] == ["0"]
    assert facts["UNKNOWN"] == ["1"]
    assert int(facts["ATTENTION"][0]) == 3  # an overdue part, money twice, a mail whose delivery is unknown
    assert facts["LATER"] == ["0"]
    assert facts["BARE"] == ["0"]


def test_filling_in_again_changes_nothing(shop: Shop):
    count = (
        "from django.apps import apps;"
        "print({m._meta.label: m.objects.count() for m in apps.get_models() "
        "if m._meta.app_label in ('wagtail_kwiga', 'school', 'wagtailcore', 'wagtailimages', 'auth') "
        "and m.__name__ not in ('Heartbeat', 'RateLimitWindow')})"
    )
    before = shop.manage("shell", "-v", "0", "-c", count)
    assert "Paper Harbour stands" in shop.manage("kwiga_demo")
    assert shop.manage("shell", "-v", "0", "-c", count) == before


def test_reset_asks_first(shop: Shop):
    assert "Nothing was changed" in shop.manage("kwiga_demo", "--reset", fails=True, given="no\n")
    with shop.visitor() as visitor:
        visitor.get("/watercolour/")


@pytest.mark.usefixtures("at_now")
def test_the_clock_command_and_its_bar(shop: Shop):
    assert "not moved" in shop.manage("kwiga_clock")
    with shop.visitor() as visitor:
        assert not visitor.get("/").select(".school-clock")
        assert "31 minutes ahead" in shop.manage("kwiga_clock", "+31m")
        for address in ("/", "/watercolour/", "/course/", "/inbox/", "/login/"):
            assert "31 minutes ahead" in visitor.get(address).select_one(".school-clock").get_text()
        assert "31 Minuten" in visitor.get("/de/aquarell/").select_one(".school-clock").get_text()
        page = visitor.send(visitor.get("/course/"), ".school-clock", "button")
        assert visitor.answer.url == f"{shop.url}/course/"
        assert not page.select(".school-clock")
    assert "not moved" in shop.manage("kwiga_clock")


@pytest.mark.parametrize("wish", ["tomorrow", "+31", "+9999d"])
def test_the_clock_command_refuses_garbage(shop: Shop, wish):
    assert "reset" in shop.manage("kwiga_clock", wish, fails=True)
    assert "not moved" in shop.manage("kwiga_clock")


@pytest.mark.usefixtures("at_now")
def test_moving_the_clock_needs_a_post_from_here(shop: Shop):
    with shop.visitor() as visitor:
        visitor.get("/clock/", status=405)
        assert visitor.session.post(f"{shop.url}/clock/", data={"by": "+31m"}, timeout=30).status_code == 403
        page = visitor.get("/inbox/")
        page = visitor.send(page, ".school-clockcard form", by="rubbish", next="https://elsewhere.example/")
        assert visitor.answer.url == f"{shop.url}/inbox/"
        assert page.select_one(".school-message--error")
    assert "not moved" in shop.manage("kwiga_clock")


@pytest.mark.usefixtures("at_now")
def test_the_story_over_http(shop: Shop):
    """Leave, be reminded, come back for less, pay; and the other one for whom the day is over."""
    shop.manage("shell", "-v", "0", "-c", "from sandbox import mailbox; mailbox.empty()")
    with shop.visitor() as ada, shop.visitor() as ben:
        assert "No mail yet" in ada.get("/inbox/").get_text()
        for visitor, name in ((ada, "Ada Quist"), (ben, "Ben Rowan")):
            page = visitor.get("/watercolour/")
            email = f"{name.split()[0].lower()}@example.com"
            page = visitor.send(page, "form:has(input[name=email])", name=name, email=email, phone="")
            assert visitor.answer.url != f"{shop.url}/watercolour/", page.get_text()[:2000]
        in_writing = _letters(ada, 2)
        for href in in_writing:
            assert "102" not in ada.get(href).select_one("iframe")["srcdoc"]
        page = ada.get("/inbox/")
        page = ada.send(page, ".school-clockcard form", "button[value='+31m']")
        letters = [letter for letter in page.select(".school-letter") if letter["href"] not in in_writing]
        assert len(letters) == 2, page.get_text()
        mine = next(link["href"] for link in letters if "ada@example.com" in link.get_text())
        page = ada.get(mine)
        letter = page.select_one("iframe")["srcdoc"]
        assert "COMEBACK15" in letter and "102" in letter
        assert "allow-scripts" not in str(page.select_one("iframe")["sandbox"])
        text = ada.get(f"{mine}?view=text").select_one("pre").get_text()
        link = re.search(r"http://\S+/shop/resume/\S+", text)[0]
        assert link.split("?")[0] in letter
        assert "List-Unsubscribe-Post" in ada.get(f"{mine}?view=headers").get_text()
        raw = ada.session.get(f"{shop.url}{mine}raw/", timeout=30)
        assert raw.headers["Content-Type"] == "message/rfc822"
        page = ada.get(link)
        assert "102" in page.get_text()
        assert page.select_one("input[name=email]")["value"] == "ada@example.com"
        page = ada.send(page, "form:has(input[name=email])", name="Ada Quist")
        ada.send(page, "form:has(button[value=success])", "button[value=success]")
        assert "Ada" in ada.get(link).get_text() or ada.answer.status_code == 200

        other = next(link["href"] for link in letters if "ben@example.com" in link.get_text())
        theirs = re.search(r"http://\S+/shop/resume/\S+", ben.get(f"{other}?view=text").select_one("pre").get_text())[0]
        page = ben.get("/inbox/")
        page = ben.send(page, ".school-clockcard form", "button[value='+26h']")
        subjects = [letter.get_text() for letter in page.select(".school-letter")]
        assert sum("ben@example.com" in subject for subject in subjects) == 2, "the order in writing, and one reminder"
        page = ben.get(theirs)
        assert "120" in page.get_text()
        assert "102" not in page.get_text()


def _letters(visitor, wanted: int) -> set[str]:
    """Where the letters in the inbox are read, as soon as ``wanted`` have come; the demo's worker sends them within its minute."""
    deadline = time.monotonic() + 120
    while True:
        found = {letter["href"] for letter in visitor.get("/inbox/").select(".school-letter")}
        if len(found) >= wanted or time.monotonic() > deadline:
            assert len(found) == wanted
            return found
        time.sleep(0.5)


def test_the_worker_is_started_again_when_it_dies(shop: Shop):
    def clusters() -> set[int]:
        told = {}
        for pid in processes_of(shop.folder):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                told[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
        return {pid for pid, command in told.items() if b"qcluster" in command}

    before = clusters()
    assert before
    leader = next(pid for pid in before if os.getpgid(pid) == pid)
    os.killpg(leader, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (clusters() - before):
        time.sleep(0.2)
    assert clusters() - before


def test_a_port_in_use_is_told_before_anything_is_done(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=clean_environment(tmp_path, port), capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["soon", "0", "99999"])
def test_a_port_that_is_none_is_told(tmp_path, port):
    environment = clean_environment(tmp_path, 1) | {"PORT": port}
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "is no port" in done.stderr


@pytest.mark.once
def test_a_second_demo_from_the_first_start_to_the_last_process(tmp_path):
    """It listens on loopback only, can be emptied and filled again while it runs, and leaves nobody behind."""
    second = start_shop(tmp_path)
    try:
        assert _listening(second.port) == {"0100007F"}
        assert len(processes_of(tmp_path)) > 2
        with second.visitor() as visitor:
            visitor.get("/watercolour/")
            second.manage(
                "shell", "-v", "0", "-c", "from wagtail.models import Page; Page.objects.get(slug='course').delete()"
            )
            second.manage("kwiga_clock", "+2d")
            visitor.get("/course/", status=404)
            assert "orders" in second.manage("kwiga_demo", "--reset", "--noinput")
            for address in ("/", "/course/", *(address for address, _title in OFFERS.values())):
                assert not visitor.get(address).select(".school-clock")
            assert "No mail yet" in visitor.get("/inbox/").get_text()
            visitor.send(visitor.get("/login/"), "main form", username="buyer", password="buyer")
            assert not visitor.get("/course/").select(".school-lesson--closed")
    finally:
        code = stop_shop(second)
    assert code == 0
    assert processes_of(tmp_path) == []
    assert not re.search("warning|traceback|delivery unknown", (tmp_path / "demo.out").read_text(), re.IGNORECASE)
    for name in ("web", "worker"):
        assert not re.search("Warning:|Traceback", (tmp_path / "logs" / f"{name}.log").read_text()), name


def _listening(port: int) -> set[str]:
    """The addresses on which somebody listens on ``port``, in the notation of /proc/net."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, _remote, state = line.split()[1:4]
            address, its_port = local.rsplit(":", 1)
            if state == "0A" and int(its_port, 16) == port:
                found.add(address)
    return found
