"""The site's own pictures and documents."""

from django.db import models
from wagtail.documents.models import AbstractDocument, Document
from wagtail.images.models import AbstractImage, AbstractRendition, Image


class Picture(AbstractImage):
    credit = models.CharField(max_length=200)

    admin_form_fields = (*Image.admin_form_fields, "credit")


class PictureRendition(AbstractRendition):
    image = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="renditions")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("image", "filter_spec", "focal_point_key"), name="one_rendition_each")
        ]


class Paper(AbstractDocument):
    shelf_mark = models.CharField(max_length=40, blank=True)

    admin_form_fields = (*Document.admin_form_fields, "shelf_mark")
