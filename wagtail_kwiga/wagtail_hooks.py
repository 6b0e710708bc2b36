"""What the package registers with Wagtail. Wiring only."""

from django.apps import apps
from wagtail import hooks
from wagtail.snippets.models import register_snippet

from wagtail_kwiga.backoffice import deleting, policies
from wagtail_kwiga.backoffice.mail import EmailViewSet
from wagtail_kwiga.backoffice.menu import SalesGroup
from wagtail_kwiga.backoffice.orders import OrderViewSet
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.site_settings import KwigaSettings

policies.register(Order, OrderViewSet)
policies.register(OutgoingEmail, EmailViewSet)

if apps.is_installed("wagtail.contrib.settings"):  # else a check asks for it
    from wagtail.contrib.settings.registry import register_setting

    register_setting(KwigaSettings, icon="tag")
register_snippet(SalesGroup)
hooks.register("before_delete_snippet", deleting.refuse_if_used)


@hooks.register("after_create_page")
def _prepare_new_offer(request, page):
    """A drafted offer can be chosen in coupons and scenarios before its page is published."""
    publishing.prepare(page)


@hooks.register("after_copy_page")
def _prepare_copied_offer(request, page, new_page):
    publishing.prepare(new_page.specific)
