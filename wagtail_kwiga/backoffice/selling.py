"""Screens for what is sold and for the discounts on it: products, offers, coupons, contact lists."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.forms import CheckboxSelectMultiple
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel, ObjectList
from wagtail.admin.ui.tables import BooleanColumn, Column, DateColumn, StatusTagColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.columns import MoneyColumn
from wagtail_kwiga.catalogue.models import Offer, Product
from wagtail_kwiga.contacts.lists import holding
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons import codes, discounts
from wagtail_kwiga.coupons.models import Coupon, CouponUse


class CouponForm(WagtailAdminModelForm):
    """A coupon's size must fit its kind; a new one brings a code that may be replaced."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk and not self.initial.get("code"):
            self.initial["code"] = codes.generate()

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("kind") == Coupon.Kind.PERCENT and not data.get("percent") and "percent" not in self.errors:
            self.add_error("percent", _("How many percent does it take off?"))
        if data.get("kind") == Coupon.Kind.FIXED:
            if not data.get("amount") and "amount" not in self.errors:
                self.add_error("amount", _("How much does it take off?"))
            if not data.get("currency"):
                self.add_error("currency", _("In which currency? For example EUR."))
        if data.get("currency"):
            data["currency"] = data["currency"].upper()
        start, end = data.get("valid_from"), data.get("valid_until")
        if start and end and end <= start:
            self.add_error("valid_until", ValidationError(_("This is before it begins.")))
        return data


class CouponViewSet(SnippetViewSet):
    """Coupons."""

    model = Coupon
    base_url_path = "kwiga/coupons"
    admin_url_namespace = "wagtail_kwiga_coupons"
    icon = "tag"
    menu_label = _("Coupons")
    menu_name = "kwiga-coupons"
    menu_order = 300
    search_fields = ["code", "note"]
    search_backend_name = None
    list_filter = ["is_active", "kind", "contact_lists"]
    edit_handler = ObjectList(
        [
            FieldPanel("code"),
            MultiFieldPanel(
                [
                    FieldPanel("kind"),
                    FieldRowPanel([FieldPanel("percent"), FieldPanel("amount"), FieldPanel("currency")]),
                ],
                heading=_("Discount"),
            ),
            MultiFieldPanel(
                [
                    FieldPanel("contact_lists", widget=CheckboxSelectMultiple),
                    FieldPanel("offers", widget=CheckboxSelectMultiple),
                ],
                heading=_("Who and what it is for"),
            ),
            MultiFieldPanel(
                [
                    FieldRowPanel([FieldPanel("valid_from"), FieldPanel("valid_until")]),
                    FieldRowPanel([FieldPanel("limit_total"), FieldPanel("limit_per_contact")]),
                ],
                heading=_("Limits"),
            ),
            FieldPanel("is_active"),
            FieldPanel("note"),
        ],
        base_form_class=CouponForm,
    )

    @property
    def list_display(self) -> list[Any]:
        return [
            "code",
            Column("size", label=_("Takes off"), accessor=_coupon_size),
            Column("lists", label=_("For"), accessor=_coupon_audience),
            Column("held", label=_("Held"), accessor="held_now", classname="w-text-right"),
            Column("spent", label=_("Spent"), accessor="spent_uses", classname="w-text-right"),
            Column("left", label=_("Left"), accessor=_coupon_left, classname="w-text-right"),
            DateColumn("valid_until", label=_("Ends"), sort_key="valid_until"),
            BooleanColumn("is_active", label=_("Active")),
        ]

    def get_queryset(self, request: Any) -> Any:
        held = Q(uses__state=CouponUse.State.HELD, uses__held_until__gt=conf.now())
        return (
            Coupon.objects.annotate(
                held_now=Count("uses", filter=held, distinct=True),
                spent_uses=Count("uses", filter=Q(uses__state=CouponUse.State.SPENT), distinct=True),
            )
            .prefetch_related("contact_lists")
            .order_by("code")
        )


def _coupon_size(coupon: Coupon) -> str:
    return discounts.size_text(coupon, translation.get_language() or "en")


def _coupon_audience(coupon: Coupon) -> Any:
    return ", ".join(one.title for one in coupon.contact_lists.all()) or _("everybody")


def _coupon_left(coupon: Any) -> Any:
    return _("no limit") if coupon.limit_total is None else max(coupon.limit_total - coupon.taken, 0)


class ContactListViewSet(SnippetViewSet):
    """Contact lists."""

    model = ContactList
    base_url_path = "kwiga/lists"
    admin_url_namespace = "wagtail_kwiga_lists"
    icon = "group"
    menu_label = _("Contact lists")
    menu_name = "kwiga-lists"
    menu_order = 400
    search_fields = ["title", "description"]
    search_backend_name = None
    edit_handler = ObjectList([FieldPanel("title"), FieldPanel("description")])

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            Column("people", label=_("On it now"), accessor=_people),
            DateColumn("created_at", label=_("Made")),
        ]

    def get_queryset(self, request: Any) -> Any:
        now_on = Count("memberships__contact", filter=_on_membership(conf.now()), distinct=True)
        return ContactList.objects.annotate(members_now=now_on).order_by("title")


def _on_membership(at: Any) -> Q:
    """``contacts.lists.holding`` as seen from a list."""

    def lifted(node: Any) -> Any:
        if isinstance(node, Q):
            return Q(*[lifted(child) for child in node.children], _connector=node.connector, _negated=node.negated)
        name, value = node
        return (f"memberships__{name}", value)

    return lifted(holding(at))


def _people(one: Any) -> Any:
    if not one.members_now:
        return _("nobody")
    return ngettext("%(number)s person", "%(number)s people", one.members_now) % {"number": one.members_now}


class ProductViewSet(SnippetViewSet):
    """Products."""

    model = Product
    base_url_path = "kwiga/products"
    admin_url_namespace = "wagtail_kwiga_products"
    icon = "folder-open-inverse"
    menu_label = _("Products")
    menu_name = "kwiga-products"
    menu_order = 200
    search_fields = ["title", "slug", "description"]
    search_backend_name = None
    list_filter = ["kind"]
    list_display = ["title", "kind", "entry_url"]
    edit_handler = ObjectList(
        [
            FieldPanel("title"),
            FieldPanel("slug"),
            FieldPanel("kind"),
            FieldPanel("entry_url"),
            FieldPanel("description"),
        ]
    )


class OfferViewSet(SnippetViewSet):
    """What offer pages have put on sale: for looking up and choosing; edited on the page."""

    model = Offer
    base_url_path = "kwiga/offers"
    admin_url_namespace = "wagtail_kwiga_offers"
    icon = "doc-full-inverse"
    menu_label = _("Offers")
    menu_name = "kwiga-offers"
    menu_order = 150
    copy_view_enabled = False
    inspect_view_enabled = True
    search_fields = ["title"]
    search_backend_name = None
    list_filter = ["state", "coupon_mode"]
    edit_handler = ObjectList([FieldPanel("title", read_only=True)])

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            MoneyColumn("price", label=_("Price"), sort_key="amount"),
            StatusTagColumn("state", label=_("State"), accessor="get_state_display", primary=_on_sale),
            Column("coupon_mode", label=_("Coupons"), accessor="get_coupon_mode_display"),
            Column("until", label=_("Sold until"), accessor=lambda offer: _day(offer.sales_until)),
            DateColumn("updated_at", label=_("Last published")),
        ]


def _on_sale(offer: Offer) -> bool:
    return offer.state == Offer.State.ON_SALE


def _day(instant: Any) -> Any:
    return timezone.localtime(instant).date() if instant else ""
