"""The site's own pages, its settings and a snippet."""

from django.db import models
from django.utils import timezone
from modelcluster.fields import ParentalKey
from wagtail import blocks
from wagtail.admin.panels import FieldPanel, InlinePanel
from wagtail.api import APIField
from wagtail.contrib.forms.models import AbstractFormField, AbstractFormSubmission, FormMixin
from wagtail.contrib.routable_page.models import RoutablePageMixin, path
from wagtail.contrib.settings.models import BaseGenericSetting, BaseSiteSetting, register_setting
from wagtail.contrib.table_block.blocks import TableBlock
from wagtail.contrib.typed_table_block.blocks import TypedTableBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.images import get_image_model_string
from wagtail.images.blocks import ImageChooserBlock
from wagtail.models import DraftStateMixin, Page, RevisionMixin
from wagtail.search import index
from wagtail.snippets.models import register_snippet


class TextPage(Page):
    """A page of text, pictures and tables."""

    template = "studio/text_page.html"
    picture = models.ForeignKey(
        get_image_model_string(), null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    introduction = RichTextField(blank=True)
    body = StreamField(
        [
            ("paragraph", blocks.RichTextBlock()),
            ("picture", ImageChooserBlock()),
            ("table", TableBlock()),
            ("typed_table", TypedTableBlock([("text", blocks.CharBlock()), ("number", blocks.DecimalBlock())])),
        ],
        blank=True,
    )
    content_panels = [*Page.content_panels, *map(FieldPanel, ("picture", "introduction", "body"))]
    search_fields = [*Page.search_fields, index.SearchField("introduction")]
    api_fields = [APIField("introduction"), APIField("body")]


class JournalPage(RoutablePageMixin, Page):
    """Entries by year, each at an address of its own below one page."""

    template = "studio/journal_page.html"
    subpage_types = ["studio.EntryPage"]

    @path("")
    def all_entries(self, request):
        return self.render(request, context_overrides={"entries": self._entries()})

    @path("<int:year>/", name="year")
    def of_year(self, request, year):
        return self.render(request, context_overrides={"entries": self._entries().filter(day__year=year), "year": year})

    def _entries(self):
        return EntryPage.objects.child_of(self).live().order_by("-day")


class EntryPage(Page):
    template = "studio/text_page.html"
    parent_page_types = ["studio.JournalPage"]
    day = models.DateField(default=timezone.localdate)
    introduction = RichTextField(blank=True)
    content_panels = [*Page.content_panels, FieldPanel("day"), FieldPanel("introduction")]


class Question(AbstractFormField):
    page = ParentalKey("ContactPage", on_delete=models.CASCADE, related_name="form_fields")


class Answer(AbstractFormSubmission):
    """Submissions of the site's own kind, with who sent them."""

    user = models.ForeignKey("people.Person", null=True, blank=True, on_delete=models.SET_NULL)


class ContactPage(FormMixin, Page):
    template = "studio/contact_page.html"
    landing_page_template = "studio/contact_page_landing.html"
    content_panels = [*Page.content_panels, InlinePanel("form_fields", label="Questions")]

    def get_submission_class(self):
        return Answer


@register_setting(icon="mail")
class StudioSettings(BaseSiteSetting):
    telephone = models.CharField(max_length=40, blank=True)
    address = models.TextField(blank=True)
    panels = [FieldPanel("telephone"), FieldPanel("address")]


@register_setting(icon="cog")
class Analytics(BaseGenericSetting):
    visits_until_today = models.PositiveIntegerField(default=0)


@register_snippet
class Notice(DraftStateMixin, RevisionMixin, models.Model):
    """A line above every page."""

    text = models.CharField(max_length=200)
    panels = [FieldPanel("text")]

    def __str__(self):
        return self.text
