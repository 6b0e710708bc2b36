"""Putting mails into the outbox, and taking them out again before they leave. Everything a mail says is frozen here.

A key is unique: queueing the same key again gives the row that is there. A mail that may not be sent becomes a row too,
*suppressed* with the reason, so that the refusal can be seen.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from django.db import router
from django.db.models import Field, Prefetch, prefetch_related_objects
from django.utils.translation import gettext

from wagtail_kwiga import compiled_queries, conf, locking, quoting
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import rules
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import (
    order_words,
    permission,
    placeholder_syntax,
    placeholders,
    rendering,
    sender,
    suppression,
    timeline,
)
from wagtail_kwiga.mailing.authoring import sample_data, versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailAttachment, EmailTemplate, EmailTemplateVersion, OutgoingEmail
from wagtail_kwiga.mailing.placeholders import Situation
from wagtail_kwiga.mailing.reasons import Why, told
from wagtail_kwiga.mailing.sending import attachments, promises
from wagtail_kwiga.mailing.sending.attachments import Attached
from wagtail_kwiga.orders.models import Order, OrderLine

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from wagtail_kwiga.pricing.money import Money

Status = OutgoingEmail.Status
Purpose = OutgoingEmail.Purpose

#: What ``settled_by`` says where no person but the retry of a receipt has settled a mail whose delivery is unknown.
BY_ITSELF = "by_itself"


@dataclass(frozen=True)
class QueuedMail:
    """One mail to be queued. Not before ``due_at`` (default: at once), and after ``not_after`` rather not at all."""

    key: str
    purpose: str
    version: EmailTemplateVersion
    situation: Situation
    due_at: dt.datetime | None = None
    not_after: dt.datetime | None = None
    attachments: Sequence[Attached] = ()


def queue(
    *,
    key: str,
    purpose: str,
    version: EmailTemplateVersion,
    situation: Situation,
    due_at: dt.datetime | None = None,
    not_after: dt.datetime | None = None,
    attachments: Sequence[Attached] = (),
    now: dt.datetime | None = None,
) -> OutgoingEmail:
    """Queue one mail to ``situation.contact``; returns its row, or the one that bears ``key`` already.

    Raises ``KwigaError`` (``attachments_too_big``) where the files are more than a mail may carry; then nothing is queued.
    """
    return queue_many([QueuedMail(key, purpose, version, situation, due_at, not_after, attachments)], now=now)[0]


def queue_many(mails: Iterable[QueuedMail], *, now: dt.datetime | None = None) -> list[OutgoingEmail]:
    """Queue mails, each to the contact of its situation; returns their rows in the same order.

    A fixed number of queries however many there are: known keys, senders, suppressions, ways in (where asked for),
    insert, read back, and timeline (where one is suppressed). No locks are taken; call it within the deciding transaction.
    """
    now = now or conf.now()
    mails = list(mails)
    if not mails:
        return []
    with locking.atomic_write():
        keys = [mail.key for mail in mails]
        there = set(OutgoingEmail.objects.filter(key__in=keys).values_list("key", flat=True))
        fresh = {mail.key: mail for mail in mails if mail.key not in there}
        rows, shown = _rows(list(fresh.values()), now)
        # Another transaction may queue the same key right now; the database lets one in.
        written = compiled_queries.insert(OutgoingEmail, _COLUMNS, rows, or_ignore=True)
        by_key = _read_back(keys, rows if written == len(rows) else [])
        _write_attachments([mail for mail in fresh.values() if mail.attachments], by_key)
        refused = [by_key[key] for key in fresh if by_key[key].status == Status.SUPPRESSED]
        if refused:
            writing.write_many([timeline.suppressed(row, now=now) for row in refused])
    for mail in mails:
        row = by_key[mail.key]
        row.contact, row.order = mail.situation.contact, mail.situation.order
        if (version := shown.get(mail.key, mail.version)).pk == row.version_id:
            row.version = version
    return [by_key[key] for key in keys]


def _write_attachments(mails: Sequence[QueuedMail], by_key: Mapping[str, OutgoingEmail]) -> None:
    """The files of new mails. Where another transaction was quicker with a key, its files are there already."""
    if not mails:
        return
    ids = [by_key[mail.key].pk for mail in mails]
    there = set(EmailAttachment.objects.filter(email_id__in=ids).values_list("email_id", flat=True))
    EmailAttachment.objects.bulk_create(
        row
        for mail in mails
        if by_key[mail.key].pk not in there
        for row in attachments.rows_for(by_key[mail.key], mail.attachments)
    )


def cancel_recovery(purchase_id: int, *, now: dt.datetime | None = None, why: str = Why.PAID) -> int:
    """Cancel the recovery mail of a purchase that has not begun to be handed over; returns how many. One query.

    Whoever calls it because of a payment holds the contact's lock. Delivery claims under the same lock, so once that
    transaction has committed no hand-over of these mails can begin (promise 1).
    """
    waiting = OutgoingEmail.objects.filter(
        purchase_id=purchase_id, purpose=Purpose.RECOVERY, status__in=[Status.QUEUED, Status.LEASED]
    )
    return waiting.update(status=Status.CANCELLED, why=str(why)[:255], lease="", leased_until=None)


def rebuild(
    email: OutgoingEmail,
    contact: Contact,
    verdict: rules.Verdict | None,
    *,
    prices: tuple[Money, Money] | None = None,
    now: dt.datetime,
) -> OutgoingEmail | None:
    """Write a leased mail anew with today's price and deadline, and queue it again; ``None`` where its lease was lost.

    Called under the contact's lock, once for a mail. ``verdict``: the checkout's answer about the promised coupon, which holds.
    ``prices``: list price and total of a standing order that the mail leads to, because it is cheaper than today's.
    """
    order, site = email.order, email.site
    offer = Offer.objects.get(pk=cast(int, email.promised_offer_id))
    coupon = Coupon.objects.get(pk=email.promised_coupon_id) if email.promised_coupon_id else None
    until = verdict.until if verdict is not None else None
    if prices is None:
        quote = quoting.make(offer, coupon, contact, now)
        prices = quote.list_price, quote.total
    situation = Situation(
        contact=contact, order=order, site=site, language=email.language, now=now, coupon=coupon, coupon_until=until,
        offer=offer, quote_before=prices[0], quote_after=prices[1],
        seller=sender.for_site(email.site_id),
    )  # fmt: skip
    texts, links = placeholders.Writer().build(email.version.placeholders, situation)
    changes: dict[str, Any] = {
        "subject": rendering.subject(email.version, texts), "context": texts, "links": links, "rebuilt_at": now,
        "status": Status.QUEUED, "due_at": now, "lease": "", "leased_until": None,
        **promises.columns(email.purpose, email.version.placeholders, situation),
    }  # fmt: skip
    if until is not None:
        half = now + (until - now) / 2
        changes["not_after"] = min(half, email.not_after or half)
    mine = OutgoingEmail.objects.filter(pk=email.pk, status=Status.LEASED, lease=email.lease)
    if not mine.update(**changes):
        return None
    for name, value in changes.items():
        setattr(email, name, value)
    timeline.note(email, "mailing.rebuilt", now=now)
    return email


def join_purchases(joined: Iterable[int], into: int) -> int:
    """Mail of purchases that have become one belongs to the one that stays, so that paying it silences them; returns how
    many. One query."""
    return OutgoingEmail.objects.filter(purchase_id__in=list(joined)).update(purchase_id=into)


def send_test(template: EmailTemplate, *, to: str, language: str = "", now: dt.datetime | None = None) -> OutgoingEmail:
    """Queue ``template`` as it stands in memory, filled with sample data, to an address of the team.

    Its links lead nowhere, and its subject says in the active language that it is a test. Raises ``TemplateFault``.
    """
    now = now or conf.now()
    version = versions.of_draft(template, now=now)
    example = sample_data.situation(language=language or version.language, now=now)
    texts, links = sample_data.values(version, example)
    subject = gettext("Test: %(subject)s") % {"subject": rendering.subject(version, texts)}
    return OutgoingEmail.objects.create(
        key=f"test:{uuid.uuid4()}",
        purpose=Purpose.TEST,
        kind=version.kind,
        version=version,
        site=example.site,
        language=version.language,
        to_email=to,
        subject=placeholder_syntax.one_line(subject),
        context=texts,
        links={name: {"url": url} for name, url in links.items()},
        queued_at=now,
        due_at=now,
    )


def settle(
    email: OutgoingEmail, verdict: str, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> None:
    """A person decides about a mail: ``was_sent`` (one whose delivery is unknown), or ``send_again`` (an unknown or failed one, and
    one that was *missed*, unless it is promotion or reminds of an unpaid order).

    Sending again uses the same row and asks all questions anew: a paid purchase stays silent, a late mail is missed.
    Raises ``KwigaError``: ``unknown_verdict``, or ``not_open`` where the mail is not in doubt (any more).
    """
    now = now or conf.now()
    changes: dict[str, Any] = {"settled_by": verdict, "lease": "", "leased_until": None}
    match verdict:
        case "was_sent":
            open_states = [Status.UNKNOWN]
            changes |= {"status": Status.SENT, "sent_at": email.sending_at or now, "why": ""}
            code = "mailing.settled_sent"
        case "send_again":
            open_states = [Status.UNKNOWN, Status.FAILED]
            if (
                email.kind == Kind.SERVICE and email.purpose != Purpose.RECOVERY
            ):  # what was bought may be told however late
                open_states.append(Status.MISSED)
                changes |= {"not_after": None}
            changes |= {"status": Status.QUEUED, "due_at": now, "attempts": 0, "why": told(Why.SEND_AGAIN)}
            code = "mailing.settled_again"
        case _:
            raise KwigaError(f"There is no verdict {verdict!r}.", code="unknown_verdict")  # a programmer's mistake
    with locking.atomic_write():
        if not OutgoingEmail.objects.filter(pk=email.pk, status__in=open_states).update(**changes):
            raise KwigaError(gettext("This mail is not in doubt any more."), code="not_open")
        for name, value in changes.items():
            setattr(email, name, value)
        timeline.tick_off(email, now=now, by=by)
        timeline.note(email, code, now=now, by=by)


#: The columns of a mail, all but its key in the table; and a row of their values.
_COLUMNS = [field.attname for field in OutgoingEmail._meta.concrete_fields if not field.primary_key]
_Row = list[Any]
#: What a mail begins with.
_DEFAULTS = {
    name: cast("Field[Any, Any]", OutgoingEmail._meta.get_field(name)).get_default()
    for name in (
        "lease",
        "leased_until",
        "attempts",
        "sending_at",
        "sent_at",
        "message_id",
        "esp_status",
        "settled_by",
        "rebuilt_at",
        "promise_ended_at",
        "promise_ended_by_id",
    )
}


def _read_back(keys: list[str], written: list[_Row]) -> dict[str, OutgoingEmail]:
    """The mails of these keys. What was written just now is not read again but for the ids: one query where that is all."""
    ids = dict(OutgoingEmail.objects.filter(key__in=keys).values_list("key", "pk"))
    using, names = router.db_for_write(OutgoingEmail), ["id", *_COLUMNS]
    known = {row[0]: OutgoingEmail.from_db(using, names, [ids[row[0]], *row]) for row in written}
    others = [key for key in keys if key not in known]
    return known | {row.key: row for row in (OutgoingEmail.objects.filter(key__in=others) if others else ())}


def _rows(mails: list[QueuedMail], now: dt.datetime) -> tuple[list[_Row], dict[str, EmailTemplateVersion]]:
    """The rows to write, and by the keys of the mails the versions they point to."""
    senders = sender.for_sites({_site_id(mail.situation) for mail in mails})
    known = suppression.known_among(_contact(mail.situation).email for mail in mails)
    if orders := _orders_of(mails, order_words.OF_LINES):
        prefetch_related_objects(orders, Prefetch("lines", OrderLine.objects.select_related("product")))
    if orders := _orders_of(mails, {order_words.OF_TERMS}):
        prefetch_related_objects(orders, "accepted_terms")
    writer = placeholders.Writer()
    built = [_built(mail, senders[_site_id(mail.situation)], now, writer) for mail in mails]
    settled = versions.settle(((one.mail.version, one.present) for one in built), now=now)
    shown = {one.mail.key: settled[one.mail.version.pk, one.present] for one in built}
    return [_row(one, shown[one.mail.key], known, now) for one in built], shown


@dataclass(frozen=True)
class _Built:
    """One mail with its values; ``present``: which of those that its sections ask for it has."""

    mail: QueuedMail
    situation: Situation
    by: sender.Sender
    texts: dict[str, str]
    links: dict[str, dict[str, Any]]
    present: frozenset[str]


def _built(mail: QueuedMail, by: sender.Sender, now: dt.datetime, writer: placeholders.Writer) -> _Built:
    version = mail.version
    language = versions.formatting_language(version.language, mail.situation.language)
    situation = replace(mail.situation, seller=by, language=language, now=now)
    texts, links = writer.build(version.placeholders, situation)
    asked = placeholder_syntax.conditions_of(version.html, version.text)
    present = frozenset(name for name in asked if texts.get(name) or links.get(name))
    return _Built(mail, situation, by, texts, links, present)


def _orders_of(mails: Iterable[QueuedMail], names: Collection[str]) -> list[Order]:
    """The orders of those mails that name one of these placeholders."""
    return [
        mail.situation.order for mail in mails if mail.situation.order and not _unused(names, mail.version.placeholders)
    ]


def _unused(names: Collection[str], placeholders: Iterable[str]) -> bool:
    return frozenset(names).isdisjoint(placeholders)


def _row(one: _Built, version: EmailTemplateVersion, known: suppression.Known, now: dt.datetime) -> _Row:
    mail, situation, by, texts, links = one.mail, one.situation, one.by, one.texts, one.links
    language = situation.language
    contact, order = _contact(situation), situation.order
    recipient = suppression.recipient_among(contact, known)
    why = permission.refusal(recipient, kind=version.kind, policy=by.promo_policy)
    values = {
        "key": mail.key,
        "purpose": str(mail.purpose),
        "kind": version.kind,
        "status": str(Status.SUPPRESSED if why else Status.QUEUED),
        "why": why,
        "contact_id": contact.pk,
        "order_id": order.pk if order else None,
        "purchase_id": order.purchase_id if order else None,
        "version_id": version.pk,
        "site_id": _site_id(situation),
        "language": language,
        "to_email": contact.email,
        "to_name": placeholders.decent_name(contact.name or (order.buyer_name if order else "")),
        "subject": rendering.subject(version, texts),
        "context": texts,
        "links": links,
        **promises.columns(mail.purpose, version.placeholders, situation),
        "queued_at": now,
        "due_at": mail.due_at or now,
        "not_after": mail.not_after,
        "has_attachments": bool(mail.attachments),
    } | _DEFAULTS
    return [values[name] for name in _COLUMNS]


def _contact(situation: Situation) -> Contact:
    return cast(Contact, situation.contact)  # a mail to nobody is never queued


def _site_id(situation: Situation) -> int | None:
    if situation.site is not None:
        pk: int | None = situation.site.pk
        return pk
    return situation.order.site_id if situation.order else None
