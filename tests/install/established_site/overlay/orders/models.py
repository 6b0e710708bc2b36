"""The site had orders before the shop came: commissions, with a coupon for regular clients."""

import uuid

from django.conf import settings
from django.db import models
from wagtail.snippets.models import register_snippet


class Product(models.Model):
    title = models.CharField(max_length=100)
    picture = models.ForeignKey("wagtailimages.Image", null=True, blank=True, on_delete=models.SET_NULL)
    page = models.ForeignKey("wagtailcore.Page", null=True, blank=True, on_delete=models.SET_NULL)

    def __str__(self):
        return self.title


@register_snippet
class Coupon(models.Model):
    code = models.CharField(max_length=40, unique=True)
    site = models.ForeignKey("wagtailcore.Site", on_delete=models.CASCADE)

    def __str__(self):
        return self.code


class Order(models.Model):
    """Every foreign key has Django's own name on the other side, such as ``site.order_set``."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.CharField(max_length=20, unique=True)
    site = models.ForeignKey("wagtailcore.Site", on_delete=models.PROTECT)
    locale = models.ForeignKey("wagtailcore.Locale", null=True, blank=True, on_delete=models.PROTECT)
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    total = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        permissions = [("record_payment", "Can say that money arrived")]

    def __str__(self):
        return self.number
