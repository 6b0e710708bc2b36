"""The site's own screens and customs in the admin."""

from django.utils.html import format_html
from wagtail import hooks
from wagtail.admin.staticfiles import versioned_static
from wagtail.admin.viewsets.model import ModelViewSet

from orders.models import Order, Product


class OrderViewSet(ModelViewSet):
    model = Order
    name = url_prefix = menu_name = "orders"
    icon = "form"
    add_to_admin_menu = True
    inspect_view_enabled = True
    form_fields = ["number", "site", "product", "total"]
    list_display = ["number", "product", "total"]
    list_export = ["number", "total"]
    list_filter = ["product"]


class ProductViewSet(ModelViewSet):
    model = Product
    name = url_prefix = menu_name = "products"
    add_to_settings_menu = True
    form_fields = ["title", "picture", "page"]


@hooks.register("register_admin_viewset")
def viewsets():
    return [OrderViewSet(), ProductViewSet()]


@hooks.register("insert_global_admin_css")
def colours():
    return format_html('<link rel="stylesheet" href="{}">', versioned_static("css/desk.css"))


@hooks.register("construct_main_menu")
def without_help(request, items):
    """No help, and nothing between pages and pictures."""
    items[:] = [item for item in items if item.name != "help"]


@hooks.register("construct_page_action_menu")
def submitting_first(items, request, context):
    items.sort(key=lambda item: item.name != "action-submit")


@hooks.register("before_serve_page")
def count_the_visit(page, request, args, kwargs):
    request.counted = page.pk
