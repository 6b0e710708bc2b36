"""What whoever orders gets in writing: at once, once paid, and what becomes of it when something else was quicker (promise 14)."""

from __future__ import annotations

import email.policy
import io
from decimal import Decimal
from email import message_from_bytes
from typing import Any

import pytest
import segno
from django.db import connection
from django.test.utils import CaptureQueriesContext
from wagtail.models import Site

from tests.mailing.making import Inbox, settings_of_default_site
from tests.mailing.making import parts as parts_of
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import bank_data, codes, flagged
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.legal_texts import archive
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.mailing.authoring import compiling, transfer_code, versions
from wagtail_kwiga.mailing.sending import delivery, order_mails
from wagtail_kwiga.offers import checkout
from wagtail_kwiga.orders import transitions

pytestmark = pytest.mark.django_db

TERMS = "You may change your mind within 14 days.\n\nWidgets „ąę“ are not taken back."


@pytest.fixture(autouse=True)
def seller():
    bank_data(bank_holder="Riverside Studio", bank_iban="DE02120300000000202051", bank_bic="BYLADEM1001")
    return settings_of_default_site(tax_number="IE1234567T")


def submit(offer: m.Offer, *, method: str = "transfer", code: str = "", now=START, **given: Any) -> m.Order:
    """An order through the door of the web."""
    form = {"name": "Ada Lovelace", "email": "ada@example.com", "payment_method": method, "terms": True}
    given = {"language": "en", "site": Site.objects.get(is_default_site=True), **given}
    return checkout.submit(offer=offer, form_data=form, code=code, now=now, **given).order


def accepted() -> m.LegalText:
    return archive.store("terms", "en", "Terms of Riverside", TERMS, START)


def mail_about(order: m.Order, beginning: str) -> m.OutgoingEmail:
    return m.OutgoingEmail.objects.get(order=order, key__startswith=beginning)


def sent(smtp: Inbox, now=START):
    """The messages that leave in one sweep."""
    before = len(smtp.raw)
    delivery.deliver_due(now)
    return [message_from_bytes(raw, policy=email.policy.default) for raw in smtp.raw[before:]]


def parts(message) -> tuple[str, str]:
    """The two texts with the line ends of this machine."""
    plain, html = parts_of(message)
    return plain.replace("\r\n", "\n"), html


# --- order received ------------------------------------------------------------------------------------------------------


def test_an_order_by_transfer_is_told_at_once_with_account_reference_and_code(smtp):
    product = make_product("Watercolour", entry_url="/lessons/")
    order = submit(make_offer(product), accepted_terms=accepted())
    (message,) = sent(smtp)
    payment = m.Payment.objects.get(order=order)
    plain, html = parts(message)
    for words in (
        order.number, "Watercolour", "€120.00", "Riverside Studio", "1 Mill Lane, Dublin", "IE1234567T",
        "DE02 1203 0000 0000 2020 51", "BYLADEM1001", payment.reference, "Ada Lovelace", "ada@example.com",
        "Terms of Riverside", "access without end",
    ):  # fmt: skip
        assert words in plain, words
        assert words in html, words
    assert "Pay now" not in plain + html
    assert message["List-Unsubscribe"] is None
    by_type = {part.get_content_type(): part for part in message.walk()}
    picture = by_type["image/png"]
    assert picture["Content-ID"] == f"<{transfer_code.TRANSFER_CODE}>"
    assert f"cid:{transfer_code.TRANSFER_CODE}" in html
    assert picture.get_content_disposition() == "inline"
    (terms,) = [part for part in message.walk() if part.get_filename() == "terms-of-sale.txt"]
    assert TERMS in terms.get_content()


def test_the_code_of_a_transfer_says_what_the_words_say():
    order = submit(make_offer(amount="99.90"))
    row = mail_about(order, "order_received:")
    picture = row.attachments.get(content_type="image/png")
    assert picture.content is None
    assert picture.arguments == {
        "holder": "Riverside Studio",
        "iban": "DE02120300000000202051",
        "bic": "BYLADEM1001",
        "amount": "99.90",
        "reference": m.Payment.objects.get().reference,
    }
    made = transfer_code.png(row, **picture.arguments)
    # Version 2, Latin-1, SEPA transfer, and then line by line what a banking app puts into its form.
    reference = m.Payment.objects.get().reference
    lines = [
        "BCD",
        "002",
        "2",
        "SCT",
        "BYLADEM1001",
        "Riverside Studio",
        "DE02120300000000202051",
        "EUR99.9",
        "",
        "",
        reference,
    ]
    by_hand, out = segno.make_qr("\n".join(lines).encode("iso-8859-1"), error="M", boost_error=False), io.BytesIO()
    by_hand.save(out, kind="png", scale=transfer_code.SCALE, border=transfer_code.BORDER)
    assert made == out.getvalue()


@pytest.mark.parametrize(
    ("bank", "currency"), [({}, "PLN"), ({"bank_iban": "no account"}, "EUR"), ({"bank_bic": "SHORT"}, "EUR")]
)
def test_without_a_code_that_can_be_made_the_words_stand_alone(smtp, bank, currency):
    m.KwigaSettings.objects.update(**bank)
    submit(make_offer(currency=currency))
    (message,) = sent(smtp)
    plain, html = parts(message)
    assert m.Payment.objects.get().reference in plain
    assert "cid:" not in html
    assert "QR" not in plain + html
    assert "image/png" not in {part.get_content_type() for part in message.walk()}


def test_any_other_order_gets_the_link_to_pay(smtp):
    order = submit(make_offer(), method="sandbox")
    (message,) = sent(smtp)
    plain, html = parts(message)
    assert "Pay now:\nhttp://localhost/" in plain
    assert "/pay/" in plain
    assert ">Pay now</a>" in html
    assert "IBAN" not in plain + html
    assert "\n\n\n" not in plain
    assert f"Your order {order.number}: Watercolour for beginners" == message["Subject"]


def test_the_discount_stands_in_it_and_nothing_is_quoted_anew(smtp):
    offer = make_offer(coupon_mode="any")
    coupon = make_coupon("SPRING", percent="15")
    order = submit(offer, code="SPRING")
    m.Offer.objects.filter(pk=offer.pk).update(amount=Decimal(500), title="Something else")
    m.Coupon.objects.filter(pk=coupon.pk).update(is_active=False)
    (message,) = sent(smtp)
    plain, _html = parts(message)
    assert "Price: €120.00" in plain
    assert "Discount: −€18.00 (SPRING)" in plain
    assert "Total: €102.00" in plain
    assert "€500.00" not in plain
    assert mail_about(order, "order_received:").promised_offer_id is None


def test_without_a_discount_a_payment_or_terms_there_are_no_such_rows(smtp):
    submit(make_offer(), method="sandbox")
    (message,) = sent(smtp)
    plain, html = parts(message)
    for label in ("Discount", "Paid on", "Terms of sale", "{{", "}}"):
        assert label not in plain, label
        assert label not in html, label


def test_it_speaks_the_language_of_the_order(smtp):
    submit(make_offer(), language="de")
    row = m.OutgoingEmail.objects.get()
    assert row.language == "de"
    assert row.version.language == "de"
    assert "120,00\xa0€" in row.context["order.total"]


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (lambda order: transitions.cancel(order, now=START), "order_over"),
        (lambda order: order_for(order.contact, order.offer, now=after(seconds=1)), "order_over"),
        (lambda order: books_receive(order, "120.00", now=after(seconds=1)), "paid"),
    ],
    ids=["cancelled", "superseded", "paid"],
)
def test_what_was_quicker_than_it_left_keeps_it_back(smtp, happens, why):
    order = submit(make_offer())
    happens(order)
    delivery.deliver_due(after(minutes=1))
    row = mail_about(order, "order_received:")
    assert (row.status, row.why) == ("cancelled", why)
    assert "mailing.cancelled" in codes(order)


def test_paid_before_it_left_the_receipt_says_it_all(smtp):
    order = submit(make_offer(), accepted_terms=accepted())
    books_receive(order, "120.00", now=after(seconds=1))
    (message,) = sent(smtp, after(minutes=1))
    plain, _html = parts(message)
    assert "receipt" in plain
    assert "Terms of Riverside" in plain
    assert [part.get_filename() for part in message.iter_attachments()] == ["terms-of-sale.txt"]


def test_an_order_of_another_shop_is_not_confirmed():
    order_for(make_contact(), make_offer(), origin="staff", confirmation=True)
    assert m.OutgoingEmail.objects.get().key.startswith("order_received:")
    order_for(make_contact(), make_offer(), origin="import", confirmation=True)
    assert m.OutgoingEmail.objects.count() == 1


def test_a_mail_that_cannot_be_made_does_not_refuse_the_order(monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no mail today")

    monkeypatch.setattr(order_mails, "order_received", broken)
    order = submit(make_offer())
    assert order.status == "open"
    assert "order.no_confirmation" in flagged(order)


def test_terms_at_another_address_are_told_by_it(smtp):
    terms = archive.store("terms", "", "", "https://law.example/terms", START)
    submit(make_offer(), method="sandbox", accepted_terms=terms)
    (message,) = sent(smtp)
    plain, _html = parts(message)
    assert "https://law.example/terms" in plain
    assert not list(message.iter_attachments())


def test_it_costs_a_fixed_number_of_queries():
    """Ten and a savepoint: the order, the choice for its offer, the words; the outbox asks for the key, the sender, the address
    the lines and the words with their sections settled, and writes and reads back. A file costs two more, the account and the sum due of a transfer two."""
    submit(make_offer(), method="sandbox")  # compiles the words once

    def cost(method: str, products: int, terms: m.LegalText | None = None) -> int:
        order = submit(make_offer(*[make_product() for _ in range(products)]), method=method, accepted_terms=terms)
        m.EmailAttachment.objects.all().delete()
        m.OutgoingEmail.objects.filter(order=order).delete()
        with CaptureQueriesContext(connection) as asked:
            order_mails.order_received(order_mails.read(order.pk), START)
        return len([one for one in asked if "SAVEPOINT" not in one["sql"]])

    assert [cost("sandbox", 1), cost("sandbox", 5)] == [10, 10]
    assert cost("sandbox", 5, accepted()) == 12
    assert [cost("transfer", 1), cost("transfer", 5, accepted())] == [14, 14]


# --- paid ----------------------------------------------------------------------------------------------------------------


def test_a_receipt_names_date_buyer_seller_lines_discount_total_method_and_the_way_in(smtp):
    make_coupon("SPRING", percent="15")
    offer = make_offer(make_product("Watercolour", entry_url="/lessons/"), coupon_mode="any")
    order = submit(offer, code="SPRING", accepted_terms=accepted())
    sent(smtp)
    books_receive(order, "102.00", now=after(days=1))
    (message,) = sent(smtp, after(days=1))
    plain, html = parts(message)
    for words in (
        "Paid on: Tuesday, March 2, 2027", "Ordered on: Monday, March 1, 2027", order.number, "Watercolour",
        "−€18.00 (SPRING)", "€102.00", "Bank transfer", "Riverside Studio", "IE1234567T", "Ada Lovelace",
        "ada@example.com", "Terms of Riverside", "/lessons/",
    ):  # fmt: skip
        assert words in plain.replace("\u202f", " "), words
        assert words in html.replace("&#x27;", "'") or words.startswith(("Paid", "Ordered")), words
    assert "IBAN" not in plain


def test_a_free_order_gets_one_mail_with_all_of_it(smtp):
    order = submit(
        make_offer(make_product("Watercolour", entry_url="/lessons/"), amount="0"), accepted_terms=accepted()
    )
    (message,) = sent(smtp)
    row = m.OutgoingEmail.objects.get()
    assert (row.key, row.purpose, row.status) == (f"free:{order.pk}", "order", "sent")
    plain, _html = parts(message)
    assert "Terms of Riverside" in plain
    assert "/lessons/" in plain
    assert "To be paid" not in plain
    assert "receipt" not in plain


# --- the address refuses mail (A15) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["120.00", "0"])
def test_a_receipt_that_cannot_be_sent_needs_attention(smtp, amount):
    directory.find_or_make(email="ada@example.com", name="Ada", now=START, language="en", source="checkout")
    suppression.suppress("ada@example.com", scope="all", reason="bounced", source="", now=START)
    order = submit(make_offer(amount=amount))
    assert flagged(order) == ([] if Decimal(amount) else ["mailing.suppressed"])
    if Decimal(amount):
        books_receive(order, amount, now=after(minutes=1))
    assert flagged(order) == ["mailing.suppressed"]
    assert sent(smtp, after(minutes=2)) == []


def test_a_receipt_that_the_address_refuses_by_the_time_it_leaves_needs_attention(smtp):
    order = submit(make_offer())
    sent(smtp)
    books_receive(order, "120.00", now=after(minutes=1))
    suppression.suppress("ada@example.com", scope="all", reason="bounced", source="", now=after(minutes=1))
    delivery.deliver_due(after(minutes=2))
    assert mail_about(order, "receipt:").status == "suppressed"
    assert flagged(order) == ["mailing.suppressed"]


def test_the_versions_are_there_before_anybody_orders(monkeypatch):
    assert versions.store_builtins(["en", "de"], now=START) >= 12

    def compiling_anew(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a request compiles nothing")

    monkeypatch.setattr(compiling, "compile_mail", compiling_anew)
    for language in ("en", "de"):
        assert flagged(submit(make_offer(), language=language)) == []
    assert m.OutgoingEmail.objects.count() == 2


def test_what_stands_in_the_outbox_has_no_sections(smtp):
    """A worker of an earlier release knows of none; and what an order does not have is left out for good."""
    submit(make_offer())
    version = m.OutgoingEmail.objects.get().version
    assert "{{?" not in version.html + version.text
    assert "{{/" not in version.html + version.text
    assert "order.discount" not in version.text
    assert "payment.iban" in version.text
    assert (version.builtin, version.language, version.kind) == ("order_received", "en", "service")
    submit(make_offer())
    assert m.OutgoingEmail.objects.values("version").distinct().count() == 1
