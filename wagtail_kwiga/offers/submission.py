"""A form was sent to an offer page: what becomes of it. ``offers.checkout`` does the writing."""

from __future__ import annotations

import logging
from typing import Any, cast

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _

from wagtail_kwiga import signing
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import eligibility
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, CouponRefused, OrderRefused, TooManyAttempts
from wagtail_kwiga.offers import browser_proof, checkout, forms, order_reminder, presentation
from wagtail_kwiga.offers.page_context import KEEPS_CODE, PageMessage, Visit
from wagtail_kwiga.orders import links, purchases
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.orders.placing import CheaperOrderStands, OrderUnderWay
from wagtail_kwiga.payments import views as payment_views
from wagtail_kwiga.pricing.money import Money

logger = logging.getLogger("wagtail_kwiga.offers")

#: Letters of a field that are shown again where the form says no more of it.
_LONGEST = 2000


def answer(visit: Visit) -> HttpResponse | None:
    """What becomes of a POST: the way to pay, or ``None`` for the page once more with words about what is missing.

    Call it with the visit's language active.
    """
    return _Sent(visit).answer()


class _Sent:
    """One form sent; what it leads to is told by changing the visit: its form, notes, status, verdict and quote."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.sent = visit.sent

    @property
    def _offer(self) -> Offer:
        return cast(Offer, self.visit.offer)  # ``answer`` asks first whether there is something to order

    def answer(self) -> HttpResponse | None:
        """What becomes of a POST: the way to pay, or ``None`` for the page once more with words about what is missing."""
        if not self.visit.can_order:
            self.visit.answer_with(409)
            return None
        if "apply" in self.sent:
            self._apply()
            return None
        try:
            return self._order()
        except TooManyAttempts as refusal:
            self._too_many(refusal)
            self.visit.verdict = None
            self._show_again(refusal.message)
        return None

    def _apply(self) -> None:
        """*Apply the code*: the page with the new price; nothing is ordered."""
        typed = self._kept().dict()
        try:
            checkout.count_code(self.visit.place, self.sent.get("email", ""), self.visit.now)
        except TooManyAttempts as refusal:
            self._too_many(refusal)
            self.visit.verdict = None
            self.visit.notes.append(PageMessage(refusal.message, "warning"))
        self.visit.say_verdict()
        self.visit.form = self.visit.make_form(None, initial={**typed, "shown": self.visit.sealed()})

    def _too_many(self, refusal: TooManyAttempts) -> None:
        self.visit.answer_with(429, retry_after=refusal.facts.get("retry_after"))

    def _order(self) -> HttpResponse | None:
        if not links.are_routed():
            logger.error("No order can be taken: wagtail_kwiga.urls is not included in the site's URLs")
            self._show_again(_("Orders cannot be taken at the moment. Please come back a little later."))
            return None
        # All ways to pay, whatever the price: what it costs is found out once, under the contact's lock.
        form = self.visit.make_form(self.sent, methods=self.visit.offered)
        if not form.is_valid():
            if self.sent.get("coupon", "").strip():
                checkout.count_code(self.visit.place, self.sent.get("email", ""), self.visit.now)
            if "coupon" not in form.errors:
                self.visit.say_verdict()
            self._show_again(refused=form)
            return None
        data = form.cleaned_data
        try:
            result = checkout.submit(
                offer=self._offer,
                terms=self.visit.terms,
                form_data=data,
                code=data["coupon"],
                resume=self.visit.resume,
                shown=self._agreed_to(data["shown"]),
                site=self.visit.site,
                language=self.visit.language,
                title=self.visit.page.title,
                place=self.visit.place,
                own_orders=self.visit.own_orders,
                user_id=self.visit.user_id,
                another=data["another"],
                answers=form.answers(),
                accepted_terms=self.visit.keep_terms() if data.get("terms") else None,
                promo_text=str(form.fields["promo"].label) if data.get("promo") else "",
                page_revision=self.visit.page.live_revision_id,
                now=self.visit.now,
            )
        except checkout.AlreadyOwned:
            self._tell_owner()
            return None
        except OrderUnderWay as refusal:
            self._tell_nothing(refusal)
            return None
        except AlreadyPartlyPaid as refusal:
            return self._sent_on(links.pay_url(Order.objects.get(pk=refusal.facts["order"]), self.visit.now))
        except CheaperOrderStands as refusal:
            return self._sent_on(
                payment_views.url_of_better(Order.objects.get(pk=refusal.facts["order"]), self.visit.now)
            )
        except CouponRefused as refusal:
            self._refuse_code(refusal)
            return None
        except checkout.PriceChanged as refusal:
            self.visit.quote = refusal.facts["quote"]
            self._show_again(
                _("The price has changed since you opened this page. Please look at it and send the form again.")
            )
            return None
        except OrderRefused as refusal:
            self._show_again(refusal.message)
            return None
        answer = self._on_to_pay(result)
        browser_proof.remember(self.visit.request, answer, signing.handle_of(result.order), self.visit.now)
        return answer

    def _on_to_pay(self, result: checkout.CheckoutResult) -> HttpResponse:
        if result.started:
            return payment_views.hand_over(self.visit.request, result.started, self.visit.now)
        where = links.pay_url if result.trouble else links.order_url
        return self._sent_on(where(result.order, self.visit.now))

    def _tell_nothing(self, refusal: OrderUnderWay) -> None:
        """Whoever typed the address may be anybody: what is to be known goes to the address, by mail."""
        order_reminder.tell_the_buyer(refusal.facts["order"], self.visit.now)
        self._show_again()
        self.visit.notes.append(PageMessage(refusal.message, "", _("We have sent a mail with the link to it.")))

    def _tell_owner(self) -> None:
        """The way in, and the form as it was sent behind one button, for those who want it once more."""
        self._show_again()
        self.visit.bought = presentation.ways_into(self.visit.terms)
        form, self.visit.form = self.visit.form, None
        cast(Any, form).data["another"] = purchases.new_slot()
        self.visit.form_again = form

    def _sent_on(self, url: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(links.from_here(self.visit.request, url))

    def _agreed_to(self, sealed: str) -> Money | None:
        """The total the visitor saw. A seal that cannot be read agrees to nothing, so today's price is shown first."""
        if not sealed:
            return None  # a form of the site's own making: the order page tells the price before anything is paid
        return forms.unseal(self._offer.uid, sealed) or Money.zero(self._offer.currency)

    def _refuse_code(self, refusal: CouponRefused) -> None:
        """Say why, and show the normal price; it is ordered only when the visitor sends the form again."""
        verdict = refusal.facts.get("verdict") or eligibility.Verdict(False, Reason.USED_UP, refusal.message)
        self.visit.verdict = verdict if self.visit.has_proof else eligibility.discreet(verdict)
        self.visit.__dict__.pop("quote", None)
        self._show_again()
        more = _(
            "Nothing has been ordered yet. Without the code it costs what you see here; send the form again to order."
        )
        self.visit.notes.append(PageMessage(self.visit.verdict.message, "warning", more))

    def _kept(self) -> QueryDict:
        """What was sent, as it may be shown again: as much of each field as it could ever take, known ways to pay only."""
        data = self.sent.copy()
        fields = forms.form_class().base_fields
        for name in data:
            longest = max(getattr(fields.get(name), "max_length", None) or _LONGEST, _LONGEST)
            data.setlist(name, [value[:longest] for value in data.getlist(name)])
        if data.get("payment_method") not in {provider.alias for provider in self.visit.offered}:
            data.pop("payment_method", None)
        return data

    def _show_again(self, message: Any = "", *, refused: forms.CheckoutForm | None = None) -> None:
        """The form as it was sent, with what is wrong with it, ``message`` on top, and the total as it is now.

        What cannot be sent again as it is (a code that does not apply, a trap that was stepped into) is taken out; what was
        wrong with it is told all the same.
        """
        data = self._kept()
        data["shown"] = self.visit.sealed()
        data["website"] = ""  # a person whose browser filled it in could not empty it
        if self.visit.verdict and self.visit.verdict.reason not in KEEPS_CODE:
            data["coupon"] = ""
        form = self.visit.make_form(data)
        form.is_valid()
        for name, faults in refused.errors.as_data().items() if refused else ():
            if name in form.fields and name not in form.errors:
                form.add_error(name, faults)
        if message:
            form.add_error(None, message)
        self.visit.form = form
