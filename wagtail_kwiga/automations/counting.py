"""What scenarios have come to, counted: who is inside, whom a mail has really reached, and which sales are theirs."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from wagtail_kwiga.automations.models import Run, Scenario, StepRecord
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.orders.models import Order

INSIDE = [Run.State.ACTIVE, Run.State.PAUSED]
#: A mail that has left, or may have: one that was cancelled, missed or suppressed has reached nobody.
_LEFT = [OutgoingEmail.Status.SENDING, OutgoingEmail.Status.SENT, OutgoingEmail.Status.UNKNOWN]


def with_counts(scenarios: QuerySet[Scenario]) -> QuerySet[Scenario]:
    """``scenarios`` with how many people are inside now (``inside_now``), how many runs a mail of theirs has left for
    (``mailed``), and how many purchases were paid because of them (``paid_afterwards``).

    One sale, one claim: a paid purchase is the sale of the scenario whose mail was the last to leave before the payment.
    """
    runs = Run.objects.filter(scenario=OuterRef("pk")).order_by()
    mailed = runs.filter(records__email__status__in=_LEFT)
    last = StepRecord.objects.filter(
        run__purchase_id=OuterRef("purchase_id"),
        email__status__in=_LEFT,
        email__sending_at__lt=OuterRef("paid_at"),
    ).order_by("-email__sending_at", "-pk")
    mine = Order.objects.filter(
        paid_at__isnull=False, purchase__runs__scenario=OuterRef("pk"), purchase__runs__first_message_at__isnull=False
    )
    sales = mine.order_by().annotate(claimed_by=Subquery(last.values("run__scenario_id")[:1]))
    claimed = sales.filter(claimed_by=OuterRef("pk")).values("claimed_by")
    return scenarios.annotate(
        inside_now=_number(runs.filter(state__in=INSIDE).values("scenario"), "pk"),
        mailed=_number(mailed.values("scenario"), "pk"),
        paid_afterwards=_number(claimed, "purchase"),
    )


def _number(grouped: QuerySet[Any, Any], what: str) -> Coalesce:
    counted = grouped.annotate(number=Count(what, distinct=True)).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
