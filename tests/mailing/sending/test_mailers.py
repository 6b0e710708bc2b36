"""The site's mailer by both of Django's ways: ``MAILERS`` (6.1), and the settings of before, which 6.1 still takes.

What a site writes may be deprecated; nothing that we do may add a warning to it. Warnings are errors here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import pytest
from django.core.checks import run_checks
from django.core.mail.backends.smtp import EmailBackend

from tests.mail_settings import BEFORE, HAS_MAILERS, MEMORY, SMTP, deprecated, modern, old_style, use_mailer
from tests.mailing.making import Inbox, free_port, queue_one, serving, settings_of_default_site
from tests.processes import ROOT, environment
from tests.support import START
from wagtail_kwiga import redaction
from wagtail_kwiga.mailing.sending import mail_connection, mailers
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

RESEND = "anymail.backends.resend.EmailBackend"
WAYS = [modern, deprecated]


def found(*ids):
    return [
        message
        for message in run_checks(tags=["wagtail_kwiga"])
        if message.id in {f"wagtail_kwiga.{each}" for each in ids}
    ]


@pytest.mark.parametrize("use", WAYS)
def test_a_mail_leaves_by_the_server_that_the_site_names(use):
    settings_of_default_site()
    with serving(Inbox()) as (inbox, port), use(SMTP, host="127.0.0.1", port=port):
        queue_one()
        assert deliver_due(START) == DeliverySummary(sent=1)
    assert len(inbox.raw) == 1


@pytest.mark.parametrize("use", WAYS)
@pytest.mark.parametrize(("given", "used"), [(None, mail_connection.TIMEOUT), (7, 7)])
def test_the_limit_of_a_wait_is_the_sites_or_ours(use, given, used):
    with serving(Inbox()) as (_inbox, port), use(SMTP, host="127.0.0.1", port=port, timeout=given):
        assert type(mailers.connection()) is EmailBackend and mailers.connection().timeout == given
        with mail_connection.MailConnection() as post:
            assert post.ready() is None
            assert post._connection.connection.sock.gettimeout() == used


@pytest.mark.parametrize("use", WAYS)
def test_a_limit_that_is_too_long_is_told_by_the_name_it_has_there(use):
    with use(SMTP, host="127.0.0.1", timeout=600):
        (message,) = found("W015", "E012", "W016")
    has_mailers = HAS_MAILERS and use is modern
    assert message.id == "wagtail_kwiga.W015"
    assert message.msg.startswith("MAILERS['default']['OPTIONS']['timeout']" if has_mailers else "EMAIL_TIMEOUT")


@pytest.mark.parametrize("use", WAYS)
def test_the_password_of_the_mail_server_is_hidden(use):
    with use(SMTP, host="127.0.0.1", username="shop", password="s3cret-of-the-shop"):
        assert redaction.redact("login shop/s3cret-of-the-shop") == f"login shop/{redaction.HIDDEN}"
    assert redaction.redact("login shop/s3cret-of-the-shop") == "login shop/s3cret-of-the-shop"


if HAS_MAILERS:
    # Where Django has no mailers, the setting means nothing.

    def test_the_secrets_of_every_mailer_are_hidden(settings):
        settings.MAILERS = {
            "default": {"BACKEND": MEMORY},
            "campaigns": {"BACKEND": RESEND, "OPTIONS": {"api_key": "re_A1b2C3d4E5f6"}},
        }
        assert redaction.redact("Bearer re_A1b2C3d4E5f6 in memory") == f"Bearer {redaction.HIDDEN} in memory"

    def test_the_options_of_a_provider(settings):
        """Anymail takes them from the mailer, and what is not there from ``ANYMAIL``."""
        settings.ANYMAIL = {"REQUESTS_TIMEOUT": 600}
        options = {"api_key": "re_A1b2C3d4E5f6", "api_url": f"http://127.0.0.1:{free_port()}/"}
        use_mailer(settings, RESEND, **options)
        assert mailers.connection().timeout == 600
        assert found("W015")[0].msg.startswith("ANYMAIL['REQUESTS_TIMEOUT'] ")
        use_mailer(settings, RESEND, **options, requests_timeout=500)
        assert found("W015")[0].msg.startswith("MAILERS['default']['OPTIONS']['requests_timeout'] ")
        use_mailer(settings, RESEND, **options, timeout=2)
        assert found("W015", "E012") == []
        settings_of_default_site()
        row = queue_one()
        assert deliver_due(START) == DeliverySummary(later=1)  # nobody listens there
        row.refresh_from_db()
        assert row.why.startswith("no_connection")

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({}, "default"),
            ({"other": {"BACKEND": MEMORY}}, "default"),
            ({"default": {}}, "host"),
            ({"default": {"BACKEND": MEMORY, "OPTIONS": {"speed": 3}}}, "speed"),
            ({"default": {"BACKEND": "nowhere.EmailBackend"}}, "nowhere.EmailBackend"),
            ({"default": {"BACKEND": RESEND}}, "api_key"),
        ],
        ids=str,
    )
    def test_mailers_without_one_that_works_is_an_error(settings, given, said):
        settings.MAILERS = given
        (message,) = found("E012", "W015", "W016")
        assert message.id == "wagtail_kwiga.E012" and said in message.msg
        assert 'MAILERS["default"]' in message.hint
        settings_of_default_site()
        row = queue_one()
        assert deliver_due(START) == DeliverySummary(later=1)  # and nothing is lost until it is mended
        row.refresh_from_db()
        assert row.why.startswith("configuration") or row.why.startswith("no_connection")


@pytest.mark.parametrize("use", WAYS)
@pytest.mark.parametrize("backend", ["nowhere.EmailBackend", "anymail.backends.mailgun.EmailBackend"])
def test_a_backend_that_is_set_up_wrongly_is_an_error(use, backend):
    with use(backend):
        (message,) = found("E012", "W015", "W016")
    assert message.id == "wagtail_kwiga.E012"
    assert "nowhere" in message.msg or "api_key" in message.msg.lower()


def test_the_error_tells_no_secret(settings):
    use_mailer(settings, f"{__name__}.Leaky")
    settings.SHOP_API_KEY = "s3cret-of-the-shop"
    (message,) = found("E012")
    assert redaction.HIDDEN in message.msg and "s3cret-of-the-shop" not in message.msg


class Leaky(EmailBackend):
    def __init__(self, **given):
        raise ValueError("the key s3cret-of-the-shop is refused")


INSTALL = ROOT / "docs" / "how-to" / "install.md"


@pytest.mark.parametrize("word", ["MAILERS", "EMAIL_HOST"])
def test_what_the_documentation_says_to_write_is_a_mailer(monkeypatch, word):
    monkeypatch.setenv("SMTP_PASSWORD", "s3cret-of-the-shop")
    (block,) = (
        block for block in re.findall(r"```python\n(.*?)```", INSTALL.read_text(), re.DOTALL) if f"{word} = " in block
    )
    given: dict = {}
    exec(block, given)
    given = {name: value for name, value in given.items() if name.isupper()}
    if word == "MAILERS":
        options = given["MAILERS"]["default"]["OPTIONS"]
        use, backend = modern, given["MAILERS"]["default"]["BACKEND"]
    else:
        options = {BEFORE[name]: value for name, value in given.items() if name in BEFORE}
        assert {*given} == {*(name for name in given if name in BEFORE), "EMAIL_BACKEND"}
        use, backend = deprecated, given["EMAIL_BACKEND"]
    with use(backend, **options):
        assert found("E012", "W015", "W016") == []
        made = mailers.connection()
        assert (made.host, made.port, made.use_tls, made.username, made.timeout) == (
            "smtp.example.com", 587, True, "school", 30,
        )  # fmt: skip
        assert made.password == "s3cret-of-the-shop" and redaction.redact(made.password) == redaction.HIDDEN


#: A site that was never told how to send mails; one that has Django's settings of before; one that is being built.
SITES = {
    "nothing": ("", "W016"),
    "nothing yet": ("DEBUG = True", ""),
    "before": (f"EMAIL_BACKEND = {MEMORY!r}", ""),
    "only a host": ("EMAIL_HOST = 'mail.example'", ""),
}
CHECK = """
import warnings, django
with warnings.catch_warnings():  # the site's own deprecations
    warnings.simplefilter("ignore")
    from django.conf import settings
    settings.INSTALLED_APPS
django.setup()
from django.core.checks import run_checks
print(*(each.id for each in run_checks(tags=["wagtail_kwiga"]) if each.id[14:] in ("E012", "W015", "W016")))
"""


@pytest.mark.processes
@pytest.mark.parametrize(("lines", "told"), SITES.values(), ids=SITES)
def test_a_site_without_any_mailer_is_warned(tmp_path, lines, told):
    """In a process of its own: a test environment always has a mailer."""
    module = f"from tests.settings import *\nfor _name in {[*old_style(MEMORY), 'MAILERS']!r}:\n    globals().pop(_name, None)\n"
    (tmp_path / "bare.py").write_text(textwrap.dedent(module) + lines + "\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK],
        env=environment(DJANGO_SETTINGS_MODULE="bare", PYTHONPATH=f"{tmp_path}:{ROOT}"),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (f"wagtail_kwiga.{told}" if told else "")
