"""A public site behind a proxy that speaks TLS, as it was before the shop came."""

import os

import django

from .base import *  # noqa: F403

SECRET_KEY = "G2q0ZpmY1r7Lw5Jx9TbVc3NsDfHk8QeUaRi6MoXyBtWzCnEgSd4KvPjAlFhIu"
DEBUG = False
ALLOWED_HOSTS = ["atelier.example"]
WAGTAILADMIN_BASE_URL = "https://atelier.example"
WAGTAIL_SITE_NAME = "Atelier"
WAGTAIL_GRAVATAR_PROVIDER_URL = None  # nothing is asked of strangers
WAGTAIL_ENABLE_UPDATE_CHECK = False

INSTALLED_APPS = [
    "people",
    "orders",
    "studio",
    "home",
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.contrib.routable_page",
    "wagtail.contrib.search_promotions",
    "wagtail.contrib.settings",
    "wagtail.contrib.simple_translation",
    "wagtail.contrib.styleguide",
    "wagtail.contrib.table_block",
    "wagtail.contrib.typed_table_block",
    "wagtail.api.v2",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.locales",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "rest_framework",
    "django_filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
AUTH_USER_MODEL = "people.Person"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # for the sake of the tests' speed

MIDDLEWARE = ["shop.policy.ContentSecurityPolicy", "django.middleware.gzip.GZipMiddleware", *MIDDLEWARE]  # noqa: F405
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.middleware.common.CommonMiddleware"), "django.middleware.locale.LocaleMiddleware"
)
_options = TEMPLATES[0]["OPTIONS"]  # noqa: F405
_options["context_processors"] += [
    "django.template.context_processors.i18n",
    "wagtail.contrib.settings.context_processors.settings",
    "orders.views.basket",
]

# TLS ends at the proxy.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
APPEND_SLASH = True

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

LANGUAGE_CODE = "en-gb"
LANGUAGES = WAGTAIL_CONTENT_LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
WAGTAIL_I18N_ENABLED = True
TIME_ZONE = "Europe/Vienna"
USE_THOUSAND_SEPARATOR = True

_PORT = int(os.environ.get("ATELIER_SMTP_PORT", "25"))
if django.VERSION >= (6, 1):
    _SMTP = "django.core.mail.backends.smtp.EmailBackend"
    MAILERS = {"default": {"BACKEND": _SMTP, "OPTIONS": {"host": "127.0.0.1", "port": _PORT, "timeout": 10}}}
else:
    EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = "127.0.0.1", _PORT, 10

LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "faults.log", "level": "ERROR"}},  # noqa: F405
    "root": {"handlers": ["file"]},
}
