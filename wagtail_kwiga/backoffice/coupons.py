"""Coupons in the admin."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.forms import CheckboxSelectMultiple
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel, ObjectList
from wagtail.admin.ui.tables import BooleanColumn, Column, DateColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga import conf
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
