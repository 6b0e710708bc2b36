"""Fixtures of all tests, and the rule about tests that a run cannot have.

A test says by a marker what it needs. Where the run does not have it, the test is *de-selected*, counted and reported
in the summary. So a skip is always something unforeseen, and with ``KWIGA_NO_SKIPS=1`` (continuous integration) a
skip is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections import Counter
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone, translation
from hypothesis import settings as hypothesis_settings

from tests import migrated_database
from tests.drills.servers import find_postgres

ROOT = Path(__file__).resolve().parents[1]
_left_out: Counter[str] = Counter()

# A busy machine is no fault of the code: examples are counted, not timed.
hypothesis_settings.register_profile("kwiga", deadline=None)
# For the second look at the same rules on another pairing of Wagtail and database.
hypothesis_settings.register_profile("kwiga-few", deadline=None, max_examples=15)
hypothesis_settings.load_profile(os.environ.get("KWIGA_HYPOTHESIS", "kwiga"))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run the tests marked long")
    parser.addoption(
        "--leave-out-once", action="store_true", help="leave out the tests marked once: another run has them"
    )
    parser.addoption(
        "--install-wagtail", default="", metavar="7.4", help="install the wheel into an empty site of this Wagtail"
    )


def _reasons(config) -> dict[str, str]:
    """marker → why this run leaves its tests out."""
    vendor = django_settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    out = {}
    if vendor != "postgresql":
        out["postgres"] = "the database is not PostgreSQL"
    if vendor != "sqlite3":
        out["sqlite"] = "the database is not SQLite"
    if not os.environ.get("REDIS_URL"):
        out["redis"] = "REDIS_URL is not set"
    if not find_postgres():
        out["pgserver"] = "no initdb and pg_ctl found"
    if not find_chromium():
        out["browser"] = "no Chromium found"
    if not shutil.which("xgettext"):
        out["gettext"] = "no GNU gettext found"
    if not find_spec("wagtail.api.v3"):
        out["api3"] = "this Wagtail has no API v3"
    if not config.getoption("--long"):
        out["long"] = "only with --long"
    if config.getoption("--leave-out-once"):
        out["once"] = "left to the other whole run"
    if not config.getoption("--install-wagtail"):
        out["install"] = "only with --install-wagtail"
    lowest = f"wagtail>={config.getoption('--install-wagtail') or 'none'}"
    if lowest not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        out["lowest"] = "only with --install-wagtail and the oldest Wagtail that pyproject.toml allows"
    if not has_baseline():
        out["history"] = "no git history with the commit of tests/install/baseline.toml"
    return out


def has_baseline() -> bool:
    """Whether the commit that upgrades are tried from can be had here. A shallow clone, or an archive, has it not."""
    commit = tomllib.loads((ROOT / "tests" / "install" / "baseline.toml").read_text())["commit"]
    git = shutil.which("git")
    look = [git or "", "-C", str(ROOT), "cat-file", "-e", f"{commit}^{{commit}}"]
    return bool(git) and subprocess.run(look, check=False, capture_output=True).returncode == 0


def find_chromium() -> str:
    """Where Chromium is, or an empty string. ``KWIGA_CHROMIUM`` names one that is not on the path."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    given = os.environ.get("KWIGA_CHROMIUM", "")
    return given or next(filter(None, map(shutil.which, names)), "") or (mac if os.path.exists(mac) else "")


#: Whole folders and files of tests that are marked ``once``.
_ONCE = (
    "tests/architecture/",
    "tests/attacks/test_permissions.py",
    "tests/install/established_site/test_content_security.py",
    "tests/install/established_site/test_own_base.py",
    "tests/install/test_uninstall.py",
    "tests/install/test_wheel.py",
    "tests/install/tutorials/",
    "tests/journeys/test_axe_admin.py",
    "tests/journeys/test_axe_visitors.py",
    "tests/journeys/test_styles_browser.py",
    "tests/journeys/test_video_browser.py",
    "tests/mutants/",
    "tests/payments/test_contract_finds.py",
    "tests/pricing/",
    "tests/sandbox/test_stopping.py",
    "tests/test_benchmarks.py",
    "tests/test_migrated_database.py",
)
_ROOT = Path(__file__).resolve().parent.parent


def _mark_once(items) -> None:
    for item in items:
        if item.path.relative_to(_ROOT).as_posix().startswith(_ONCE):
            item.add_marker("once")


#: Files that take longest begin first: with several workers a file that begins last is what everybody waits for. Behind them
#: the order is random (pytest-randomly), and a file stays with one worker.
_LONG_FIRST = (
    "tests/journeys/test_axe_admin.py",
    "tests/sandbox/test_demo_site.py",
    "tests/drills/",
    "tests/properties/",
    "tests/mailing/sending/test_killed_workers.py",
    "tests/journeys/test_axe_visitors.py",
    "tests/coupons/test_race.py",
    "tests/payments/test_ledger_machine.py",
    "tests/coupons/test_machine.py",
    "tests/journeys/",
)


def _long_first(items) -> None:
    def rank(item) -> int:
        path = item.path.relative_to(_ROOT).as_posix()
        return next((number for number, start in enumerate(_LONG_FIRST) if path.startswith(start)), len(_LONG_FIRST))

    items.sort(key=rank)


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(config, items):
    _long_first(items)
    _keep_initial_data(items)
    _mark_once(items)
    reasons = _reasons(config)
    kept, dropped = [], []
    for item in items:
        marker = next((name for name in reasons if item.get_closest_marker(name)), None)
        if marker is None:
            kept.append(item)
        else:
            dropped.append(item)
            _left_out[f"{marker} ({reasons[marker]})"] += 1
    if dropped:
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)


def _is_transactional(item) -> bool:
    marker = item.get_closest_marker("django_db")
    return bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))) or (
        marker is not None and bool(marker.kwargs.get("transaction") or (marker.args and marker.args[0]))
    )


def _keep_initial_data(items) -> None:
    """What migrations put into the database (root page, site, permissions) must outlive tests that really commit.

    Such a test is flushed at its end, and ``pytest_runtest_teardown`` below loads the initial data again at once, so that any
    other test may follow, in whatever order xdist hands them out. With the mark set here Django does not have ``migrate`` make
    content types and permissions anew after the flush; what it would load once more before the test, ``django_db_setup`` has
    put away.
    """
    for item in items:
        if _is_transactional(item):
            marker = item.get_closest_marker("django_db")
            given = {**(marker.kwargs if marker else {}), "transaction": True, "serialized_rollback": True}
            item.add_marker(pytest.mark.django_db(**given), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    result = yield
    keeps = nextitem is not None or item.config.getoption("reuse_db")  # after the last test the database itself is gone
    if _is_transactional(item) and keeps:
        with _blocker[0].unblock():
            connection.creation.deserialize_db_from_string(item.config.stash[_INITIAL_DATA])
    return result


_blocker: list = []


@pytest.fixture(scope="session", autouse=True)
def _remember_blocker(django_db_blocker):
    _blocker.append(django_db_blocker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if os.environ.get("KWIGA_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, and this run may not skip anything: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if os.environ.get("KWIGA_NO_SKIPS") == "1" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"Skipped while collecting, and this run may not skip anything: {report.longrepr}"
    return report


class _FromWorkers:
    """With xdist the workers select; the controller only adds up what they tell at their end."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        for reason, number in getattr(node, "workeroutput", {}).get("left_out", {}).items():
            _left_out[reason] = max(_left_out[reason], number)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_FromWorkers(), "kwiga-from-workers")


def pytest_sessionfinish(session):
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(_left_out)


def pytest_terminal_summary(terminalreporter):
    played = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "histories" and report.when == "call"
    ]
    if played:
        terminalreporter.section("generated histories")
        terminalreporter.line(f"{sum(played):,} histories played in {len(played)} tests (tests/properties)")
    if _left_out:
        terminalreporter.section("not part of this run")
        for reason, number in sorted(_left_out.items()):
            terminalreporter.line(f"{number:5d} tests marked {reason}")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, request):
    """A migrated database is kept and begun with (``tests.migrated_database``)."""
    if connection.vendor != "sqlite":
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(migrated_database.kept(connection, migrated_database.FOLDER))
        request.config.stash[_KEEP] = stack
        yield


_KEEP = pytest.StashKey[ExitStack]()
#: What migrations have put into the database, as JSON.
_INITIAL_DATA = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker, request):
    """PostgreSQL drops no database while somebody is in it, and the session of a process that a test has just killed
    may take a moment to notice."""
    if (stack := request.config.stash.get(_KEEP, None)) is not None:
        stack.close()
    if contents := getattr(connection, "_test_serialized_contents", None):  # where a test of this run asks for it
        rows = json.loads(contents)
        # Content types first: whatever is loaded before them might make them anew, under other keys.
        rows.sort(key=lambda row: row["model"] != "contenttypes.contenttype")
        request.config.stash[_INITIAL_DATA] = json.dumps(rows)
        connection._test_serialized_contents = "[]"
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True)
def _clean_cache():
    """Site root paths and the like are cached; a test must not see another's."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(scope="session")
def _queue_in_redis():
    """The broker of this worker's queue where that is in Redis."""
    if not os.environ.get("REDIS_URL"):
        return None
    from django_q.brokers import get_broker

    return get_broker()


@pytest.fixture(autouse=True)
def _own_queue(_queue_in_redis):
    """A queue in the database is rolled back with its test; one in Redis has to be emptied."""
    yield
    if _queue_in_redis is not None:
        _queue_in_redis.purge_queue()


@pytest.fixture(autouse=True)
def _own_language_and_zone():
    """A request leaves its language and zone active in the thread; tests run in any order."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(autouse=True)
def _media(tmp_path, settings):
    settings.MEDIA_ROOT = str(tmp_path / "media")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium that browser tests start (marker ``browser``)."""
    return find_chromium()


@pytest.fixture
def without_app(monkeypatch):
    """Have an app count as not installed. Really taking it out would load every app anew, which Wagtail's own cannot
    bear; ``tests/install`` takes it out of a real site."""
    installed = apps.is_installed

    def leave_out(name: str) -> None:
        monkeypatch.setattr(apps, "is_installed", lambda app: app != name and installed(app))

    return leave_out
