"""Pages that let nothing stand below them but what they name."""

import os

from wagtail.models import Page


class HomePage(Page):
    parent_page_types = ["wagtailcore.Page"]
    subpage_types = ["home.ShelfPage"]


class ShelfPage(Page):
    parent_page_types = ["home.HomePage"]
    subpage_types = [] if os.environ.get("NO_OFFERS_HERE") else ["wagtail_kwiga.OfferPage"]
