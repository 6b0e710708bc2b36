"""The machine that plays histories in the shop: what may happen, in any order, with any trouble."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django.db import InternalError, OperationalError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from tests.payments import clock
from tests.properties.post import OFFICE
from tests.properties.promises import EMAIL, RUN, Promises
from tests.properties.shop import BEGIN, Shop
from tests.properties.stage import Killed, Stage, Trouble
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.sending import unsubscribe
from wagtail_kwiga.orders import transitions

#: What another worker or visitor may do in a gap of somebody else's operation.
MEANWHILE = (
    "bank", "gateway", "return", "unsubscribe", "cancel", "sweep", "deliver", "deliver much later", "take off",
    "deactivate", "stop all", "expire", "take down", "raise",
)  # fmt: skip
PRELUDES = (
    "nobody came", "an order", "a mail waits", "a mail was sent", "paid", "two people, many mails", "two people were told",
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    """How a history is played: operations with their trouble, what others do meanwhile, and what must hold."""

    stage: ClassVar[Stage]
    shop: ClassVar[Shop]
    #: Prelude → the snapshot of its rows, and what the machine then knows.
    beginnings: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {}
    histories: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.begin(self.beginnings.get(PRELUDES[0], ("", {})))

    def begin(self, beginning: tuple[str, dict[str, Any]]) -> None:
        snapshot, known = beginning
        if snapshot:
            self.stage.restore(snapshot)
        OFFICE.reset()
        OFFICE.witness, OFFICE.kill = self._witness, self.stage.kill
        self.promises = Promises(self.stage)
        self.now = BEGIN
        #: Money that was really told of and taken in: its handle → (order, amount); and what a crash leaves open.
        self.money: dict[tuple[str, str], tuple[int, Decimal]] = {}
        self.perhaps: list[tuple[tuple[str, str], int, Decimal]] = []
        self.serial, self.failures, self.is_sound = 0, [], True  # type: ignore[var-annotated]
        self.recall(known)

    def remember(self) -> dict[str, Any]:
        """What a machine that begins here has to know."""
        own = {name: getattr(self, name) for name in ("now", "money", "perhaps", "serial")}
        mine = {name: value for name, value in vars(self.promises).items() if name != "stage"}
        return copy.deepcopy({"own": own, "promises": mine, "taken": OFFICE.taken})

    def recall(self, known: dict[str, Any]) -> None:
        known = copy.deepcopy(known)
        vars(self).update(known.get("own", {}))
        vars(self.promises).update(known.get("promises", {}))
        OFFICE.taken.update(known.get("taken", {}))
        clock.put(self.now)

    @initialize(prelude=st.sampled_from(PRELUDES))
    def once_upon_a_time(self, prelude: str) -> None:
        if prelude in self.beginnings:
            self.begin(self.beginnings[prelude])

    # --- playing -----------------------------------------------------------------------------------------------------

    def do(self, operation: Callable[[], Any], trouble: Trouble | None = None, again: bool = False) -> Any:
        """One operation. ``KwigaError`` is an answer like any other; a failed database may only be felt where it failed.

        With ``again`` whoever was killed or failed does the same once more.
        """
        self.is_sound = False
        try:
            return self.stage.play(operation, trouble, self.meanwhile)
        except Killed:
            pass
        except (OperationalError, InternalError):
            assert trouble is not None and trouble.kind == "broken" and self.stage.struck
        except KwigaError as refusal:
            return refusal
        if again:
            return self.do(operation)
        return None

    def later(self, span: dt.timedelta) -> None:
        self.now += span
        clock.put(self.now)

    def meanwhile(self, act: str) -> None:
        """Somebody else, in between. What they find broken must not get lost in another's ``except Exception``.

        How hand-overs go was said of the worker in whose gap this is; those of a worker in between are taken.
        """
        ways, OFFICE.ways = OFFICE.ways, []
        try:
            self._act(act)
        except KwigaError:
            pass
        except BaseException as failure:
            self.failures.append(failure)
        finally:
            OFFICE.ways = ways

    def _beside(self, act: str) -> None:
        with self.stage.aside():
            self.meanwhile(act)

    def _act(self, act: str) -> None:
        order, now = self.order(0), self.now
        match act:
            case "bank" if order:
                self._bank(order, order.total_amount or Decimal(5), f"meanwhile-{self.tick()}")
            case "gateway" if attempt := self.attempt(0):
                self._hear(attempt, "confirmed", {"payment": attempt.reference or f"GW-{attempt.pk}"})
            case "return" if order:
                self.shop.come_back(order, None, "sandbox", now)
            case "unsubscribe" if order:
                unsubscribe.unsubscribe(order.contact, now=now)
            case "cancel" if order:
                transitions.cancel(order, now=now)
            case "sweep":
                self.shop.sweep(now)
            case "deliver":
                self.shop.deliver(now)
            case "deliver much later":  # the other worker seems dead by then, and is only slow
                self.later(dt.timedelta(seconds=121))
                OFFICE.doubts += 1
                self.shop.deliver(self.now)
            case "take off" if order:
                self.shop.take_off(0, order.contact_id, now)
            case "deactivate":
                self.promises.edited_at = now
                self.shop.edit_coupon(0, {"is_active": False}, now)
            case "take down":
                self.promises.edited_at = now
                self.shop.take_page_down(asked=False, now=now)
            case "raise":
                self.promises.edited_at = now
                self.shop.publish_page({"price": Decimal(200)}, asked=True, now=now)
            case "stop all":
                endings.stop_all(m.Scenario.objects.get(pk=self.shop.scenarios[0]), now=now)
            case "expire":
                self.shop.expire(now)

    def _witness(self, email: int) -> None:
        try:
            with self.stage.aside():
                self.promises.witness(email, self.now)
        except BaseException as failure:
            self.failures.append(failure)

    def tick(self) -> int:
        self.serial += 1
        return self.serial

    def order(self, which: int) -> m.Order | None:
        """The ``which``-th newest order."""
        return m.Order.objects.select_related("contact", "offer").order_by("-pk")[which : which + 1].first()

    def attempt(self, which: int) -> m.PaymentAttempt | None:
        rows = m.PaymentAttempt.objects.filter(method__in=["sandbox", "nameless"]).order_by("-pk")
        return rows.select_related("payment__order")[which : which + 1].first()

    # --- money, as it was told of ----------------------------------------------------------------------------------

    def _hear(self, attempt, outcome, given, trouble=None, again=False):
        request = self.shop.said(attempt, outcome, self.now, **given)
        answer = self.do(lambda: self.shop.hear(attempt, request, self.now), trouble, again)
        if outcome == "confirmed" and not given.get("live"):
            amount = Decimal(given["amount"]) / 100 if "amount" in given else attempt.amount
            name = str(attempt.pk) if attempt.method == "nameless" else given.get("payment", f"GW-{attempt.pk}")
            self._note((attempt.method, name), attempt.payment.order_id, amount, answer)

    def _note(self, key: tuple[str, str], order: int, amount: Decimal, answer: Any) -> None:
        if isinstance(answer, KwigaError):
            return
        if answer is None and key not in self.money:
            self.perhaps.append((key, order, amount))
        elif key not in self.money:
            # What a dead worker may have booked under this handle already is what counts.
            self.money[key] = next(
                ((o, a) for k, o, a in self.perhaps if k == key and self._has(k, o, a)), (order, amount)
            )
        if answer is not None:
            self.perhaps = [one for one in self.perhaps if one[0] != key]

    def _has(self, key: tuple[str, str], order: int, amount: Decimal) -> bool:
        rows = m.PaymentAttempt.objects.filter(method=key[0], state="confirmed", confirmed_amount=amount)
        rows = rows.filter(payment__order=order)  # the bank may have used its reference for another order since
        return rows.filter(pk=int(key[1])).exists() if key[0] == "nameless" else rows.filter(reference=key[1]).exists()

    def _bank(self, order, amount, reference, trouble=None, again=False):
        answer = self.do(lambda: self.shop.bank(order, amount, reference, self.now), trouble, again)
        self._note(("transfer", reference), order.pk, amount, answer)

    # --- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self):
        for failure in self.failures:
            raise failure
        if not self.beginnings:
            return
        self.promises.check()
        self.promises.the_deadline_told(self.now, OFFICE.taken)
        self._the_ledger_agrees()
        self.is_sound = True

    def _the_ledger_agrees(self) -> None:
        """Money that was acknowledged is booked, once (promises 7 and 8)."""
        rows = self.stage.rows(
            "SELECT order_id, sum(amount) FROM wagtail_kwiga_transaction WHERE kind = 'charge' GROUP BY order_id"
        )
        got = {order: round(Decimal(str(amount)), 2) for order, amount in rows}
        for order in {*got, *(order for order, _ in self.money.values())}:
            least = sum(amount for of, amount in self.money.values() if of == order)
            most = least + sum(amount for _, of, amount in self.perhaps if of == order)
            assert least <= got.get(order, 0) <= most, f"order {order} got {got.get(order)}, told {least} to {most}"

    def teardown(self) -> None:
        """The trouble is over; when leases of two minutes have ended, all that is due is done.

        They begin when a mail is really taken, so what a busy machine has taken longer is added: three minutes are enough.
        """
        if not self.is_sound or not self.beginnings:
            return
        type(self).histories += 1
        for hours in (0, 9):
            self.later(dt.timedelta(hours=hours, minutes=3))
            self.shop.expire(self.now)
            self.shop.sweep(self.now)
            self.shop.deliver(self.now)
            now = self.now.strftime("%Y-%m-%d %H:%M:%S")
            self.promises.nothing("a mail hangs", f"SELECT id FROM {EMAIL} WHERE status IN ('leased', 'sending')")
            self.promises.nothing(
                "a mail is lost", f"SELECT id FROM {EMAIL} WHERE status = 'queued' AND due_at <= ?", now
            )
            self.promises.nothing("a run hangs", f"SELECT id FROM {RUN} WHERE lease <> ''")
            self.promises.nothing("a run is lost", f"SELECT id FROM {RUN} WHERE state = 'active' AND due_at <= ?", now)
            self.the_promises_hold()
