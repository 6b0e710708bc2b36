"""Seven weeks of orders, as they would have come about: every one made through the verbs of the package, at its own hour.

The past is told in the order in which it happened, and between two things that people did the worker did whatever fell
due, so runs, lists, mails and timelines are what they would be in a shop that has been open that long. No mail of the past
is waiting: whoever is still inside the scenario has had it. Two things wait for a person: a mail of which nobody knows
whether it arrived, and money that came twice.
"""

from __future__ import annotations

import datetime as dt
import heapq
import io
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction
from wagtail.models import Site

from sandbox import clock, mailbox
from sandbox.school import timelapse
from sandbox.school.building import PEOPLE
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.models import Contact, Coupon, Offer, Order, OrderNote, OutgoingEmail
from wagtail_kwiga.offers import quoting
from wagtail_kwiga.orders import placing, transitions
from wagtail_kwiga.orders.drafts import OrderDraft
from wagtail_kwiga.orders.statuses import Origin, PaymentKind
from wagtail_kwiga.payments import attempts, ledger, registry

#: How long the school has been open.
DAYS = 47
OPEN_FOR = dt.timedelta(days=DAYS + 1)

_NAMES = """
Jonna Brandt|en Tomasz Wilczek|pl Lucía Ferrando|es Oksana Hryn|uk Peter Sandow|de Amelia Thorne|en Greta Lindau|de
Marek Soból|pl Inés Valdera|es Taras Melnyk|uk Henrike Voss|de Oliver Penrose|en Zofia Kalina|pl Noah Whitlock|en
Carla Montoya|es Bohdan Rudyk|uk Almut Reiher|de Freya Ashdown|en Kacper Brzoza|pl Elena Robledo|es Iryna Sokil|uk
Jasper Quill|en Wiebke Ohlsen|de Hanna Jodła|pl Mateo Arrieta|es Stefan Hagedorn|de Ruby Fairweather|en Petro Lisny|uk
Karolina Mech|pl Sofía Calderas|es Torben Krafft|de Edith Marlowe|en Nadia Verba|uk Filip Olcha|pl Paula Ontiveros|es
Lennart Busch|de Maisie Holloway|en Daryna Kvitka|uk Ewa Topola|pl Bruno Salcedo|es Frauke Dierks|de George Tansley|en
Roman Yavir|uk Julia Wrzos|pl Marisol Peral|es Hauke Strand|de Beatrix Lowell|en Andriy Klen|uk
Imke Falk|de Dorota Lipa|pl Camilo Rivas|es Wren Hathaway|en Lesya Polyova|uk Arne Petersen|de Gemma Oakley|en
Bartosz Jawor|pl Silke Maurer|de Ignacy Wrona|pl Pilar Luján|es Maxim Dolia|uk Hester Lang|en
"""

#: What becomes of an order → how many days ago it was placed. Statuses in all: every one there is.
_PLOT: dict[str, tuple[float, ...]] = {
    "pays_at_once": (46, 44, 41, 39, 37, 34, 31, 29, 26, 24, 21, 17, 14, 11, 8, 5, 3.5, 1.3, 0.4, 0.15),
    "pays_by_transfer": (43, 33, 23, 16, 6),
    "comes_back": (42, 36, 30, 22, 15, 9, 4),
    "stays_away": (45, 40, 35, 28, 20, 12, 7, 2.5),
    "changes_mind_then_pays": (38, 13),
    "is_cancelled": (32, 18, 10),
    "gets_money_back": (27, 19),
    "pays_half": (25, 3),
    "is_under_way": (3.2,),
    "will_transfer": (1.6, 0.7),
    "is_entered_by_staff": (18.5, 5.5),
    "is_still_inside": (0.86, 0.52, 0.13),
    "may_have_had_the_mail": (0.31,),
    "pays_twice": (1.9,),
}


@dataclass(frozen=True)
class Buyer:
    """Somebody invented."""

    name: str
    email: str
    phone: str
    language: str


class Past:
    """Tells the story: ``at`` puts something into the diary, ``tell`` lives through it."""

    def __init__(self, offer: Offer, coupon: Coupon) -> None:
        self.offer, self.coupon = offer, coupon
        self.site = Site.objects.get(is_default_site=True)
        self.staff = get_user_model().objects.filter(username="admin").first()
        self.chance = random.Random(2027)
        self.now = clock.real_now()
        self.buyers = iter(_buyers())
        self._serial = count()
        #: Addresses to which a mail sets out and nobody learns whether it arrived.
        self._silent: set[str] = set()
        self._diary: list[tuple[dt.datetime, int, Callable[[dt.datetime], object]]] = []

    def at(self, instant: dt.datetime, deed: Callable[[dt.datetime], object]) -> None:
        """Have ``deed`` done at ``instant``, unless that lies in the future."""
        if instant <= self.now:
            heapq.heappush(self._diary, (instant, next(self._serial), deed))

    def tell(self) -> None:
        """Do everything in the diary in order, and the worker's part in between."""
        swept = self.now - OPEN_FOR
        log = logging.getLogger("wagtail_kwiga.mailing")
        log.addFilter(self._is_news)
        try:
            with mailbox.nobody_home():
                while self._diary:
                    instant, _serial, deed = heapq.heappop(self._diary)
                    swept = self._work_until(instant, swept)
                    with clock.reserved_at(instant):
                        deed(instant)
                self._work_until(self.now, swept)
                self._sweep(self.now)
        finally:
            log.removeFilter(self._is_news)

    def _is_news(self, record: logging.LogRecord) -> bool:
        """Whether the terminal should hear of it: not of the mail whose silence is part of the story."""
        number = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if not isinstance(number, int):
            return True
        return not OutgoingEmail.objects.filter(pk=number, to_email__in=self._silent).exists()

    def _work_until(self, goal: dt.datetime, swept: dt.datetime) -> dt.datetime:
        while (due := timelapse.next_due(after=swept)) is not None and due < goal:
            swept = min(goal, due + dt.timedelta(seconds=20))
            self._sweep(swept)
        return swept

    def _sweep(self, at: dt.datetime) -> None:
        with mailbox.no_answer_for(*self._silent):
            _work(at)

    # --- what people do -------------------------------------------------------------------------------------------------

    def order(
        self,
        buyer: Buyer,
        now: dt.datetime,
        *,
        coupon: Coupon | None = None,
        method: str = "sandbox",
        by_staff: bool = False,
    ) -> Order:
        contact = self.contact(buyer, now)
        draft = OrderDraft.for_offer(
            self.offer,
            contact=contact,
            quote=quoting.quote(offer=self.offer, coupon=coupon, contact=contact, now=now),
            method=registry.get(method),
            site=self.site,
            language=buyer.language,
            origin=Origin.STAFF if by_staff else Origin.WEB,
            name=buyer.name,
            phone=buyer.phone,
        )
        provider = registry.get(method)

        def ask_for_transfer(order: Order) -> None:
            """As the checkout does: the mail about the order tells account and reference."""
            if provider.kind == PaymentKind.TRANSFER:
                attempts.prepare(order, provider, now=now)

        return placing.place_order(draft, by=self.staff if by_staff else None, beside=ask_for_transfer, now=now)

    def order_online(self, buyer: Buyer, now: dt.datetime, *, coupon: Coupon | None = None) -> Order:
        """Fill in the form and go to the gateway; what happens there is another matter."""
        order = self.order(buyer, now, coupon=coupon)
        attempts.start(order, method="sandbox", now=now)
        return order

    def order_by_transfer(self, buyer: Buyer, now: dt.datetime) -> Order:
        """Fill in the form and be told where to send the money."""
        order = self.order(buyer, now, method="transfer")
        attempts.start(order, method="transfer", now=now)
        return order

    def contact(self, buyer: Buyer, now: dt.datetime) -> Contact:
        return directory.get_or_create_contact(
            email=buyer.email, name=buyer.name, phone=buyer.phone, language=buyer.language, now=now
        )

    def pay(self, order: Order, now: dt.datetime) -> None:
        """With a card, at the gateway."""
        attempt = order.payments.get().attempts.filter(method="sandbox").first()
        ledger.record_payment(
            order=Order.objects.get(pk=order.pk),
            amount=order.total,
            method="sandbox",
            reference=attempt.reference,
            now=now,
        )

    def transfer(self, order: Order, now: dt.datetime, *, amount: Decimal | None = None) -> None:
        """Money arrives at the bank and staff say so."""
        fresh = Order.objects.get(pk=order.pk)
        ledger.record_payment(
            order=fresh,
            amount=amount if amount is not None else fresh.outstanding,
            method="transfer",
            reference=f"statement {now:%d.%m.} no. {order.pk}",
            by=self.staff,
            now=now,
        )

    def note(self, order: Order, text: str, now: dt.datetime) -> None:
        OrderNote.objects.create(order=order, text=text, by=self.staff, at=now)

    # --- what becomes of an order ---------------------------------------------------------------------------------------

    def pays_at_once(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_online(buyer, now)
        self.at(now + dt.timedelta(minutes=self.chance.randint(2, 9)), lambda at: self.pay(order, at))

    def pays_by_transfer(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_by_transfer(buyer, now)
        self.at(_morning(now + dt.timedelta(days=2)), lambda at: self.transfer(order, at))

    def comes_back(self, buyer: Buyer, now: dt.datetime) -> None:
        self.order_online(buyer, now)

        def returns(at: dt.datetime) -> None:
            again = self.order_online(buyer, at, coupon=self.coupon)
            self.at(at + dt.timedelta(minutes=4), lambda later: self.pay(again, later))

        self.at(now + dt.timedelta(hours=self.chance.randint(2, 19), minutes=17), returns)

    def stays_away(self, buyer: Buyer, now: dt.datetime) -> None:
        self.order_online(buyer, now)

    def is_still_inside(self, buyer: Buyer, now: dt.datetime) -> None:
        """Has had the mail, and a day to come back that is not over."""
        self.order_online(buyer, now)

    def may_have_had_the_mail(self, buyer: Buyer, now: dt.datetime) -> None:
        """Like the one above, but the mail server fell silent in the middle of the mail."""
        self.order_online(buyer, now)
        self.at(now + dt.timedelta(minutes=29), lambda at: self._silent.add(buyer.email))

    def pays_twice(self, buyer: Buyer, now: dt.datetime) -> None:
        """Pays by card, forgets it, and sends a transfer as well: one sum too much, which a person must give back."""
        order = self.order_online(buyer, now)
        self.at(now + dt.timedelta(minutes=6), lambda at: self.pay(order, at))
        self.at(now + dt.timedelta(days=1), lambda at: self.transfer(order, at, amount=order.total.amount))

    def changes_mind_then_pays(self, buyer: Buyer, now: dt.datetime) -> None:
        self.order_online(buyer, now)

        def returns(at: dt.datetime) -> None:
            again = self.order_online(buyer, at)
            self.at(at + dt.timedelta(minutes=3), lambda later: self.pay(again, later))

        self.at(now + dt.timedelta(minutes=12), returns)

    def is_cancelled(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_by_transfer(buyer, now)

        def cancels(at: dt.datetime) -> None:
            transitions.cancel(Order.objects.get(pk=order.pk), by=self.staff, now=at)
            self.note(order, "Asked by mail to cancel: the dates do not fit.", at)

        self.at(_morning(now + dt.timedelta(days=1)), cancels)

    def gets_money_back(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_online(buyer, now)
        self.at(now + dt.timedelta(minutes=5), lambda at: self.pay(order, at))

        def repays(at: dt.datetime) -> None:
            fresh = Order.objects.get(pk=order.pk)
            ledger.record_refund(
                order=fresh,
                amount=fresh.received,
                reference=f"RF-{fresh.pk}",
                reason="Within the 14 days, no questions asked.",
                by=self.staff,
                now=at,
            )

        self.at(_morning(now + dt.timedelta(days=6)), repays)

    def pays_half(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_by_transfer(buyer, now)
        self.at(_morning(now + dt.timedelta(days=2)), lambda at: self.transfer(order, at, amount=Decimal(60)))

    def is_under_way(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order_online(buyer, now)
        self.at(
            now + dt.timedelta(minutes=3),
            lambda at: transitions.start_processing(Order.objects.get(pk=order.pk), now=at),
        )

    def will_transfer(self, buyer: Buyer, now: dt.datetime) -> None:
        self.order_by_transfer(buyer, now)

    def is_entered_by_staff(self, buyer: Buyer, now: dt.datetime) -> None:
        order = self.order(buyer, now, method="transfer", by_staff=True)
        self.note(order, "Ordered at the open day; paid in cash.", now)
        self.at(
            now + dt.timedelta(minutes=2),
            lambda at: ledger.record_payment(
                order=Order.objects.get(pk=order.pk), amount=order.total, method="cash", by=self.staff, now=at
            ),
        )


def tell(offer: Offer, coupon: Coupon) -> int:
    """Make the past of the shop, if it has none; how many orders it has now."""
    if not Order.objects.exists():
        past = Past(offer, coupon)
        email, first, last = PEOPLE["buyer"]
        buyer = Buyer(f"{first} {last}", email, "", "en")
        past.at(_daytime(past.now - dt.timedelta(days=20), past.chance), lambda at: past.pays_at_once(buyer, at))
        for fate, ages in _PLOT.items():
            for age in ages:
                _into_diary(past, fate, age)
        # All or nothing; and a worker that is running meanwhile, whose clock shows today, must not meddle with the past.
        with transaction.atomic():
            past.tell()
    return Order.objects.count()


def _into_diary(past: Past, fate: str, age: float) -> None:
    buyer = next(past.buyers)
    placed = past.now - dt.timedelta(days=age)
    if age > 2:
        placed = _daytime(placed, past.chance)
    past.at(placed, lambda at: getattr(past, fate)(buyer, at))


def _buyers() -> list[Buyer]:
    buyers = []
    for number, entry in enumerate(_entries()):
        name, language = entry.split("|")
        ascii_name = name.lower().translate(str.maketrans("íéóúáñłżźćśąę", "ieouanlzzcsae"))
        phone = f"+49 30 555 {1000 + number * 37}" if number % 3 else ""
        buyers.append(Buyer(name, f"{ascii_name.replace(' ', '.')}@example.com", phone, language))
    return buyers


def _entries() -> list[str]:
    words = _NAMES.split()
    return [f"{first} {last}" for first, last in zip(words[::2], words[1::2], strict=True)]


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def _daytime(instant: dt.datetime, chance: random.Random) -> dt.datetime:
    """The same day at an hour when people buy courses; never later than ``instant``'s day allows."""
    local = instant.astimezone(_zone()).replace(
        hour=chance.randint(8, 21), minute=chance.randint(0, 59), second=chance.randint(0, 59)
    )
    return local.astimezone(dt.UTC)


def _morning(instant: dt.datetime) -> dt.datetime:
    """Half past nine of that day, when the post is gone through."""
    return instant.astimezone(_zone()).replace(hour=9, minute=30, second=0).astimezone(dt.UTC)


def _work(at: dt.datetime) -> None:
    call_command("kwiga_work", at=at.isoformat(), stdout=io.StringIO())
