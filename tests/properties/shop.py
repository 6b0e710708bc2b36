"""The shop in which histories happen: made once through the public verbs, and what people and workers do in it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import OperationalError
from wagtail.models import Locale, Site

from tests.automations.story import make_template, stream
from tests.offers.making import make_page, offer_of
from tests.payments import clock
from tests.payments.shop import lay_ground
from tests.support import make_coupon, make_list, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.backoffice.lists import members_by_hand
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.exceptions import BadSignature, CouponRefused
from wagtail_kwiga.mailing.authoring import versions as mail_versions
from wagtail_kwiga.mailing.sending import delivery, outbox, unexpired_promises
from wagtail_kwiga.mailing.sending.unexpired_promises import CouponState, OfferState
from wagtail_kwiga.offers import checkout, promise_panel, publishing, resuming
from wagtail_kwiga.orders import binding, expiry, links
from wagtail_kwiga.payments import attempts, ledger, polling, provider_events, registry
from wagtail_kwiga.payments.provider import WebhookRequest

#: Friday before the night in which Warsaw, the site's zone, puts its clocks forward (2027-03-28, 02:00 → 03:00).
BEGIN = dt.datetime(2027, 3, 26, 12, 0, 17, tzinfo=dt.UTC)
PEOPLE = ("ada@example.com", "ben@example.com")
CODES = ("", "COMEBACK15", "OPEN20", "FREE100", "VIP25")
METHODS = ("sandbox", "sandbox", "sandbox", "nameless", "transfer")

SETTINGS: dict[str, Any] = {
    "CLOCK": "tests.payments.clock.now",
    "ALLOW_TIME_TRAVEL": True,
    "PAYMENT_PROVIDERS": {
        "sandbox": {
            "class": "wagtail_kwiga.payments.providers.sandbox.SandboxProvider", "secret": "s", "enabled": True,
        },
        "nameless": {"class": "tests.payments.systems.Nameless", "secret": "n", "enabled": True},
        "transfer": {"class": "wagtail_kwiga.payments.providers.transfer.TransferProvider"},
    },
}  # fmt: skip

CARD = ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True})
BACK = ("button", {"label": "Go on", "where": "resume", "url": ""})
#: What editors make of the recovery mail: published as it is, reworded, and without any coupon.
TEXTS = (
    (("text", {"text": "<p>Hello {{ contact.first_name }}</p>"}), CARD, BACK),
    (("text", {"text": "<p>Dear {{ contact.first_name }}, until {{ coupon.valid_until }}</p>"}), CARD, BACK),
    (("text", {"text": "<p>Your order waits</p>"}), BACK),
    (CARD, ("order_summary", {"title": ""}), BACK),
    (("order_summary", {"title": ""}), ("button", {"label": "Pay", "where": "pay", "url": ""})),
)


class Shop:
    """Ids of what the editor has made, and the verbs of everybody else. Every verb is one worker's or visitor's doing."""

    def make(self) -> None:
        """Write it all into the present database."""
        clock.put(BEGIN)
        lay_ground()
        self.site = Site.objects.get(is_default_site=True)
        Locale.objects.get_or_create(language_code="en")
        m.KwigaSettings.objects.update_or_create(
            site=self.site,
            defaults={
                "seller_name": "Brush & Paper", "sender_email": "hello@school.example", "postal_footer": "Quay 7",
                "bank_holder": "School Ltd", "bank_iban": "de89370400440532013000",
            },
        )  # fmt: skip
        came_back, vip = make_list("Come back"), make_list("VIP")
        comeback = make_coupon("COMEBACK15", percent="15", lists=[came_back])
        opened = make_coupon("OPEN20", percent=None, amount=Decimal(20), currency="EUR", limit_total=2)
        free = make_coupon("FREE100", percent="100", limit_total=1, limit_per_contact=None)
        vip25 = make_coupon("VIP25", percent="25", lists=[vip], limit_per_contact=2)
        both = [make_product("Watercolour", slug="watercolour"), make_product("Oil", slug="oil")]
        self.products = tuple(product.pk for product in both)
        page = make_page(products=both[:1], coupon_mode="only", coupons=[comeback, opened])
        self.page, one = page.pk, offer_of(page)
        two = make_offer(*both, amount="40.01", coupon_mode="any")
        three = make_offer(both[1], amount="30.00", coupon_mode="any")
        self.offers, self.coupons = (one.pk, two.pk, three.pk), (comeback.pk, opened.pk, free.pk, vip25.pk)
        self.lists = (came_back.pk, vip.pk)
        mail = make_template(*TEXTS[0], title="Back")
        thanks = make_template(("text", {"text": "<p>Thank you</p>"}), kind="service", title="Thanks", subject="Thanks")
        self.template = mail.pk
        win_back = m.Scenario.objects.create(
            title="Win back",
            start=stream(("order_unpaid", {"offers": []})),
            steps=stream(
                ("wait", {"minutes": 30}), ("add_to_list", {"list": came_back.pk}),
                ("send_email", {"template": mail.pk}), ("wait", {"amount": 24, "unit": "hours"}),
                ("remove_from_list", {"list": came_back.pk}),
            ),
        )  # fmt: skip
        insist = m.Scenario.objects.create(
            title="Insist",
            start=stream(("order_unpaid", {"offers": [two.pk], "payment_kinds": ["online", "transfer"]})),
            steps=stream(
                ("wait", {"minutes": 45}), ("add_to_list", {"list": vip.pk, "until": "hours", "hours": 5}),
                ("send_email", {"template": mail.pk}), ("wait", {"minutes": 60}),
                ("send_email", {"template": mail.pk, "coupon": vip25.pk}),
            ),
        )  # fmt: skip
        thank = m.Scenario.objects.create(
            title="Thank",
            start=stream(("order_paid", {"offers": []})),
            steps=stream(("wait", {"minutes": 60}), ("send_email", {"template": thanks.pk})),
        )
        self.scenarios = (win_back.pk, insist.pk, thank.pk)
        for scenario in (win_back, insist, thank):
            versions.publish(scenario, now=BEGIN)
        for text in (*TEXTS[1:], TEXTS[0]):  # compile each text once; histories then find it
            self.reword(text)
            mail_versions.for_template(m.EmailTemplate.objects.get(pk=mail.pk), "en", now=BEGIN)
        mail_versions.for_template(thanks, "en", now=BEGIN)
        mail_versions.store_builtins(["en"], now=BEGIN)

    # --- visitors ----------------------------------------------------------------------------------------------------

    def submit(
        self, who: int, offer: int, code: str, method: str, now: dt.datetime, **given: Any
    ) -> checkout.CheckoutResult:
        """The form is sent, from a page that showed the price as it was for anybody with this code."""
        row = m.Offer.objects.get(pk=self.offers[offer])
        contact = m.Contact.objects.filter(email=PEOPLE[who]).first()
        try:
            shown = checkout.price(offer=row, code=code, contact=contact, now=now).total
        except CouponRefused:
            shown = row.price
        form = {"name": "Ada Lovelace", "email": PEOPLE[who].upper(), "payment_method": method, "terms": True}
        result = checkout.submit(
            offer=row, form_data=form | given.pop("form", {}), code=code, shown=shown, site=self.site, language="en",
            now=now, **given,
        )  # fmt: skip
        assert result.order.total_amount <= shown.amount, "nobody is charged more than the page showed"
        return result

    def come_back(self, order: m.Order, coupon: str | None, method: str, now: dt.datetime) -> checkout.CheckoutResult:
        """The button of the mail, the filled-in form, and off it goes, with the coupon of the link if it still holds; or on to
        paying the order that stands, where that is cheaper. Whichever it is, nobody pays more than that order binds them to."""
        token = links.resume_url(order, coupon, now).rstrip("/").rpartition("/")[2]
        resume = resuming.read(token, now)
        waiting = m.Order.objects.filter(purchase=order.purchase_id, offer=order.offer_id)
        bound = binding.binding(waiting, now).first()
        if (better := resuming.better_order(resume, now)) is not None:
            assert bound == better, "led to an order that does not stand"
            return checkout.CheckoutResult(better, attempts.start(better, method=method, now=now))
        result = self._order_by_link(resume, method, now)
        if bound is not None:
            assert not binding.is_better(bound.total, result.order.total), "following the mail made it dearer"
        return result

    def _order_by_link(self, resume: resuming.Resume, method: str, now: dt.datetime) -> checkout.CheckoutResult:
        order = resume.order
        who, offer = PEOPLE.index(order.contact.email), self.offers.index(order.offer_id)
        code = resume.coupon.code if resume.coupon else ""
        try:
            return self.submit(who, offer, code, method, now, resume=resume)
        except CouponRefused:  # the page says so kindly and offers the normal price
            return self.submit(who, offer, "", method, now, resume=resume)

    # --- money -------------------------------------------------------------------------------------------------------

    def said(self, attempt: m.PaymentAttempt, outcome: str, now: dt.datetime, **given: Any) -> WebhookRequest:
        """A signed webhook about ``attempt``."""
        told = {
            "id": f"evt_{attempt.pk}_{outcome}", "token": attempt.token, "payment": f"GW-{attempt.pk}",
            "outcome": outcome, "amount": int(attempt.amount * 100) if outcome == "confirmed" else None,
            "currency": attempt.currency, "live": False, "reason": "",
        }  # fmt: skip
        return registry.get(attempt.method).signed(told | given, now)  # type: ignore[attr-defined]

    def hear(self, attempt: m.PaymentAttempt, request: WebhookRequest, now: dt.datetime) -> Any:
        outcome = provider_events.receive(attempt.method, request, now)[0]
        if outcome.result == m.ProviderEvent.Result.FAILED:
            # The gateway is answered kindly all the same, since the event is remembered. It is not booked yet.
            raise OperationalError(outcome.event.detail)
        return outcome

    def hear_a_forger(self, attempt: m.PaymentAttempt, request: WebhookRequest, now: dt.datetime) -> None:
        forged = WebhookRequest("POST", request.body.replace(b'"live":false', b'"live":true '), request.headers, at=now)
        try:
            provider_events.receive(attempt.method, forged, now)
        except BadSignature:
            return
        raise AssertionError("a forged webhook was believed")

    def bank(self, order: m.Order, amount: Decimal, reference: str, now: dt.datetime) -> ledger.Receipt:
        return ledger.record_payment(order=order, amount=amount, method="transfer", reference=reference, now=now)

    # --- workers -----------------------------------------------------------------------------------------------------

    def sweep(self, now: dt.datetime, batch: int = 50) -> None:
        engine.run_due(now, batch=batch)

    def deliver(self, now: dt.datetime, batch: int = 50) -> None:
        delivery.deliver_due(now, batch=batch)

    def expire(self, now: dt.datetime, batch: int = 50) -> None:
        expiry.expire_due(now, batch=batch)

    def ask(self, now: dt.datetime) -> None:
        polling.poll_due(now)

    # --- editors and staff -------------------------------------------------------------------------------------------

    def reword(self, text: Any) -> None:
        m.EmailTemplate.objects.filter(pk=self.template).update(body=stream(*text))

    def republish(self, which: int, wait: int, now: dt.datetime) -> None:
        """Another wait in the first step, published: a new version unless it is the old one word for word."""
        scenario = m.Scenario.objects.get(pk=self.scenarios[which])
        first, *rest = scenario.steps.get_prep_value()
        first["value"] = {"amount": wait, "unit": "minutes"}
        scenario.steps = [first, *rest]
        scenario.live = True
        scenario.save()
        versions.publish(scenario, now=now)

    def edit_coupon(self, which: int, changes: dict[str, Any], now: dt.datetime) -> None:
        """The coupon's form, saved knowingly: the promises that it breaks are ended. ``offers`` are those it is limited to, and
        ``lists`` those whose people may use it."""
        before = CouponState.saved(self.coupons[which])
        coupon, offers = m.Coupon.objects.get(pk=self.coupons[which]), changes.pop("offers", None)
        chosen = changes.pop("lists", None)
        for name, value in changes.items():
            setattr(coupon, name, value)
        tied = before.offer_ids if offers is None else frozenset(self.offers[one] for one in offers)
        asked = before.list_ids if chosen is None else frozenset(self.lists[one] for one in chosen)
        unexpired_promises.of_coupon(before, CouponState(coupon, asked, tied), now).end(by=None, now=now)
        coupon.save()
        coupon.offers.set(tied)
        coupon.contact_lists.set(asked)

    def delete_coupon(self, which: int, now: dt.datetime) -> None:
        """Refused where anything refers to it; what was told of it ends."""
        before = CouponState.saved(self.coupons[which])
        unexpired_promises.of_coupon(before, None, now).end(by=None, now=now)
        before.coupon.delete()

    def edit_offer(self, which: int, changes: dict[str, Any], now: dt.datetime) -> None:
        """The offer's page, published knowingly. ``coupons`` are those that its gate names."""
        offer = m.Offer.objects.get(pk=self.offers[which])
        before, named = OfferState.saved(m.Offer.objects.get(pk=offer.pk)), changes.pop("coupons", None)
        for name, value in changes.items():
            setattr(offer, name, value)
        coupons = before.coupon_ids if named is None else frozenset(self.coupons[one] for one in named)
        unexpired_promises.of_offer(before, OfferState(offer, coupons), now).end(by=None, now=now)
        offer.save()
        gates.name_coupons(offer, list(coupons))

    def publish_page(self, changes: dict[str, Any], *, asked: bool, now: dt.datetime) -> None:
        """The page of the first offer, published by an editor who was ``asked``, or by a schedule that nobody can ask."""
        page = m.OfferPage.objects.get(pk=self.page).get_latest_revision_as_object()
        for name, value in changes.items():
            setattr(page, name, self._rows(name, value) if name in ("products", "coupons") else value)
        if asked:
            promise_panel.end(publishing.promises_broken_by(page, now=now), history_of=page, by=None, now=now)
        if page.price is None:  # which only code can publish that asks nobody
            m.OfferPage.objects.filter(pk=page.pk).update(price=None, live=True)
            publishing.publish_terms(m.OfferPage.objects.get(pk=page.pk), now=now)
        else:
            page.save_revision().publish()

    def _rows(self, name: str, which: list[int]) -> list[tuple[str, Any]]:
        if name == "coupons":
            found = m.Coupon.objects.in_bulk([self.coupons[one] for one in which])
            return [("coupon", coupon) for coupon in found.values()]
        return [("product", {"product": m.Product.objects.get(pk=self.products[one])}) for one in which]

    def take_page_down(self, *, asked: bool, now: dt.datetime) -> None:
        page = m.OfferPage.objects.get(pk=self.page)
        if asked:
            for row, broken in publishing.promises_broken_without([page], now=now):
                promise_panel.end(broken, history_of=row, by=None, now=now)
        page.unpublish()

    def put_on(self, which: int, contact: m.Contact, until: dt.datetime | None, now: dt.datetime) -> None:
        """By hand, and knowingly where that ends sooner than before."""
        row = m.ContactList.objects.get(pk=self.lists[which])
        unexpired_promises.of_another_end(row.pk, contact.pk, until, now).end(by=None, now=now)
        lists.staff_add(row, contact, until=until, by=None, now=now)

    def take_off(self, which: int, contact_id: int, now: dt.datetime) -> None:
        row = m.ContactList.objects.get(pk=self.lists[which])
        members_by_hand.take_off(row, [contact_id], by=None, now=now)

    def settle(self, email: m.OutgoingEmail, verdict: str, now: dt.datetime) -> None:
        outbox.settle(email, verdict, now=now)

    def person(self, who: int) -> m.Contact:
        return directory.get_or_create_contact(email=PEOPLE[who], now=clock.now())
