"""Products in the admin."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga.catalogue.models import Product


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
