"""Settings of the demo site. It listens on the loopback interface only, hence DEBUG and simple passwords.

``PORT``, ``KWIGA_DEMO_DIR``, ``DATABASE_URL`` and ``REDIS_URL`` are obeyed.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import django
from django.core.exceptions import ImproperlyConfigured

from sandbox.datadir import HERE, data_dir, kept_secret


def need(module: str, *, asked_by: str, extra: str) -> None:
    """Raise ``ImproperlyConfigured`` with the way out where a variable asks for a library that is not installed."""
    if find_spec(module) is None:
        raise ImproperlyConfigured(
            f"{asked_by} is set, and {module} is not installed in this environment. `make demo` and `make manage` install "
            f"it by themselves when {asked_by} is set; by hand: pip install -e '.[{extra}]'"
        )


DATA_DIR = data_dir()
PORT = int(os.environ.get("PORT") or 8000)

SECRET_KEY = kept_secret(DATA_DIR, "site")
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "sandbox.urls"
WSGI_APPLICATION = "sandbox.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "Europe/Berlin"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("pl", "Polski"),
    ("uk", "Українська"),
]
LOCALE_PATHS = [HERE / "locale"]
WAGTAIL_I18N_ENABLED = True

if os.environ.get("DATABASE_URL"):
    import dj_database_url

    if os.environ["DATABASE_URL"].startswith("postgres"):
        need("psycopg", asked_by="DATABASE_URL", extra="postgres")

    DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=600)}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "db.sqlite3",
            "CONN_MAX_AGE": 600,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }

_REDIS = os.environ.get("REDIS_URL", "")
if _REDIS:
    need("redis", asked_by="REDIS_URL", extra="redis")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _REDIS, "KEY_PREFIX": "kwiga-demo"}
        if _REDIS
        # In files, because web, worker and commands must see each other's site roots and worker state.
        else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": DATA_DIR / "cache"}
    )
}

INSTALLED_APPS = [
    "sandbox.school",
    "wagtail_kwiga",
    "django_q",
    "wagtail.contrib.settings",
    "wagtail.contrib.simple_translation",
    "wagtail_modeladmin",
    "wagtail.locales",
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
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Wagtail's search index has columns of PostgreSQL's own; since Django 6.1 a check asks for the app that knows them.
    INSTALLED_APPS.append("django.contrib.postgres")
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
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
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "wagtail.contrib.settings.context_processors.settings",
                "sandbox.school.context.school",
            ]
        },
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
# A fresh clone has collected nothing: whitenoise serves straight from the apps.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"

AUTH_PASSWORD_VALIDATORS: list[dict] = []
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/course/"
LOGOUT_REDIRECT_URL = "/"
# Cookies know no ports: two demos on one machine must not log each other out.
SESSION_COOKIE_NAME = f"kwiga_demo_session_{PORT}"
CSRF_COOKIE_NAME = f"kwiga_demo_csrf_{PORT}"

WAGTAIL_SITE_NAME = "Paper Harbour"
WAGTAILADMIN_BASE_URL = f"http://localhost:{PORT}"
WAGTAILIMAGES_EXTENSIONS = ["avif", "gif", "jpg", "jpeg", "png", "webp"]
WAGTAIL_ENABLE_UPDATE_CHECK = False
WAGTAIL_ENABLE_WHATS_NEW_BANNER = False
WAGTAIL_GRAVATAR_PROVIDER_URL = None

_MAILBOX = "sandbox.mailbox.FolderBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MAILBOX}}
else:
    EMAIL_BACKEND = _MAILBOX
MAIL_FOLDER = DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = "Paper Harbour <school@paper-harbour.example>"

Q_CLUSTER = {
    "name": "kwiga-demo",
    "label": "Worker",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 75,
    "retry": 300,
    "max_attempts": 3,
    "catch_up": False,
    "save_limit": 50,
    "poll": 1,
    "time_zone": "UTC",
    **({"redis": _REDIS} if _REDIS else {"orm": "default"}),
}

WAGTAIL_KWIGA = {
    "CLOCK": "sandbox.clock.now",
    "ALLOW_TIME_TRAVEL": True,
    "BASE_TEMPLATE": "school/base.html",
    "ORDER_NUMBER_PREFIX": "PH-",
    "PAYMENT_PROVIDERS": {
        "sandbox": {
            "class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider",
            "enabled": True,
            "secret": kept_secret(DATA_DIR, "gateway"),
        },
        "transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "wagtail_kwiga": {"level": "INFO"},
        "django-q": {"level": "INFO" if "qcluster" in sys.argv else "WARNING"},
    },
}
