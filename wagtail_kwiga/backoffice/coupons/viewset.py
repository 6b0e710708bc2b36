"""Coupons in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Greatest
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin import messages
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel, ObjectList
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.tables import BooleanColumn, Column
from wagtail.admin.widgets.button import HeaderButton
from wagtail.snippets.views.snippets import CopyView, CreateView, EditView, InspectView, SnippetViewSet

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.coupons import coupon_panels, gates
from wagtail_kwiga.backoffice.coupons.forms import CouponForm
from wagtail_kwiga.backoffice.coupons.uses import CouponUsesView
from wagtail_kwiga.backoffice.parts import columns, filters, policies
from wagtail_kwiga.backoffice.parts.cards import LivePanel
from wagtail_kwiga.backoffice.parts.choosers import CouponChooser
from wagtail_kwiga.backoffice.parts.columns import NUMBER
from wagtail_kwiga.backoffice.parts.history import HistoryView
from wagtail_kwiga.backoffice.parts.listings import GuidedIndexView
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons import audience
from wagtail_kwiga.coupons.gates import conflicts
from wagtail_kwiga.coupons.models import Coupon, CouponUse
from wagtail_kwiga.offers.promise_panel import PromisesPanel
from wagtail_kwiga.orders.models import Order

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.snippets import EditView as _EditorView
else:
    _EditorView = object


class CouponFilterSet(WagtailFilterSet):
    """Filters of the coupons."""

    working = django_filters.ChoiceFilter(
        label=_("At present"),
        method="by_working",
        empty_label=pgettext_lazy("sales", "All"),
        choices=[("yes", _("may work")), ("not_yet", _("not begun")), ("over", _("has ended")), ("full", _("used up"))],
        widget=forms.RadioSelect,
    )
    is_active = django_filters.ChoiceFilter(
        label=pgettext_lazy("sales", "Active"), empty_label=pgettext_lazy("sales", "All"), choices=[("True", pgettext_lazy("sales", "Yes")), ("False", pgettext_lazy("sales", "No"))], widget=forms.RadioSelect
    )  # fmt: skip
    kind = django_filters.ChoiceFilter(
        label=pgettext_lazy("sales", "Kind"),
        empty_label=pgettext_lazy("sales", "All"),
        choices=Coupon.Kind.choices,
        widget=forms.RadioSelect,
    )
    contact_lists = filters.RowsFilter(label=_("Only for people on"), queryset=ContactList.objects.order_by("title"))
    offers = filters.RowsFilter(label=_("Only for the offer"), queryset=Offer.objects.order_by("title"))

    class Meta:
        model = Coupon
        fields = ["working", "is_active", "kind", "contact_lists", "offers"]

    def by_working(self, coupons: QuerySet[Coupon], name: str, value: str) -> QuerySet[Coupon]:
        now = conf.now()
        over = Q(valid_until__lte=now)
        not_yet = Q(valid_from__gt=now)
        full = Q(limit_total__isnull=False, used_count__gte=F("limit_total"))
        wanted = {
            "yes": Q(is_active=True) & ~over & ~not_yet & ~full, "not_yet": not_yet & ~over, "over": over, "full": full,
        }  # fmt: skip
        return coupons.filter(wanted.get(value, Q()))


class CouponIndexView(GuidedIndexView):
    """All coupons, with what a look at the list should answer: for whom, how much is left, until when."""

    def nothing_yet(self) -> str:
        return gettext(
            "A coupon takes something off for everybody who types its code, or only for people on a list. There is none yet."
        )

    def look_up(self, rows: Sequence[Any]) -> None:
        found = audience.audiences([coupon.pk for coupon in rows])
        for coupon in rows:
            coupon.audience = found[coupon.pk]


class _Forewarned(_EditorView):
    """After saving, says at once what will keep the coupon from working."""

    def form_valid(self, form: Any) -> Any:
        try:
            with transaction.atomic():
                return super().form_valid(form)
        except IntegrityError:
            # Somebody has saved a coupon with this very code since the form asked; asking again finds it.
            try:
                form.clean_code()
            except ValidationError as taken:
                form.add_error("code", taken)
                self.produced_error_message = self.get_error_message()
                return self.form_invalid(form)
            raise

    def save_action(self) -> HttpResponse:
        response: HttpResponse = super().save_action()
        coupon = self.object
        look = [messages.button(self.get_edit_url(), gettext("Look at it"))]
        request = self.request
        if (who := audience.audience(coupon)).is_nobody:
            messages.warning(request, audience.sentence(who), buttons=look)
        for fault in conflicts(coupon)[:3]:
            messages.warning(request, fault.message, buttons=look)
        return response


class CouponCreateView(_Forewarned, CreateView):
    """A new coupon."""


class CouponCopyView(CopyView):
    """A coupon like another one, under a code of its own. The form it shows is sent to the create view."""

    def get_initial_form_instance(self) -> Coupon:
        original: Coupon = self.get_object()
        self._chosen = {name: [row.pk for row in getattr(original, name).all()] for name in ("contact_lists", "offers")}
        original.pk, original.code, original._state.adding = None, "", True
        return original

    def get_form_kwargs(self) -> dict[str, Any]:
        given: dict[str, Any] = super().get_form_kwargs()
        given["initial"] = {**given.get("initial", {}), **self._chosen}
        return given


class CouponEditView(_Forewarned, EditView):
    """A coupon, with what is true of it at this moment above the form."""

    @property
    def header_buttons(self) -> list[Any]:
        return _buttons(self.object, self.request.user)


class CouponInspectView(InspectView):
    """A coupon for those who may only look."""

    page_title = pgettext_lazy("sales", "Coupon")

    @property
    def header_buttons(self) -> list[Any]:
        return _buttons(self.object, self.request.user)

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = coupon_panels.cards(self.object, self.request)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


def _buttons(coupon: Coupon, user: Any) -> list[Any]:
    if not policies.may(user, "view", Order):
        return []
    where = reverse("wagtail_kwiga_coupons:uses", args=[coupon.pk])
    return [HeaderButton(label=pgettext_lazy("sales", "Uses"), url=where, icon_name="list-ul")]


class CouponViewSet(SnippetViewSet):
    """Coupons."""

    model = Coupon
    base_url_path = "kwiga/coupons"
    admin_url_namespace = "wagtail_kwiga_coupons"
    chooser_viewset_class = CouponChooser
    icon = "tag"
    menu_label = pgettext_lazy("sales", "Coupons")
    menu_name = "kwiga-coupons"
    menu_order = 300
    index_view_class = CouponIndexView
    index_results_template_name = CouponIndexView.results_template_name
    add_view_class = CouponCreateView
    copy_view_class = CouponCopyView
    edit_view_class = CouponEditView
    history_view_class = HistoryView
    inspect_view_enabled = True
    inspect_view_class = CouponInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    search_fields = ["code", "note"]
    search_backend_name = None
    filterset_class = CouponFilterSet
    list_export = [
        "code", "note", "get_kind_display", "percent", "amount", "currency", "valid_from", "valid_until", "limit_total",
        "limit_per_contact", "held_now", "spent_uses", "left_now", "is_active",
    ]  # fmt: skip
    export_filename = "coupons"
    export_headings = {
        "get_kind_display": pgettext_lazy("sales", "Kind"), "held_now": pgettext_lazy("sales", "Held"), "spent_uses": pgettext_lazy("sales", "Spent"), "left_now": pgettext_lazy("sales", "Left"),
    }  # fmt: skip
    edit_handler = ObjectList(
        [
            PromisesPanel(heading=_("What people were told"), icon="warning"),
            LivePanel(coupon_panels.present, heading=_("At present"), icon="info-circle"),
            LivePanel(coupon_panels.disagreements, heading=_("What does not fit"), icon="warning"),
            FieldPanel("code", icon="tag"),
            MultiFieldPanel(
                [
                    FieldPanel("kind"),
                    FieldRowPanel(
                        [
                            FieldPanel("percent", help_text=_("From 1 to 100.")),
                            FieldPanel("amount", help_text=_("Under “fixed amount”.")),
                            FieldPanel("currency", help_text=_("For example EUR.")),
                        ]
                    ),
                ],
                heading=pgettext_lazy("sales", "Discount"),
                icon="decimal",
            ),
            MultiFieldPanel(
                [
                    FieldPanel("contact_lists", widget=forms.CheckboxSelectMultiple),
                    FieldPanel("offers", widget=forms.CheckboxSelectMultiple),
                ],
                heading=_("Who and what it is for"),
                icon="group",
                help_text=_(
                    "An offer says on its page which coupons it takes. The coupon works where both agree: this form "
                    "tells you where they do not."
                ),
            ),
            MultiFieldPanel(
                [
                    FieldRowPanel(
                        [
                            FieldPanel("valid_from", help_text=_("Empty: at once.")),
                            FieldPanel("valid_until", help_text=_("Empty: no end. A date without a time ends with that day; with a time, it takes nothing off from then on.")),
                        ]
                    ),
                    FieldRowPanel([FieldPanel("limit_total"), FieldPanel("limit_per_contact")]),
                ],
                heading=pgettext_lazy("sales", "Limits"),
                icon="time",
                help_text=_("A use is held while an order waits for its money, and given back if the money never comes."),
            ),
            FieldPanel("is_active", icon="check", help_text=_("Off: it works for nobody, and nothing of it is lost.")),
            FieldPanel("note", icon="comment"),
            LivePanel(coupon_panels.links, heading=_("Links with this coupon applied"), icon="link"),
        ],
        base_form_class=CouponForm,
    )  # fmt: skip

    @property
    def list_display(self) -> list[Any]:
        return [
            "code",
            Column("size", label=_("Takes off"), accessor=coupon_panels.size, classname=NUMBER),
            Column(
                "audience",
                label=pgettext_lazy("sales", "For"),
                accessor=lambda coupon: audience.summary(coupon.audience),
            ),
            Column(
                "limit_total",
                label=pgettext_lazy("sales", "Limit"),
                accessor=_limit,
                classname=NUMBER,
                sort_key="limit_total",
            ),
            Column(
                "held", label=pgettext_lazy("sales", "Held"), accessor="held_now", classname=NUMBER, sort_key="held_now"
            ),
            Column(
                "spent",
                label=pgettext_lazy("sales", "Spent"),
                accessor="spent_uses",
                classname=NUMBER,
                sort_key="spent_uses",
            ),
            Column(
                "left",
                label=pgettext_lazy("sales", "Left"),
                accessor=coupon_panels.left,
                classname=NUMBER,
                sort_key="left_now",
            ),
            Column(
                "valid_until",
                label=pgettext_lazy("sales", "Ends"),
                accessor=lambda coupon: columns.ending(coupon.valid_until),
                sort_key="valid_until",
            ),
            BooleanColumn("is_active", label=pgettext_lazy("sales", "Active"), sort_key="is_active"),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Coupon]:
        return Coupon.objects.annotate(
            held_now=_number_of(Q(state=CouponUse.State.RESERVED, reserved_until__gt=conf.now())),
            spent_uses=_number_of(Q(state=CouponUse.State.REDEEMED)),
            left_now=Case(
                When(limit_total__isnull=False, then=Greatest(F("limit_total") - F("used_count"), 0)), default=None
            ),
        ).order_by("code")

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("uses/<int:pk>/", CouponUsesView.as_view(), name="uses"),
            path("uses/<int:pk>/results/", CouponUsesView.as_view(results_only=True), name="uses_results"),
            path("agree/<int:coupon_pk>/<int:offer_pk>/<slug:code>/", gates.confirm, name="mend"),
        ]


def _number_of(condition: Q) -> Coalesce:
    """How many uses of each coupon meet ``condition``: counted for the rows that are shown, not for all."""
    uses = CouponUse.objects.filter(condition, coupon=OuterRef("pk")).order_by().values("coupon")
    return Coalesce(Subquery(uses.annotate(number=Count("pk")).values("number"), output_field=IntegerField()), 0)


def _limit(coupon: Coupon) -> Promise | int:
    return _("no limit") if coupon.limit_total is None else coupon.limit_total
