"""``kwiga_setup --restored-from``: what fell due since the backup was made is left to people, and to nobody else."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.automations import story
from tests.backoffice.screens import page_of, says
from tests.mailing.making import make_template, queue_one
from tests.payments import bank
from tests.payments.shop import new_order
from tests.support import START, after, make_contact, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.access import announcing
from wagtail_kwiga.automations.running import endings, engine
from wagtail_kwiga.mailing.sending import delivery, outbox
from wagtail_kwiga.management import restoring
from wagtail_kwiga.management.restoring import Doubts
from wagtail_kwiga.payments import ledger, refunds

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status
#: When the backup was made, and when it was put back.
BACKUP, NOW = after(minutes=10), after(hours=5)


def now() -> dt.datetime:
    return NOW


@pytest.fixture(autouse=True)
def _clock(settings, tmp_path):
    bank_options = {"class": "tests.payments.bank.Bank", "folder": str(tmp_path)}
    settings.WAGTAIL_KWIGA = {
        **settings.WAGTAIL_KWIGA, "CLOCK": "tests.commands.test_restored.now", "PAYMENT_PROVIDERS": {"bank": bank_options},
    }  # fmt: skip


def restored(*arguments, backup=BACKUP) -> str:
    out = io.StringIO()
    call_command("kwiga_setup", "--restored-from", backup.isoformat(), *arguments, stdout=out)
    return out.getvalue()


def mail(*, queued=START, due=None, **values):
    email = queue_one(make_contact(), template=make_template())
    given = {"queued_at": queued, "due_at": due or queued, **values}
    m.OutgoingEmail.objects.filter(pk=email.pk).update(**given)
    return email


def status(email):
    email.refresh_from_db()
    return email.status


class TestMail:
    @pytest.mark.parametrize(
        ("given", "doubted"),
        [
            ({}, True),
            ({"due": after(hours=5)}, True),
            ({"due": after(hours=5, seconds=1)}, False),
            ({"queued": after(minutes=10)}, True),
            ({"queued": after(minutes=11)}, False),  # the site has been at work again already
            ({"status": "leased", "lease": "x", "leased_until": after(minutes=12)}, True),
            ({"status": "sending", "lease": "x", "leased_until": after(minutes=12), "sending_at": after(minutes=9)}, True),
            ({"status": "sent", "sent_at": START}, False),
            ({"status": "cancelled"}, False),
        ],
    )  # fmt: skip
    def test_that_may_have_left(self, given, doubted):
        email = mail(**given)
        before = status(email)
        restored()
        assert status(email) == ("unknown" if doubted else before)
        if doubted:
            assert (email.why, email.lease, email.leased_until) == ("restored", "", None)

    @pytest.mark.parametrize("purpose", m.OutgoingEmail.Purpose.values)
    def test_stays_so_until_a_person_decides_receipts_too(self, mailoutbox, purpose):
        email = mail(purpose=purpose)
        restored()
        for hours in range(5, 40):
            delivery.deliver_due(after(hours=hours))
        assert (status(email), mailoutbox) == ("unknown", [])
        outbox.settle(email, "send_again", now=after(hours=41))
        delivery.deliver_due(after(hours=41))
        assert (status(email), len(mailoutbox)) == ("sent", 1)

    def test_a_receipt_that_was_to_be_sent_once_more_by_itself_waits_for_a_person(self, mailoutbox):
        email = mail(purpose="receipt", status="unknown", sending_at=START, why="no_answer")
        restored()
        delivery.deliver_due(after(hours=6))
        assert (status(email), email.why, mailoutbox) == ("unknown", "restored", [])

    def test_is_on_the_list_of_what_needs_a_person(self, admin_client):
        mail()
        restored()
        says(
            page_of(admin_client, reverse("wagtail_kwiga_attention:index")),
            "1 mail of which nobody knows whether it arrived",
        )


class TestAccessThatOpened:
    """A course that begins after the backup was made: those who were told so in between are not told again."""

    @pytest.mark.parametrize(
        ("granted", "opens", "doubted"),
        [
            (START, after(minutes=5), True),  # the worker was late
            (START, after(hours=2), True),
            (START, after(hours=6), False),
            (after(hours=1), after(hours=2), False),  # the site has been at work again already
        ],
    )
    def test_is_announced_once_unless_a_person_says_otherwise(self, mailoutbox, granted, opens, doubted):
        grant = self.grant(granted, opens)
        restored()
        announcing.announce_due(after(hours=7))
        delivery.deliver_due(after(hours=7))
        email = m.OutgoingEmail.objects.get(purpose="access")
        assert (email.status, len(mailoutbox)) == (("unknown", 0) if doubted else ("sent", 1))
        grant.refresh_from_db()
        assert grant.announce_at is None
        if doubted:
            assert email.why == "restored"
            assert m.TimelineEntry.objects.filter(code="mailing.unknown").count() == 1
            outbox.settle(email, "send_again", now=after(hours=8))
            delivery.deliver_due(after(hours=8))
            assert len(mailoutbox) == 1

    def test_is_counted(self):
        self.grant(START, after(hours=2))
        assert restoring.count(BACKUP, NOW) == Doubts(0, 0, 0, announcements=1)
        assert "1 announcements of access" in restored("--dry-run")
        assert "1 announcements of access" in restored()
        assert restoring.count(BACKUP, NOW) == Doubts(0, 0, 0)

    @staticmethod
    def grant(granted, opens) -> m.AccessGrant:
        return m.AccessGrant.objects.create(
            contact=make_contact(), product=make_product(), source=f"staff:{granted}:{opens}", reason="staff", granted_at=granted,
            starts_at=opens, announce_at=opens,
        )  # fmt: skip


class TestRuns:
    def test_are_held_and_nothing_is_sent_until_a_person_lets_them_go_on(self):
        told = story.tell()
        order = told.place()
        restored()
        run = told.run_of(order)
        assert (run.state, run.reason, run.position) == ("paused", "restored", "step-0")
        assert story.told(run)[-1][1:] == ("paused", "restored")
        assert engine.run_due(after(hours=6)).batches == 0
        endings.let_go_on(run, now=after(hours=6))
        engine.run_due(after(hours=6))
        run.refresh_from_db()
        assert (run.state, run.first_message_at) == ("active", after(hours=6))

    @pytest.mark.parametrize("placed", [after(minutes=11), after(hours=4)])
    def test_that_began_after_the_backup_go_on(self, placed):
        told = story.tell()
        order = told.place(now=placed)
        restored()
        assert told.run_of(order).state == "active"

    def test_that_are_not_due_go_on(self):
        told = story.tell()
        order = told.place()
        m.Run.objects.update(due_at=after(hours=5, seconds=1))
        restored()
        assert told.run_of(order).state == "active"

    def test_say_why_on_their_screen(self, admin_client):
        told = story.tell()
        order = told.place()
        restored()
        run = told.run_of(order)
        says(
            page_of(admin_client, reverse("wagtail_kwiga_runs:let_go_on", args=[run.pk])),
            "The database was restored from a backup, and this step may have been taken before that",
        )


class TestRefunds:
    def test_are_not_asked_for_a_second_time(self, tmp_path):
        order = new_order()
        ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=START)
        refund = refunds.request(order=order, amount=Decimal(50), now=after(minutes=5))
        restored()
        refunds.sweep(after(days=3))
        refund.refresh_from_db()
        assert (refund.state, refund.next_try_at) == ("unknown", None)
        assert bank.Bank("bank", {"folder": str(tmp_path)}).books() == []
        entry = m.TimelineEntry.objects.get(code="payments.refund_unknown")
        assert (entry.needs_attention, entry.subject) == (True, order)
        refunds.decide(refund, is_done=True, now=after(days=4))
        order.refresh_from_db()
        assert order.refunded_amount == 50

    def test_of_after_the_backup_are_left_alone(self):
        order = new_order()
        ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=START)
        refund = refunds.request(order=order, amount=Decimal(50), now=after(minutes=11))
        restored()
        refund.refresh_from_db()
        assert refund.state == "requested"


def everything():
    mail(), mail(purpose="receipt")
    story.tell().place()
    order = new_order()
    ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=after(minutes=9))
    refunds.request(order=order, amount=Decimal(50), now=after(minutes=10))


def test_a_dry_run_tells_the_same_and_changes_nothing():
    everything()
    doubts = restoring.count(BACKUP, NOW)
    assert "would be left to people" in (told := restored("--dry-run"))
    assert set(m.OutgoingEmail.objects.values_list("status", flat=True)) == {"queued"}
    assert restoring.count(BACKUP, NOW) == doubts
    assert restored().splitlines()[0] == told.strip().replace("would be", "now")
    assert doubts == Doubts(mails=3, runs=1, refunds=1)  # the receipt of the paid order is the third


def test_repeating_it_changes_nothing_more():
    everything()
    restored()
    told = restored()
    assert "0 mails whose delivery is unknown, 0 people held inside scenarios, 0 refunds" in told


def test_as_many_queries_a_batch_however_many_there_are(settings):
    told = story.tell()
    costs = []
    for number in (1, 6):
        for _one in range(number):
            mail()
            told.place()
        with CaptureQueriesContext(connection) as queries:
            assert restoring.put_in_doubt(BACKUP, NOW).mails == number
        costs.append(len(queries))
    assert costs[0] == costs[1]
    for _one in range(5):
        mail()
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "SWEEP_BATCH": 2}
    assert restoring.put_in_doubt(BACKUP, NOW).mails == 5


@pytest.mark.parametrize("text", ["yesterday", "2027-13-01", "2027-03-01", "20270301"])
def test_nonsense(text):
    """A day without a time would be its beginning: what was queued on it before the backup was made would be sent again."""
    with pytest.raises(CommandError, match="--restored-from wants an instant"):
        call_command("kwiga_setup", "--restored-from", text)


def test_an_instant_that_is_still_to_come():
    with pytest.raises(CommandError, match="lies in the future"):
        restored(backup=after(hours=5, seconds=1))


def test_a_dry_run_of_nothing_is_refused():
    with pytest.raises(CommandError, match="goes with --restored-from"):
        call_command("kwiga_setup", "--dry-run")
