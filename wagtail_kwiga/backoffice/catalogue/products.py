"""Products in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.admin.ui.components import Component, MediaContainer
from wagtail.admin.ui.tables import Column, DateColumn
from wagtail.admin.widgets.slug import SlugInput
from wagtail.coreutils import string_to_ascii
from wagtail.snippets.views.snippets import InspectView, SnippetViewSet

from wagtail_kwiga import web_addresses
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.cards import Card, CardNote, LivePanel, Notes, joined
from wagtail_kwiga.backoffice.parts.choosers import ProductChooser
from wagtail_kwiga.backoffice.parts.columns import Facts
from wagtail_kwiga.backoffice.parts.history import HistoryView
from wagtail_kwiga.backoffice.parts.listings import GuidedIndexView
from wagtail_kwiga.catalogue.models import Offer, Product

_is_web_address = URLValidator(schemes=["https", "http"])


def own_slug(title: str, besides: int | None = None) -> str:
    """A short name made from a title (in whatever script) that no other product has."""
    longest = cast(int, Product._meta.get_field("slug").max_length)
    base = slugify(string_to_ascii(title))[: longest - 8].strip("-") or "product"
    others = Product.objects.filter(slug__startswith=base).exclude(pk=besides)  # type: ignore[misc]  # nobody has the key None
    taken = set(others.values_list("slug", flat=True))
    number, slug = 1, base
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


class ProductForm(WagtailAdminModelForm):
    """A product finds its own short name, and its way in leads somewhere."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False

    def clean_slug(self) -> str:
        return self.cleaned_data["slug"] or own_slug(self.cleaned_data.get("title", ""), self.instance.pk)

    def clean_entry_url(self) -> str:
        address: str = self.cleaned_data["entry_url"]
        if not address:
            return address
        words = _(
            "Give an address of this site that begins with a slash, such as /course/, or a full https:// address."
        )
        if not web_addresses.destination(address):
            raise ValidationError(words)
        if web_addresses.is_web_page(address):
            try:
                _is_web_address(address)
            except ValidationError:
                raise ValidationError(words) from None
        return address


class ProductCreationForm(ProductForm):
    """What a product needs, for a chooser's *Create* tab."""

    class Meta:
        model = Product
        fields = ["title", "slug", "kind", "entry_url"]
        widgets = {"slug": SlugInput}
        help_texts = {"slug": _("Left empty, it is made from the title.")}


def offers(product: Product, request: HttpRequest) -> Component:
    """Which offers sell the product."""
    found = list(Offer.objects.filter(offer_products__product=product).order_by("title", "pk"))
    told = [CardNote(joined(linking.linked(offer, offer.title, request.user) for offer in found))] if found else []
    if not found:
        words = gettext("No offer sells this product yet. Choose it on an offer page.")
        told.append(CardNote(words, "info", reverse("wagtailadmin_explore_root"), gettext("Go to the pages")))
    elif not product.entry_url:
        told.append(
            CardNote(
                gettext("It has no address to lead buyers to: once they have paid, they are not led anywhere."),
                "warning",
            )
        )
    return Notes(told)


class ProductIndexView(GuidedIndexView):
    """All products."""

    def nothing_yet(self) -> str:
        return gettext(
            "A product is what buyers get access to: a course, a consultation, a membership, a download. Offers sell it. "
            "There is none yet."
        )

    def look_up(self, rows: Sequence[Any]) -> None:
        for product in rows:
            product.offer_names = joined(
                linking.linked(link.offer, link.offer.title, self.request.user) for link in product.offer_products.all()
            )


class ProductInspectView(InspectView):
    """A product for those who may only look."""

    page_title = pgettext_lazy("sales", "Product")

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        product = self.object
        facts = Facts(
            (pgettext_lazy("sales", "Kind"), product.get_kind_display()), (_("Short name"), product.slug), (_("Way in"), product.entry_url),
            (_("Bought again"), product.get_repeatable_display()), (pgettext_lazy("sales", "Description"), product.description),
        )  # fmt: skip
        panels = [
            Card(pgettext_lazy("sales", "Product"), facts, "folder-open-inverse"),
            Card(_("Offers that sell it"), offers(product, self.request), "doc-full-inverse"),
        ]
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


class ProductViewSet(SnippetViewSet):
    """Products."""

    model = Product
    base_url_path = "kwiga/products"
    admin_url_namespace = "wagtail_kwiga_products"
    chooser_viewset_class = ProductChooser
    icon = "folder-open-inverse"
    menu_label = pgettext_lazy("sales", "Products")
    menu_name = "kwiga-products"
    menu_order = 200
    index_view_class = ProductIndexView
    history_view_class = HistoryView
    index_results_template_name = ProductIndexView.results_template_name
    inspect_view_enabled = True
    inspect_view_class = ProductInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    search_fields = ["title", "slug", "description"]
    search_backend_name = None
    list_filter = ["kind"]
    edit_handler = ObjectList(
        [
            LivePanel(offers, heading=_("Offers that sell it"), icon="doc-full-inverse"),
            # Not a TitleFieldPanel: that writes the title into the short name 100 ms late, over what is being typed there,
            # and on every later change of the title, though a site's code looks the product up by its short name.
            FieldPanel("title", icon="title", help_text=_("Buyers read it on the order form, in their order and in mails.")),
            FieldPanel(
                "slug", widget=SlugInput, icon="link", help_text=_("Left empty, it is made from the title. Letters, digits and hyphens.")
            ),
            FieldPanel("kind", icon="tag"),
            FieldPanel("repeatable", icon="history"),
            FieldPanel("entry_url", icon="arrow-right"),
            FieldPanel("description", icon="pilcrow", help_text=_("For your team; offer pages have texts of their own.")),
        ],
        base_form_class=ProductForm,
    )  # fmt: skip

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            Column("kind", label=pgettext_lazy("sales", "Kind"), accessor="get_kind_display", sort_key="kind"),
            Column("offers", label=_("Sold by"), accessor="offer_names"),
            Column("entry_url", label=_("Way in"), sort_key="entry_url", classname="wrap-anywhere"),
            DateColumn("created_at", label=pgettext_lazy("sales", "Made"), sort_key="created_at"),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        return Product.objects.prefetch_related("offer_products__offer").order_by("title")
