"""One visit to an offer page: what the visitor sees, and what becomes of the form they send.

A visit only reads (promise 9) until a form is sent; and then ``offers.checkout`` does the writing.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from wagtail.models import Site

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons import discounts, eligibility
from wagtail_kwiga.coupons.reasons import Reason
from wagtail_kwiga.exceptions import AlreadyPartlyPaid, CouponRefused, KwigaError, OrderRefused, TooManyAttempts
from wagtail_kwiga.offers import checkout, describing, forms, languages, publishing, quoting, resuming
from wagtail_kwiga.orders import families, links
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments import views as payment_views
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import Quote
from wagtail_kwiga.site_settings import KwigaSettings, PromoPolicy, sales_settings

#: A code that needs the visitor's address stays in the form; any other refused one is taken out of it.
_KEEPS_CODE = (Reason.OK, Reason.NEEDS_ADDRESS)
#: Refusals that only mean "too late": said in one kind sentence.
_TOO_LATE = (Reason.ENDED_FOR_YOU, Reason.EXPIRED)

logger = logging.getLogger("wagtail_kwiga.offers")


@dataclass(frozen=True)
class Note:
    """One sentence on top of the order form; ``tone`` is a class of the stylesheet, or empty."""

    text: Any
    tone: str = ""
    more: Any = ""


class Visit:
    """What one request to an offer page is about. Made once per request; everything is read when first asked for."""

    def __init__(self, page: Any, request: HttpRequest) -> None:
        self.page = page
        self.request = request
        self.now: dt.datetime = conf.now()
        self.is_preview: bool = getattr(request, "is_preview", False)
        self.notes: list[Note] = []
        self.status = 200
        self.retry_after: int | None = None

    # --- where we are -------------------------------------------------------------------------------------------------

    @cached_property
    def languages(self) -> languages.Languages:
        return languages.languages_of(self.page, self.request)

    @cached_property
    def language(self) -> str:
        return languages.spoken_language(self.page, self.languages.own, self.request)

    @property
    def has_hero(self) -> bool:
        """Whether a block of the page brings the main heading along."""
        return any(row["type"] == "hero" for row in self.page.body.raw_data)

    @cached_property
    def picture(self) -> Any:
        """The rendition that stands for the page where it is shared, or ``None``."""
        return describing.picture(self.page)

    @property
    def picture_url(self) -> str:
        """Its absolute address on the site the visitor is on; Wagtail's ``full_url`` would be that of the admin."""
        return urljoin(links.site_root(self.site.pk if self.site else None), self.picture.url)

    @cached_property
    def site(self) -> Site | None:
        return languages.site_of(self.page, self.request)

    @cached_property
    def settings(self) -> KwigaSettings:
        return sales_settings(self.site)

    @cached_property
    def offer(self) -> Offer | None:
        """What is for sale here; in a preview, as the draft would sell it."""
        offer = Offer.objects.filter(translation_key=publishing.key_of(self.page)).first()
        if self.is_preview and not (offer and publishing.is_translation(self.page)):
            drafted = Offer(state=Offer.State.ON_SALE, **publishing.fields_of(self.page))
            drafted.pk = offer.pk if offer else None
            return drafted
        return offer

    @cached_property
    def why_not(self) -> str | None:
        """Why nothing can be ordered here, as a code of ``catalogue.selling``; ``None`` where it can."""
        if self.offer is None:
            return selling.DRAFT
        return selling.why_not_for_sale(self.offer, self.now)

    @property
    def can_order(self) -> bool:
        return self.why_not is None and self.bought is None

    # --- who comes, and with what -------------------------------------------------------------------------------------

    @cached_property
    def _sent(self) -> Any:
        return self.request.POST if self.request.method == "POST" else self.request.GET

    @cached_property
    def resume(self) -> resuming.Resume | None:
        token = self._sent.get("resume", "")
        return resuming.read_for(self.offer, token, self.now) if token and self.offer else None

    @cached_property
    def bought(self) -> list[describing.WayIn] | None:
        """The ways in, where the link is about a purchase that is paid; ``None`` where it is not."""
        if self.resume is None or not families.is_theirs(self.resume.order.family):
            return None
        return describing.ways_in(self.resume.order)

    @cached_property
    def contact(self) -> Any:
        """Whom the coupon is judged for: the address typed, or that of the link."""
        if self.request.method == "POST":
            try:
                return directory.find(self._sent.get("email", ""))
            except KwigaError:
                return None
        return self.resume.order.contact if self.resume else None

    @cached_property
    def is_personal(self) -> bool:
        """Whether the answer concerns one visitor and so belongs in no cache and no search engine."""
        return self.request.method == "POST" or "coupon" in self.request.GET or "resume" in self.request.GET

    # --- what it costs ------------------------------------------------------------------------------------------------

    @cached_property
    def verdict(self) -> eligibility.Verdict | None:
        """What is said to the code that was typed or came with the address; ``None`` where there is none."""
        if self.offer is None or self.why_not or self.bought is not None:
            return None
        if self.request.method != "POST" and self.resume and self.resume.coupon:
            return eligibility.check_coupon(self.resume.coupon, offer=self.offer, contact=self.contact, now=self.now)
        code = self._sent.get("coupon", "").strip()
        if not code:
            return None
        return eligibility.check(code=code, offer=self.offer, contact=self.contact, now=self.now)

    @cached_property
    def quote(self) -> Quote | None:
        if self.offer is None:
            return None
        if self.verdict and self.verdict.ok:
            return quoting.quote_for(self.verdict, self.offer, self.contact, self.now)
        return quoting.quote(offer=self.offer, contact=self.contact, now=self.now)

    @property
    def deadline(self) -> dt.datetime | None:
        """Until when the discount holds for this visitor."""
        return self.verdict.until if self.verdict and self.verdict.ok else None

    @property
    def discount_size(self) -> str:
        """ "15%", in the page's language; empty where no coupon applies."""
        if not (self.verdict and self.verdict.ok and self.verdict.coupon):
            return ""
        return discounts.size_text(self.verdict.coupon, translation.get_language() or self.language)

    @cached_property
    def offered(self) -> list[Any]:
        """Every way to pay that this offer and this site have."""
        return registry.available(self.offer, currency=self.offer.currency, site=self.site) if self.offer else []

    @property
    def methods(self) -> list[Any]:
        """The ways to pay what it costs this visitor: none where it costs nothing."""
        return [] if self.quote is None or self.quote.is_free else self.offered

    @property
    def cannot_pay(self) -> bool:
        """Whether the site has no way to pay this: then there is no form to fill in in vain."""
        return bool(self.quote and not self.quote.is_free and not self.offered)

    # --- the form -----------------------------------------------------------------------------------------------------

    @cached_property
    def form(self) -> forms.CheckoutForm | None:
        """The form as somebody finds it who has just come; ``answer`` puts the one that was sent in its place."""
        if not self.can_order or self.cannot_pay:
            return None
        initial: dict[str, Any] = {}
        if self.resume:
            initial = {"email": self.resume.email, "name": self.resume.name, "resume": self.resume.token}
        return self._make_form(None, initial={**initial, "coupon": self._code_to_keep, "shown": self._sealed()})

    def _make_form(
        self, data: Any, *, initial: dict[str, Any] | None = None, methods: list[Any] | None = None
    ) -> forms.CheckoutForm:
        return forms.form_class()(
            data,
            initial=initial or {},
            phone=self._phone_mode(initial if data is None else data),
            methods=self.methods if methods is None else methods,
            legal=self._legal(),
            ask_promo=self.settings.promo_policy == PromoPolicy.CONSENTED,
            takes_codes=self.offer is not None and self.offer.coupon_mode != Offer.CouponMode.NONE,
        )

    @property
    def _code_to_keep(self) -> str:
        if self.verdict and self.verdict.reason in _KEEPS_CODE and self.verdict.coupon:
            return self.verdict.coupon.code
        return ""

    def _sealed(self) -> str:
        return forms.seal(self.offer.pk, self.quote.total) if self.offer and self.offer.pk and self.quote else ""

    def _phone_mode(self, data: Any) -> str:
        """What is held already is neither asked nor shown, as long as the address stays that of the mail."""
        if self.resume and self.resume.phone and self.resume.is_of((data or {}).get("email", "")):
            return "no"
        return str(self.page.ask_phone)

    def _legal(self) -> tuple[str, str] | None:
        for block in self.settings.legal:
            if block.block_type == "page" and block.value:
                url = block.value.get_url(self.request)
                return (url, block.value.title) if url else None
            if block.block_type == "url" and block.value:
                return block.value, _("terms of sale")
        return None

    # --- a form was sent ----------------------------------------------------------------------------------------------

    def answer(self) -> HttpResponse | None:
        """What becomes of a POST: the way to pay, or ``None`` for the page once more with words about what is missing."""
        if not self.can_order:
            self.status = 409
            return None
        if "apply" in self._sent:
            return self._apply()
        try:
            return self._order()
        except TooManyAttempts as refusal:
            self._too_many(refusal)
            self.verdict = None
            self._show_again(refusal.message)
        return None

    def _apply(self) -> None:
        """*Apply the code*: the page with the new price; nothing is ordered."""
        typed = self._sent.dict()
        try:
            checkout.count_code(self._ip, self.now)
        except TooManyAttempts as refusal:
            self._too_many(refusal)
            self.verdict = None
            self.notes.append(Note(refusal.message, "warning"))
        self._say_verdict()
        self.form = self._make_form(None, initial={**typed, "shown": self._sealed()})

    def _too_many(self, refusal: TooManyAttempts) -> None:
        self.status = 429
        self.retry_after = refusal.facts.get("retry_after")

    def _order(self) -> HttpResponse | None:
        if not links.are_routed():
            logger.error("No order can be taken: wagtail_kwiga.urls is not included in the site's URLs")
            self._show_again(_("Orders cannot be taken at the moment. Please come back a little later."))
            return None
        # All ways to pay, whatever the price: what it costs is found out once, under the contact's lock.
        form = self._make_form(self._sent, methods=self.offered)
        if not form.is_valid():
            if self._sent.get("coupon", "").strip():
                checkout.count_code(self._ip, self.now)
            if "coupon" not in form.errors:
                self._say_verdict()
            self._show_again(refused=form)
            return None
        data = form.cleaned_data
        try:
            result = checkout.submit(
                offer=self.offer,
                form_data=data,
                code=data["coupon"],
                resume=self.resume,
                shown=self._agreed_to(data["shown"]),
                site=self.site,
                language=self.language,
                title=self.page.title,
                ip=self._ip,
                now=self.now,
            )
        except AlreadyPartlyPaid as refusal:
            return self._sent_on(links.pay_url(Order.objects.get(pk=refusal.facts["order"]), self.now))
        except CouponRefused as refusal:
            self._refuse_code(refusal)
            return None
        except checkout.PriceChanged as refusal:
            self.quote = refusal.facts["quote"]
            self._show_again(
                _("The price has changed since you opened this page. Please look at it and send the form again.")
            )
            return None
        except OrderRefused as refusal:
            self._show_again(refusal.message)
            return None
        if result.started:
            return payment_views.hand_over(self.request, result.started, self.now)
        where = links.pay_url if result.trouble else links.order_url
        return self._sent_on(where(result.order, self.now))

    def _sent_on(self, url: str) -> HttpResponseRedirect:
        return HttpResponseRedirect(links.from_here(self.request, url))

    def _agreed_to(self, sealed: str) -> Money | None:
        """The total the visitor saw. A seal that cannot be read agrees to nothing, so today's price is shown first."""
        if not sealed:
            return None  # a form of the site's own making: the order page tells the price before anything is paid
        return forms.unseal(self.offer.pk, sealed) or Money.zero(self.offer.currency)

    def _refuse_code(self, refusal: CouponRefused) -> None:
        """Say why, and show the normal price; it is ordered only when the visitor sends the form again."""
        self.verdict = refusal.facts.get("verdict") or eligibility.Verdict(False, Reason.USED_UP, refusal.message)
        self.__dict__.pop("quote", None)
        self._show_again()
        more = _(
            "Nothing has been ordered yet. Without the code it costs what you see here; send the form again to order."
        )
        self.notes.append(Note(refusal.message, "warning", more))

    def _show_again(self, message: Any = "", *, refused: forms.CheckoutForm | None = None) -> None:
        """The form as it was sent, with what is wrong with it, ``message`` on top, and the total as it is now.

        What cannot be sent again as it is (a code that does not apply, a trap that was stepped into) is taken out; what was
        wrong with it is told all the same.
        """
        data = self._sent.copy()
        data["shown"] = self._sealed()
        data["website"] = ""  # a person whose browser filled it in could not empty it
        if self.verdict and self.verdict.reason not in _KEEPS_CODE:
            data["coupon"] = ""
        form = self._make_form(data)
        form.is_valid()
        for name, faults in refused.errors.as_data().items() if refused else ():
            if name in form.fields and name not in form.errors:
                form.add_error(name, faults)
        if message:
            form.add_error(None, message)
        self.form = form

    @property
    def _ip(self) -> str:
        """The visitor's address, or an empty string where it can only be that of a proxy, which all visitors share."""
        header = conf.settings.CLIENT_IP_HEADER
        told = self.request.META.get(header or "REMOTE_ADDR", "").strip()
        try:
            address = ipaddress.ip_address(told)
        except ValueError:
            return ""
        return str(address) if header or address.is_global else ""

    # --- what is said -------------------------------------------------------------------------------------------------

    def greet(self) -> None:
        """The sentences for somebody who came by a link with a coupon."""
        if self.request.method == "POST" or self.why_not or self.bought is not None:
            return
        if self.verdict:
            self._say_verdict()

    def _say_verdict(self) -> None:
        verdict = self.verdict
        if verdict is None or verdict.ok:
            return
        if verdict.reason in _TOO_LATE:
            self.notes.append(Note(verdict.message, "", _("You are welcome to order at the normal price.")))
        else:
            self.notes.append(Note(verdict.message, "" if verdict.reason == Reason.NEEDS_ADDRESS else "warning"))

    def context(self) -> dict[str, Any]:
        """What the templates get. Call it with the visit's language active."""
        self.greet()
        return {
            "visit": self,
            "kwiga_title": describing.title(self.page, self.settings.seller_name),
            "offer": self.offer,
            "quote": self.quote,
            "discount_size": self.discount_size,
            "kwiga_settings": self.settings,
            "sold": describing.products(self.offer) if self.offer else [],
            "form": self.form,
            "site": self.site,
        }
