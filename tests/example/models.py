"""The studio's own page type that is an offer."""

from django.db import models
from wagtail.admin.panels import FieldPanel
from wagtail.models import Page

from wagtail_kwiga.models import OfferPageMixin


class CoursePage(OfferPageMixin, Page):
    subtitle = models.CharField(max_length=200, blank=True)

    template = "example/course_page.html"
    content_panels = [*OfferPageMixin.content_panels, FieldPanel("subtitle")]
