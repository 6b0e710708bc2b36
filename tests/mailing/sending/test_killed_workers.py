"""Workers killed with SIGKILL in the middle of their work: nothing twice, nothing lost, doubt visible (promise 6)."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest
from aiosmtpd.controller import Controller

from tests.mail_settings import option
from tests.mailing.making import Inbox, free_port, make_template, queue_one, settings_of_default_site, smtp_server
from tests.processes import ROOT, environment
from tests.support import START, after
from wagtail_kwiga import models as m
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending.delivery import DeliverySummary, deliver_due

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

Status = m.OutgoingEmail.Status

WORKER = """
import datetime, sys
import django
from django.conf import settings
django.setup()
from tests.mail_settings import SMTP, use_mailer
use_mailer(settings, SMTP, host="127.0.0.1", port=int(sys.argv[1]))
from wagtail_kwiga.mailing.sending.delivery import deliver_due
deliver_due(datetime.datetime.fromisoformat(sys.argv[2]))
"""


class Slow(Inbox):
    """Takes mails, but keeps the sender waiting for the answer to the one after ``hangs_after``."""

    def __init__(self, hangs_after: int) -> None:
        super().__init__()
        self.hangs_after = hangs_after
        self.hanging = threading.Event()

    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        if len(self.raw) > self.hangs_after:
            self.hanging.set()
            await asyncio.sleep(60)
        return answer


def worker(port: int, now) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(port), now.isoformat()],
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_in_hand_over(inbox: Slow, now) -> None:
    """Start a worker, wait until it is in the middle of a hand-over, kill it."""
    port = free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    child = worker(port, now)
    try:
        assert inbox.hanging.wait(60), "the worker never came to the hand-over"
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
    finally:
        child.kill()
        child.wait(10)
        controller.stop()


def test_a_worker_killed_in_a_hand_over_leaves_one_mail_uncertain_and_the_rest_goes_out_once(settings):
    settings_of_default_site()
    template = make_template()
    for _ in range(5):
        queue_one(template=template)
    before = Slow(hangs_after=1)
    kill_in_hand_over(before, START)
    assert Counter(m.OutgoingEmail.objects.values_list("status", flat=True)) == {
        Status.SENT: 1, Status.SENDING: 1, Status.LEASED: 3,
    }  # fmt: skip
    with smtp_server(settings) as inbox:
        # While its lease lasts nobody touches what it had: it might be alive.
        assert deliver_due(after(minutes=1)) == DeliverySummary()
        assert deliver_due(after(minutes=3)) == DeliverySummary(sent=3, unknown=1)
        assert deliver_due(after(minutes=30)) == DeliverySummary()
    received = Counter(before.recipients + inbox.recipients)
    assert set(received.values()) == {1}
    assert len(received) == 5  # the unknown one had arrived as well; only nobody could know
    (entry,) = writing.open_attention()
    assert entry.code == "mailing.unknown"
    unknown = m.OutgoingEmail.objects.get(status=Status.UNKNOWN)
    assert (unknown.pk, unknown.why) == (entry.facts["email"], "worker_stopped")


def test_workers_killed_again_and_again(settings):
    settings_of_default_site()
    template = make_template()
    number, kills = 24, 3
    for _ in range(number):
        queue_one(template=template)
    taken: list[str] = []
    now = START
    for round_ in range(kills):
        inbox = Slow(hangs_after=3 + round_)
        kill_in_hand_over(inbox, now)
        taken += inbox.recipients
        now = after(minutes=5 * (round_ + 1))
    with smtp_server(settings) as inbox:
        deliver_due(now)
        assert deliver_due(after(hours=5)) == DeliverySummary()
        taken += inbox.recipients
    received = Counter(taken)
    assert max(received.values()) == 1, "a mail came twice"
    status = dict(m.OutgoingEmail.objects.values_list("to_email", "status"))
    assert set(status.values()) == {Status.SENT, Status.UNKNOWN}
    assert Counter(status.values())[Status.UNKNOWN] == kills
    assert {address for address, ends in status.items() if ends == Status.SENT} <= set(received), "a mail was lost"
    assert writing.open_attention().count() == kills


def test_two_workers_at_once_send_each_mail_once(settings):
    settings_of_default_site()
    template = make_template()
    for _ in range(20):
        queue_one(template=template)
    with smtp_server(settings) as inbox:
        children = [worker(option("port"), START) for _ in range(3)]
        for child in children:
            assert child.wait(120) == 0
        assert deliver_due(START) == DeliverySummary()
        assert Counter(Counter(inbox.recipients).values()) == {1: 20}
