"""Promise 5, asked of the rows: what mail tells is what the checkout does, at the moment of its hand-over and for as long as it was
told, also after staff have changed things."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.properties.stage import Stage
from wagtail_kwiga import models as m
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.formatting.money import format_money
from wagtail_kwiga.mailing import classification
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import binding, purchases

ORDER, EMAIL, RUN, USE = (f"wagtail_kwiga_{name}" for name in ("order", "outgoingemail", "run", "couponuse"))
PURCHASE = "wagtail_kwiga_purchase"
_OF_COUPON = "id, code, used_count, percent, amount, currency, is_active, valid_from, valid_until, limit_total, limit_per_contact"
_OF_OFFER = "id, amount, currency, coupon_mode, state, sales_from, sales_until"


def instant(told: str | dt.datetime) -> dt.datetime:
    """A moment as SQLite, or Django's converter of it, tells it."""
    return (told if isinstance(told, dt.datetime) else dt.datetime.fromisoformat(told)).replace(tzinfo=dt.UTC)


class ToldPromises:
    """What mail told, and what staff have changed since."""

    stage: Stage
    #: Since when they have edited coupons or offers: what they made better may hold for longer and cost less than was told.
    edited_at: dt.datetime | None
    #: What the answer about told deadlines depended on when it was last asked.
    last_seen: Any

    def _the_promise(self, email: m.OutgoingEmail, now: dt.datetime) -> None:
        """What its columns say is what the checkout says, also after staff have changed things."""
        if email.promised_offer_id is None:
            return
        offer, coupon, until = m.Offer.objects.get(pk=email.promised_offer_id), None, None
        standing, names = self._standing(email, now), email.version.placeholders
        is_paid = email.order is None or purchases.is_paid(email.order.purchase_id)
        tells_order = not is_paid and classification.tells_order_price(names)
        if standing is not None and tells_order and not classification.needs_offer(names):  # it leads to paying that
            assert standing.total <= email.order.total, "told of an order that it costs less"
            return
        assert selling.is_for_sale(offer, now), "led to what is not for sale"
        if email.promised_coupon_id is not None:
            coupon = m.Coupon.objects.get(pk=email.promised_coupon_id)
            verdict = eligibility.check_coupon(coupon, offer=offer, contact=email.contact, now=now)
            assert verdict.ok, f"promised a coupon: {verdict.reason}"
            until = verdict.until
        if email.promised_until is not None:
            assert until is None or until >= email.promised_until, "promised for longer than it holds"
        if coupon is not None:
            assert coupon.code == email.context.get("coupon.code", coupon.code), "told a code that is no more"
        total = quoting.make(offer, coupon, email.contact, now).total
        if standing is not None and binding.is_better(standing.total, total):  # where the button leads to
            told = coupon is not None and classification.speaks_of_coupon(names)
            assert not told, "told of a discount that is dearer than what stands"
            total = standing.total
        if tells_order:
            assert total.currency == email.order.currency, "told of an order in another currency"
            assert total <= email.order.total, "told of an order that it costs less"
        if email.promised_total is not None:
            assert total.currency == email.promised_currency, "promised in another currency"
            assert total.amount <= email.promised_total, "promised for less than it costs"

    def _standing(self, email: m.OutgoingEmail, now: dt.datetime) -> m.Order | None:
        """The order that whoever follows the mail has placed already, for the very offer."""
        orders = m.Order.objects.filter(purchase=email.purchase_id, offer=email.promised_offer_id)
        return next((order for order in orders if binding.binds(order, now)), None)

    # 5
    def the_deadline_told(self, now: dt.datetime, taken: Any) -> None:
        """Just before the instant that a mail has told, the checkout gives the discount; from then on, none."""
        if not taken:
            return
        marks = ",".join(str(pk) for pk in taken if taken[pk])
        told = self.stage.rows(
            f"SELECT e.id, e.contact_id, e.promised_coupon_id, e.promised_until FROM {EMAIL} e"
            f" WHERE e.id IN ({marks or 0}) AND e.purpose = 'recovery' AND e.promised_until IS NOT NULL"
            " AND e.promise_ended_at IS NULL"
        )
        if not told or (seen := self._seen(told, now)) == self.last_seen:
            return
        self.last_seen = seen
        mails = m.OutgoingEmail.objects.select_related("order__offer", "contact").in_bulk([pk for pk, *_ in told])
        last: dict[tuple[int, int], str] = {}
        for _, contact, coupon, until in told:
            last[contact, coupon] = max(until, last.get((contact, coupon), until))
        for pk, contact, coupon, until in told:
            self._the_deadline_of(mails[pk], coupon, instant(until), now, is_last=until == last[contact, coupon])

    def _seen(self, told: Any, now: dt.datetime) -> Any:
        """All that the answer depends on: while it stays the same, so does the answer."""
        return (
            [(pk, now < instant(until)) for pk, *_, until in told],
            self.stage.rows("SELECT id, until, removed_at FROM wagtail_kwiga_listmembership"),
            self.stage.rows(f"SELECT {_OF_COUPON} FROM wagtail_kwiga_coupon"),
            self.stage.rows(f"SELECT {_OF_OFFER} FROM wagtail_kwiga_offer"),
            self.stage.rows("SELECT offer_id, coupon_id FROM wagtail_kwiga_offerallowedcoupon"),
            self.stage.rows("SELECT offer_id, coupon_id FROM wagtail_kwiga_couponofferlimit"),
            self.stage.rows("SELECT contact_list_id, coupon_id FROM wagtail_kwiga_couponlistlimit"),
            self.stage.rows(f"SELECT id, state FROM {USE}"),
            self.stage.rows(f"SELECT id FROM {ORDER} WHERE paid_at IS NOT NULL"),
        )

    def _the_deadline_of(
        self, email: m.OutgoingEmail, coupon: int, until: dt.datetime, now: dt.datetime, *, is_last: bool
    ) -> None:
        given: Any = {"coupon": m.Coupon(pk=coupon), "offer": email.order.offer, "contact": email.contact}
        last = until - dt.timedelta(seconds=1)
        if now < until and not purchases.is_paid(email.purchase_id):
            for moment in {now, last}:
                self._still_as_told(email, given, moment, until)
        if is_last and self.edited_at is None:
            late = eligibility.check_coupon(**given, now=max(until, now))
            assert not late.ok or self._on_by_other_means(email, until), "honoured after the deadline told"

    def _still_as_told(
        self, email: m.OutgoingEmail, given: dict[str, Any], moment: dt.datetime, until: dt.datetime
    ) -> None:
        check = eligibility.check_coupon(**given, now=moment)
        assert check.ok or check.reason in ("used_up", "used_by_you"), (
            f"told until {until}, but at {moment} the checkout says {check.reason}"
        )
        if not check.ok:
            return
        code, price = (email.context.get(name, "") for name in ("coupon.code", "price.after"))
        assert code in ("", check.coupon.code), "told a code that is no more"
        assert selling.is_for_sale(email.order.offer, moment), "told of what is not sold"
        total = quoting.make(email.order.offer, check.coupon, email.contact, moment).total
        if self.edited_at is None:
            assert price in ("", format_money(total, email.language)), "another price than told"
        elif email.promised_total is not None:
            assert total.currency == email.promised_currency, "another currency than told"
            assert total.amount <= email.promised_total, "dearer than told"

    def _told(self, email: m.OutgoingEmail) -> tuple[m.Coupon, dt.datetime] | None:
        record = email.step_records.filter(outcome="acted").first()
        facts = record.facts if record is not None else {}
        if not facts.get("until") or "coupon.code" not in email.context:
            return None
        return m.Coupon.objects.get(pk=facts["coupon"]), dt.datetime.fromisoformat(facts["until"])

    def _on_by_other_means(self, email: m.OutgoingEmail, until: dt.datetime) -> bool:
        """A later grant whose mail was never taken: the person has more than any mail told them."""
        rows = m.ListMembership.objects.filter(contact=email.contact_id)
        return rows.filter(until__gt=until).exists() or rows.filter(until=None).exists()
