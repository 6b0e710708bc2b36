"""Putting mails into the outbox, and taking them out again before they leave."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.mailing.making import make_template, queue_one, settings_of_default_site, situation_for
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import consent
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing import reasons, suppression, timeline
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.sending import order_mails, outbox
from wagtail_kwiga.mailing.sending.outbox import QueuedMail

pytestmark = pytest.mark.django_db

Status = m.OutgoingEmail.Status


def test_everything_a_mail_says_is_frozen():
    settings_of_default_site()
    contact = make_contact("ada@example.com", name="Ada Lovelace")
    row = queue_one(contact, key="run:1:step:2", due_at=after(minutes=1), not_after=after(hours=12))
    row.refresh_from_db()
    assert (row.key, row.purpose, row.kind, row.status) == ("run:1:step:2", "recovery", "promotion", Status.QUEUED)
    assert (row.to_email, row.to_name, row.language) == ("ada@example.com", "Ada Lovelace", "en")
    assert (row.queued_at, row.due_at, row.not_after) == (START, after(minutes=1), after(hours=12))
    assert row.purchase_id == row.order.purchase_id
    assert row.site == row.order.site or row.site.is_default_site
    assert row.subject == "Ada, your place is still free"
    assert row.context["price.after"] == "€102.00"
    assert row.context["seller.address"] == "Riverside Studio Ltd\n1 Mill Lane, Dublin"
    assert set(row.links) == {"resume_url", "unsubscribe_url"}
    # Only what the tokens say is kept: no working link lies about in the database.
    assert "http" not in str(row.links)
    contact.name = "Changed"
    contact.save()
    row.version.template.subject = "Changed"
    row.version.template.save()
    row.refresh_from_db()
    assert row.subject == "Ada, your place is still free"


def test_a_key_is_queued_once():
    first = queue_one(key="once")
    again = queue_one(key="once", now=after(hours=1))
    assert again == first
    assert m.OutgoingEmail.objects.get().queued_at == START


def test_the_language_is_that_of_the_words():
    """One mail, one language: no German dates in an English mail, but a reader's own variant of it."""
    template = make_template()
    chosen = {}
    for language in ("de", "en-gb", "en", ""):
        version = versions.for_template(template, language)
        row = outbox.queue(
            key=f"k{language}",
            purpose="recovery",
            version=version,
            situation=situation_for(language=language),
            now=START,
        )
        chosen[language] = (row.language, row.context["coupon.valid_until"])
    assert chosen["de"] == ("en", "Tuesday, March 2, 2027, 1:00\xa0PM CET")
    assert chosen["en-gb"] == ("en-gb", "Tuesday, 2 March 2027, 13:00 CET")
    assert chosen[""][0] == "en"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (lambda contact: consent.unsubscribe(contact, source="staff", now=START), "unsubscribed"),
        (lambda contact: m.Contact.objects.filter(pk=contact.pk).update(is_placeholder=True), "placeholder"),
        (lambda contact: settings_of_default_site(promo_policy="consented"), "no_consent"),
        (lambda contact: suppression.suppress(contact.email, scope="all", reason="bounced", now=START), "bounced"),
        (
            lambda contact: suppression.suppress(contact.email, scope="promotion", reason="complained", now=START),
            "complained",
        ),
    ],
)
def test_a_mail_that_may_not_go_is_there_and_says_why(trouble, why):
    contact = make_contact()
    trouble(contact)
    contact.refresh_from_db()
    row = queue_one(contact)
    row.refresh_from_db()
    assert (row.status, row.why) == (Status.SUPPRESSED, why)
    assert str(reasons.sentence(row.why)) != row.why
    (entry,) = writing.timeline(row.order).filter(code="mailing.suppressed", facts__email=row.pk)
    assert entry.facts["why"] == why


def test_a_service_mail_goes_to_the_unsubscribed_but_not_to_a_dead_address():
    contact = make_contact()
    consent.unsubscribe(contact, source="link", now=START)
    suppression.suppress(contact.email, scope="promotion", reason="complained", now=START)
    service = make_template([("heading", {"text": "Hello"})], kind="service")
    assert queue_one(contact, purpose="service", template=service).status == Status.QUEUED
    suppression.suppress(contact.email, scope="all", reason="bounced", now=START)
    assert queue_one(contact, purpose="service", template=service).status == Status.SUPPRESSED


@pytest.mark.parametrize("number", [1, 40])
def test_queueing_a_batch_takes_a_fixed_number_of_queries(number, settings_row):
    offer = make_offer(make_product(entry_url="/course/"))
    blocks = [("heading", {"text": "Hi"}), ("button", {"label": "In", "where": "access", "url": ""})]
    version = versions.for_template(make_template(blocks), "en")
    mails = []
    for index in range(number):
        contact = make_contact()
        if index == 0:
            suppression.suppress(contact.email, scope="all", reason="bounced", now=START)
        situation = situation_for(contact, order=order_for(contact, offer, now=START))
        fresh = m.Order.objects.select_related("contact", "site").get(pk=situation.order.pk)
        mails.append(QueuedMail(f"k{index}", "recovery", version, situation_for(fresh.contact, order=fresh)))
    with CaptureQueriesContext(connection) as queries:
        rows = outbox.queue_many(mails, now=START)
    assert len(rows) == number
    assert rows[0].status == Status.SUPPRESSED
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # keys, sites, suppressions, lines, insert, read back, timeline; and the first time the words with their sections settled, which
    # are looked for, kept and read back
    assert len([sql for sql in statements if "INSERT" in sql and "outgoingemail" in sql]) == 1
    assert len(statements) == 10
    assert rows[-1].links["access_url"] == {"to": "/course/"}


@pytest.fixture
def settings_row(db):
    return settings_of_default_site()


def test_the_same_key_twice_in_one_batch():
    version = versions.for_template(make_template(), "en")
    mail = QueuedMail("twin", "recovery", version, situation_for())
    first, second = outbox.queue_many([mail, mail], now=START)
    assert first == second
    assert outbox.queue_many([], now=START) == []


def test_cancelling_the_recovery_of_a_purchase(django_assert_num_queries):
    contact = make_contact()
    offer = make_offer()
    order = order_for(contact, offer, now=START)
    waiting = queue_one(contact, order=order)
    leased = queue_one(contact, order=order)
    going = queue_one(contact, order=order)
    receipt = queue_one(contact, order=order, purpose="receipt")
    stranger = queue_one()
    m.OutgoingEmail.objects.filter(pk=leased.pk).update(status=Status.LEASED, lease="x")
    m.OutgoingEmail.objects.filter(pk=going.pk).update(status=Status.SENDING, lease="x")
    with django_assert_num_queries(1):
        assert outbox.cancel_recovery(order.purchase_id, now=START) == 2
    status = dict(m.OutgoingEmail.objects.values_list("pk", "status"))
    assert status == {
        waiting.pk: Status.CANCELLED, leased.pk: Status.CANCELLED, going.pk: Status.SENDING,
        receipt.pk: Status.QUEUED, stranger.pk: Status.QUEUED,
    }  # fmt: skip
    assert outbox.cancel_recovery(order.purchase_id + 1000, now=START) == 0


def test_a_receipt_is_queued_once_and_in_the_orders_language():
    contact = make_contact()
    order = order_for(contact, make_offer(make_product(entry_url="/course/")), language="de")
    row = order_mails.receipt(order, START)
    assert order_mails.receipt(order, after(minutes=5)) == row
    assert (row.key, row.purpose, row.kind, row.language) == (f"receipt:{order.pk}", "receipt", "service", "de")
    assert row.context["order.total"] == "120,00\xa0€"
    assert row.links["access_url"] == {"to": "/course/"}


def _uncertain(**given):
    row = queue_one(**given)
    m.OutgoingEmail.objects.filter(pk=row.pk).update(
        status=Status.UNKNOWN, attempts=3, sending_at=after(minutes=1), why="no_answer: x", lease="old"
    )
    row.refresh_from_db()
    timeline.note(row, "mailing.unknown", now=START, attention=True)
    return row


def test_a_person_says_that_an_uncertain_mail_was_sent():
    staff = get_user_model().objects.create_user("mara")
    row = _uncertain()
    outbox.settle(row, "was_sent", by=staff, now=after(hours=1))
    row.refresh_from_db()
    assert (row.status, row.sent_at, row.settled_by, row.why) == (Status.SENT, after(minutes=1), "was_sent", "")
    assert not writing.open_attention().exists()
    entry = writing.timeline(row.order).get(code="mailing.settled_sent")
    assert entry.by == staff


def test_a_person_has_an_uncertain_mail_sent_again():
    row = _uncertain()
    outbox.settle(row, "send_again", by=None, now=after(hours=1))
    row.refresh_from_db()
    assert (row.status, row.due_at, row.attempts, row.lease) == (Status.QUEUED, after(hours=1), 0, "")
    assert m.OutgoingEmail.objects.count() == 1
    assert not writing.open_attention().exists()


def test_only_what_is_in_doubt_can_be_settled():
    row = queue_one()
    for verdict in ("was_sent", "send_again"):
        with pytest.raises(KwigaError) as refusal:
            outbox.settle(row, verdict, now=START)
        assert refusal.value.code == "not_open"
    with pytest.raises(KwigaError) as refusal:
        outbox.settle(row, "whatever", now=START)
    assert refusal.value.code == "unknown_verdict"
    m.OutgoingEmail.objects.update(status=Status.FAILED)
    with pytest.raises(KwigaError):
        outbox.settle(row, "was_sent", now=START)
    outbox.settle(row, "send_again", now=START)
    assert m.OutgoingEmail.objects.get().status == Status.QUEUED


def test_a_test_mail_goes_to_the_team_with_sample_data():
    template = make_template()
    template.subject = "A draft for {{ contact.first_name }}"
    row = outbox.send_test(template, to="team@example.com", now=START)
    assert (row.purpose, row.to_email, row.contact, row.order) == ("test", "team@example.com", None, None)
    assert row.subject == "Test: A draft for Ada"
    assert row.context["coupon.code"] == "COMEBACK15"
    assert row.links["resume_url"] == {"url": "#resume_url"}
    assert row.due_at == START


def test_a_key_that_somebody_else_queues_at_the_same_moment_is_theirs(monkeypatch):
    """Between the look at the keys and the insert another worker is first: its mail stands, and is what is returned."""
    settings_of_default_site()
    version = versions.for_template(make_template(), "en")
    ours = QueuedMail("raced", "recovery", version, situation_for())
    insert = outbox.compiled_queries.insert

    def insert_after_theirs(model, names, rows, **given):
        monkeypatch.setattr(outbox.compiled_queries, "insert", insert)
        outbox.queue(key="raced", purpose="service", version=version, situation=situation_for(), now=after(minutes=1))
        return insert(model, names, rows, **given)

    monkeypatch.setattr(outbox.compiled_queries, "insert", insert_after_theirs)
    (row,) = outbox.queue_many([ours], now=START)
    assert (row.purpose, row.queued_at) == ("service", after(minutes=1))
    assert m.OutgoingEmail.objects.get() == row


def test_many_mails_in_one_batch_each_say_their_own(settings_row):
    """Words that many share are made once for all of them, and for nobody else."""
    version = versions.for_template(make_template(), "en")
    mails = []
    for index in range(4):
        situation = situation_for(
            make_contact(name=f"Ada{index} Buyer"),
            coupon_until=after(hours=24 + index // 2),
            coupon=make_coupon(percent=15 + index) if index == 3 else None,
        )
        mails.append(QueuedMail(f"k{index}", "recovery", version, situation))
    together = outbox.queue_many(mails, now=START)
    assert [row.subject.partition(",")[0] for row in together] == ["Ada0", "Ada1", "Ada2", "Ada3"]
    for row, mail in zip(together, mails, strict=True):
        alone = outbox.queue(
            key=f"alone-{row.key}", purpose="recovery", version=version, situation=mail.situation, now=START
        )
        alone.refresh_from_db()
        row.refresh_from_db()
        assert (alone.context, alone.links, alone.subject) == (row.context, row.links, row.subject)
    assert len({row.context["coupon.valid_until"] for row in together}) == 2
    assert len({row.context["coupon.size"] for row in together}) == 2
