"""Giving money of an order back, and saying what became of a refund that nobody speaks of any more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import conf, locking
from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.backoffice.parts.columns import exact
from wagtail_kwiga.catalogue.amount_field import AmountField
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.exceptions import KwigaError, PaymentRefused
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import ledger, refunds, registry
from wagtail_kwiga.payments.models import PaymentAttempt, Refund
from wagtail_kwiga.payments.statuses import OPEN_REFUNDS, RefundState
from wagtail_kwiga.pricing.money import Money

PROVIDER, BY_HAND = "provider", "by_hand"
_SAID: dict[str, tuple[Any, Any]] = {
    RefundState.REQUESTED: (
        messages.warning,
        _("The refund of %(amount)s is noted, but no money moves: this installation holds back. See the home page."),
    ),
    RefundState.DONE: (messages.success, _("%(amount)s was given back.")),
    RefundState.PENDING: (
        messages.success,
        _("The refund of %(amount)s is under way. The order changes once it is done."),
    ),
    RefundState.FAILED: (messages.error, _("The refund of %(amount)s failed, and nothing was given back. %(why)s")),
    RefundState.UNKNOWN: (
        messages.warning,
        _(
            "It is not known yet whether %(amount)s was given back. Please do not repeat it: we ask, or tell you to look."
        ),
    ),
}


class RefundForm(forms.Form):
    """How much goes back, and who moves the money."""

    amount = AmountField(label=pgettext_lazy("sales", "Amount"), min_value=0)
    way = forms.ChoiceField(label=pgettext_lazy("sales", "How"), widget=forms.RadioSelect, choices=[])
    reference = forms.CharField(
        label=pgettext_lazy("sales", "Reference"),
        max_length=200,
        required=False,
        help_text=_(
            "Of money that you gave back yourself: the number of that transfer. The same one is never booked twice."
        ),
    )
    reason = forms.CharField(label=pgettext_lazy("sales", "Reason"), max_length=255, required=False)
    #: What had been asked back when the form was opened: by it a form that is sent twice is told.
    known = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, currency: str, ways: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(AmountField, self.fields["amount"]).currency = currency
        cast(forms.ChoiceField, self.fields["way"]).choices = ways
        self.fields["way"].initial = ways[0][0]


@transaction.non_atomic_requests  # the provider is called outside every transaction
def refund(request: HttpRequest, pk: int) -> HttpResponse:
    """Give money of an order back, through the provider that brought it or by hand."""
    if not policies.can(request.user, "refund_order"):
        raise PermissionDenied
    order = get_object_or_404(Order.objects.select_related("contact"), pk=pk)
    card = reverse("wagtail_kwiga_orders:inspect", args=[order.pk])
    left = _left(order)
    initial = {"amount": _suggested(order, left).amount, "known": str(_asked_back(order))}
    form = RefundForm(request.POST or None, initial=initial, currency=order.currency, ways=_ways(order))
    if request.method == "POST" and form.is_valid():
        try:
            made = _give_back(order, form.cleaned_data, request.user)
        except KwigaError as refusal:
            form.data = {**cast(QueryDict, form.data).dict(), "known": str(_asked_back(order))}
            form.add_error(None, str(refusal))
        else:
            for row in made:
                tell, words = _SAID[row.state]
                tell(request, words % {"amount": money_for_reader(row.money), "why": row.failure_message})
            return redirect(card)
    too_much = _too_much(order)
    context = {
        "order": order,
        "form": form,
        "left": money_for_reader(left),
        "too_much": money_for_reader(too_much) if too_much else "",
    }
    return _page(request, "wagtail_kwiga/backoffice/refund.html", order, pgettext_lazy("sales", "Refund"), context)


def refund_outcome(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a person, who has looked at the provider's site, say what became of a refund."""
    if not policies.can(request.user, "refund_order"):
        raise PermissionDenied
    row = get_object_or_404(Refund.objects.select_related("order__contact", "attempt"), pk=pk)
    card = reverse("wagtail_kwiga_orders:inspect", args=[row.order_id])
    if row.state not in OPEN_REFUNDS:
        messages.info(request, gettext("This refund has come to its end already."))
        return redirect(card)
    if request.method == "POST" and request.POST.get("outcome") in ("done", "failed"):
        try:
            refunds.decide(row, is_done=request.POST["outcome"] == "done", by=policies.user_of(request))
        except PaymentRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, gettext("Noted. The order says the same now."))
        return redirect(card)
    context = {
        "order": row.order,
        "refund": row,
        "amount": money_for_reader(row.money),
        "method": registry.label(row.attempt.method),
        "asked_at": exact(row.requested_at),
    }
    title = _("What became of the refund?")
    return _page(request, "wagtail_kwiga/backoffice/refund_outcome.html", row.order, title, context)


def _give_back(order: Order, data: dict[str, Any], user: Any) -> tuple[Refund, ...]:
    """Do what the form says, unless money was asked back since it was opened."""
    now, reference = conf.now(), data["reference"].strip()
    with locking.atomic_write():
        directory.lock(order.contact_id)
        if data["known"] not in ("", str(_asked_back(order))) and not (data["way"] == BY_HAND and reference):
            words = _("Money of this order was given back since you opened this form. Please look at the sums again.")
            raise KwigaError(words, code="refunded_meanwhile")
        given: dict[str, Any] = {
            "order": order,
            "amount": data["amount"],
            "reason": data["reason"],
            "by": user,
            "now": now,
        }
        if data["way"] == BY_HAND:
            return ledger.record_refund(reference=reference, **given).refunds
        requested = refunds.request_each(**given)
    return tuple(refunds.send(row, now) for row in requested)


def _asked_back(order: Order) -> Money:
    """All that was ever asked back and did not fail."""
    rows = Refund.objects.filter(order=order.pk).exclude(state=RefundState.FAILED)
    return Money(rows.order_by().aggregate(sum=Sum("amount"))["sum"] or Decimal(0), order.currency)


def _left(order: Order) -> Money:
    """What may be asked back: all that is here, less what is on its way back already."""
    rows = Refund.objects.filter(order=order.pk, state__in=OPEN_REFUNDS)
    under_way = rows.order_by().aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    return Money(max(order.paid_amount - under_way, Decimal(0)), order.currency)


def _too_much(order: Order) -> Money:
    """By how much more has come than the order costs, such as a sum that was paid twice."""
    return Money(max(order.paid_amount - order.total_amount, Decimal(0)), order.currency)


def _suggested(order: Order, left: Money) -> Money:
    """What the form begins with: what came too much, which ends no access; else all."""
    too_much = _too_much(order)
    return too_much if too_much and too_much.amount <= left.amount else left


def _ways(order: Order) -> list[tuple[str, Any]]:
    """Through the providers where all that brought money can pay it back; by hand always."""
    methods = set(
        PaymentAttempt.objects.filter(payment__order=order.pk, state=PaymentAttempt.State.CONFIRMED)
        .order_by()
        .values_list("method", flat=True)
    )
    by_hand = [(BY_HAND, _("I have given it back myself, at the bank or at the provider's site"))]
    if not methods or not all(_can_refund(method) for method in methods):
        return by_hand
    names = ", ".join(sorted(str(registry.label(method)) for method in methods))
    return [(PROVIDER, gettext("Give it back now through %(method)s") % {"method": names}), *by_hand]


def _can_refund(method: str) -> bool:
    try:
        return registry.get(method).can_refund
    except PaymentRefused:
        return False


def _page(request: HttpRequest, template: str, order: Order, title: Any, context: dict[str, Any]) -> TemplateResponse:
    card = reverse("wagtail_kwiga_orders:inspect", args=[order.pk])
    return TemplateResponse(
        request,
        template,
        {
            **context,
            "card": card,
            "header_icon": "rotate",
            "page_title": title,
            "page_subtitle": order.number,
            "header_title": f"{title}: {order.number}",
            "breadcrumbs_items": [
                {"url": reverse("wagtail_kwiga_orders:index"), "label": pgettext_lazy("sales", "Orders")},
                {"url": card, "label": order.number},
                {"url": "", "label": title},
            ],
        },
    )
