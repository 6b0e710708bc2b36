"""A page of the site's own, with text in every kind of place that a page may have it."""

from __future__ import annotations

from django.db import models
from django.http import HttpResponse
from modelcluster.fields import ParentalKey
from wagtail import VERSION as WAGTAIL_VERSION
from wagtail.api import APIField
from wagtail.blocks import CharBlock, ChoiceBlock, IntegerBlock, RichTextBlock, StaticBlock, StructBlock
from wagtail.contrib.routable_page.models import RoutablePageMixin, path
from wagtail.fields import RichTextField, StreamField
from wagtail.models import Orderable, Page

from wagtail_kwiga.models import OfferPageMixin


class PriceBlock(StructBlock):
    """A number is part of what is shown, and of no search."""

    label = CharBlock()
    euros = IntegerBlock()


class NeedsRequestBlock(StaticBlock):
    """Renders only where a page is served."""

    def render(self, value, context=None):
        if not context or "request" not in context:
            raise LookupError("no request")
        return "served"

    def get_searchable_content(self, value):
        return ["said to a search"]


class TermsPage(Page):
    """Terms of sale as a site may have them."""

    is_creatable = False

    lead = models.CharField(max_length=200, blank=True)
    layout = models.CharField(max_length=10, default="wide", choices=[("wide", "Wide"), ("narrow", "Narrow")])
    intro = RichTextField(blank=True)
    body = StreamField(
        [
            ("heading", CharBlock()),
            ("text", RichTextBlock()),
            ("price", PriceBlock()),
            ("tone", ChoiceBlock(choices=[("calm", "Calm words")])),
            ("served", NeedsRequestBlock()),
        ],
        blank=True,
    )


class Clause(Orderable):
    """A row of an inline panel."""

    page = ParentalKey(TermsPage, on_delete=models.CASCADE, related_name="clauses")
    text = models.TextField()


class WorkshopPage(OfferPageMixin, RoutablePageMixin, Page):
    """An offer with routes of its own below it."""

    is_creatable = False
    template = "wagtail_kwiga/offers/offer_page.html"
    api_fields = [*OfferPageMixin.api_fields, APIField("sells_no_access")]

    @path("programme/", name="programme")
    def programme(self, request):
        return HttpResponse(f"{request.method}: the programme of {self.title}")


class FairPage(OfferPageMixin, RoutablePageMixin, Page):
    """An offer whose site writes the page itself as a route, and lets Wagtail's API v3 (since 8.0) write what it sells."""

    is_creatable = False
    template = "wagtail_kwiga/offers/offer_page.html"
    api_fields = [
        APIField(name, **({"writable": True} if WAGTAIL_VERSION >= (8, 0) else {}))
        for name in ("price", "currency", "sells_no_access")
    ]

    @path("")
    def stalls(self, request):
        return self.render(request, context_overrides={"stalls": 3})
