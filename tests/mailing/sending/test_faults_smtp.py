"""Attacked: handing over by SMTP. The server refuses, hangs, hangs up or talks nonsense at every point of the conversation.

For each: the right end (only a lost answer to a whole mail is *unknown*), words that say why, the list of refused
addresses untouched unless the address itself was refused, and the other mails of the batch each out once.
"""

from __future__ import annotations

from collections import Counter

import pytest
from django.utils import translation

from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.mailing.smtp_servers import CLOSE, HANG, POINTS, RESET, hostile_server
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import reasons
from wagtail_kwiga.mailing.sending import order_mails
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


@pytest.fixture(autouse=True)
def seller():
    return settings_of_default_site()


@pytest.fixture
def hostile(settings):
    with hostile_server(settings) as server:
        yield server


def three_mails():
    """The fault meets the first; the others are healthy."""
    template = make_template()
    return [queue_one(make_contact(f"{name}@example.com"), template=template) for name in ("first", "second", "third")]


def state(row):
    row.refresh_from_db()
    return row.status


def check_told(row, code, *said):
    """The reason begins with its code, and staff read whole words, in their language."""
    assert row.why.partition(":")[0] == code
    words = reasons.sentence(row.why)
    assert not words.startswith(code)
    for part in said:
        assert part in words
    with translation.override("de"):
        assert reasons.sentence(row.why).partition(" (")[0] != words.partition(" (")[0]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("fault", [CLOSE, RESET, HANG, (b"25", CLOSE), (b"\xff\xfe\x00 what\r\n", CLOSE)], ids=str)
def test_a_line_that_breaks(settings, point, fault):
    """Before the end of the mail has left, nothing can have been taken, so it is tried again; after that nobody knows."""
    with hostile_server(settings, timeout=0.25) as server:
        server.script[point] = [fault]
        first, *others = three_mails()
        summary = deliver_due(START)
        assert [state(row) for row in others] == [Status.SENT] * 2
        if point == "dot":
            assert summary == DeliverySummary(sent=2, unknown=1)
            assert state(first) == Status.UNKNOWN
            check_told(first, "no_answer")
            assert [entry.facts["email"] for entry in writing.open_attention()] == [first.pk]
        else:
            assert summary == DeliverySummary(sent=2, later=1)
            assert state(first) == Status.QUEUED
            check_told(first, "no_connection")
            assert first.due_at == after(minutes=2) and first.attempts == 1
            assert not writing.open_attention().exists()
        deliver_due(after(minutes=2))
        deliver_due(after(days=2))
        assert Counter(server.recipients) == Counter(
            {"first@example.com": 1, "second@example.com": 1, "third@example.com": 1}
        )
    assert not m.Suppression.objects.exists()


@pytest.mark.parametrize("point", POINTS)
def test_a_server_that_hangs_for_ever_costs_a_few_tries_and_no_worker(settings, point):
    """Three in a row, and the rest of the batch is left as it was."""
    with hostile_server(settings, timeout=0.1) as server:
        server.script[point] = HANG
        template = make_template()
        rows = [queue_one(template=template) for _ in range(5)]
        summary = deliver_due(START)
        assert summary == (DeliverySummary(unknown=3) if point == "dot" else DeliverySummary(later=3))
        assert [state(row) for row in rows[3:]] == [Status.QUEUED] * 2
        assert [(row.attempts, row.due_at, row.lease) for row in rows[3:]] == [(0, START, "")] * 2
        assert server.seen["banner"] == 3


REPLIES = [
    ("banner", "421 4.3.2 too busy", Status.QUEUED, "not_now"),
    ("banner", "554 5.7.1 we do not know you", Status.QUEUED, "configuration"),
    ("MAIL", "421 4.7.0 too many of you", Status.QUEUED, "not_now"),
    ("MAIL", "450 4.7.1 greylisted", Status.QUEUED, "not_now"),
    ("MAIL", "451 4.3.0 local trouble", Status.QUEUED, "not_now"),
    ("MAIL", "452 4.3.1 disk full", Status.QUEUED, "not_now"),
    # The sender is refused: that is about us, and so about every mail.
    ("MAIL", "550 5.7.1 you may not send as that", Status.QUEUED, "configuration"),
    ("MAIL", "553 5.1.8 sender domain not found", Status.QUEUED, "configuration"),
    ("MAIL", "554 5.7.0 no", Status.QUEUED, "configuration"),
    ("MAIL", "501 5.1.7 bad sender address", Status.QUEUED, "configuration"),
    ("MAIL", "530 5.7.0 authenticate first", Status.QUEUED, "configuration"),
    # Too big by the size it was announced with: about this mail.
    ("MAIL", "552 5.3.4 message too big", Status.FAILED, "server_refused"),
    ("RCPT", "421 4.7.0 slow down", Status.QUEUED, "not_now"),
    ("RCPT", "450 4.2.1 greylisted", Status.QUEUED, "not_now"),
    ("RCPT", "451 4.7.1 greylisted", Status.QUEUED, "not_now"),
    ("RCPT", "452 4.5.3 too many recipients", Status.QUEUED, "not_now"),
    ("RCPT", "550 5.1.1 no such user", Status.SUPPRESSED, "refused"),
    ("RCPT", "551 user not local", Status.SUPPRESSED, "refused"),
    # We have not said who we are: about every mail.
    ("RCPT", "550 5.7.1 relaying denied", Status.QUEUED, "configuration"),
    ("RCPT", "554 5.7.1 blocked by policy", Status.FAILED, "server_refused"),
    ("RCPT", "252 cannot verify, will try", Status.QUEUED, "not_now"),
    ("DATA", "421 4.3.2 going down", Status.QUEUED, "not_now"),
    ("DATA", "451 4.3.0 local trouble", Status.QUEUED, "not_now"),
    ("DATA", "554 5.5.1 no valid recipients", Status.FAILED, "server_refused"),
    ("dot", "421 4.3.2 going down", Status.QUEUED, "not_now"),
    ("dot", "450 4.7.0 greylisted", Status.QUEUED, "not_now"),
    ("dot", "451 4.3.0 local trouble", Status.QUEUED, "not_now"),
    ("dot", "452 4.3.1 disk full", Status.QUEUED, "not_now"),
    # About what the mail says: the address itself is fine.
    ("dot", "550 5.7.1 looks like spam", Status.FAILED, "server_refused"),
    ("dot", "550 content refused", Status.FAILED, "server_refused"),
    ("dot", "553 5.6.0 malformed", Status.FAILED, "server_refused"),
    ("dot", "554 transaction failed", Status.FAILED, "server_refused"),
    ("dot", "552 5.3.4 message too big", Status.FAILED, "server_refused"),
]


@pytest.mark.parametrize(("point", "answer", "ends", "why"), REPLIES)
def test_what_a_reply_means_where_it_is_given(hostile, point, answer, ends, why):
    hostile.script[point] = [answer.encode()]
    first, *others = three_mails()
    deliver_due(START)
    assert state(first) == ends
    check_told(first, why, answer)
    assert [state(row) for row in others] == [Status.SENT] * 2
    assert list(m.Suppression.objects.values_list("email", "scope", "reason")) == (
        [("first@example.com", "all", "refused")] if ends == Status.SUPPRESSED else []
    )
    # A person is asked where waiting does not help and nothing else reacts.
    assert writing.open_attention().count() == (1 if ends == Status.FAILED else 0)
    deliver_due(after(minutes=2))
    deliver_due(after(days=1))
    again = ["first@example.com"] if ends == Status.QUEUED else []
    assert Counter(hostile.recipients) == Counter(["second@example.com", "third@example.com", *again])


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "dot"])
@pytest.mark.parametrize(
    "nonsense",
    [
        b"OK",
        b"\x00\xff\xfe\x80",
        b"999 what?",
        b"250",
        b"550 5.7.1 \xff\xfe\xd8 gr\xfc\xdfe\x00",
        b"250 " + b"x" * 20_000,
    ],
    ids=["no number", "no text", "no such number", "bare", "not UTF-8", "a line without end"],
)
def test_nonsense_never_stops_a_batch_and_never_sends_twice(hostile, point, nonsense):
    hostile.script[point] = [nonsense]
    first, *others = three_mails()
    deliver_due(START)
    ends = state(first)
    for row in others:
        assert state(row) == Status.SENT
    taken = hostile.recipients.count("first@example.com")
    if point == "dot" and nonsense != b"250" and not nonsense.startswith(b"550"):
        assert (ends, taken) == (Status.UNKNOWN, 1)  # it was taken; only nobody can know
    deliver_due(after(minutes=2))
    deliver_due(after(days=1))
    assert hostile.recipients.count("first@example.com") <= 1
    assert state(first) in (Status.SENT, Status.FAILED, Status.SUPPRESSED, Status.UNKNOWN)
    if not nonsense.startswith(b"550") and point in ("MAIL", "RCPT", "DATA"):
        assert state(first) == Status.SENT  # nothing had been handed over, so it was right to try again
    assert "\x00" not in first.why and first.why.isprintable()


def test_a_refused_sender_is_not_tried_for_every_mail_of_the_outbox(hostile):
    """Otherwise one wrong setting fails the whole outbox at once, and servers that count faults shut us out."""
    hostile.script["MAIL"] = b"550 5.7.1 you may not send as that"
    template = make_template()
    rows = [queue_one(template=template) for _ in range(8)]
    assert deliver_due(START) == DeliverySummary(later=3)
    assert hostile.seen["MAIL"] == 3
    hostile.script.clear()  # somebody mends the settings
    assert deliver_due(after(minutes=2)) == DeliverySummary(sent=8)
    assert sorted(hostile.recipients) == sorted(row.to_email for row in rows)


def test_a_receipt_whose_answer_was_lost_goes_once_more_and_promotion_waits_for_a_person(settings):
    with hostile_server(settings, timeout=0.25) as server:
        server.script["dot"] = [HANG, RESET]
        promotion = queue_one(make_contact("promo@example.com"))
        receipt = order_mails.receipt(order_for(make_contact("buyer@example.com"), make_offer()), START)
        assert deliver_due(START) == DeliverySummary(unknown=2)
        assert deliver_due(after(minutes=59)) == DeliverySummary()
        assert deliver_due(after(minutes=60)) == DeliverySummary(sent=1)
        assert deliver_due(after(days=1)) == DeliverySummary()
        assert Counter(server.recipients) == Counter({"promo@example.com": 1, "buyer@example.com": 2})
    assert state(promotion) == Status.UNKNOWN
    assert state(receipt) == Status.SENT
    assert [entry.facts["email"] for entry in writing.open_attention()] == [promotion.pk]


def test_a_server_that_hangs_on_every_noop_and_quit_still_gets_each_mail_once(settings):
    with hostile_server(settings, timeout=0.1) as server:
        server.script |= {"NOOP": HANG, "QUIT": HANG, "RSET": HANG}
        rows = three_mails()
        assert deliver_due(START) == DeliverySummary(sent=3)
        assert Counter(server.recipients) == Counter(row.to_email for row in rows)


def test_a_refusal_stays_a_refusal_when_the_line_breaks_behind_it(settings):
    with hostile_server(settings, timeout=0.1) as server:
        server.script |= {"RCPT": [b"550 5.1.1 no such user"], "RSET": [HANG]}
        first, *others = three_mails()
        assert deliver_due(START) == DeliverySummary(sent=2, suppressed=1)
        assert state(first) == Status.SUPPRESSED
        assert len(server.taken) == len(others)


def test_many_bad_addresses_among_good_ones(hostile):
    """Every other address is refused in another way; each good one gets one mail, nobody gets somebody else's."""
    answers = [b"550 5.1.1 gone", b"450 4.2.1 later", b"554 5.7.1 policy", b"421 4.7.0 slow"]
    hostile.script["RCPT"] = [told for answer in answers for told in (answer, None)]
    template = make_template()
    rows = [queue_one(make_contact(f"p{n}@example.com"), template=template) for n in range(8)]
    summary = deliver_due(START)
    assert (summary.sent, summary.suppressed, summary.failed, summary.later) == (4, 1, 1, 2)
    assert hostile.recipients == [row.to_email for row in rows[1::2]]
    assert deliver_due(after(minutes=2)) == DeliverySummary(sent=2)
    assert Counter(hostile.recipients).most_common(1)[0][1] == 1
    for addresses, raw in hostile.taken:
        (address,) = addresses
        assert raw.count(b"@example.com>\r\n") >= 1 and f"<{address}>".encode() in raw
        others = {row.to_email for row in rows} - {address}
        assert not any(other.encode() in raw for other in others)
