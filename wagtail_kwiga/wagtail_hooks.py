"""What the package registers with Wagtail. Wiring only."""

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import include, path
from django.utils.html import format_html
from wagtail import hooks
from wagtail.admin.staticfiles import versioned_static
from wagtail.models import Page
from wagtail.snippets.models import register_snippet

from wagtail_kwiga.automations.models import Run
from wagtail_kwiga.backoffice import deleting, homepage, installation, promises
from wagtail_kwiga.backoffice.attention import AttentionViewSet
from wagtail_kwiga.backoffice.catalogue import not_sold
from wagtail_kwiga.backoffice.catalogue.offers import OfferViewSet
from wagtail_kwiga.backoffice.coupons import gates
from wagtail_kwiga.backoffice.lists import member_bulk
from wagtail_kwiga.backoffice.mail.viewset import EmailViewSet
from wagtail_kwiga.backoffice.menu import SalesGroup
from wagtail_kwiga.backoffice.orders.viewset import OrderViewSet
from wagtail_kwiga.backoffice.parts import conventional_urls, policies
from wagtail_kwiga.backoffice.recovery import winning_back
from wagtail_kwiga.backoffice.scenarios import stopping
from wagtail_kwiga.backoffice.scenarios.runs import RunViewSet
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.mailing.models import OutgoingEmail
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.queue_admin import showing
from wagtail_kwiga.site_settings import KwigaSettings

policies.register(Order, OrderViewSet)
policies.register(OutgoingEmail, EmailViewSet)
policies.register(TimelineEntry, AttentionViewSet)
policies.register(Offer, OfferViewSet)
policies.register(Run, RunViewSet)

if apps.is_installed("wagtail.contrib.settings"):  # else a check asks for it
    from wagtail.contrib.settings.registry import register_setting

    register_setting(KwigaSettings, icon="tag")
showing.register()  # the optional extra [modeladmin]
register_snippet(SalesGroup)
hooks.register("before_delete_snippet", deleting.refuse_if_used)
hooks.register("before_delete_snippet", promises.before_delete_snippet, order=1)  # after what refuses outright
hooks.register("before_publish_page", promises.before_publish_page)
hooks.register("before_unpublish_page", promises.before_unpublish_page)
hooks.register("before_delete_page", promises.before_delete_page)
hooks.register("before_bulk_action", promises.before_bulk_action)
hooks.register("register_log_actions", promises.register_log_action)
hooks.register("register_bulk_action", deleting.DeleteRows, order=1)  # after Wagtail's own, whose place it takes
hooks.register("before_edit_page", gates.warn_on_page)
hooks.register("before_edit_page", not_sold.warn_on_page)
hooks.register("register_log_actions", gates.register_log_action)
hooks.register("register_bulk_action", member_bulk.TakeOffBulkAction)
hooks.register("register_permissions", policies.registered)
hooks.register("register_page_header_buttons", winning_back.page_header_buttons)
hooks.register("register_page_listing_more_buttons", winning_back.page_listing_buttons)
hooks.register("construct_homepage_panels", homepage.add_panel)
hooks.register("register_settings_menu_item", installation.menu_item)
hooks.register("register_bulk_action", stopping.StopRuns)


@hooks.register("insert_global_admin_css")
def _sheet_of_the_screens() -> str:
    return format_html('<link rel="stylesheet" href="{}">', versioned_static("wagtail_kwiga/backoffice.css"))


@hooks.register("register_admin_urls")
def _names_that_others_expect() -> list[Any]:
    return conventional_urls.patterns()


@hooks.register("register_admin_urls")
def _address_of_the_installation() -> list[Any]:
    pages = [path("", installation.decide, name="decide")]
    return [path("kwiga/installation/", include((pages, "wagtail_kwiga_installation")))]


@hooks.register("after_create_page")
@hooks.register("after_edit_page")
def _prepare_new_offer(request: HttpRequest, page: Page) -> None:
    """A drafted offer can be chosen in coupons and scenarios before its page is published."""
    publishing.prepare(page)


@hooks.register("after_copy_page")
def _prepare_copied_offer(request: HttpRequest, page: Page, new_page: Page) -> None:
    publishing.prepare(new_page.specific)
