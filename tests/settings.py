"""Settings of the test site: SQLite by default, ``DATABASE_URL`` and ``REDIS_URL`` are obeyed."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import dj_database_url

from tests.mail_settings import mailer

BASE = Path(__file__).parent
SECRET_KEY = "only-for-tests-and-long-enough-to-sign-tokens-with"
DEBUG = False
USE_TZ = True
TIME_ZONE = "Europe/Warsaw"
LANGUAGE_CODE = "en"
USE_I18N = True
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("pl", "Polski"),
    ("uk", "Українська"),
]
WAGTAIL_I18N_ENABLED = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_URL = os.environ.get("DATABASE_URL", "")
#: How SQLite should be opened wherever more than one process or thread writes; the how-to pages advise the same.
_SQLITE = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;",
}
if _URL:
    DATABASES = {"default": dj_database_url.parse(_URL, conn_max_age=600)}
    DATABASES["default"].setdefault("TEST", {})["NAME"] = os.environ.get("TEST_DATABASE_NAME") or None
else:
    # A file, not memory, even in tests: threads, a live server and child processes then meet the locks that a site meets.
    _FILE = Path(
        os.environ.get("TEST_DATABASE_FILE") or Path(tempfile.gettempdir()) / f"kwiga-tests-{os.getpid()}.sqlite3"
    )
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_FILE), "TEST": {"NAME": str(_FILE)}}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"] = _SQLITE

INSTALLED_APPS = [
    "tests.site",
    "tests.example",
    "wagtail_kwiga",
    "django_q",
    "anymail",
    "wagtail.contrib.settings",
    "wagtail.contrib.simple_translation",
    "wagtail_modeladmin",
    "wagtail.locales",
    "wagtail.api.v2",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
if find_spec("wagtail.api.v3"):  # since Wagtail 8
    INSTALLED_APPS.append("wagtail.api.v3")
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Wagtail's search index has columns of PostgreSQL's own; since Django 6.1 a check asks for the app that knows them.
    INSTALLED_APPS.append("django.contrib.postgres")
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "wagtail.contrib.settings.context_processors.settings",
            ]
        },
    }
]
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.path.join(tempfile.gettempdir(), "kwiga-tests-media")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WAGTAIL_SITE_NAME = "Tests"
WAGTAILADMIN_BASE_URL = "http://testserver"
globals().update(mailer("anymail.backends.test.EmailBackend"))
DEFAULT_FROM_EMAIL = "school@example.com"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

_REDIS = os.environ.get("REDIS_URL", "")
Q_CLUSTER = {
    # The name is that of the list in Redis, too: workers of one run (pytest-xdist) must not share it.
    "name": f"kwiga-tests-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 75,
    "retry": 300,
    "max_attempts": 3,
    "catch_up": False,
    "save_limit": -1,
    "time_zone": "UTC",
    **({"redis": _REDIS} if _REDIS else {"orm": "default"}),
}
WAGTAIL_KWIGA = {
    "ALLOW_TIME_TRAVEL": True,
    "PAYMENT_PROVIDERS": {
        "sandbox": {
            "class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider",
            "secret": "test-secret",
            "enabled": True,
        },
        "transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
    },
}
# The sandbox provider gives courses away; here that is what it is for.
SILENCED_SYSTEM_CHECKS = ["wagtail_kwiga.E006"]
