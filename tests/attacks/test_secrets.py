"""Attacked: secrets, and where they leak to. Payment and mail secrets, signatures, raw webhooks, tokens of links and session ids
through whole journeys in which everything goes wrong: logs, error pages, mails to admins, timelines, exports, screens, queue.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils.log import AdminEmailHandler
from django.views.debug import SafeExceptionReporterFilter
from django_q.brokers import get_broker
from django_q.brokers.redis_broker import Redis as RedisBroker
from django_q.models import OrmQ
from django_q.signing import SignedPackage

import wagtail_kwiga
from tests.mail_settings import HAS_MAILERS, MEMORY, SMTP, add_options, admins, use_mailer
from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.mailing.smtp_servers import hostile_server
from tests.offers import making
from tests.orders.shop import order_for
from tests.payments.shop import new_attempt, new_order, pay_path, signed, tell
from tests.support import START, after, make_contact
from wagtail_kwiga import background, redaction, tasks
from wagtail_kwiga import models as m
from wagtail_kwiga.exceptions import BadSignature, ProviderUnavailable
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments import polling, provider_events, registry
from wagtail_kwiga.payments.provider import Form, Provider, ReportedEvent, WebhookRequest

pytestmark = pytest.mark.django_db

SECRETS = {
    "provider": "whsec_5f1c0ffee5f1c0ffee",
    "provider key": "sk_live_51H8xYzAbCdEf",
    "nested": "merchant-pass-9f8e7d",
    "smtp": "s3cret-of-the-shop",
    "anymail": "re_A1b2C3d4E5f6",
}


class Leaky(Provider):
    """Has all that goes wrong told with everything in it, as HTTP libraries do: addresses with keys, headers, passwords."""

    label = "Leaky"
    can_fetch = True

    def fail(self, kind=OSError):
        raise kind(
            f"HTTPSConnectionPool(host='pay.example'): Max retries exceeded with url: /v1?key={self.options['api_key']} "
            f"(secret {self.options['secret']}, login {self.options['account']['password']})"
        )

    def start(self, attempt, urls, now):
        if not self.options.get("starts"):
            self.fail()
        return Form("https://pay.example/", {"token": attempt.token}, reference=f"L-{attempt.pk}")

    def fetch(self, attempt, now):
        self.fail(ProviderUnavailable if self.options.get("polite") else OSError)

    def verify(self, request):
        if request.header("Leaky-Signature") != "good":
            raise BadSignature("no")
        told = json.loads(request.body)
        return [ReportedEvent(told["id"], told["token"], "", "pending", None, True, raw=told)]


@pytest.fixture
def leaky(settings):
    making.set_clock(START)
    options = {
        "class": f"{__name__}.Leaky", "secret": SECRETS["provider"], "api_key": SECRETS["provider key"],
        "account": {"password": SECRETS["nested"], "shop": "1234"},
    }  # fmt: skip
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA,
        "CLOCK": "tests.offers.making.clock",
        "PAYMENT_PROVIDERS": {
            **settings.WAGTAIL_KWIGA["PAYMENT_PROVIDERS"],
            "leaky": options,
            "starting": {**options, "starts": True},
            "polite": {**options, "starts": True, "polite": True},
        },
    }
    use_mailer(settings, SMTP, host="127.0.0.1", username="shop", password=SECRETS["smtp"])
    settings.ANYMAIL = {"RESEND_API_KEY": SECRETS["anymail"]}
    settings_of_default_site()
    return settings


def into_memory(settings):
    """Mail stays in memory, and the password of the mail server among the settings."""
    if HAS_MAILERS:
        settings.MAILERS = {"default": {"BACKEND": MEMORY}, "server": settings.MAILERS["default"]}
    else:
        settings.EMAIL_BACKEND = MEMORY


class _Everything(logging.Handler):
    """All that any logger says, as it would stand in a file."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record):
        if not record.name.startswith("django.db"):  # SQL with its values is not logged by anybody who is not debugging
            try:
                self.lines.append(f"{record.name} {logging.Formatter('%(levelname)s %(message)s').format(record)}")
            except TypeError:
                self.lines.append(f"{record.name} {record.msg!r} {record.args!r}")


@pytest.fixture
def logged():
    handler, root = _Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def leaks(text, *more):
    return [name for name, secret in [*SECRETS.items(), *((each, each) for each in more)] if secret and secret in text]


def ours(lines):
    """Without the address line of Django's own request log: whoever keeps logs of addresses keeps those of links too."""
    return "\n".join(line for line in lines if not line.startswith("django.request"))


def everything_told():
    """Whatever staff can read of all that happened: facts, sentences, reasons, details."""
    told = [json.dumps(entry.facts) + writing.sentence(entry) for entry in m.TimelineEntry.objects.all()]
    told += m.OutgoingEmail.objects.values_list("why", flat=True)
    told += m.ProviderEvent.objects.values_list("detail", flat=True)
    told += map(str, m.Run.objects.values_list("error", flat=True))
    return "\n".join(told)


def test_a_shop_in_which_every_payment_fails_tells_no_secret(leaky, logged):
    buyer = Client(SERVER_NAME="localhost", raise_request_exception=False)
    order = new_order(contact=make_contact("ada@example.com"))
    answer = buyer.post(pay_path(order), {"method": "leaky"})
    assert answer.status_code == 503 and leaks(answer.content.decode()) == []
    attempts = [new_attempt(new_order(), method=method) for method in ("starting", "polite")]
    m.PaymentAttempt.objects.update(next_poll_at=START)
    assert polling.poll_due(after(minutes=1)).failed == 3
    body = json.dumps({"id": "e-1", "token": attempts[0].token, "card": "4242-4242"}).encode()
    with pytest.raises(BadSignature):
        provider_events.receive(
            "starting", WebhookRequest("POST", body, {"Leaky-Signature": "forged-signature"}, at=START)
        )
    told = ours(logged)
    assert "could not start attempt" in told and "does not answer" in told and "Asking about attempt" in told
    assert "Traceback" in told and redaction.HIDDEN in told  # the rest of what went wrong is there to be read
    assert leaks(told + everything_told(), attempts[0].token, attempts[1].token, "4242-4242", "forged-signature") == []


def test_mail_servers_that_repeat_what_they_were_told(leaky, logged):
    with hostile_server(leaky) as server:
        add_options(leaky, username="", password="")
        leaky.ANYMAIL = {"RESEND_API_KEY": SECRETS["anymail"], "OTHER": {"smtp_password": SECRETS["smtp"]}}
        said = f"550 5.7.1 login shop/{SECRETS['smtp']} key {SECRETS['anymail']} may not".encode()
        server.script |= {"dot": [said, b"451 " + said[4:]], "RCPT": [None, None, said]}
        template = make_template()
        rows = [queue_one(template=template) for _ in range(3)]
        delivery.deliver_due(START)
    for row in rows:
        row.refresh_from_db()
        assert redaction.HIDDEN in row.why
    assert leaks(ours(logged) + everything_told()) == []


def test_all_our_loggers_hide_secrets():
    source = "\n".join(path.read_text() for path in Path(wagtail_kwiga.__file__).parent.rglob("*.py"))
    names = set(re.findall(r'getLogger\("wagtail_kwiga\.([\w.]+)"\)', source))
    assert names == set(redaction.LOGGERS)
    for name in names:
        assert any(
            isinstance(each, redaction.SecretFilter) for each in logging.getLogger(f"wagtail_kwiga.{name}").filters
        )


def test_what_counts_as_a_secret(settings):
    settings.MAILGUN_API_KEY = "key-12345678"
    settings.SHOP = {"deep": [{"WEBHOOK_SECRET": "deep-secret-1"}], "color": "teal-is-no-secret", "token": "short"}
    told = redaction.redact(f"key-12345678 deep-secret-1 teal-is-no-secret short {settings.SECRET_KEY} auth.User")
    assert told == f"{redaction.HIDDEN} {redaction.HIDDEN} teal-is-no-secret short {redaction.HIDDEN} auth.User"
    settings.MAILGUN_API_KEY = ""
    assert redaction.redact("key-12345678") == "key-12345678"


def test_a_log_line_that_does_not_fit_together_harms_nobody():
    """Python's handlers complain of it on their own; the filter must not raise into whoever wanted to log."""
    record = logging.LogRecord("wagtail_kwiga.mailing", logging.ERROR, __file__, 1, "%s %s", ("one",), None)
    assert redaction.SecretFilter().filter(record) is True and record.args == ("one",)


# --- error pages and mails to admins ---------------------------------------------------------------------------------


def test_djangos_own_error_pages_hide_our_settings(leaky):
    shown = repr(SafeExceptionReporterFilter().get_safe_settings())
    assert leaks(shown, leaky.SECRET_KEY, "test-secret") == []
    assert "1234" in shown and "tests.offers.making.clock" in shown  # what is no secret helps whoever debugs


@pytest.fixture
def admins_mail(leaky):
    """Mails to the admins with the whole page of the error in them, as a site may set it up."""
    leaky.ADMINS = admins("admin@example.com")
    into_memory(leaky)
    mail.outbox = []
    handler = AdminEmailHandler(include_html=True)
    loggers = [logging.getLogger(name) for name in ("django.request", "wagtail_kwiga.payments")]
    for logger in loggers:
        logger.addHandler(handler)
    yield lambda: "\n".join(each.body + "".join(part[0] for part in each.alternatives) for each in mail.outbox)
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_webhook_that_crashes_tells_the_admins_what_but_no_secret(leaky, admins_mail, monkeypatch, content_type):
    attempt = new_attempt(new_order(), method="sandbox")
    request = signed(attempt, "confirmed", card="4242-4242-4242")
    signature = request.headers["Sandbox-Signature"]

    def broken(*given, **named):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(provider_events.applying, "apply", broken)  # stands in for what nobody foresees
    answer = Client().post(
        reverse("wagtail_kwiga:notify", args=["sandbox"]), request.body, content_type=content_type,
        headers={"Sandbox-Signature": signature},
    )  # fmt: skip
    assert (answer.status_code, answer.content) == (200, b"OK")  # it is stored, and the sweep sees it through
    told = admins_mail()
    assert "the database went away" in told and "provider_events" in told
    hidden = [signature, signature.partition("v1=")[2], "4242-4242", leaky.SECRET_KEY, "test-secret"]
    assert leaks(told, *hidden) == []


def test_a_page_that_crashes_shows_the_visitor_nothing(leaky, admins_mail, monkeypatch):
    order = new_order()

    def broken(*given, **named):
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr("wagtail_kwiga.payments.presentation.to_pay", broken)
    chief = Client(raise_request_exception=False)
    chief.force_login(get_user_model().objects.create_superuser("chief", "c@example.com", "x"))
    answer = chief.get(pay_path(order))
    assert answer.status_code == 500
    page = answer.content.decode()
    assert leaks(page, leaky.SECRET_KEY) == [] and "RuntimeError" not in page
    assert leaks(admins_mail(), "test-secret", chief.cookies["sessionid"].value) == []


# --- screens, exports, queue -----------------------------------------------------------------------------------------


@pytest.fixture
def busy(leaky):
    """An order with an attempt, a webhook, a failed mail and a mail with all its links."""
    into_memory(leaky)
    order = new_order(contact=make_contact("ada@example.com"))
    attempt = new_attempt(order, method="sandbox")
    tell(attempt, "confirmed", card="4242-4242-4242")
    situation_mail = queue_one(make_contact("bob@example.com"))
    delivery.deliver_due(START)
    failed = queue_one(make_contact("eve@example.com"))
    m.OutgoingEmail.objects.filter(pk=failed.pk).update(status="failed", why="server_refused: 554 no")
    unpaid = order_for(make_contact("dan@example.com"), order.offer)
    return {"order": order, "attempt": attempt, "mail": situation_mail, "unpaid": unpaid}


#: A token of a link: what ``signing`` makes of an object, behind one of our doors.
LINK = re.compile(r"/shop/(?:pay|order|resume|return|unsubscribe)/[\w-]{20,}")


def test_no_screen_and_no_export_has_tokens_or_webhooks_in_it(busy, admin_client, logged):
    secrets = [busy["attempt"].token, "4242-4242", "evt_", m.ProviderEvent.objects.get().headers["Sandbox-Signature"]]
    secrets += [
        row.token for model in (m.Order, m.Contact, m.Coupon) for row in model.objects.all()
    ]  # named by every link
    lists = ["wagtail_kwiga_orders:index", "wagtail_kwiga_mail:index", "wagtail_kwiga_coupons:list"]
    pages = [reverse(name) for name in lists]
    pages += [reverse("wagtail_kwiga_mail:inspect", args=[row.pk]) for row in m.OutgoingEmail.objects.all()]
    pages += [reverse("wagtail_kwiga_mail:shown", args=[row.pk]) for row in m.OutgoingEmail.objects.all()]
    pages += [reverse("wagtail_kwiga_orders:inspect", args=[order.pk]) for order in m.Order.objects.all()]
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        html = answer.content.decode()
        assert leaks(html, *secrets) == [], page
        assert not LINK.search(html), page
    for name in lists:
        for kind in ("csv", "xlsx"):
            answer = admin_client.get(f"{reverse(name)}?export={kind}")
            assert answer.status_code == 200, (name, kind)
            raw = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if kind == "xlsx":
                with zipfile.ZipFile(io.BytesIO(raw)) as book:
                    raw = b"\n".join(book.read(each) for each in book.namelist())
            text = raw.decode("utf-8", "replace")
            assert len(text) > 50, (name, kind)
            assert leaks(text, *secrets) == [] and not LINK.search(text), (name, kind)
    session = admin_client.cookies["sessionid"].value
    assert session not in "\n".join(logged)
    assert leaks("\n".join(logged) + everything_told(), *secrets) == []


def queued() -> list[Any]:
    """What lies in the queue, wherever it is."""
    broker = get_broker()
    if isinstance(broker, RedisBroker):
        return broker.connection.lrange(broker.list_key, -50, -1)
    return [row.payload for row in OrmQ.objects.all()]


def test_the_queue_gets_names_and_numbers_and_keeps_no_secret(busy, leaky, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        background.enqueue("deliver_due")
        background.enqueue("poll_payments")
    packages = [SignedPackage.loads(payload) for payload in queued()]
    assert len(packages) >= 2
    for package in packages:
        assert re.fullmatch(r"wagtail_kwiga\.tasks\.\w+", package["func"])
        assert all(isinstance(each, int) for each in package["args"]) and package.get("kwargs") in ({}, None)
        assert leaks(repr(package), busy["attempt"].token) == []
    # What a pass tells the queue to keep, where a sweep fails with words of somebody else.
    failed = tasks.Outcome("poll_payments", None, OSError(f"/v1?key={SECRETS['provider key']}"), 0.1)
    assert leaks(str(failed)) == [] and redaction.HIDDEN in str(failed)
    m.PaymentAttempt.objects.update(next_poll_at=START)
    kept = tasks.sweep() + json.dumps(list(m.Heartbeat.objects.values_list("note", flat=True)))
    assert leaks(kept, busy["attempt"].token) == []


def test_what_reprs_say(leaky):
    """Error reports print them."""
    attempt = new_attempt(new_order(), method="sandbox")
    request = signed(attempt, card="4242-4242")
    signature = request.headers["Sandbox-Signature"]
    provider = registry.get("starting")
    webhook = registry.get("sandbox").verify(request)
    assert leaks(repr([request, webhook, provider, attempt]), signature, "4242-4242") == []
    assert attempt.token not in repr(attempt) + str(attempt)
