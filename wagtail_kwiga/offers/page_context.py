"""One visit to an offer page: what the visitor sees. A visit only reads (promise 9); ``offers.submission`` is for a form sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode, urljoin

from django.http import HttpRequest, QueryDict
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from wagtail.models import Site

from wagtail_kwiga import conf
from wagtail_kwiga.access import ownership
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.catalogue.terms import OfferTerms
from wagtail_kwiga.contacts import directory, limits
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.coupons import discounts, eligibility
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.legal_texts import archive, pages
from wagtail_kwiga.legal_texts.models import LegalText
from wagtail_kwiga.offers import (
    base_templates,
    browser_proof,
    client_address,
    forms,
    languages,
    presentation,
    publishing,
    quoting,
    resuming,
)
from wagtail_kwiga.orders import links, purchases
from wagtail_kwiga.payments import registry
from wagtail_kwiga.payments.provider import Provider
from wagtail_kwiga.pricing.quotes import Quote
from wagtail_kwiga.site_settings import KwigaSettings, PromoPolicy, sales_settings

#: A code that needs the visitor's address stays in the form; any other refused one is taken out of it.
KEEPS_CODE = (Reason.OK, Reason.NEEDS_ADDRESS)


@dataclass(frozen=True)
class PageMessage:
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
        self.notes: list[PageMessage] = []
        self.status = 200
        self.retry_after: int | None = None

    def answer_with(self, status: int, *, retry_after: int | None = None) -> None:
        """Have the page bear another status than 200; ``retry_after`` in seconds."""
        self.status, self.retry_after = status, retry_after

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
        return presentation.picture(self.page)

    @property
    def picture_url(self) -> str:
        """Its absolute address on the site the visitor is on; Wagtail's ``full_url`` would be that of the admin."""
        url: str = urljoin(links.site_root(self.site.pk if self.site else None), self.picture.url)
        return url

    @cached_property
    def site(self) -> Site | None:
        return languages.site_of(self.page, self.request)

    @cached_property
    def settings(self) -> KwigaSettings:
        return sales_settings(self.site)

    @cached_property
    def offer(self) -> Offer | None:
        """What is for sale here; in a preview, as the draft would sell it."""
        return self._sold[0]

    @cached_property
    def terms(self) -> OfferTerms:
        """The products of the offer, with the access each opens. No query beside that of ``offer``."""
        return self._sold[1]

    @cached_property
    def _sold(self) -> tuple[Offer | None, OfferTerms]:
        offer, terms = selling.offer_of_page(publishing.key_of(self.page))
        if self.is_preview and not (offer and publishing.is_translation(self.page)):
            drafted = Offer(state=publishing.state_of(self.page), **publishing.fields_of(self.page))
            drafted.pk = offer.pk if offer else None
            return drafted, publishing.terms_of(self.page)
        return offer, terms

    @cached_property
    def why_not(self) -> str | None:
        """Why nothing can be ordered here, as a code of ``catalogue.selling``; ``None`` where it can."""
        if self.offer is None:
            return selling.DRAFT
        return selling.why_not_for_sale(self.offer, self.now) or selling.why_empty(self.offer, self.terms.products)

    @property
    def can_order(self) -> bool:
        return self.why_not is None and self.bought is None

    # --- who comes, and with what -------------------------------------------------------------------------------------

    @cached_property
    def sent(self) -> QueryDict:
        return self.request.POST if self.request.method == "POST" else self.request.GET

    @cached_property
    def resume(self) -> resuming.Resume | None:
        token = self.sent.get("resume", "")
        return resuming.read_for(self.offer, token, self.now) if token and self.offer else None

    @cached_property
    def bought(self) -> list[presentation.WayIn] | None:
        """The ways in, where the link is about a purchase that is paid, or its reader has all of the offer already; ``None``
        where it is not so, or one more is wanted knowingly. ``submission`` sets it for whoever else is known to own it."""
        if self.resume is None or self.offer is None or self.another:
            return None
        order = self.resume.order
        if order.purchase.paid_at is not None and (paid := purchases.paid_order(order.purchase_id)):
            return presentation.ways_in(paid, self.now)
        granted = AccessGrant.objects.filter(
            contact_id=order.contact_id, product_id__in=[sold.product_id for sold in self.terms.products]
        )
        # Most readers have nothing yet: then one query says so.
        if granted.exists() and ownership.owns_all(order.contact_id, self.offer.pk, self.now):
            return presentation.ways_into(self.terms)
        return None

    @cached_property
    def another(self) -> str:
        """The slot of an order beside what is owned already, as ``once_more`` gave it out; empty where none is wanted."""
        return forms.slot_of(self.sent.get("another", ""))

    @cached_property
    def once_more(self) -> str:
        """The query of the page on which it is ordered once more, knowingly."""
        proven = {"resume": self.resume.token} if self.resume else {}
        return urlencode({**proven, "another": purchases.new_slot()})

    @cached_property
    def form_again(self) -> forms.CheckoutForm | None:
        """The form that was sent, to be sent once more by one click; ``submission`` sets it."""
        return None

    @cached_property
    def is_address_given(self) -> bool:
        """Whether something was typed that is an address, known or not."""
        try:
            return bool(directory.normalise(self.sent.get("email", "")))
        except KwigaError:
            return False

    @cached_property
    def contact(self) -> Contact | None:
        """Whom the coupon is judged for: the address typed, or that of the link."""
        if self.request.method == "POST":
            try:
                return directory.find(self.sent.get("email", ""))
            except KwigaError:
                return None
        return self.resume.order.contact if self.resume else None

    @cached_property
    def place(self) -> str:
        """Where the request comes from, for limits; empty where that cannot be told."""
        return client_address.place_of(self.request)

    @cached_property
    def own_orders(self) -> tuple[str, ...]:
        """The handles of the orders that this browser has placed lately."""
        return browser_proof.orders_of(self.request, self.now)

    @cached_property
    def user_id(self) -> Any:
        """The user who is signed in, if anybody is."""
        user = getattr(self.request, "user", None)
        return user.pk if user is not None and user.is_authenticated else None

    @cached_property
    def has_proof(self) -> bool:
        """Whether the link of a mail shows that the visitor is ``contact``. That this browser has ordered with an address
        does not: a stranger may have done that."""
        return self.contact is not None and self.resume is not None and self.resume.is_of(self.contact.email)

    @cached_property
    def is_personal(self) -> bool:
        """Whether the answer concerns one visitor and so belongs in no cache and no search engine."""
        return self.request.method == "POST" or any(
            name in self.request.GET for name in ("coupon", "resume", "another")
        )

    # --- what it costs ------------------------------------------------------------------------------------------------

    @cached_property
    def verdict(self) -> eligibility.Verdict | None:
        """What is said to the code that was typed or came with the address; ``None`` where there is none."""
        if self.offer is None or self.why_not or self.bought is not None:
            return None
        if self.request.method != "POST" and self.resume and self.resume.coupon:
            return eligibility.check_coupon(self.resume.coupon, offer=self.offer, contact=self.contact, now=self.now)
        code = self.sent.get("coupon", "").strip()
        if not code:
            return None
        if self.request.method != "POST":
            return self._guessed(code)
        # Whoever types an address may be anybody. Of people it is only asked what the code cannot do without.
        known = self.contact if self.has_proof else None
        verdict = eligibility.check(code=code, offer=self.offer, contact=known, now=self.now)
        if self.has_proof:
            return verdict
        if verdict.reason == Reason.NEEDS_ADDRESS and self.contact is not None:
            verdict = eligibility.check(code=code, offer=self.offer, contact=self.contact, now=self.now)
        return eligibility.discreet(verdict, is_address_given=self.is_address_given)

    def _guessed(self, code: str) -> eligibility.Verdict | None:
        """The verdict on a code in the page's address; ``None`` where too many wrong ones came from there."""
        if (seconds := client_address.wait(self.place, self.now)) is not None:
            self.answer_with(429, retry_after=seconds)
            self.notes.append(PageMessage(limits.refusal(seconds, "").message, "warning"))
            return None
        verdict = eligibility.check(code=code, offer=cast(Offer, self.offer), contact=self.contact, now=self.now)
        if verdict.reason == Reason.UNKNOWN:
            client_address.note_wrong(self.place, self.now)
        return verdict

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
    def offered(self) -> list[Provider]:
        """Every way to pay that this offer and this site have."""
        return registry.available(self.offer, currency=self.offer.currency, site=self.site) if self.offer else []

    @property
    def methods(self) -> list[Provider]:
        """The ways to pay what it costs this visitor: none where it costs nothing."""
        return [] if self.quote is None or self.quote.is_free else self.offered

    @property
    def cannot_pay(self) -> bool:
        """Whether the site has no way to pay this: then there is no form to fill in in vain."""
        return bool(self.quote and not self.quote.is_free and not self.offered)

    # --- the form -----------------------------------------------------------------------------------------------------

    @cached_property
    def form(self) -> forms.CheckoutForm | None:
        """The form as somebody finds it who has just come; ``submission`` puts the one that was sent in its place."""
        if not self.can_order or self.cannot_pay:
            return None
        initial: dict[str, Any] = {}
        if self.resume:
            initial = {"email": self.resume.email, "name": self.resume.name, "resume": self.resume.token}
        kept = {"coupon": self._code_to_keep, "shown": self.sealed(), "another": self.another}
        return self.make_form(None, initial={**initial, **kept})

    def make_form(
        self, data: QueryDict | None, *, initial: dict[str, Any] | None = None, methods: list[Provider] | None = None
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
        if self.verdict and self.verdict.reason in KEEPS_CODE and self.verdict.coupon:
            return self.verdict.coupon.code
        return ""

    def sealed(self) -> str:
        if not (self.offer and self.offer.pk and self.quote):
            return ""
        return forms.seal(self.offer.uid, self.quote.total)

    def _phone_mode(self, data: Mapping[str, Any] | None) -> str:
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

    def keep_terms(self) -> LegalText | None:
        """The words of the terms of sale that the form links to, kept; of terms elsewhere the address alone, which is all
        that we know of them. One query where they were kept before."""
        for block in self.settings.legal:
            if block.block_type == "page" and block.value:
                return pages.keep_page(LegalText.Kind.TERMS, block.value, self.now)
            if block.block_type == "url" and block.value:
                source = f"url:{block.value}"
                known = archive.find(LegalText.Kind.TERMS, source)
                return known or archive.store(LegalText.Kind.TERMS, "", "", block.value, self.now, source)
        return None

    # --- what is said -------------------------------------------------------------------------------------------------

    def greet(self) -> None:
        """The sentences for somebody who came by a link with a coupon."""
        if self.request.method == "POST" or self.why_not or self.bought is not None:
            return
        if self.resume and resuming.is_promise_broken(self.resume, self.verdict, self.now):
            words = _("What our mail offered you has changed since, and we are sorry for that.")
            self.notes.append(PageMessage(words, "", _("You are welcome to order at the price that you see here.")))
        elif self.verdict:
            self.say_verdict()

    def say_verdict(self) -> None:
        verdict = self.verdict
        if verdict is None or verdict.ok:
            return
        if verdict.reason in resuming.TOO_LATE:
            self.notes.append(PageMessage(verdict.message, "", _("You are welcome to order at the normal price.")))
        else:
            self.notes.append(PageMessage(verdict.message, "" if verdict.reason == Reason.NEEDS_ADDRESS else "warning"))

    def context(self) -> dict[str, Any]:
        """What the templates get. Call it with the visit's language active."""
        self.greet()
        seller = "" if base_templates.current().ends_titles else self.settings.seller_name
        return {
            "visit": self,
            "kwiga_title": presentation.title(self.page, seller),
            "offer": self.offer,
            "quote": self.quote,
            "discount_size": self.discount_size,
            "kwiga_settings": self.settings,
            "sold": presentation.products(self.terms),
            "form": self.form,
            "site": self.site,
        }
