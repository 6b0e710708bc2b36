"""The panels of an order's card: what is known of one order, and of the purchase it belongs to.

Each is a Wagtail component, made as ``Panel(order=order, request=request)``, and costs a fixed number of queries. A site
adds its own with the hook ``register_kwiga_order_panels`` (``site_panels``).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin.ui.tables import Column, DateColumn, StatusTagColumn, TitleColumn

from wagtail_kwiga import conf
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.automations.models import Run, StepRecord
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.backoffice.orders import answers, granted, site_panels
from wagtail_kwiga.backoffice.orders.money_panels import Payments, Prices, Refunds
from wagtail_kwiga.backoffice.orders.panel import ROWS, OrderPanel
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.columns import (
    NUMBER,
    Facts,
    TableCard,
    coming,
    exact,
    tag,
    timeline_card,
)
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.mailing import permission, reasons, sender, suppression
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.orders.models import Order, OrderLine
from wagtail_kwiga.orders.statuses import Status
from wagtail_kwiga.payments import registry


class Summary(OrderPanel):
    """What was agreed, how it stands, and until when it holds."""

    heading = pgettext_lazy("sales", "Order")
    icon = "form"

    def card(self) -> Facts:
        order = self.order
        newer = order.superseded_by
        method = registry.label(order.payment_method) if order.payment_method else ""
        return Facts(
            (pgettext_lazy("sales", "Payment"), tag(order.get_status_display(), primary=order.status == Status.PAID)),
            (
                pgettext_lazy("sales", "What"),
                linking.linked(order.offer, order.title, self.user) if order.offer else order.title,
            ),
            (pgettext_lazy("sales", "Total"), money_for_reader(order.total)),
            (_("To pay"), money_for_reader(order.outstanding) if order.outstanding else ""),
            (_("Replaced by"), linking.linked(newer, newer.number, self.user) if newer else ""),
            (
                pgettext_lazy("sales", "Coupon"),
                linking.linked(order.coupon, order.coupon_code or order.coupon.code, self.user) if order.coupon else "",
            ),
            (_("Payment method"), method or order.get_payment_kind_display()),
            (_("Made by"), order.get_origin_display()),
            (pgettext_lazy("sales", "Language"), languages.name(order.language)),
            (pgettext_lazy("sales", "Site"), order.site or ""),
            (pgettext_lazy("sales", "Placed"), exact(order.placed_at)),
            (_("Price holds until"), exact(order.price_holds_until)),
            (pgettext_lazy("sales", "Expires"), exact(order.expires_at)),
            (_("Paid on"), exact(order.paid_at)),
            (pgettext_lazy("sales", "Closed"), exact(order.closed_at)),
            (_("Agreed to the terms of sale"), exact(order.agreed_terms_at)),
        )


class Buyer(OrderPanel):
    """Who buys, and how to reach them."""

    heading = pgettext_lazy("sales", "Buyer")
    icon = "user"

    def card(self) -> Facts:
        order, contact = self.order, self.order.contact
        others = format_html('<a href="{}">{}</a>', linking.orders_of(contact), _("Show them"))
        mail = format_html('<a href="mailto:{}">{}</a>', quote(contact.email, safe="@"), contact.email)
        return Facts(
            (pgettext_lazy("sales", "Name"), contact.name),
            (
                pgettext_lazy("sales", "E-mail"),
                _("None: the payment system gave no address") if contact.is_placeholder else mail,
            ),
            (pgettext_lazy("sales", "Phone"), contact.phone),
            (_("Name as given"), order.buyer_name if order.buyer_name != contact.name else ""),
            (_("Phone as given"), order.buyer_phone if order.buyer_phone != contact.phone else ""),
            (_("Promotional mail"), self._promotional_mail()),
            (_("Orders of this address"), others),
        )

    def _promotional_mail(self) -> Any:
        contact = self.order.contact
        recipient = suppression.recipient_among(contact, suppression.known_among([contact.email]))
        policy = sender.for_site(self.order.site_id).promo_policy
        why_not = permission.refusal(recipient, kind=permission.PROMOTION, policy=policy)
        if why_not == permission.UNSUBSCRIBED and contact.unsubscribed_at:
            return gettext("unsubscribed on %(moment)s") % {"moment": exact(contact.unsubscribed_at)}
        if why_not:
            return reasons.sentence(why_not)
        if contact.consented_at:
            return gettext("agreed on %(moment)s") % {"moment": exact(contact.consented_at)}
        return gettext("never asked for, never refused")


class Answers(OrderPanel):
    """What the site's own fields of the order form were answered."""

    heading = _("Answers on the order form")
    icon = "edit"

    def is_shown(self) -> bool:
        return bool(self.order.answers)

    def card(self) -> Facts:
        return Facts(*answers.told(self.order))


class Access(OrderPanel):
    """What the lines of the order open, and until when."""

    heading = pgettext_lazy("sales", "Access")
    icon = "key"

    def card(self) -> TableCard:
        lines = list(OrderLine.objects.filter(order=self.order.pk).select_related("product"))
        grants: dict[int, list[AccessGrant]] = {}
        found = AccessGrant.objects.filter(line__order=self.order.pk).order_by("granted_at", "pk")
        for grant in found.prefetch_related("adjustments"):
            grants.setdefault(grant.line_id or 0, []).append(grant)
        none: list[AccessGrant | None] = [None]
        rows = [(line, grant) for line in lines for grant in grants.get(line.pk) or none]
        return TableCard(
            [
                Column("title", label=pgettext_lazy("sales", "Product"), accessor=lambda row: row[0].title),
                Column(
                    "state",
                    label=pgettext_lazy("sales", "Access"),
                    accessor=lambda row: granted.state(row[1], conf.now()),
                ),
                Column(
                    "starts",
                    label=pgettext_lazy("sales", "From"),
                    accessor=lambda row: exact(row[1].starts_at) if row[1] else "",
                ),
                Column(
                    "ends", label=pgettext_lazy("sales", "Until"), accessor=lambda row: row[1] and granted.end(row[1])
                ),
            ],
            rows,
            _("This order opens nothing."),
        )


class Recovery(OrderPanel):
    """The scenarios that deal with this purchase, and why they are where they are."""

    heading = pgettext_lazy("sales", "Scenarios")
    icon = "tasks"

    def card(self) -> TableCard:
        latest = StepRecord.objects.filter(run=OuterRef("pk")).order_by("-at", "-pk").values("reason")[:1]
        runs = (
            Run.objects.filter(order__purchase_id=self.order.purchase_id)
            .select_related("scenario")
            .annotate(latest=Subquery(latest))
            .order_by("-entered_at", "-pk")
        )
        user = self.user
        return TableCard(
            [
                TitleColumn(
                    "scenario",
                    label=pgettext_lazy("sales", "Scenario"),
                    accessor="scenario.title",
                    get_url=lambda run: linking.address(Run, run.pk, user),
                ),
                StatusTagColumn(
                    "state", label=pgettext_lazy("sales", "State"), accessor="get_state_display", primary=_is_inside
                ),
                Column("why", label=pgettext_lazy("sales", "Why"), accessor=_why_there),
                Column(
                    "due_at", label=_("Goes on"), accessor=lambda run: coming(run.due_at if _is_inside(run) else None)
                ),
                DateColumn("entered_at", label=pgettext_lazy("sales", "Entered")),
            ],
            list(runs[:ROWS]),
            _("No scenario has dealt with this purchase."),
        )


def _is_inside(run: Run) -> bool:
    return run.state == Run.State.ACTIVE


def _why_there(run: Any) -> str:
    code = run.reason or run.latest
    return descriptions.reason_text(code) if code else ""


class Mails(OrderPanel):
    """Every mail about this purchase."""

    heading = pgettext_lazy("sales", "E-mails")
    icon = "mail"

    def is_shown(self) -> bool:
        return policies.may(self.user, "view", OutgoingEmail)

    def card(self) -> TableCard:
        mails = OutgoingEmail.objects.filter(order__purchase_id=self.order.purchase_id).order_by("-queued_at", "-pk")
        user = self.user
        return TableCard(
            [
                TitleColumn(
                    "subject",
                    label=pgettext_lazy("sales", "Subject"),
                    get_url=lambda mail: linking.address(OutgoingEmail, mail.pk, user),
                ),
                StatusTagColumn(
                    "status", label=pgettext_lazy("sales", "Status"), accessor="get_status_display", primary=_is_sent
                ),
                Column("why", label=pgettext_lazy("sales", "Why"), accessor=lambda mail: reasons.sentence(mail.why)),
                DateColumn("queued_at", label=pgettext_lazy("sales", "Queued")),
                DateColumn("sent_at", label=pgettext_lazy("sales", "Sent")),
            ],
            list(mails[:ROWS]),
            _("No e-mail about this purchase yet."),
        )


def _is_sent(mail: OutgoingEmail) -> bool:
    return mail.status == OutgoingEmail.Status.SENT


class RelatedOrders(OrderPanel):
    """The other orders of the same purchase: each time the buyer came back."""

    heading = _("Same purchase")
    icon = "copy"

    def __init__(self, *, order: Order, request: HttpRequest) -> None:
        super().__init__(order=order, request=request)
        others = Order.objects.filter(purchase_id=order.purchase_id).exclude(pk=order.pk).order_by("-placed_at", "-pk")
        self.others = list(others[: ROWS + 1])

    def is_shown(self) -> bool:
        return bool(self.others)

    def card(self) -> TableCard:
        user = self.user
        return TableCard(
            [
                TitleColumn(
                    "number", label=_("Order number"), get_url=lambda order: linking.address(Order, order.pk, user)
                ),
                DateColumn("placed_at", label=pgettext_lazy("sales", "Placed")),
                Column(
                    "total",
                    label=pgettext_lazy("sales", "Total"),
                    accessor=lambda order: money_for_reader(order.total),
                    classname=NUMBER,
                ),
                StatusTagColumn(
                    "status", label=pgettext_lazy("sales", "Payment"), accessor="get_status_display", primary=_is_paid
                ),
                Column("coupon_code", label=pgettext_lazy("sales", "Coupon")),
            ],
            self.others[:ROWS],
            "",
        )

    def render_html(self, parent_context: Any = None) -> str:
        number = len(self.others)
        said = ngettext(
            "The buyer has %(number)s other order for this purchase. Paying one closes the others.",
            "The buyer has %(number)s other orders for this purchase. Paying one closes the others.",
            number,
        ) % {"number": number if number <= ROWS else f"{ROWS}+"}
        return format_html("<p>{}</p>{}", said, super().render_html(parent_context))


def _is_paid(order: Order) -> bool:
    return order.status == Status.PAID


class Timeline(OrderPanel):
    """What happened, newest first."""

    heading = pgettext_lazy("sales", "Timeline")
    icon = "time"

    def card(self) -> TableCard:
        return timeline_card(self.order)


FIRST = (Summary, Buyer, Answers, Prices, Payments, Refunds, Access, Recovery, Mails, RelatedOrders)
LAST = (Timeline,)


def panels(order: Order, request: HttpRequest) -> list[Any]:
    """All panels of the card that are to be shown, the site's own above the timeline."""
    made = [
        *(panel(order=order, request=request) for panel in FIRST),
        *site_panels.panels(order, request),
        *(panel(order=order, request=request) for panel in LAST),
    ]
    return [panel for panel in made if panel.is_shown()]
