"""What must hold at any moment, asked of the rows themselves. Each function names the promise it is about."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.properties.stage import Stage
from tests.properties.told import EMAIL, ORDER, PURCHASE, RUN, USE, ToldPromises
from wagtail_kwiga import models as m
from wagtail_kwiga.access import ownership
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.mailing import sender
from wagtail_kwiga.orders import purchases

#: A purchase that a new order may join.
_OPEN = "{0}.paid_at IS NULL AND {0}.closed_at IS NULL AND {0}.joined_into_id IS NULL AND {0}.set_aside_at IS NULL"


class Promises(ToldPromises):
    """The small memory that some promises need: what was agreed, what was told, and what staff changed since."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        #: Order → what it was agreed at; may never change.
        self.agreed: dict[int, tuple[Any, ...]] = {}
        #: Order → its status when last seen.
        self.statuses: dict[int, str] = {}
        #: Coupon → places taken when last seen.
        self.taken: dict[int, int] = {}
        #: Since when they have edited coupons or offers: what they made better may hold for longer and cost less than was told.
        self.edited_at: dt.datetime | None = None
        #: What the answer about told deadlines depended on when it was last asked.
        self.last_seen: Any = None

    def nothing(self, why: str, sql: str, *values: Any) -> None:
        """Fails where a query finds anything."""
        if found := self.stage.rows(sql, *values):
            raise AssertionError(f"{why}: {found[:3]}")

    def check(self) -> None:
        """After every step, whatever it was and however it ended."""
        self.paid_means_silent()
        self.one_open_order()
        self.joined_purchases_are_empty()
        self.what_was_agreed_stays()
        self.coupons_keep_their_limits()
        self.mail_is_accounted_for()
        self.why()
        self.the_books_balance()
        self.access_is_a_sum_of_reasons()

    # 1
    def paid_means_silent(self) -> None:
        self.nothing(
            "paid means silent",
            f"SELECT e.id, e.status FROM {EMAIL} e WHERE e.purpose = 'recovery' AND e.status IN ('queued', 'leased')"
            f" AND EXISTS (SELECT 1 FROM {ORDER} o WHERE o.purchase_id = e.purchase_id AND o.paid_at IS NOT NULL)"
            " AND e.attempts = 0 AND e.settled_by = ''",  # one that comes back from a hand-over is asked again there
        )

    # 2
    def one_open_order(self) -> None:
        self.nothing(
            "one purchase, one open order",
            f"SELECT purchase_id FROM {ORDER} WHERE status IN ('open', 'processing') GROUP BY purchase_id HAVING count(*) > 1",
        )
        self.nothing(
            "no two open purchases about one product",
            f"SELECT a.id, b.id FROM {PURCHASE} a JOIN {PURCHASE} b ON a.contact_id = b.contact_id AND a.slot = b.slot"
            f" AND a.id < b.id WHERE {_OPEN.format('a')} AND {_OPEN.format('b')} AND EXISTS (SELECT 1 FROM"
            " wagtail_kwiga_orderline x JOIN wagtail_kwiga_orderline y ON x.product_id = y.product_id WHERE"
            " x.order_id = a.current_order_id AND y.order_id = b.current_order_id)",
        )
        self.nothing(
            "a joined purchase is empty, and the way to its orders is one step",
            f"SELECT p.id FROM {PURCHASE} p LEFT JOIN {PURCHASE} j ON j.id = p.joined_into_id WHERE p.joined_into_id IS NOT"
            f" NULL AND (p.closed_at IS NULL OR j.joined_into_id IS NOT NULL OR EXISTS (SELECT 1 FROM {ORDER} o WHERE"
            " o.purchase_id = p.id))",
        )
        self.nothing(
            "the purchase knows its newest order and its payment",
            f"SELECT p.id FROM {PURCHASE} p JOIN {ORDER} o ON o.purchase_id = p.id WHERE o.id > p.current_order_id OR"
            " (o.paid_at IS NOT NULL AND p.paid_at IS NULL)",
        )
        self.nothing(
            "money makes an order stay",
            f"SELECT id FROM {ORDER} WHERE status IN ('superseded', 'expired') AND paid_amount > 0",
        )
        self.nothing(
            "paid closes the siblings",
            f"SELECT o.id FROM {ORDER} o JOIN {ORDER} p ON p.purchase_id = o.purchase_id AND p.status = 'paid'"
            " WHERE o.status IN ('open', 'processing')",
        )
        for pk, status in self.stage.rows(f"SELECT id, status FROM {ORDER}"):
            was = self.statuses.get(pk)
            assert not (was == "partly_paid" and status in ("superseded", "expired")), "a part paid is never replaced"
            assert not (was in ("paid", "refunded") and status not in ("paid", "refunded", "partly_paid")), (
                was,
                status,
            )
            self.statuses[pk] = status

    def joined_purchases_are_empty(self) -> None:
        """Orders, runs and mail went over to the purchase that stays; of each scenario one run is inside."""
        for table in (ORDER, RUN, EMAIL):
            self.nothing(
                "what was joined is empty",
                f"SELECT x.id FROM {table} x JOIN wagtail_kwiga_purchase p ON p.id = x.purchase_id"
                " WHERE p.joined_into_id IS NOT NULL",
            )
        self.nothing(
            "one run a scenario and purchase",
            f"SELECT r.scenario_id, r.purchase_id FROM {RUN} r WHERE r.state IN ('active', 'paused') AND r.entry_key LIKE"
            " 'unpaid:%' GROUP BY r.scenario_id, r.purchase_id HAVING count(*) > 1",
        )

    # 3
    def what_was_agreed_stays(self) -> None:
        rows = self.stage.rows(
            f"SELECT o.id, o.title, o.currency, o.list_amount, o.discount_amount, o.total_amount, o.coupon_id,"
            f" o.site_id, o.contact_id, o.offer_id, (SELECT group_concat(amount || access_terms) FROM"
            f" wagtail_kwiga_orderline l WHERE l.order_id = o.id) FROM {ORDER} o"
        )
        for pk, *agreed in rows:
            assert self.agreed.setdefault(pk, tuple(agreed)) == tuple(agreed), "an order's terms are frozen"
            assert Decimal(str(agreed[2])) - Decimal(str(agreed[3])) == Decimal(str(agreed[4]))
            assert agreed[9], "an order without lines sells nothing"
        self.nothing(
            "nobody is asked for more than was agreed",
            "SELECT a.id FROM wagtail_kwiga_paymentattempt a JOIN wagtail_kwiga_payment p ON p.id = a.payment_id"
            f" JOIN {ORDER} o ON o.id = p.order_id WHERE a.origin <> 'recorded' AND (a.amount > o.total_amount"
            " OR (a.started_at >= o.price_holds_until AND o.paid_amount = 0 AND o.refunded_amount = 0))",
        )

    # 4
    def coupons_keep_their_limits(self) -> None:
        rows = self.stage.rows(
            f"SELECT c.id, c.used_count, c.limit_total, (SELECT count(*) FROM {USE} u WHERE u.coupon_id = c.id AND"
            " (u.state = 'reserved' OR (u.state = 'redeemed' AND NOT u.over_limit))) FROM wagtail_kwiga_coupon c"
        )
        for pk, taken, limit, places in rows:
            assert taken == places, f"coupon {pk}: {taken} counted, {places} there"
            if limit is not None and taken > limit:  # only where staff have lowered it since
                assert taken <= self.taken.get(pk, 0), f"coupon {pk} is above its limit"
            self.taken[pk] = taken
        self.nothing(
            # But for one that was superseded by nobody knows whom: it stays its buyer's until the purchase is paid.
            "a closed order gives its coupon back",
            f"SELECT o.id, o.status FROM {ORDER} o JOIN {USE} u ON u.id = o.coupon_use_id JOIN {PURCHASE} p ON"
            " p.id = o.purchase_id WHERE u.state = 'reserved' AND o.status NOT IN ('open', 'processing', 'partly_paid')"
            " AND NOT (o.status = 'superseded' AND p.paid_at IS NULL)",
        )
        self.nothing(
            "a use belongs to an order",
            f"SELECT u.id, u.state FROM {USE} u LEFT JOIN {ORDER} o ON o.coupon_use_id = u.id"
            " WHERE o.id IS NULL AND u.state <> 'released'",
        )
        self.nothing(
            "a paid discount is a spent use",
            f"SELECT o.id, u.state FROM {ORDER} o LEFT JOIN {USE} u ON u.id = o.coupon_use_id WHERE o.coupon_id"
            " IS NOT NULL AND o.status = 'paid' AND (u.id IS NULL OR u.state <> 'redeemed' OR u.coupon_id <> o.coupon_id)",
        )
        self.nothing(
            "over the limit is on a person's list",
            f"SELECT o.id FROM {ORDER} o JOIN {USE} u ON u.id = o.coupon_use_id WHERE u.over_limit AND NOT EXISTS"
            " (SELECT 1 FROM wagtail_kwiga_timelineentry t WHERE t.code = 'order.coupon_over_limit'"
            " AND t.subject_id = o.id AND t.needs_attention)",
        )

    # 6
    def mail_is_accounted_for(self) -> None:
        from tests.properties.post import OFFICE

        rows = self.stage.rows(f"SELECT id, status, settled_by, purpose FROM {EMAIL}")
        for pk, status, settled, purpose in rows:
            times = OFFICE.taken[pk]
            if settled:
                continue
            assert times <= 1, f"mail {pk} ({purpose}) was sent {times} times"
            if times:
                assert status in ("sent", "unknown", "sending"), f"mail {pk} arrived and is {status}"
            if status == "sent":
                assert times == 1, f"mail {pk} is said to be sent"
        assert not set(OFFICE.taken) - {row[0] for row in rows}, "a message that no row knows"
        open_ends = sum(status in ("unknown", "sending") for _, status, _, _ in rows)
        assert open_ends <= OFFICE.doubts, "more doubt than there was reason for"
        self.nothing(
            "doubt is visible",
            f"SELECT e.id FROM {EMAIL} e WHERE e.status = 'unknown' AND NOT (e.purpose = 'receipt' AND"
            " e.settled_by = '') AND NOT EXISTS (SELECT 1 FROM wagtail_kwiga_timelineentry t WHERE t.needs_attention"
            " AND t.code LIKE 'mailing.%' AND t.facts LIKE '%' || e.id || '%')",
        )

    # 11
    def why(self) -> None:
        self.nothing(
            "every step says why",
            "SELECT id FROM wagtail_kwiga_steprecord WHERE outcome = '' OR reason = '' OR at IS NULL",
        )
        self.nothing(
            "whoever is out knows why",
            f"SELECT id, state FROM {RUN} WHERE (state <> 'active' AND reason = '')"
            " OR (state NOT IN ('active', 'paused') AND (ended_at IS NULL OR due_at IS NOT NULL))"
            " OR (state = 'active' AND (due_at IS NULL OR position = '' OR ended_at IS NOT NULL))",
        )
        self.nothing(
            "an end is in the records",
            f"SELECT r.id, r.state FROM {RUN} r WHERE r.state IN ('left', 'stopped') AND NOT EXISTS (SELECT 1 FROM"
            " wagtail_kwiga_steprecord s WHERE s.run_id = r.id AND s.outcome = 'left' AND s.reason = r.reason)",
        )
        self.nothing(
            "a mail not sent says why",
            f"SELECT id, status FROM {EMAIL} WHERE status IN ('cancelled', 'missed', 'suppressed', 'failed',"
            " 'unknown') AND why = ''",
        )
        self.nothing(
            "the records and the outbox agree",
            f"SELECT s.id FROM wagtail_kwiga_steprecord s LEFT JOIN {EMAIL} e ON e.id = s.email_id WHERE"
            " (s.kind = 'send_email' AND s.outcome = 'acted' AND (e.id IS NULL OR e.key NOT LIKE 'run:' || s.run_id"
            " || ':%'))",
        )

        self.nothing(
            "a month of peace",
            f"SELECT r.id, r.entered_at, e.queued_at FROM {RUN} r JOIN {RUN} b ON b.scenario_id = r.scenario_id AND"
            " json_extract(b.context, '$.purchase_id') = json_extract(r.context, '$.purchase_id') AND b.id < r.id"
            " JOIN wagtail_kwiga_steprecord s ON"
            f" s.run_id = b.id JOIN {EMAIL} e ON e.id = s.email_id WHERE r.state <> 'refused' AND r.once_key = ''"
            " AND e.queued_at <= r.entered_at AND julianday(r.entered_at) - julianday(e.queued_at) < 30"
            " AND e.status IN ('sent', 'unknown') AND e.settled_by = '' AND e.sent_at <= r.entered_at",
        )

    # 7, 8, 15
    def the_books_balance(self) -> None:
        ledger = "FROM wagtail_kwiga_transaction t WHERE t.order_id = o.id"
        rows = self.stage.rows(
            "SELECT o.id, o.status, o.total_amount, o.paid_amount, o.refunded_amount, o.settled_amount, o.paid_at,"
            f" (SELECT coalesce(sum(t.amount), 0) {ledger}),"
            f" (SELECT coalesce(-sum(t.amount), 0) {ledger} AND t.kind = 'refund'),"
            f" (SELECT coalesce(sum(t.amount), 0) {ledger} AND t.kind = 'charge'),"
            " (SELECT coalesce(sum(a.confirmed_amount), 0) FROM wagtail_kwiga_paymentattempt a JOIN"
            " wagtail_kwiga_payment p ON p.id = a.payment_id WHERE p.order_id = o.id AND a.state = 'confirmed'),"
            " (SELECT coalesce(sum(r.amount), 0) FROM wagtail_kwiga_refund r WHERE r.order_id = o.id AND r.state = 'done'),"
            " (SELECT sum(p.paid_amount) FROM wagtail_kwiga_payment p WHERE p.order_id = o.id),"
            " (SELECT group_concat(t.code) FROM wagtail_kwiga_timelineentry t JOIN django_content_type c ON"
            " c.id = t.subject_type_id WHERE c.model = 'order' AND t.subject_id = o.id AND t.needs_attention)"
            f" FROM {ORDER} o"
        )
        for pk, status, *sums, flags in rows:
            parts, paid_at = sums.pop(), sums.pop(4)
            total, paid, refunded, settled, moved, gave, got, confirmed, done = (
                round(Decimal(str(x)), 4) for x in sums
            )
            assert (paid, refunded) == (moved, gave), f"order {pk} is not the sum of its transactions"
            assert (got, gave) == (confirmed, done), f"order {pk}: the ledger is not what was confirmed and given back"
            if parts is not None and status != "refunded":
                filled = round(Decimal(str(parts)), 4)
                assert filled == settled == min(settled, total), f"order {pk}: its parts hold {filled} of {settled}"
            if paid >= total and (paid > 0 or not gave) and (got or paid_at):
                assert (status, bool(paid_at)) == ("paid", True), f"order {pk} has its money and is {status}"
            if paid > total:
                assert "order.too_much_money" in (flags or ""), f"order {pk}: a surplus that nobody sees"
            if status == "paid":
                assert paid_at and (paid >= total or gave), f"order {pk} is paid for {paid} of {total}"
                assert settled == total, f"order {pk} is paid and asks for more"

    # 12
    def access_is_a_sum_of_reasons(self) -> None:
        self.nothing(
            "who has paid gets in",
            f"SELECT l.id FROM wagtail_kwiga_orderline l JOIN {ORDER} o ON o.id = l.order_id WHERE o.status = 'paid'"
            " AND NOT EXISTS (SELECT 1 FROM wagtail_kwiga_accessgrant g WHERE g.line_id = l.id AND"
            " g.revoked_at IS NULL)",
        )
        self.nothing(
            "only who has paid gets in",
            f"SELECT g.id FROM wagtail_kwiga_accessgrant g JOIN wagtail_kwiga_orderline l ON g.line_id = l.id"
            f" JOIN {ORDER} o ON o.id = l.order_id WHERE g.revoked_at IS NULL AND (o.paid_at IS NULL OR"
            " o.status = 'refunded')",
        )

    # 1, 5, 6: at the very moment of a hand-over
    def witness(self, pk: int, now: dt.datetime) -> None:
        """What must be true when a worker has just begun to hand a mail over."""
        email = m.OutgoingEmail.objects.select_related("contact", "order__offer", "version").get(pk=pk)
        assert email.status == "sending", f"handed over while {email.status}"
        if email.purpose == "recovery":
            assert not purchases.is_paid(email.purchase_id), "paid means silent"
            assert email.order.status not in ("cancelled", "expired"), "recovery of an order that is over"
            assert sender.for_site(email.site_id).recovery_on, "recovery that is switched off"
            assert not email.order.purchase.joined_into_id, "a mail that was left behind when purchases were joined"
            assert not ownership.owns_all(email.contact_id, email.order.offer_id, now), "chased for what they own"
            self._after_thirty_quiet_minutes(email)
        if email.kind == "promotion":
            policy = sender.for_site(email.site_id).promo_policy
            reader = email.contact
            assert not reader.is_placeholder, "promotion to an address that was made up"
            assert reader.unsubscribed_at is None, "promotion to somebody who said no"
            assert policy == "everybody" or reader.consented_at is not None, "promotion to somebody who did not agree"
        blocked = m.Suppression.objects.filter(email=email.to_email)
        assert not blocked.filter(scope__in=["all", email.kind]).exists(), "a suppressed address"
        assert email.not_after is None or now <= email.not_after, "too late"
        self._the_promise(email, now)
        if (told := self._told(email)) is not None:
            coupon, until = told
            verdict = eligibility.check_coupon(coupon, offer=email.order.offer, contact=email.contact, now=now)
            assert verdict.ok, f"told of a discount: {verdict.reason}"
            assert now < until, "told of a time that is over"

    def _after_thirty_quiet_minutes(self, email: m.OutgoingEmail) -> None:
        """The shortest wait that any scenario here has, from the last order before the first message was decided.

        One placed in the very instant of the decision may have come after it, so it is not asked about.
        """
        run = m.Run.objects.get(records__email=email)
        if run.first_message_at == email.queued_at:
            earlier = m.Order.objects.filter(purchase_id=email.purchase_id, placed_at__lt=email.queued_at)
            placed = earlier.latest("placed_at").placed_at
            assert email.queued_at - placed >= dt.timedelta(minutes=30), "a mail while somebody was still busy"
