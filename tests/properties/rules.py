"""What may happen in the shop: the rules of the machines."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.properties.machine import MEANWHILE, Machine
from tests.properties.post import OFFICE, WAYS
from tests.properties.shop import CODES, METHODS, PEOPLE, TEXTS
from tests.properties.stage import Trouble
from tests.properties.told import EMAIL, ORDER, RUN, instant
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.exceptions import CouponRefused, KwigaError
from wagtail_kwiga.mailing import suppression
from wagtail_kwiga.mailing.sending import unsubscribe
from wagtail_kwiga.orders import purchases, transitions
from wagtail_kwiga.payments import attempts, ledger

_AT = st.integers(1, 80)
TROUBLES = st.one_of(
    st.none(), st.none(), st.none(),
    st.builds(Trouble, st.just("killed"), _AT),
    st.builds(Trouble, st.just("broken"), _AT),
    st.builds(Trouble, st.just("meanwhile"), st.integers(1, 9), st.sampled_from(MEANWHILE)),
)  # fmt: skip
AGAIN = st.booleans()
WHO, OFFER, WHICH = st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)
BATCH = st.sampled_from([50, 1, 2])
#: Moments at which something falls due, in any table. (A mail in doubt keeps the name of its lease, and has no end of it.)
_MOMENTS = (
    f"SELECT due_at FROM {RUN} WHERE due_at IS NOT NULL UNION SELECT leased_until FROM {RUN} WHERE lease <> ''"
    f" UNION SELECT due_at FROM {EMAIL} WHERE status = 'queued' UNION SELECT leased_until FROM {EMAIL} WHERE leased_until IS NOT NULL"
    f" UNION SELECT expires_at FROM {ORDER} UNION SELECT price_holds_until FROM {ORDER}"
    " UNION SELECT reserved_until FROM wagtail_kwiga_couponuse WHERE state = 'reserved'"
    " UNION SELECT until FROM wagtail_kwiga_listmembership WHERE until IS NOT NULL"
    " UNION SELECT next_poll_at FROM wagtail_kwiga_paymentattempt WHERE next_poll_at IS NOT NULL"
)


class ShopMachine(Machine):
    """Two people, three offers (a course, a bundle with it, and what is in the bundle beside it), four coupons, three scenarios; one clock that never goes back."""

    # --- visitors ----------------------------------------------------------------------------------------------------

    @rule(
        who=WHO,
        offer=OFFER,
        code=st.sampled_from(CODES),
        method=st.sampled_from(METHODS),
        trouble=TROUBLES,
        again=AGAIN,
    )
    def somebody_orders(self, who, offer, code, method, trouble=None, again=False):
        before = self.stage.rows(f"SELECT max(id) FROM {ORDER}")
        products = m.OfferProduct.objects.filter(offer=self.shop.offers[offer]).values("product")
        half_paid = m.Order.objects.filter(
            contact__email=PEOPLE[who],
            lines__product__in=products,
            status="partly_paid",
            expires_at__gt=self.now,
            purchase__in=m.Purchase.objects.filter(purchases.IS_OPEN),
        ).exists()
        result = self.do(lambda: self.shop.submit(who, offer, code, method, self.now), trouble, again)
        if isinstance(result, KwigaError):
            assert trouble or before == self.stage.rows(f"SELECT max(id) FROM {ORDER}"), "a refusal writes nothing"
            assert not isinstance(result, CouponRefused) or code, "nobody is refused a coupon they did not give"
        elif result is not None and trouble is None:
            assert not half_paid, "whoever has paid a part is led to pay the rest"
            self._is_enrolled(result.order)

    def _is_enrolled(self, order: m.Order) -> None:
        """Inside or refused, but never overlooked (promise 11)."""
        if order.payment_kind == "online" and m.Scenario.objects.get(pk=self.shop.scenarios[0]).live:
            runs = m.Run.objects.filter(order=order.pk, scenario=self.shop.scenarios[0])
            assert runs.exists(), "nobody knows why this order is not won back"

    @rule(which=WHICH, with_coupon=st.booleans(), method=st.sampled_from(METHODS), trouble=TROUBLES, again=AGAIN)
    def somebody_comes_back(self, which, with_coupon=True, method="sandbox", trouble=None, again=False):
        order = self.order(which)
        if order is None:
            return
        coupon = m.Coupon.objects.get(pk=self.shop.coupons[0]).token if with_coupon else None
        result = self.do(lambda: self.shop.come_back(order, coupon, method, self.now), trouble, again)
        if result is not None and not isinstance(result, KwigaError) and trouble is None:
            self._is_enrolled(result.order)

    @rule(which=WHICH, method=st.sampled_from(METHODS), trouble=TROUBLES, again=AGAIN)
    def somebody_pays_by_an_old_link(self, which, method="sandbox", trouble=None, again=False):
        order = self.order(which)
        if order is None:
            return
        may = attempts.why_not_payable(order, self.now) is None
        answer = self.do(lambda: attempts.start(order, method=method, now=self.now), trouble, again)
        assert may or trouble or isinstance(answer, KwigaError), "an old link takes no money at an old price"

    # --- money -------------------------------------------------------------------------------------------------------

    @rule(
        which=WHICH, outcome=st.sampled_from(["confirmed", "confirmed", "confirmed", "pending", "failed"]),
        how=st.sampled_from(["", "", "twice", "other event", "other money", "part", "surplus", "live"]),
        trouble=TROUBLES, again=AGAIN,
    )  # fmt: skip
    def the_gateway_tells(self, which, outcome="confirmed", how="", trouble=None, again=False):
        attempt = self.attempt(which)
        if attempt is None:
            return
        given: dict[str, Any] = {"payment": attempt.reference or f"GW-{attempt.pk}"}
        if how == "other event":
            given["id"] = f"evt_{self.tick()}"
        if how == "other money":
            given |= {"id": f"evt_{self.tick()}", "payment": f"GW-{attempt.pk}-{self.serial}"}
        if how in ("part", "surplus") and outcome == "confirmed":
            given |= {"id": f"evt_{how}_{attempt.pk}", "amount": 1100 if how == "part" else 90000}
        if how == "live":
            given |= {"id": f"evt_live_{attempt.pk}_{outcome}", "live": True}
        self._hear(attempt, outcome, given, trouble, again)
        if how == "twice":
            rows = self.stage.rows(f"SELECT status, paid_amount FROM {ORDER} ORDER BY id")
            self._hear(attempt, outcome, given)
            assert trouble or rows == self.stage.rows(f"SELECT status, paid_amount FROM {ORDER} ORDER BY id")

    @rule(which=WHICH)
    def somebody_forges_a_webhook(self, which):
        if (attempt := self.attempt(which)) is not None:
            before = self.stage.rows("SELECT count(*), max(id) FROM wagtail_kwiga_providerevent")
            request = self.shop.said(attempt, "confirmed", self.now, id="forged")
            self.do(lambda: self.shop.hear_a_forger(attempt, request, self.now))
            assert before == self.stage.rows("SELECT count(*), max(id) FROM wagtail_kwiga_providerevent")

    @rule(
        which=WHICH, how=st.sampled_from(["all", "all", "part", "rest", "more"]), number=st.integers(0, 3),
        trouble=TROUBLES, again=AGAIN,
    )  # fmt: skip
    def money_comes_by_bank(self, which, how="all", number=0, trouble=None, again=False):
        order = self.order(which)
        if order is None:
            return
        total = order.total_amount or Decimal(5)
        amount = {"all": total, "part": Decimal(7), "rest": order.outstanding.amount or total, "more": total + 5}[how]
        self._bank(order, amount, f"bank-{number or self.tick() + 10}", trouble, again)

    @rule(which=WHICH, part=st.booleans(), number=st.integers(0, 2), trouble=TROUBLES, again=AGAIN)
    def money_goes_back(self, which, part=False, number=0, trouble=None, again=False):
        order = self.order(which)
        if order is None:
            return
        amount = Decimal(3) if part else max(order.paid_amount, Decimal(1))
        given = {"order": order, "amount": amount, "reference": f"back-{order.pk}-{number}", "now": self.now}
        answer = self.do(lambda: ledger.record_refund(**given), trouble, again)
        if answer is not None and not isinstance(answer, KwigaError):
            assert not ledger.record_refund(**given).new, "the same refund twice is one"

    # --- workers -----------------------------------------------------------------------------------------------------

    @rule(batch=BATCH, trouble=TROUBLES, again=AGAIN)
    def the_engine_sweeps(self, batch=50, trouble=None, again=False):
        self.do(lambda: self.shop.sweep(self.now, batch), trouble, again)

    @rule(
        batch=BATCH, ways=st.lists(st.sampled_from(WAYS), max_size=3),
        beside=st.sampled_from([None, None, *MEANWHILE]), trouble=TROUBLES, again=AGAIN,
    )  # fmt: skip
    def mail_is_delivered(self, batch=50, ways=(), beside=None, trouble=None, again=False):
        OFFICE.ways = list(ways)
        if beside:
            OFFICE.meanwhile = lambda: self._beside(beside)
        if trouble is not None and trouble.kind != "meanwhile":
            OFFICE.doubts += 1
        self.do(lambda: self.shop.deliver(self.now, batch), trouble, again)
        OFFICE.ways, OFFICE.meanwhile = [], None

    @rule(ask=st.booleans(), batch=BATCH, trouble=TROUBLES, again=AGAIN)
    def orders_expire(self, ask=False, batch=50, trouble=None, again=False):
        if ask:
            self.do(lambda: self.shop.ask(self.now), trouble, again)
        self.do(lambda: self.shop.expire(self.now, batch), trouble, again)

    @rule(minutes=st.sampled_from([31, 31, 46, 61, 24 * 60]), trouble=TROUBLES)
    def a_while_passes_and_workers_work(self, minutes=31, trouble=None):
        self.later(dt.timedelta(minutes=minutes))
        self.do(lambda: self.shop.sweep(self.now), trouble)
        self.do(lambda: self.shop.deliver(self.now))

    # --- the clock ---------------------------------------------------------------------------------------------------

    @rule(
        seconds=st.sampled_from([1, 59, 121, 29 * 60, 3 * 3600, 6 * 3600 + 1, 86400, 8 * 86400, 15 * 86400, 31 * 86400])
    )
    def time_passes(self, seconds):
        self.later(dt.timedelta(seconds=seconds))

    @rule(which=st.integers(0, 5), seconds=st.sampled_from([0, 0, -1, 1, 60]), work=st.booleans())
    def the_moment_comes(self, which, seconds=0, work=True):
        """The instant at which something falls due, and the seconds around it."""
        moments = sorted(at for (text,) in self.stage.rows(_MOMENTS) if (at := instant(text)) > self.now)
        if not moments:
            return
        at = moments[min(which, len(moments) - 1)] + dt.timedelta(seconds=seconds)
        self.later(max(at - self.now, dt.timedelta()))
        if work:
            self.do(lambda: self.shop.expire(self.now))
            self.do(lambda: self.shop.sweep(self.now))
            self.do(lambda: self.shop.deliver(self.now))


class StaffMachine(ShopMachine):
    """The same shop, with editors and staff who change things in the middle of it."""

    @rule(
        which=WHICH,
        move=st.sampled_from(["cancel", "cancel", "expire", "reopen", "reopen"]),
        trouble=TROUBLES,
        again=AGAIN,
    )
    def staff_move_an_order(self, which, move="cancel", trouble=None, again=False):
        if (order := self.order(which)) is not None:
            self.do(lambda: getattr(transitions, move)(order, now=self.now), trouble, again)

    @rule(who=WHO, which=st.integers(0, 1), hours=st.sampled_from([None, 0, 2, 48]), put_on=st.booleans())
    def staff_change_a_list(self, who, which, hours=None, put_on=True):
        contact = self.shop.person(who)
        until = None if hours is None else self.now + dt.timedelta(hours=hours)
        if put_on:
            self.do(lambda: self.shop.put_on(which, contact, until, self.now))
        else:
            self.do(lambda: self.shop.take_off(which, contact.pk, self.now))

    @rule(
        which=st.sampled_from([0, 0, 0, 1, 2, 3]),  # mostly the one that mails speak of
        change=st.sampled_from([
            {"is_active": False}, {"is_active": True}, {"limit_total": 1}, {"limit_total": None}, {"percent": Decimal(30)},
            {"percent": Decimal(5)}, {"amount": Decimal(5)}, {"currency": "PLN"}, {"code": "RENAMED"}, {"offers": [2]}, {"offers": []},
            {"lists": [0]}, {"lists": [1]}, {"lists": []},
            {"valid_until": 0}, {"valid_until": 3600}, {"valid_until": None}, {"valid_from": 3600}, {"limit_per_contact": 1},
        ]),
        trouble=TROUBLES,
    )  # fmt: skip
    def staff_edit_a_coupon(self, which, change, trouble=None):
        coupon = m.Coupon.objects.filter(pk=self.shop.coupons[which]).first()
        of_another_kind = {"percent": "fixed", "amount": "percent", "currency": "percent"}
        if coupon is None or any(coupon.kind == of_another_kind.get(name) for name in change):
            return
        self.promises.edited_at = self.now
        given = self._in_time(change)
        self.do(lambda: self._at_once(lambda: self.shop.edit_coupon(which, dict(given), self.now)), trouble)

    @rule(which=st.integers(0, 3))
    def staff_delete_a_coupon(self, which):
        if (
            m.Coupon.objects.filter(pk=self.shop.coupons[which]).exists() and which != 0
        ):  # the machine hands out links with that
            self.promises.edited_at = self.now
            with contextlib.suppress(ProtectedError):
                self._at_once(lambda: self.shop.delete_coupon(which, self.now))

    @rule(
        which=st.sampled_from([0, 0, 1, 2]),
        change=st.sampled_from([
            {"amount": Decimal(200)}, {"amount": Decimal(100)}, {"amount": Decimal("30.01")}, {"currency": "PLN"}, {"currency": "EUR"},
            {"coupon_mode": "none"}, {"coupon_mode": "only", "coupons": [1]}, {"coupon_mode": "only", "coupons": [0, 3]},
            {"coupon_mode": "any"}, {"sales_until": 0}, {"sales_until": 3600}, {"sales_until": None}, {"sales_from": 3600},
            {"sales_from": None}, {"state": "withdrawn"}, {"state": "on_sale"},
        ]),
        trouble=TROUBLES,
    )  # fmt: skip
    def staff_publish_an_offer_anew(self, which, change, trouble=None):
        self.promises.edited_at = self.now
        given = self._in_time(change)
        self.do(lambda: self._at_once(lambda: self.shop.edit_offer(which, dict(given), self.now)), trouble)

    @rule(
        change=st.sampled_from([
            {"price": Decimal(200)}, {"price": Decimal(100)}, {"price": None}, {"currency": "PLN"}, {"currency": "EUR"},
            {"coupon_mode": "none"}, {"coupon_mode": "only"}, {"coupon_mode": "any"}, {"coupons": [1]}, {"coupons": [0, 1]},
            {"products": []}, {"products": [0]}, {"products": [1, 0]}, {"sales_until": 0}, {"sales_until": 3600},
            {"sales_until": None}, {"sales_from": 3600}, {"sales_from": None},
        ]),
        asked=st.booleans(), trouble=TROUBLES,
    )  # fmt: skip
    def editors_publish_the_page(self, change, asked=True, trouble=None):
        self.promises.edited_at = self.now
        given = self._in_time(change)
        with contextlib.suppress(ValidationError):  # a sale that ends before it begins
            self.do(
                lambda: self._at_once(lambda: self.shop.publish_page(dict(given), asked=asked, now=self.now)), trouble
            )

    @rule(up=st.booleans(), asked=st.booleans(), trouble=TROUBLES)
    def editors_take_the_page_down(self, up=False, asked=True, trouble=None):
        self.promises.edited_at = self.now
        page = partial(self.shop.publish_page, {}) if up else self.shop.take_page_down
        with contextlib.suppress(ValidationError):
            self.do(lambda: self._at_once(lambda: page(asked=asked, now=self.now)), trouble)

    def _in_time(self, change: dict[str, Any]) -> dict[str, Any]:
        ends = ("valid_until", "valid_from", "sales_until", "sales_from")
        return {
            name: self.now + dt.timedelta(seconds=value) if name in ends and value is not None else value
            for name, value in change.items()
        }

    def _at_once(self, edit: Callable[[], None]) -> None:
        with transaction.atomic():  # as Wagtail's views save a form
            edit()

    @rule(
        which=st.integers(0, 2),
        what=st.sampled_from(["unpublish", "publish", "stop all", "go on"]),
        wait=st.sampled_from([30, 50]),
    )
    def editors_change_a_scenario(self, which, what, wait=30):
        scenario = self.shop.scenarios[which]
        match what:
            case "unpublish":
                m.Scenario.objects.get(pk=scenario).unpublish()
            case "publish":
                self.do(lambda: self.shop.republish(which, wait, self.now))
            case "stop all":
                self.do(lambda: endings.stop_all(m.Scenario.objects.get(pk=scenario), now=self.now))
            case "go on":
                for run in m.Run.objects.filter(scenario=scenario, state="paused"):
                    self.do(lambda run=run: endings.let_go_on(run, now=self.now))

    @rule(text=st.integers(0, len(TEXTS) - 1))
    def editors_reword_the_mail(self, text):
        self.shop.reword(TEXTS[text])

    @rule(who=WHO, what=st.sampled_from(["unsubscribe", "undo", "suppress"]), trouble=TROUBLES)
    def somebody_says_no(self, who, what, trouble=None):
        contact = self.shop.person(who)
        verb = {
            "unsubscribe": lambda: unsubscribe.unsubscribe(contact, now=self.now),
            "undo": lambda: unsubscribe.undo(contact, now=self.now),
            "suppress": lambda: suppression.suppress(contact.email, scope="all", reason="bounced", now=self.now),
        }[what]
        self.do(verb, trouble)

    @rule(
        change=st.sampled_from(
            [
                {"promo_policy": "consented"},
                {"promo_policy": "everybody"},
                {"recovery_on": False},
                {"recovery_on": True},
            ]
        )
    )
    def the_site_is_set_up_otherwise(self, change):
        m.KwigaSettings.objects.update(**change)

    @rule(verdict=st.sampled_from(["was_sent", "send_again"]), trouble=TROUBLES)
    def staff_settle_a_mail(self, verdict, trouble=None):
        email = m.OutgoingEmail.objects.filter(status__in=["unknown", "failed"]).order_by("-pk").first()
        if email is not None:
            self.do(lambda: self.shop.settle(email, verdict, self.now), trouble)
