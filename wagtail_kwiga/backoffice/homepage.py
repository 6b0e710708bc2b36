"""The *Sales* panel of the admin's home page: what is new, what waits, what needs a person, and whether the worker runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet, Value
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import ngettext_lazy
from wagtail.admin.ui.components import Component

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.unions import united
from wagtail_kwiga.backoffice.worker import worker_notes
from wagtail_kwiga.formatting import instants
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.offers import languages
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.statuses import PAYABLE

LANGUAGES_CHECK = "wagtail_kwiga.W012"


@dataclass(frozen=True)
class Figure:
    """One number: of which rows, in which words, where to go, and who may see it (whoever may view ``model``)."""

    name: str
    model: type
    words: Promise
    rows: Callable[[dt.datetime], QuerySet[Any]]
    icon: str
    screen: str
    query: Callable[[dt.datetime], str]


def _waiting(now: dt.datetime) -> QuerySet[Order]:
    return Order.objects.filter(status__in=sorted(PAYABLE))


def _today(now: dt.datetime) -> dt.datetime:
    """Where the day of ``now`` began, in the reader's zone."""
    local = instants.local(now)
    return dt.datetime.combine(local.date(), dt.time.min, tzinfo=local.tzinfo)


FIGURES = (
    Figure(
        "today", Order, ngettext_lazy("%(number)s order today", "%(number)s orders today", "number"),
        lambda now: Order.objects.filter(placed_at__gte=_today(now)),
        "form", "wagtail_kwiga_orders:index", lambda now: f"placed_at_from={_today(now).date():%Y-%m-%d}",
    ),
    Figure(
        "waiting", Order,
        ngettext_lazy("%(number)s order waiting for money", "%(number)s orders waiting for money", "number"),
        _waiting, "time", "wagtail_kwiga_orders:index",
        lambda now: "&".join(f"status={status}" for status in sorted(PAYABLE)),
    ),
    Figure(
        "attention", TimelineEntry,
        ngettext_lazy("%(number)s thing needs a person", "%(number)s things need a person", "number"),
        lambda now: TimelineEntry.objects.filter(needs_attention=True, attended_at__isnull=True),
        "warning", "wagtail_kwiga_attention:index", lambda now: "",
    ),
    Figure(
        "unknown", OutgoingEmail, ngettext_lazy("%(number)s email with delivery unknown", "%(number)s emails with delivery unknown", "number"),
        lambda now: OutgoingEmail.objects.filter(status=OutgoingEmail.Status.UNKNOWN),
        "mail", "wagtail_kwiga_mail:index", lambda now: "status=unknown",
    ),
)  # fmt: skip


class SalesPanel(Component):
    """Two queries: one for all the numbers together, each counted from an index of its own; one for the worker."""

    name = "kwiga_sales"
    template_name = "wagtail_kwiga/backoffice/home_panel.html"
    order = 150

    def __init__(self, request: HttpRequest, now: dt.datetime | None = None) -> None:
        self.now, self.user = now or conf.now(), request.user
        self.figures = [figure for figure in FIGURES if policies.may(request.user, "view", figure.model)]
        #: Said to those who can have it mended, until the check of the same is silenced.
        self.tells_languages = request.user.is_superuser and LANGUAGES_CHECK not in settings.SILENCED_SYSTEM_CHECKS

    @property
    def is_shown(self) -> bool:
        return bool(self.figures)

    def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
        return {
            "figures": list(self._told()),
            "notes": worker_notes(self.user, self.now),
            "languages": ", ".join(languages.unspoken()) if self.tells_languages else "",
        }

    def _told(self) -> Any:
        counted = self._counted()
        for figure in self.figures:
            number, query = counted.get(figure.name, 0), figure.query(self.now)
            where = linking.url(figure.screen)
            yield {
                "words": figure.words % {"number": number},
                "icon": figure.icon,
                "url": f"{where}?{query}" if query else where,
            }

    def _counted(self) -> dict[str, int]:
        """Name → number; one that is zero may be missing."""
        parts = [
            figure.rows(self.now)
            .order_by()
            .annotate(figure=Value(figure.name))
            .values("figure")
            .annotate(number=Count("pk"))
            .values_list("figure", "number")
            for figure in self.figures
        ]
        return dict(united(parts, doubles=True))


def add_panel(request: HttpRequest, panels: list[Any]) -> None:
    """Wagtail's ``construct_homepage_panels``."""
    panel = SalesPanel(request)
    if panel.is_shown:
        panels.append(panel)
