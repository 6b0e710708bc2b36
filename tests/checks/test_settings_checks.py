"""Checks that read settings only."""

from __future__ import annotations

import copy

import pytest

from wagtail_kwiga.checks import databases, queue, site
from wagtail_kwiga.payments.providers.transfer import TransferProvider

SAFE = {
    "name": "x", "orm": "default", "workers": 2, "queue_limit": 2, "bulk": 1, "timeout": 75, "retry": 300,
    "max_attempts": 3, "catch_up": False, "save_limit": -1, "time_zone": "UTC",
}  # fmt: skip


def ids(messages) -> list[str]:
    assert all(message.hint for message in messages), "every check says what to write"
    return [message.id.removeprefix("wagtail_kwiga.") for message in messages]


class TestDict:
    def test_unknown_key_names_the_nearest(self, settings):
        settings.WAGTAIL_KWIGA = {"PRICE_HOLD_DAYS": 7}
        (message,) = site.check_settings(None)
        assert message.id == "wagtail_kwiga.E001"
        assert "PRICE_HOLDS_DAYS" in message.hint

    @pytest.mark.parametrize(
        "given", [{"PRICE_HOLDS_DAYS": "7"}, {"PRICE_HOLDS_DAYS": True}, {"SWEEP_BATCH": -1}, ["x"]]
    )
    def test_mistyped(self, settings, given):
        settings.WAGTAIL_KWIGA = given
        assert ids(site.check_settings(None)) == ["E001"]

    def test_nothing_given_is_fine(self, settings):
        settings.WAGTAIL_KWIGA = None
        assert ids(site.check_settings(None)) == []
        del settings.WAGTAIL_KWIGA
        assert ids(site.check_settings(None)) == []


class TestProviders:
    @pytest.mark.parametrize("path", ["no.such.Thing", "wagtail_kwiga.conf.Defaults", ""])
    def test_class_that_is_none(self, settings, path):
        settings.WAGTAIL_KWIGA = {"PAYMENT_PROVIDERS": {"mine": {"class": path}}}
        (message,) = site.check_settings(None)
        assert message.id == "wagtail_kwiga.E005"
        assert "'mine'" in message.msg

    @pytest.mark.parametrize(
        ("claim", "method"),
        [
            ("can_fetch", "fetch"),
            ("needs_confirm", "confirm"),
            ("can_refund", "refund"),
            ("can_fetch_refund", "fetch_refund"),
        ],
    )
    def test_what_is_claimed_is_written(self, settings, monkeypatch, claim, method):
        path = "wagtail_kwiga.payments.providers.transfer.TransferProvider"
        settings.WAGTAIL_KWIGA = {"PAYMENT_PROVIDERS": {"mine": {"class": path}}}
        assert ids(site.check_settings(None)) == []
        monkeypatch.setattr(TransferProvider, claim, True)
        (message,) = site.check_settings(None)
        assert message.id == "wagtail_kwiga.E013"
        assert claim in message.msg and f"{method}()" in message.msg
        monkeypatch.setattr(TransferProvider, method, lambda self, *asked: None, raising=False)
        assert ids(site.check_settings(None)) == []

    def test_sandbox_only_with_debug(self, settings):
        sandbox = {"class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider", "secret": "s", "enabled": True}
        settings.WAGTAIL_KWIGA = {"PAYMENT_PROVIDERS": {"play": sandbox}}
        (message,) = site.check_settings(None)
        assert message.id == "wagtail_kwiga.E006"
        assert message.is_serious()
        settings.DEBUG = True
        assert ids(site.check_settings(None)) == []
        settings.DEBUG = False
        settings.WAGTAIL_KWIGA = {"PAYMENT_PROVIDERS": {"play": {**sandbox, "enabled": False}}}
        assert ids(site.check_settings(None)) == []


@pytest.mark.parametrize("path", ["no.such.clock", "wagtail_kwiga.__version__"])
def test_clock(settings, path):
    settings.WAGTAIL_KWIGA = {"CLOCK": path}
    assert ids(site.check_settings(None)) == ["E010"]


class TestSite:
    def test_settings_app(self, without_app):
        without_app("wagtail.contrib.settings")
        (message,) = site.check_site(None)
        assert message.id == "wagtail_kwiga.E002"
        assert "wagtail.contrib.settings" in message.hint

    def test_swapped_page(self, settings):
        settings.WAGTAIL_PAGE_MODEL = "shop.BasePage"
        (message,) = site.check_site(None)
        assert message.id == "wagtail_kwiga.E008"
        assert "OfferPageMixin" in message.hint

    def test_zones(self, settings):
        settings.USE_TZ = False
        assert ids(site.check_site(None)) == ["E009"]

    def test_sender(self, settings):
        settings.DEFAULT_FROM_EMAIL = "webmaster@localhost"
        assert ids(site.check_site(None)) == ["W004"]
        settings.DEBUG = True
        assert ids(site.check_site(None)) == []


class TestQueue:
    def test_no_app(self, without_app):
        without_app("django_q")
        (message,) = queue.check_queue(None)
        assert message.id == "wagtail_kwiga.W001"
        assert "kwiga_work" in message.hint

    def test_no_settings(self, settings):
        del settings.Q_CLUSTER
        assert ids(queue.check_queue(None)) == ["W002"]

    def test_the_example_of_the_hint_is_safe(self, settings):
        told = {}
        exec(queue.Q_CLUSTER_EXAMPLE, told)
        settings.Q_CLUSTER = told["Q_CLUSTER"]
        assert ids(queue.check_queue(None)) == []

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"timeout": None}, "timeout"),
            ({"timeout": 30}, "timeout"),
            ({"retry": 225}, "retry"),
            ({"queue_limit": 4}, "queue_limit"),
            ({"workers": None}, "workers"),
            ({"bulk": 10}, "bulk"),
            ({"max_attempts": 0}, "max_attempts"),
            ({"catch_up": True}, "catch_up"),
            ({"save_limit": 250}, "save_limit"),
            ({"save_limit": 0}, "save_limit"),
        ],
    )
    def test_each_danger_is_named(self, settings, change, named):
        settings.Q_CLUSTER = {**SAFE, **change}
        (message,) = queue.check_queue(None)
        assert message.id == "wagtail_kwiga.W003"
        assert message.msg.startswith(f"Q_CLUSTER: {named}")

    def test_defaults_of_the_queue_are_not_safe(self, settings):
        settings.Q_CLUSTER = {"name": "x", "orm": "default"}
        assert set(ids(queue.check_queue(None))) == {"W003"}
        assert len(queue.check_queue(None)) >= 6


class _Opened:
    """A stand-in for ``connections``: an alias and how it would be opened. No database is touched by these checks."""

    def __init__(self, vendor: str, **given):
        self.vendor = self.display_name = vendor
        self.settings_dict = given

    def __getitem__(self, alias):
        return self


class TestDatabaseSettings:
    @pytest.mark.parametrize(
        ("opened", "expected"),
        [
            (_Opened("sqlite", OPTIONS={}), ["W005"]),
            (_Opened("sqlite", OPTIONS={"transaction_mode": "immediate"}), []),
            (_Opened("postgresql", CONN_MAX_AGE=0), ["W006"]),
            (_Opened("postgresql", CONN_MAX_AGE=600), []),
            (_Opened("postgresql", CONN_MAX_AGE=None), []),
            (_Opened("postgresql", CONN_MAX_AGE=0, OPTIONS={"pool": True}), ["W007"]),
        ],
    )
    def test_with_orm_broker(self, settings, monkeypatch, opened, expected):
        settings.Q_CLUSTER = copy.copy(SAFE)
        monkeypatch.setattr(databases, "connections", opened)
        assert ids(databases.check_database_settings(None)) == expected

    def test_age_does_not_matter_with_redis(self, settings, monkeypatch):
        settings.Q_CLUSTER = {**{k: v for k, v in SAFE.items() if k != "orm"}, "redis": "redis://127.0.0.1:6379"}
        monkeypatch.setattr(databases, "connections", _Opened("postgresql", CONN_MAX_AGE=0))
        assert ids(databases.check_database_settings(None)) == []

    @pytest.mark.parametrize(
        ("opened", "expected"),
        [
            (_Opened("postgresql", PORT="6432"), ["W030"]),
            (_Opened("postgresql", PORT=6432), ["W030"]),
            (_Opened("postgresql", PORT="6432", DISABLE_SERVER_SIDE_CURSORS=True), []),
            (_Opened("postgresql", PORT="5432"), []),
            (_Opened("postgresql"), []),
            (_Opened("sqlite", PORT="6432"), []),
        ],
    )
    def test_pooled_connections_and_cursors_that_need_one(self, monkeypatch, opened, expected):
        monkeypatch.setattr(databases, "connections", opened)
        assert ids(databases.check_pooler(None)) == expected

    @pytest.mark.parametrize(
        ("vendor", "expected"),
        [("postgresql", []), ("sqlite", []), ("mysql", ["E030"]), ("oracle", ["E030"]), ("microsoft", ["E030"])],
    )
    def test_databases_that_sell(self, monkeypatch, vendor, expected):
        monkeypatch.setattr(databases, "connections", _Opened(vendor))
        messages = databases.check_vendor(None)
        assert ids(messages) == expected
        assert all(message.is_serious() for message in messages)

    @pytest.mark.parametrize(
        ("given", "expected"), [({}, []), ({"ATOMIC_REQUESTS": False}, []), ({"ATOMIC_REQUESTS": True}, ["W014"])]
    )
    def test_requests_that_are_one_transaction(self, monkeypatch, given, expected):
        monkeypatch.setattr(databases, "connections", _Opened("postgresql", **given))
        assert ids(databases.check_atomic_requests(None)) == expected


class TestLanguages:
    def test_ours_are_fine(self):
        assert ids(site.check_languages(None, databases=["default"])) == []

    def test_nothing_is_said_unasked(self, settings):
        settings.LANGUAGE_CODE = "nl"
        assert site.check_languages(None) == []

    def test_others_are_named(self, settings):
        settings.LANGUAGES = [("en", "English"), ("de-at", "Deutsch"), ("fr", "Français")]
        settings.WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("pt-br", "Português")]
        (message,) = site.check_languages(None, databases=["default"])
        assert message.id == "wagtail_kwiga.W012"
        assert message.hint
        assert "in: fr, pt-br." in message.msg

    def test_djangos_own_long_list_is_no_choice(self, settings):
        from django.conf import global_settings

        settings.LANGUAGES = global_settings.LANGUAGES
        settings.WAGTAIL_CONTENT_LANGUAGES = [("en", "English")]
        assert ids(site.check_languages(None, databases=["default"])) == []
        settings.LANGUAGE_CODE = "nl"
        assert ids(site.check_languages(None, databases=["default"])) == ["W012"]
        settings.USE_I18N = False
        assert ids(site.check_languages(None, databases=["default"])) == []
