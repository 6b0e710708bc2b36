"""A shop with many people whose runs become due when the drill says so, and the books that must balance in the end."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from django.core.management import call_command
from wagtail.models import Site

from tests.drills import clock
from tests.journeys.school import School, make_school
from tests.support import make_purchases
from wagtail_kwiga import models as m
from wagtail_kwiga.automations import registry
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.journal import writing

Status = m.OutgoingEmail.Status
#: So far away that nothing is due before a drill says so.
_LATER = dt.timedelta(days=300)


class Shop:
    """``number`` people who left an order unpaid half an hour ago; none of their runs is due before ``release``."""

    def __init__(self, number: int, *, due: dt.datetime | None = None) -> None:
        self.number = number
        self.now = clock.now()
        self.school: School = make_school(now=self.now - dt.timedelta(hours=1))
        call_command("kwiga_setup", verbosity=0, stdout=_Nowhere())
        self.runs = crowd(self.school, number, placed=self.now - dt.timedelta(minutes=31), due=due or self.now + _LATER)
        self._released = 0

    def release(self, number: int | None = None) -> int:
        """Make so many runs more due (default: the rest); returns how many that were."""
        ends = self.number if number is None else min(self.number, self._released + number)
        chosen = [run.pk for run in self.runs[self._released : ends]]
        # Ten minutes ago, so that they are due for a host whose clock is slow, too.
        m.Run.objects.filter(pk__in=chosen).update(due_at=clock.now() - dt.timedelta(minutes=10))
        self._released = ends
        return len(chosen)

    def is_settled(self) -> bool:
        """Whether every run was decided and every mail came to some end."""
        under_way = [Status.QUEUED, Status.LEASED, Status.SENDING]
        mails = m.OutgoingEmail.objects
        return mails.count() >= self.number and not mails.filter(status__in=under_way).exists()

    def balance(self, arrived: list[tuple[str, str]], *, doubts: int = 0) -> Counter[str]:
        """Nothing twice, nothing lost, at most so many ``doubts`` and each of them on a person's list. Returns the statuses."""
        mails = list(m.OutgoingEmail.objects.values_list("pk", "to_email", "status", "message_id"))
        counts = Counter(status for _pk, _to, status, _id in mails)
        print(f"due {self.number}, arrived {len(arrived)}, {dict(counts)}")
        assert not [one for one, times in Counter(arrived).items() if times > 1], "a mail arrived twice"
        addressees = Counter(recipient for _message_id, recipient in arrived)
        assert not [one for one, times in addressees.items() if times > 1], "somebody got two mails"
        assert len(mails) == len({to for _pk, to, _status, _id in mails}) == self.number
        assert set(counts) <= {Status.SENT, Status.UNCERTAIN}, counts
        assert {to for _pk, to, status, _id in mails if status == Status.SENT} <= set(addressees), "a mail was lost"
        assert {(message_id, to) for _pk, to, status, message_id in mails if status == Status.SENT} <= set(arrived)
        uncertain = {pk for pk, _to, status, _id in mails if status == Status.UNCERTAIN}
        on_a_list = [entry.facts["email"] for entry in writing.open_attention().filter(code="mailing.uncertain")]
        assert sorted(on_a_list) == sorted(uncertain), "a doubt that nobody can see, or one without a cause"
        assert len(uncertain) <= doubts, f"{len(uncertain)} uncertain for {doubts} deaths"
        self._each_run_was_decided_once()
        return counts

    def _each_run_was_decided_once(self) -> None:
        runs = m.Run.objects.filter(pk__in=[run.pk for run in self.runs])
        # They all stand at the long wait now, and nobody holds one.
        assert set(runs.values_list("state", "position", "lease", "attempts")) == {
            ("live", _long_wait(self.school), "", 0)
        }
        steps = Counter(m.StepRecord.objects.values_list("run_id", "kind"))
        assert set(steps.values()) == {1}, "a step was taken twice"
        acted = m.StepRecord.objects.filter(outcome="acted")
        for kind in ("add_to_list", "send_email"):
            assert acted.filter(kind=kind).count() == self.number
        assert Counter(m.ListMembership.objects.values_list("contact_id", flat=True)) == dict.fromkeys(
            (run.contact_id for run in self.runs), 1
        )


class _Nowhere:
    def write(self, text: str) -> None: ...


def _definition(school: School) -> Definition:
    return Definition.from_json(school.scenario.version.definition, registry.kinds())


def _long_wait(school: School) -> str:
    _first, second = (step.id for step in _definition(school).steps if step.kind == "wait")
    return second


def crowd(school: School, number: int, *, placed: dt.datetime, due: dt.datetime, name: str = "buyer") -> list[m.Run]:
    """So many people with an order unpaid since ``placed``, written in bulk; their runs stand at the first wait."""
    site = Site.objects.get(is_default_site=True)
    version = school.scenario.version
    position, _due = _definition(school).opening(placed)
    contacts = m.Contact.objects.bulk_create(
        m.Contact(email=f"{name}-{n}@example.com", name="Ada Buyer", language="en", created_at=placed)
        for n in range(number)
    )
    orders = m.Order.objects.bulk_create(
        m.Order(
            number=one.contact.email[:32], token=one.contact.email, purchase=one, contact=one.contact, offer=school.offer, title=school.offer.title,
            currency="EUR", list_amount=120, total_amount=120, site=site, language="en", buyer_name="Ada Buyer",
            placed_at=placed, price_holds_until=placed + dt.timedelta(days=7), expires_at=placed + dt.timedelta(days=14),
        )
        for one in make_purchases(contacts, school.offer, now=placed)
    )  # fmt: skip
    m.OrderLine.objects.bulk_create(
        m.OrderLine(order=order, product=school.product, title="Watercolour", list_amount=120, amount=120)
        for order in orders
    )
    return m.Run.objects.bulk_create(
        m.Run(
            scenario=school.scenario, version=version, contact=order.contact, order=order,
            purchase_id=order.purchase_id, entry_key=f"unpaid:{order.purchase_id}", position=position, due_at=due,
            entered_at=placed, stepped_at=placed,
        )
        for order in orders
    )  # fmt: skip
