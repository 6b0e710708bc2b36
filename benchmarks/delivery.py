"""C, second half. Delivery: from the outbox into a sink, one mail after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test.utils import override_settings

from benchmarks import sink
from benchmarks.measuring import Cost, Note, Pair, cost_of, paired
from benchmarks.scale import Scale
from benchmarks.shop import DUE, Shop, a_version, crowd
from tests.mail_settings import SMTP, mailer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.mailing.sending import delivery, mailers

TITLE = "C. Delivery: ask again under the lock, mark, fill, hand over, book"
FLOOR = "Floor: a loop that makes the same HTML and text message, sends it and marks its row sent. A crash may send it twice."
AIM = "1,000 mails, decided, filled and handed to a local sink, in about a second"


def deliver(number: int) -> None:
    summary = delivery.deliver_due(DUE, seconds=600)
    assert summary.sent == number == summary.total, summary


def by_hand(rows: list[m.OutgoingEmail], version: m.EmailTemplateVersion) -> None:
    """The floor. ``rows`` are nobody's business afterwards."""
    with mailers.connection() as connection:
        for row in rows:
            message = EmailMultiAlternatives(row.subject, version.text, to=[row.to_email])
            message.attach_alternative(version.html, "text/html")
            connection.send_messages([message])
            m.OutgoingEmail.objects.filter(pk=row.pk).update(status="sent", sent_at=DUE)


def counts(shop: Shop, scale: Scale) -> Iterator[tuple[str, Cost]]:
    _queue(shop, 1)
    delivery.deliver_due(DUE, seconds=600)
    version = a_version()
    for number in scale.mails:
        _queue(shop, number)
        yield f"delivering {number:,}", cost_of(lambda number=number: deliver(number))
        rows = list(m.OutgoingEmail.objects.filter(status="sent").order_by("-pk")[:number])
        yield f"by hand, {number:,}", cost_of(lambda rows=rows: by_hand(rows, version))


def times(shop: Shop, scale: Scale) -> Iterator[tuple[str, Pair | Note]]:
    """Per mail."""
    for number in scale.mails:
        yield f"each, {number:,} due, into a sink in memory", _delivered(shop, number, scale.sweeps)
    with sink.running() as port, override_settings(**mailer(SMTP, host="127.0.0.1", port=port, timeout=30)):
        found = _delivered(shop, scale.posted, scale.sweeps)
    what = f"each, {scale.posted:,} due, to an SMTP server on this machine"
    yield what, found
    yield what, Note(f"{1000 / found.ours:,.0f} mails a second by one worker")


def _delivered(shop: Shop, number: int, rounds: int) -> Pair:
    version, rows = a_version(), list[m.OutgoingEmail]()

    def prepare() -> None:
        _queue(shop, 2 * number)
        chosen = m.OutgoingEmail.objects.filter(status="queued").order_by("pk")[:number]
        rows[:] = list(chosen)
        m.OutgoingEmail.objects.filter(pk__in=[row.pk for row in rows]).update(status="cancelled")

    found = paired(rounds, lambda: by_hand(rows, version), lambda: deliver(number), prepare=prepare)
    return replace(found, floor=found.floor / number, ours=found.ours / number, cpu=found.cpu / number)


def _queue(shop: Shop, number: int) -> None:
    mail.outbox = []
    m.OutgoingEmail.objects.filter(status="queued").update(status="cancelled")
    crowd(shop, number)
    engine.run_due(DUE, seconds=600)
    surplus = m.OutgoingEmail.objects.filter(status="queued").order_by("-pk").values_list("pk", flat=True)[number:]
    m.OutgoingEmail.objects.filter(pk__in=list(surplus)).update(status="cancelled")
