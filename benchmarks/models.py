"""The floor of a page: an ordinary Wagtail page of the same blocks, with nothing behind them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from wagtail.models import Page

from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.pricing.quotes import make_quote
from wagtail_kwiga.streams import OpenStreamField


def _offer_blocks():
    from wagtail_kwiga.offers import blocks

    return blocks.offer_blocks()


class PlainForm(forms.Form):
    """The fields of the order form, as anybody would write them down."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField()
    phone = forms.CharField(max_length=40, required=False)
    coupon = forms.CharField(max_length=40, required=False)


class PlainPage(Page):
    """A page whose price is typed in. With ``has_form`` it also shows a form, and takes an order by hand."""

    body = OpenStreamField(blocks=_offer_blocks, blank=True)
    has_form = models.BooleanField(default=False)
    offer_id = models.IntegerField(null=True)

    template = "benchmarks/plain_page.html"

    def get_context(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context(request, *args, **kwargs)
        form = PlainForm() if self.has_form else None
        return {**context, "quote": make_quote(Money(120, "EUR")), "form": form}

    def serve(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return super().serve(request, *args, **kwargs)
        from benchmarks import checkout

        form = PlainForm(request.POST)
        if not form.is_valid():
            return HttpResponse(status=400)
        checkout.by_hand(self.offer_id, form.cleaned_data["email"], form.cleaned_data["coupon"])
        return HttpResponseRedirect("/thanks/")
