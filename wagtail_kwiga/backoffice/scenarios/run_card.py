"""The card of one person in one scenario: where they stand, why, and what was decided at each step from which facts."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin.ui.tables import Column, StatusTagColumn

from wagtail_kwiga import conf
from wagtail_kwiga.automations.models import Run, StepRecord
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.automations.wording.run_history import Retelling
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.cards import Card
from wagtail_kwiga.backoffice.parts.columns import Facts, TableCard, exact, person, tag, timeline_card

#: Decisions shown; a run has a handful, and one that was put off for a day some dozens.
ROWS = 200


def panels(run: Run, user: Any, now: dt.datetime | None = None) -> list[Card]:
    """The panels of the card. A fixed number of queries."""
    records = list(StepRecord.objects.filter(run=run).select_related("email").order_by("-at", "-pk")[:ROWS])
    told = Retelling([run], records)
    timeline = timeline_card(run)
    found = [
        Card(_("Where they are"), _standing(run, told, user, now or conf.now()), "user"),
        Card(_("Decided so far, newest first"), _decisions(run, records, told, user), "history"),
    ]
    return [*found, Card(pgettext("sales", "Timeline"), timeline, "time")] if timeline.rows else found


def _standing(run: Run, told: Retelling, user: Any, now: dt.datetime) -> Facts:
    version = _("%(scenario)s, version %(number)s") % {"scenario": run.scenario, "number": run.version.number}
    definition = told.definitions.get(run.version_id)
    orders = linking.orders_of(run.contact)
    return Facts(
        (
            pgettext("sales", "State"),
            tag(run.get_state_display(), primary=run.state in (Run.State.ACTIVE, Run.State.PAUSED)),
        ),
        (pgettext("sales", "Why"), told.why(run, now)),
        (_("What went wrong"), run.error),
        (pgettext("sales", "Step"), told.where(run)),
        (pgettext("sales", "Next"), exact(run.due_at) if run.state == Run.State.ACTIVE else ""),
        (
            pgettext("sales", "Person"),
            format_html('<a href="{}">{}</a>', orders, person(run.contact)) if orders else person(run.contact),
        ),
        (pgettext("sales", "Order"), linking.linked(run.order, run.order.number, user) if run.order else ""),
        (
            pgettext("sales", "Offer"),
            linking.linked(run.order.offer, run.order.offer.title, user) if run.order and run.order.offer else "",
        ),
        (pgettext("sales", "Scenario"), linking.linked(run.scenario, version, user)),
        (_("What it does"), descriptions.sentence(definition, told.known) if definition else ""),
        (pgettext("sales", "Entered"), exact(run.entered_at)),
        (_("First message"), exact(run.first_message_at)),
        (_("Last message"), exact(run.last_message_at)),
        (pgettext("sales", "Ended"), exact(run.ended_at)),
    )


def _decisions(run: Run, records: list[StepRecord], told: Retelling, user: Any) -> TableCard:
    def mail(record: StepRecord) -> Any:
        return linking.linked(record.email, record.email.get_status_display(), user) if record.email else ""

    return TableCard(
        [
            Column(
                "step", label=pgettext("sales", "Step"), accessor=lambda record: told.step_of(record, run.version_id)
            ),
            StatusTagColumn(
                "outcome",
                label=pgettext("sales", "Outcome"),
                accessor=lambda record: descriptions.outcome_text(record.outcome),
                primary=lambda record: record.outcome == "acted",
            ),
            Column(
                "reason",
                label=pgettext("sales", "Why"),
                accessor=lambda record: descriptions.reason_text(record.reason),
            ),
            Column("facts", label=_("Based on"), accessor=lambda record: _lines(told.facts(record))),
            Column("at", label=pgettext("sales", "When"), accessor=lambda record: exact(record.at)),
            Column("email", label=pgettext("sales", "E-mail"), accessor=mail),
        ],
        records,
        _("Not let in, so nothing was decided.")
        if run.state == Run.State.REFUSED
        else _("Nothing has been decided yet."),
    )


def _lines(words: list[str]) -> str:
    return format_html_join("", "<div>{}</div>", ([one] for one in words))
