"""The page that is an offer: for the editor an ordinary Wagtail page, for a visitor the way in."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import classproperty
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.panels import FieldPanel, Panel, TitleFieldPanel
from wagtail.api import APIField
from wagtail.models import Page
from wagtail.search import index

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.currency_validator import validate_currency
from wagtail_kwiga.drafts import StaleDraftGuard
from wagtail_kwiga.offers import localize, page_currency, publishing, submission
from wagtail_kwiga.offers.choices import SOURCE_FIELDS, LanguageMode, PhoneMode
from wagtail_kwiga.offers.languages import SpokenResponse
from wagtail_kwiga.offers.page_context import Visit
from wagtail_kwiga.offers.panels import OfferPageForm, editor, selling_panels
from wagtail_kwiga.pricing import currencies
from wagtail_kwiga.pricing.money import precision
from wagtail_kwiga.streams import OpenStreamField

#: How a route of the page's own address may be written with ``RoutablePageMixin``, and the view that it has for it.
_OWN_ROUTES, _OWN_VIEW = ("", "^$"), "RoutablePageMixin.index_route"


class OfferPageMixin(StaleDraftGuard):
    """Everything that makes a page an offer. A site may put it on a page type of its own, before ``Page``.

    Publishing writes the terms into ``catalogue.Offer`` (``offers.publishing``); unpublishing or deleting withdraws it.
    The page in the source locale owns price, products, gate and coupons; its translations follow.
    """

    body = OpenStreamField(
        blocks="wagtail_kwiga.offers.blocks.offer_blocks",
        blank=True,
        verbose_name=pgettext_lazy("sales", "page"),
        block_counts={"hero": {"max_num": 1}},
    )
    price = models.DecimalField(
        pgettext_lazy("sales", "price"),
        max_digits=14,
        decimal_places=4,
        # Null only on a draft: nobody has said yet what it costs, and so it is not free either.
        null=True,
        validators=[MinValueValidator(0)],
    )
    currency = models.CharField(
        pgettext_lazy("sales", "currency"),
        max_length=3,
        blank=True,
        validators=[validate_currency],
        help_text=_("Left empty: the site's default currency of today, written here once the offer has a price."),
    )
    #: Aliases of ``PAYMENT_PROVIDERS``; empty: all.
    payment_methods = models.JSONField(
        _("payment methods"),
        default=list,
        blank=True,
        help_text=_("How buyers may pay for this offer. None ticked: in every way this site has."),
    )
    products = OpenStreamField(
        blocks="wagtail_kwiga.offers.blocks.product_blocks",
        blank=True,
        verbose_name=pgettext_lazy("sales", "products"),
        help_text=_("What buyers get access to."),
    )
    sells_no_access = models.BooleanField(
        _("sells no access"),
        default=False,
        db_default=False,  # for processes of an older release that do not know the column yet
        help_text=_(
            "Ticked: it is sold without any product, and buyers get nothing opened on this site for their money."
        ),
    )
    coupon_mode = models.CharField(
        pgettext_lazy("sales", "coupons"), max_length=8, choices=Offer.CouponMode.choices, default=Offer.CouponMode.NONE
    )
    coupons = OpenStreamField(
        blocks="wagtail_kwiga.offers.blocks.coupon_blocks",
        blank=True,
        verbose_name=_("these coupons"),
        help_text=_("Counts under “only these coupons”."),
    )
    is_listed = models.BooleanField(
        _("show in the store"), default=True, help_text=_("Off: for sale, but only for people who have the address.")
    )
    sales_from = models.DateTimeField(_("sold from"), null=True, blank=True)
    sales_until = models.DateTimeField(
        _("sold until"), null=True, blank=True, help_text=_("A date without a time ends with that day.")
    )
    ask_phone = models.CharField(
        _("phone number"), max_length=10, choices=PhoneMode.choices, default=PhoneMode.OPTIONAL
    )
    language_mode = models.CharField(
        _("language of this page"), max_length=10, choices=LanguageMode.choices, default=LanguageMode.PAGE
    )
    fixed_language = models.CharField(pgettext_lazy("sales", "language"), max_length=15, blank=True)

    #: What Wagtail's public APIs show of an offer beside what they show of any page, and take from nobody. Not in it: how it may
    #: be paid, what opens for whom, coupons and their codes. A page type of a site with fields of its own adds to this list.
    api_fields = [APIField(name) for name in ("body", "price", "currency", "sales_from", "sales_until")]
    base_form_class = OfferPageForm
    content_panels = [TitleFieldPanel("title"), FieldPanel("body")]
    #: The tab *Selling* of the editor; a page type of a site may change it like ``content_panels``.
    selling_panels = selling_panels()
    #: How the rest of the package knows such a page, whatever type it has.
    is_kwiga_offer = True
    _is_saving = False
    allowed_http_methods = ["GET", "HEAD", "OPTIONS", "POST"]

    class Meta:
        abstract = True

    @classproperty
    def edit_handler(cls) -> Panel:
        return editor(cls)

    @classproperty
    def override_translatable_fields(cls) -> list[Any]:
        """For wagtail-localize, where a site has it. A page type with fields of its own adds to this list."""
        return localize.translatable_fields()

    def clean_fields(self, exclude: Any = None) -> None:
        """What sells nothing is as incomplete as what has no price. As of any field that is needed, a form that saves a draft
        asks nothing of it (``OfferPageForm``)."""
        faults: dict[str, Any] = {}
        try:
            super().clean_fields(exclude)
        except ValidationError as refusal:
            faults = refusal.update_error_dict({})
        if "price" not in (exclude or ()) and self.price is None:
            words = _("Please tick “This offer is free” if it shall cost nothing, or give a price.")
            faults["price"] = [ValidationError(words, code="no_price")]  # Django's own words do not name the field
        if "products" not in (exclude or ()) and self._lacks_products():
            words = _("Buyers would get nothing. Choose a product, or tick “sells no access”.")
            faults.setdefault("products", []).append(ValidationError(words, code="sells_nothing"))
        if faults:
            raise ValidationError(faults)

    def _lacks_products(self) -> bool:
        """Whether nobody has said what it sells, though this page is the one to say it. One query, where that is so. A schedule
        cannot be asked: what it publishes stays off sale (``publishing``), and no other page has to wait for it."""
        if self.sells_no_access or len(self.products):
            return False
        page: Any = self  # a ``Page``, too
        by_schedule = self._is_saving and page.go_live_at is not None and page.go_live_at <= conf.now()
        return not by_schedule and page.alias_of_id is None and not publishing.is_translation(self)

    def clean(self) -> None:
        super().clean()
        if not self.currency and self.price is not None:
            self.currency = page_currency.currency_of(self)
        faults: dict[str, Any] = {}
        if (
            self.price
            and currencies.is_active(self.currency)
            and self.price != round(self.price, precision(self.currency))
        ):
            faults["price"] = _("%(currency)s has no smaller parts than that. Please round the price.") % {
                "currency": self.currency
            }
        for name in ("sales_from", "sales_until"):
            instant = getattr(self, name)
            if instant is not None and not 2000 <= instant.year <= 2100:
                faults[name] = _("Please give a date between the years 2000 and 2100.")
        if "sales_until" not in faults and self.sales_from and self.sales_until and self.sales_until <= self.sales_from:
            faults["sales_until"] = _("This must be later than the beginning of the sale.")
        if self.language_mode == LanguageMode.FIXED and not self.fixed_language:
            faults["fixed_language"] = _("Please choose the language.")
        sold = [block.value["product"].pk for block in self.products if block.value.get("product")]
        if len(sold) != len(set(sold)):
            faults["products"] = _("A product stands here twice. Please keep one of them.")
        elif len({block.value.get("price_share") is None for block in self.products}) > 1:
            faults["products"] = _("Please give a share of the price to each product, or to none of them.")
        methods = self.payment_methods
        if not isinstance(methods, list) or not all(isinstance(alias, str) for alias in methods):
            faults["payment_methods"] = _("Please give a list of payment methods.")
        if faults:
            raise ValidationError(faults)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """An alias that is made a page of its own goes on selling, as an offer of its own: Wagtail has no signal for it."""
        is_converted = publishing.is_conversion(self, kwargs.get("update_fields"))
        if is_converted:
            publishing.take_over(self)
        self._is_saving = True
        try:
            super().save(*args, **kwargs)
        finally:
            self._is_saving = False
        if is_converted and self.live:  # type: ignore[attr-defined]  # Wagtail's
            publishing.publish_terms(self)

    # --- revisions ----------------------------------------------------------------------------------------------------

    def serializable_data(self) -> dict[str, Any]:
        """What a revision keeps. One of a translation leaves out what its source page decides. One query."""
        data: dict[str, Any] = super().serializable_data()  # type: ignore[misc]  # that of the ``Page`` behind it
        if publishing.is_translation(self):
            for name in SOURCE_FIELDS:
                data.pop(name, None)
        return data

    def with_content_json(self, content: dict[str, Any]) -> Any:
        """This page as a revision has it. What a translation does not decide comes from its row, which follows the source:
        so no revision, however old, brings back a price of then. One query."""
        page = super().with_content_json(content)
        follows = publishing.is_translation(self)
        for name in SOURCE_FIELDS:
            if follows or name not in content:  # not there: it was a translation when the revision was made
                setattr(page, name, getattr(self, name))
        page.currency = page.currency or self.currency  # a revision of before it was written into the page
        return page

    # --- the way of a visitor -----------------------------------------------------------------------------------------

    def visit(self, request: HttpRequest) -> Visit:
        """The ``offers.page_context.Visit`` of this request, made once."""
        kept: Visit | None = getattr(request, "_kwiga_visit", None)
        if kept is None or kept.page is not self:
            kept = request._kwiga_visit = Visit(self, request)  # type: ignore[attr-defined]  # our own mark
        return kept

    def get_sitemap_urls(self, request: HttpRequest | None = None) -> list[dict[str, Any]]:
        """As Wagtail's own; none for an offer that is not shown in the store: only who has its address shall find it."""
        return super().get_sitemap_urls(request) if self.is_listed else []  # type: ignore[misc]  # that of the ``Page`` behind it

    def get_context(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        visit = self.visit(request)
        with translation.override(visit.language):
            context = super().get_context(request, *args, **kwargs)  # type: ignore[misc]  # that of the ``Page`` behind it
            return {**context, **visit.context()}

    def serve(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page; a POST to it is the checkout.

        With Wagtail's ``RoutablePageMixin`` behind this one, ``args`` begin with the view of the route that was asked for: the
        page's own address stays the checkout, and sub-routes are answered by their views.
        """
        request.is_preview = getattr(request, "is_preview", False)  # type: ignore[attr-defined]  # Wagtail's
        routed = getattr(request, "routable_resolver_match", None) if args and callable(args[0]) else None
        page: Any = self  # a ``Page``, too
        if routed is not None and routed.route not in _OWN_ROUTES:
            of_route: HttpResponse = super().serve(request, *args, **kwargs)  # type: ignore[misc]  # Wagtail's
            return of_route
        visit = self.visit(request)
        if request.method == "POST":
            with translation.override(visit.language):
                answer = submission.answer(visit)
            if answer is not None:
                return self._marked(answer, visit)
        if routed is not None:
            if args[0].__qualname__ != _OWN_VIEW:  # the site has put a view of its own in the place of the page
                return self._marked(super().serve(request, *args, **kwargs), visit)  # type: ignore[misc]  # Wagtail's
            args, kwargs = (), {}
        return self._rendered(
            request, page.get_template(request, *args, **kwargs), self.get_context(request, *args, **kwargs)
        )

    def serve_preview(self, request: HttpRequest, mode_name: str) -> HttpResponse:
        request.is_preview = True  # type: ignore[attr-defined]  # Wagtail's
        page: Any = self
        template = page.get_preview_template(request, mode_name)
        return self._rendered(request, template, page.get_preview_context(request, mode_name))

    def _rendered(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        visit = self.visit(request)
        response = SpokenResponse(request, template, context, language=visit.language, status=visit.status)
        return self._marked(response, visit)

    def _marked(self, response: HttpResponse, visit: Visit) -> HttpResponse:
        """Headers: what is personal stays out of caches, search engines and other sites' logs."""
        if visit.is_personal:
            response["Cache-Control"] = "private, no-store"
            response["X-Robots-Tag"] = "noindex"
            response["Referrer-Policy"] = "same-origin"
        if not self.is_listed:
            response["X-Robots-Tag"] = "noindex"
        if self.language_mode == LanguageMode.VISITOR:
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
        if visit.retry_after:
            response["Retry-After"] = str(visit.retry_after)
        return response


class OfferPage(OfferPageMixin, Page):  # type: ignore[django-manager-missing]  # Wagtail's has no types
    """The offer page that comes with the package."""

    template = "wagtail_kwiga/offers/offer_page.html"
    page_description = _("Sells one or several products at one price, with its order form.")
    search_fields = [*Page.search_fields, index.SearchField("body")]

    class Meta:
        verbose_name = _("offer page")
        verbose_name_plural = _("offer pages")
