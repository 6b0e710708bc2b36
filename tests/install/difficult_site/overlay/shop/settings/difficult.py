"""A site that had its own ways long before the shop came."""

import os

import django

from .base import *  # noqa: F403

SECRET_KEY = "a key long enough to sign the tokens of links with"
DEBUG = False
ALLOWED_HOSTS = ["school.example", "atelier.example", "testserver"]
WAGTAILADMIN_BASE_URL = "http://school.example"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

INSTALLED_APPS = [
    "people",
    "library",
    "wagtail_localize",
    "wagtail_localize.locales",
    *INSTALLED_APPS,  # noqa: F405
]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTH_USER_MODEL = "people.Person"
WAGTAILIMAGES_IMAGE_MODEL = "library.Picture"
WAGTAILDOCS_DOCUMENT_MODEL = "library.Paper"

DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;"  # noqa: F405

LANGUAGE_CODE = "en"
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
USE_I18N = True
WAGTAIL_I18N_ENABLED = True
_at = MIDDLEWARE.index("django.middleware.common.CommonMiddleware")  # noqa: F405
MIDDLEWARE = [*MIDDLEWARE[:_at], "django.middleware.locale.LocaleMiddleware", *MIDDLEWARE[_at:]]  # noqa: F405
SHOP_WITHOUT_LANGUAGE = bool(os.environ.get("SHOP_WITHOUT_LANGUAGE"))

# A queue that had other work first, and is not set up as the shop would like it.
Q_CLUSTER = {
    "name": "library-jobs",
    "orm": "default",
    "workers": 4,
    "queue_limit": 50,
    "bulk": 10,
    "timeout": 90,
    "retry": 400,
    "max_attempts": 5,
    "catch_up": False,
    "save_limit": 100,
    "time_zone": "Europe/Berlin",
}

_MEMORY = "django.core.mail.backends.locmem.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _MEMORY}}
else:
    EMAIL_BACKEND = _MEMORY
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WAGTAIL_KWIGA = {
    "PAYMENT_PROVIDERS": {
        "transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
        "sandbox": {
            "class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider",
            "enabled": True,
            "secret": "of the gateway",
        },
    }
}
SILENCED_SYSTEM_CHECKS = ["wagtail_kwiga.E006"]  # a gateway that gives goods away, for the sake of its webhooks
