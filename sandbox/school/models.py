"""The school's own pages: the home page, the course and its lessons. The offer page comes from the package."""

from __future__ import annotations

from django.db import models
from wagtail.admin.panels import FieldPanel, HelpPanel
from wagtail.blocks import CharBlock, RichTextBlock, StructBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.models import Page

from sandbox.school import gate


class StepBlock(StructBlock):
    """One numbered step of the home page, with at most one link."""

    title = CharBlock(max_length=120)
    text = RichTextBlock(features=["bold", "italic", "link", "code"])
    link_label = CharBlock(max_length=60, required=False)
    link_url = CharBlock(max_length=200, required=False, help_text="An address of this site, such as /inbox/.")

    class Meta:
        icon = "list-ol"
        template = "school/blocks/step.html"


class HomePage(Page):
    """What somebody sees first: what this is, and how to see a recovery within two minutes."""

    lead = models.TextField(blank=True, help_text="One or two sentences under the headline.")
    picture = models.ForeignKey(
        "wagtailimages.Image", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    offer_page = models.ForeignKey(
        "wagtailcore.Page", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="offer"
    )
    offer_label = models.CharField(max_length=60, blank=True, help_text="What the button to the offer says.")
    steps_title = models.CharField(max_length=160, blank=True)
    steps = StreamField([("step", StepBlock())], blank=True)
    after_steps = RichTextField(blank=True, features=["bold", "italic", "link", "code", "ul"])

    content_panels = [
        *Page.content_panels,
        FieldPanel("lead"),
        FieldPanel("picture"),
        FieldPanel("offer_page"),
        FieldPanel("offer_label"),
        FieldPanel("steps_title"),
        FieldPanel("steps"),
        FieldPanel("after_steps"),
    ]
    parent_page_types = ["wagtailcore.Page"]
    subpage_types = ["wagtail_kwiga.OfferPage", "school.CoursePage"]

    class Meta:
        verbose_name = "home page"


class CoursePage(Page):
    """The way in for buyers: the list of lessons, each marked with whether it opens."""

    lead = models.TextField(blank=True)
    product = models.ForeignKey(
        "wagtail_kwiga.Product", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    offer_page = models.ForeignKey(
        "wagtailcore.Page",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name="offer",
        help_text="Where somebody who has not bought it yet is sent.",
    )

    content_panels = [*Page.content_panels, FieldPanel("lead"), FieldPanel("product"), FieldPanel("offer_page")]
    parent_page_types = ["school.HomePage"]
    subpage_types = ["school.LessonPage"]

    class Meta:
        verbose_name = "course"

    def lessons(self) -> list[LessonPage]:
        """The published lessons in the order of the page tree."""
        return list(self.get_children().type(LessonPage).live().specific())

    def get_context(self, request, *args, **kwargs):
        context = super().get_context(request, *args, **kwargs)
        lessons = self.lessons()
        context["doors"] = gate.doors(request.user, self.product, lessons)
        return context


class LessonPage(Page):
    """One lesson. Its text is rendered only for those whom the package's access policy lets in."""

    lead = models.TextField(blank=True, help_text="Seen by everybody.")
    picture = models.ForeignKey(
        "wagtailimages.Image", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    minutes = models.PositiveSmallIntegerField("length in minutes", default=20)
    body = RichTextField(blank=True, features=["h3", "bold", "italic", "ol", "ul", "link"])
    is_preview = models.BooleanField("free preview", default=False, help_text="Opens for everybody.")

    content_panels = [
        *Page.content_panels,
        HelpPanel("Buyers see the whole lesson; everybody else sees the lead and a way to the offer."),
        FieldPanel("lead"),
        FieldPanel("picture"),
        FieldPanel("minutes"),
        FieldPanel("body"),
        FieldPanel("is_preview"),
    ]
    parent_page_types = ["school.CoursePage"]
    subpage_types: list[str] = []

    class Meta:
        verbose_name = "lesson"

    def get_context(self, request, *args, **kwargs):
        context = super().get_context(request, *args, **kwargs)
        course = self.get_parent().specific
        lessons = course.lessons()
        here = next((index for index, lesson in enumerate(lessons) if lesson.pk == self.pk), 0)
        context["course"] = course
        context["number"] = here + 1
        context["door"] = gate.door(request.user, course.product, self, here)
        context["previous_lesson"] = lessons[here - 1] if here else None
        context["next_lesson"] = lessons[here + 1] if here + 1 < len(lessons) else None
        return context
