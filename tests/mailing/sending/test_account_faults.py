"""The account at the email service is paused, over its limit, without a valid key, its sender not confirmed: mail waits, however
long that lasts, one entry tells a person, and it goes by itself. Real backends of Anymail, and a real SMTP server."""

from __future__ import annotations

import pytest
from django.utils import translation
from wagtail.models import Site

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.mailing.providers import ADA, provider_server, set_up
from tests.mailing.smtp_servers import hostile_server
from tests.support import START, after, make_contact
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.sending import account_faults, account_watch
from wagtail_kwiga.mailing.sending.account_faults import AccountFault
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status

#: Provider, HTTP status and answer, and what is the matter.
ANSWERS = [
    ("amazon_ses", 400, ("AccountSuspendedException", {"message": "Sending is suspended."}), "suspended"),
    ("amazon_ses", 400, ("SendingPausedException", {"message": "Sending is paused."}), "suspended"),
    ("amazon_ses", 400, ("MailFromDomainNotVerifiedException", {"message": "Not verified."}), "sender"),
    ("amazon_ses", 400, ("MessageRejected", {"message": "Email address is not verified."}), "sender"),
    ("amazon_ses", 400, ("LimitExceededException", {"message": "There are too many."}), "limit"),
    ("amazon_ses", 429, ("TooManyRequestsException", {"message": "Daily message quota exceeded."}), "limit"),
    ("amazon_ses", 403, ("UnrecognizedClientException", {"message": "The token is invalid."}), "credentials"),
    ("brevo", 401, {"code": "unauthorized", "message": "Key not found"}, "credentials"),
    ("brevo", 402, {"code": "not_enough_credits", "message": "Insufficient credits"}, "limit"),
    ("brevo", 403, {"code": "permission_denied", "message": "Your SMTP account is not yet activated."}, "suspended"),
    ("brevo", 400, {"code": "invalid_parameter", "message": "sender is not valid"}, "sender"),
    ("mailersend", 401, {"message": "Unauthenticated."}, "credentials"),
    ("mailersend", 422, {"message": "The from.email domain must be verified. #MS42207", "errors": {}}, "sender"),
    ("mailersend", 422, {"message": "You have reached your trial account limit. #MS42225"}, "limit"),
    ("mailgun", 401, "Forbidden", "credentials"),
    ("mailgun", 403, {"message": "Domain a.example is not allowed to send: the domain is unverified"}, "sender"),
    ("mailgun", 420, {"message": "Domain a.example is not allowed to send: recipient limit exceeded"}, "limit"),
    ("mailgun", 400, {"message": "Sandbox subdomains are for test purposes only."}, "suspended"),
    ("mailjet", 401, {"ErrorCode": "", "StatusCode": 401, "ErrorMessage": "API key authentication failure"}, "credentials"),
    ("mailjet", 400, {"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "send-0008"}]}]}, "sender"),
    ("mailtrap", 401, {"errors": ["Unauthorized"], "success": False}, "credentials"),
    ("mandrill", 401, {"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}, "credentials"),
    ("mandrill", 500, {"status": "error", "code": 10, "name": "PaymentRequired", "message": "Pay"}, "limit"),
    ("mandrill", 200, [{"email": ADA, "status": "rejected", "reject_reason": "unsigned"}], "sender"),
    ("postal", 200, {"status": "error", "data": {"code": "InvalidServerAPIKey"}}, "credentials"),
    ("postal", 200, {"status": "error", "data": {"code": "ServerSuspended"}}, "suspended"),
    ("postal", 200, {"status": "error", "data": {"code": "UnauthenticatedFromAddress"}}, "sender"),
    ("postmark", 422, {"ErrorCode": 400, "Message": "The sender signature was not found."}, "sender"),
    ("postmark", 422, {"ErrorCode": 405, "Message": "Not allowed to send: out of credits."}, "limit"),
    ("postmark", 422, {"ErrorCode": 412, "Message": "The account is pending approval."}, "suspended"),
    ("postmark", 401, {"ErrorCode": 10, "Message": "Bad or missing token."}, "credentials"),
    ("resend", 403, {"name": "validation_error", "message": "The a.example domain is not verified."}, "sender"),
    ("resend", 429, {"name": "daily_quota_exceeded", "message": "You have reached your daily quota."}, "limit"),
    ("resend", 401, {"name": "missing_api_key", "message": "Missing API key"}, "credentials"),
    ("scaleway", 403, {"type": "quotas_exceeded", "message": "quota exceeded"}, "limit"),
    ("scaleway", 401, {"type": "denied_authentication"}, "credentials"),
    ("sendgrid", 401, {"errors": [{"message": "Maximum credits exceeded"}]}, "credentials"),
    ("sendgrid", 403, {"errors": [{"message": "The from address does not match a verified Sender Identity."}]}, "settings"),
    ("sparkpost", 400, {"errors": [{"message": "Invalid domain", "code": "7001"}]}, "sender"),
    ("sparkpost", 420, {"errors": [{"message": "Exceed Sending Limit (daily)", "code": "2102"}]}, "limit"),
    ("unisender_go", 401, {"status": "error", "message": "Error ID: 1"}, "credentials"),
    ("unisender_go", 403, {"status": "error", "message": "Error ID: 1"}, "settings"),
]  # fmt: skip


@pytest.fixture
def provider():
    with provider_server() as server:
        yield server


def at_fault(provider, status, answer) -> None:
    provider.status = status
    provider.headers, provider.answer = (
        ({"x-amzn-errortype": answer[0]}, answer[1]) if isinstance(answer, tuple) else ({}, answer)
    )


def entry_of() -> TimelineEntry:
    (entry,) = writing.open_attention()
    assert entry.code == account_watch.CODE
    return entry


def rows_of(rows):
    return [m.OutgoingEmail.objects.get(pk=row.pk) for row in rows]


@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")
@pytest.mark.parametrize(
    ("name", "status", "answer", "fault"),
    ANSWERS,
    ids=[f"{one[0]}-{one[1]}-{one[3]}-{n}" for n, one in enumerate(ANSWERS)],
)
def test_mail_waits_and_one_entry_tells_of_the_account(settings, provider, name, status, answer, fault):
    set_up(settings, provider, name)
    healthy = provider.answer
    at_fault(provider, status, answer)
    template, contact = make_template(), make_contact(ADA)
    rows = [queue_one(contact, template=template) for _number in range(5)]
    assert deliver_due(START) == DeliverySummary(later=3)
    assert len(provider.taken) == 3  # and then the sweep leaves off
    assert {row.status for row in rows_of(rows)} == {Status.QUEUED}
    entry = entry_of()
    assert (entry.facts["account_fault"], entry.subject) == (fault, Site.objects.get(is_default_site=True))
    assert ADA not in writing.sentence(entry)
    assert not m.Suppression.objects.exists()

    at_fault(provider, 200, healthy)
    assert deliver_due(after(minutes=2)) == DeliverySummary(sent=5)
    assert not writing.open_attention().exists()
    entry.refresh_from_db()
    assert (entry.attended_at, entry.attended_by) == (after(minutes=2), None)


def test_however_long_it_lasts_no_mail_is_given_up_and_the_account_is_asked_now_and_then(settings, provider):
    set_up(settings, provider, "postmark")
    healthy = provider.answer
    at_fault(provider, 422, {"ErrorCode": 412, "Message": "The account is pending approval."})
    template, contact = make_template(), make_contact(ADA)
    rows = [queue_one(contact, template=template) for _number in range(4)]
    for minute in range(0, 2 * 24 * 60, 15):
        deliver_due(after(minutes=minute))
    assert {row.status for row in rows_of(rows)} == {Status.QUEUED}
    assert max(row.attempts for row in rows_of(rows)) <= 1
    assert TimelineEntry.objects.filter(code=account_watch.CODE).count() == 1
    assert len(provider.taken) <= 3 + 2 * 24 * 2 + 10  # every half hour, and more often in its first hours
    at_fault(provider, 200, healthy)
    assert deliver_due(after(days=2, minutes=30)).sent == 4
    assert not writing.open_attention().exists()


def test_a_known_fault_costs_one_mail_a_try_and_who_ticks_it_off_has_it_tried_at_once(settings, provider):
    set_up(settings, provider, "resend")
    at_fault(provider, 403, {"name": "validation_error", "message": "The a.example domain is not verified."})
    template, contact = make_template(), make_contact(ADA)
    for _number in range(9):
        queue_one(contact, template=template)
    deliver_due(START)
    assert deliver_due(after(minutes=1)) == DeliverySummary()
    assert deliver_due(after(minutes=2)) == DeliverySummary(later=1)
    assert deliver_due(after(minutes=3)) == DeliverySummary()
    assert len(provider.taken) == 4
    writing.attend(entry_of(), None, after(minutes=3))
    assert deliver_due(after(minutes=3, seconds=1)).later == 3
    assert TimelineEntry.objects.filter(code=account_watch.CODE).count() == 2


def test_what_is_the_matter_now_is_what_the_entry_says(settings, provider):
    set_up(settings, provider, "postmark")
    at_fault(provider, 422, {"ErrorCode": 412, "Message": "The account is pending approval."})
    queue_one(make_contact(ADA))
    deliver_due(START)
    assert "paused, closed or not approved" in writing.sentence(entry_of())
    assert writing.sentence(entry_of()).endswith("The service says: The account is pending approval.")
    at_fault(provider, 401, {"ErrorCode": 10, "Message": "Bad token."})
    deliver_due(after(minutes=2))
    assert "password or key" in writing.sentence(entry_of())
    with translation.override("de"):
        assert writing.sentence(entry_of())


def test_a_single_mail_that_is_misread_goes_its_way_and_holds_nobody_up(settings, provider):
    """Refused like an account, while all others are taken: it is tried as often as any, and then a person is asked about it."""
    with hostile_server(settings) as server:
        settings_of_default_site(promo_mails_per_day=0)
        template = make_template()
        odd = queue_one(make_contact("odd@example.com"), template=template)
        at = 0
        while m.OutgoingEmail.objects.get(pk=odd.pk).status == Status.QUEUED and at < 20:
            odd.refresh_from_db()
            now = max(odd.due_at, START)
            row = queue_one(make_contact(f"good{at}@example.com"), template=template, now=now)
            server.script["MAIL"] = [b"530 5.7.0 no", None]
            deliver_due(now)
            assert m.OutgoingEmail.objects.get(pk=row.pk).status == Status.SENT
            at += 1
    odd.refresh_from_db()
    assert (odd.status, odd.why.partition(":")[0]) == (Status.FAILED, "gave_up")
    assert [entry.code for entry in writing.open_attention()] == ["mailing.failed"]


def test_the_account_of_one_site_holds_up_no_other_site(settings):
    """The sender of one site is not confirmed; the other one's is."""
    there = Site.objects.get(is_default_site=True)
    here = Site.objects.create(hostname="other.example", root_page=there.root_page, site_name="Other")
    settings_of_default_site(promo_mails_per_day=0)
    m.KwigaSettings.objects.create(
        site=here, sender_email="jo@other.example", seller_name="Other", promo_mails_per_day=0
    )
    with hostile_server(settings) as server:
        server.refused_senders = {"mara@riverside.example": b"553 5.1.8 sender domain not confirmed"}
        template = make_template()
        stuck = [queue_one(make_contact(f"a{n}@example.com"), template=template) for n in range(9)]
        ours = [queue_one(make_contact(f"b{n}@example.com"), template=template) for n in range(4)]
        m.OutgoingEmail.objects.filter(pk__in=[row.pk for row in ours]).update(site=here)
        assert deliver_due(START, batch=5) == DeliverySummary(later=3)  # it might have been all of it
        assert entry_of().subject == there
        assert deliver_due(after(minutes=2), batch=5) == DeliverySummary(later=1, sent=4)
        assert entry_of().subject == there
        server.refused_senders = {}
        assert deliver_due(after(minutes=4), batch=5) == DeliverySummary(sent=9)
    assert not writing.open_attention().exists()
    assert {row.status for row in rows_of([*stuck, *ours])} == {Status.SENT}


#: Point of the conversation, reply, and what is the matter.
REPLIES = [
    ("MAIL", "530 5.7.0 Authentication required", "credentials"),
    ("MAIL", "553 5.1.8 sender domain not found", "sender"),
    ("MAIL", "550 you may not send as that", "sender"),
    ("RCPT", "554 5.7.1 <ada@example.com>: Relay access denied", "credentials"),
    ("dot", "554 Message rejected: Email address is not verified. The following identities failed", "sender"),
    ("dot", "454 Throttling failure: Daily message quota exceeded.", "limit"),
    ("dot", "554 Access denied: User is not authorized to perform ses:SendRawEmail", "credentials"),
    ("dot", "550 5.4.5 Daily user sending limit exceeded", "limit"),
    ("DATA", "421 Domain a.example is not allowed to send: please activate your account", "suspended"),
    ("dot", "554 5.7.1 Your account has been suspended", "suspended"),
    ("banner", "554 5.7.1 we do not know you", "settings"),
]


@pytest.mark.parametrize(("point", "reply", "fault"), REPLIES)
def test_a_mail_server_that_speaks_of_the_account(settings, point, reply, fault):
    settings_of_default_site(promo_mails_per_day=0)
    with hostile_server(settings) as server:
        server.script[point] = reply.encode()
        template = make_template()
        rows = [queue_one(make_contact(ADA), template=template)]
        rows += [queue_one(m.Contact.objects.get(), template=template) for _number in range(4)]
        assert deliver_due(START) == DeliverySummary(later=3)
        assert server.seen[point] == 3
        assert entry_of().facts["account_fault"] == fault
        server.script.clear()
        assert deliver_due(after(minutes=2)) == DeliverySummary(sent=5)
    assert not writing.open_attention().exists()


@pytest.mark.parametrize(
    "reply", ["535 5.7.8 Authentication credentials invalid", "534 5.7.9 Application password required"]
)
def test_a_mail_server_that_refuses_the_password(settings, reply):
    settings_of_default_site()
    with hostile_server(settings, username="mara", password="something wrong") as server:
        server.script |= {"EHLO": b"250-hostile.example\r\n250 AUTH PLAIN", "AUTH": reply.encode()}
        queue_one()
        assert deliver_due(START) == DeliverySummary(later=1)
        assert entry_of().facts["account_fault"] == "credentials"
        assert "something wrong" not in writing.sentence(entry_of())


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (550, "5.2.1 The email account that you tried to reach is disabled"),
        (550, "5.1.1 your account is not known here"),
        (552, "5.2.2 over quota"),
        (452, "4.2.2 sending limit exceeded of this mailbox"),
        (550, "5.7.1 looks like spam"),
        (450, "4.7.1 greylisted"),
        (552, "5.3.4 message too big"),
        (250, "Daily message quota exceeded"),
        (550, "5.7.139.8 no such code"),
    ],
)
def test_what_is_about_a_mail_or_its_reader_is_not_about_the_account(code, answer):
    assert account_faults.of_reply(code, answer) is None


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("Postmark", 422, {"ErrorCode": 406, "Message": "Inactive recipient"}),
        ("Postmark", 422, {"ErrorCode": 300, "Message": "Invalid email request"}),
        ("Mandrill", 200, [{"status": "rejected", "reject_reason": "hard-bounce"}]),
        ("Mailjet", 400, {"Messages": [{"Errors": [{"ErrorCode": "mj-0013"}]}]}),
        ("SparkPost", 400, {"errors": [{"message": "Content blocked", "code": "5001"}]}),
        ("Resend", 422, {"name": "validation_error", "message": "Invalid `to` field"}),
        ("", 400, {"code": "invalid_key", "name": ["a", {"code": None}]}),
        ("", None, "Invalid_Key"),
    ],
)
def test_other_answers_are_not_about_the_account(provider, status, body):
    assert account_faults.of_answer(provider, status, body, str(body)) is None


def test_every_fault_has_words_that_a_seller_understands():
    words = {str(account_watch.words_of(fault)) for fault in AccountFault}
    assert len(words) == len(AccountFault)
    assert not {word for sentence in words for word in ("SMTP", "API", "HTTP") if word in sentence}


def test_an_idle_sweep_asks_one_question_though_an_account_is_at_fault(django_assert_num_queries):
    writing.write(Site.objects.get(is_default_site=True), account_watch.CODE, now=START, attention=True)
    deliver_due(START)
    with django_assert_num_queries(1):
        deliver_due(after(minutes=1))
