"""The card of an offer: what it sells at what price, where its pages are, which coupons it takes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from wagtail.admin.ui.components import Component
from wagtail.admin.ui.tables import BooleanColumn, Column, DateColumn, StatusTagColumn

from wagtail_kwiga import conf
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.backoffice.coupons import coupon_panels, gates
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.cards import Card, CardNote, CopyLinks, Notes, joined
from wagtail_kwiga.backoffice.parts.columns import NUMBER, Facts, TableCard, exact, tag
from wagtail_kwiga.catalogue import selling, terms_text
from wagtail_kwiga.catalogue.models import Offer, Product
from wagtail_kwiga.coupons import audience
from wagtail_kwiga.coupons.gates import taken_by
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.offers import publishing, sharing
from wagtail_kwiga.orders.models import Order

#: Coupons shown on a card; an offer that takes any coupon may take hundreds.
MOST_COUPONS = 20
_STATES: dict[str | None, Promise] = {
    None: gettext_lazy("on sale"),
    selling.DRAFT: pgettext_lazy("sales", "draft"),
    selling.WITHDRAWN: pgettext_lazy("sales", "withdrawn"),
    selling.NOTHING: gettext_lazy("nothing in it"),
    selling.NOT_YET: gettext_lazy("not yet on sale"),
    selling.OVER: gettext_lazy("sale is over"),
}


def state(offer: Offer) -> Promise:
    """Whether visitors can buy it now, in two words: the window of its sale counts as well as its state."""
    return _STATES[selling.why_not_for_sale(offer, conf.now())]


def is_on_sale(offer: Offer) -> bool:
    """Whether visitors can buy it now."""
    return selling.is_for_sale(offer, conf.now())


def state_sentence(offer: Offer) -> str:
    """What would change it, or what goes beyond those two words; empty for nothing."""
    code = selling.why_not_for_sale(offer, conf.now())
    if code is None:
        return "" if offer.is_listed else _("On sale to everybody who has the address; not shown in the store.")
    if code == selling.DRAFT:
        return _("A draft: visitors cannot buy it before its page is published.")
    if code == selling.WITHDRAWN:
        return _("Withdrawn: visitors cannot buy it before its page is published again.")
    if code == selling.NOTHING:
        return _("Nothing in it: choose a product on its page, or tick “sells no access” there, and publish it.")
    return selling.message(code, offer)


def cards(offer: Offer, request: HttpRequest) -> list[Component]:
    """The whole card. A fixed number of queries, whatever hangs on the offer."""
    wrong = gates.notes(offer, request.user, request.path)
    coupons = list(taken_by(offer).filter(is_active=True).order_by("code")[: MOST_COUPONS + 1])
    shown = coupons[:MOST_COUPONS]
    told = [Card(pgettext("sales", "Offer"), _facts(offer, request), "info-circle")]
    if wrong:
        told.append(Card(_("What does not fit"), Notes(wrong), "warning"))
    told += [
        Card(pgettext("sales", "Pages"), _pages(offer, request), "doc-full-inverse"),
        Card(_("Products and access"), _products(offer, request), "folder-open-inverse"),
        Card(pgettext("sales", "Coupons"), _coupons(offer, shown, len(coupons) > MOST_COUPONS, request), "tag"),
    ]
    if shown:
        links = sharing.links([(offer, coupon) for coupon in shown], request)
        none = _("No page of this offer is live, so there is nothing to link to yet.")
        told.append(
            Card(
                _("Links with a coupon applied"), CopyLinks(links, none, name_of=lambda link: link.coupon.code), "link"
            )
        )
    return told


def _facts(offer: Offer, request: HttpRequest) -> Facts:
    number = Order.objects.filter(offer=offer).count()
    orders: Any = ngettext("%(number)s order", "%(number)s orders", number) % {"number": number}
    if number and policies.may(request.user, "view", Order):
        orders = format_html('<a href="{}?offer={}">{}</a>', reverse("wagtail_kwiga_orders:index"), offer.pk, orders)
    scenarios = Scenario.objects.filter(version__links__offer=offer).distinct()
    return Facts(
        (pgettext("sales", "Price"), money_for_reader(offer.price)),
        (pgettext("sales", "State"), tag(state(offer), primary=is_on_sale(offer))),
        (_("In words"), state_sentence(offer)),
        (pgettext("sales", "Orders"), orders),
        (_("Sold from"), exact(offer.sales_from)),
        (_("Sold until"), exact(offer.sales_until)),
        (_("Last published"), exact(offer.updated_at)),
        (pgettext("sales", "Scenarios"), joined(linking.linked(one, one.title, request.user) for one in scenarios)),
    )


def _pages(offer: Offer, request: HttpRequest) -> TableCard:
    """The pages of the offer: one in each language, the first of which owns price, products and coupons."""
    pages = []
    if offer.translation_key is not None:
        found = publishing.page_model().objects.filter(translation_key=offer.translation_key)
        pages = list(found.select_related("locale").order_by("pk"))
    for page in pages:
        url, _label = gates.page_button(page, request.user)
        page.kwiga_title = (
            format_html('<a href="{}">{}</a>', url, page.get_admin_display_title()) if url else page.title
        )
        address = page.get_full_url(request) if page.live else None
        page.kwiga_address = format_html('<a href="{}">{}</a>', address, address) if address else ""
    source = pages[0].pk if len(pages) > 1 else None
    columns = [
        Column("page", label=pgettext("sales", "Page"), accessor="kwiga_title"),
        Column("language", label=pgettext("sales", "Language"), accessor=lambda page: page.locale.get_display_name()),
        StatusTagColumn(
            "status", label=pgettext("sales", "State"), accessor=_status, primary=lambda page: page.live
        ),
        Column("address", label=pgettext("sales", "Address"), accessor="kwiga_address", classname="wrap-anywhere"),
        Column(
            "note", label=pgettext("sales", "Note"),
            accessor=lambda page: _("decides price, products and coupons") if page.pk == source else "",
        ),
    ]  # fmt: skip
    return TableCard(
        columns, pages, _("This offer has no page any more: staff can still refer to it, visitors cannot buy it.")
    )


def _status(page: Any) -> str:
    """Like Wagtail's ``status_string``, which asks twice for each page about schedules and workflows."""
    if not page.live:
        return pgettext("sales", "expired") if page.expired else pgettext("sales", "draft")
    return pgettext("sales", "live + draft") if page.has_unpublished_changes else pgettext("sales", "live")


def _products(offer: Offer, request: HttpRequest) -> TableCard:
    rows = selling.terms_of(offer).products
    known = {product.pk: product for product in Product.objects.filter(pk__in=[row.product_id for row in rows])}
    may_change = policies.may(request.user, "change", Product)

    def title(row: Any) -> Any:
        product = known.get(row.product_id)
        if product is None:
            return row.title
        screen = "edit" if may_change else "inspect"
        where = reverse(f"wagtail_kwiga_products:{screen}", args=[product.pk])
        return format_html('<a href="{}">{}</a>', where, product.title)

    columns = [
        Column("product", label=pgettext("sales", "Product"), accessor=title),
        Column(
            "access",
            label=pgettext("sales", "Access"),
            accessor=lambda row: "; ".join(terms_text.access_in_words(row.access)),
        ),
    ]
    none = (
        _("It sells no access, and says so.")
        if offer.sells_no_access
        else _("It sells no product yet: choose one on its page.")
    )
    return TableCard(columns, list(rows), none)


class _Several(Component):
    """Components below each other."""

    def __init__(self, *parts: Component) -> None:
        self.parts = parts

    def render_html(self, parent_context: Any = None) -> Any:
        return format_html("{}" * len(self.parts), *(part.render_html(parent_context) for part in self.parts))


def _coupons(offer: Offer, coupons: list[Coupon], more: bool, request: HttpRequest) -> Component:
    modes = {
        Offer.CouponMode.NONE: _("This offer takes no coupons."),
        Offer.CouponMode.ANY: _("This offer takes any coupon that is not limited to other offers."),
        Offer.CouponMode.ONLY: _("This offer takes only the coupons that its page names."),
    }
    told = [CardNote(modes[Offer.CouponMode(offer.coupon_mode)])]
    if more:
        words = _("Only the first %(number)s active coupons are shown here.") % {"number": MOST_COUPONS}
        told.append(CardNote(words, "info", reverse("wagtail_kwiga_coupons:list"), _("Show all coupons")))
    if offer.coupon_mode == Offer.CouponMode.NONE:
        return Notes(told)
    who = audience.audiences([coupon.pk for coupon in coupons])
    columns = [
        Column(
            "code", label=pgettext("sales", "Coupon"), accessor=lambda one: linking.linked(one, one.code, request.user)
        ),
        Column("size", label=_("Takes off"), accessor=coupon_panels.size, classname=NUMBER),
        Column("for", label=pgettext("sales", "For"), accessor=lambda one: audience.summary(who[one.pk])),
        Column("left", label=pgettext("sales", "Left"), accessor=coupon_panels.left, classname=NUMBER),
        DateColumn("valid_until", label=pgettext("sales", "Ends")),
        BooleanColumn("is_active", label=pgettext("sales", "Active")),
    ]
    return _Several(Notes(told), TableCard(columns, coupons, _("No active coupon works for this offer.")))
