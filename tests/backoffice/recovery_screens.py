"""The form of *Win back unpaid orders*: opened, filled in and sent as a browser would."""

from __future__ import annotations

from django.urls import reverse

from tests.offers.making import fields_of
from wagtail_kwiga import models as m


def form_of(offer):
    return reverse("wagtail_kwiga_offers:win_back", args=[offer.pk])


def opened(client, offer, **typed):
    """The form as it is opened, with what was typed; as a browser would send it."""
    answer = client.get(form_of(offer))
    assert answer.status_code == 200, answer.get("Location")
    form = answer.context["form"]
    hidden = {name: value for name, value in fields_of(answer).items() if name == "code"}
    return {**{name: form[name].value() for name in form.fields}, **hidden, **typed}


def send(client, offer, *, press="publish", data=None, **typed):
    return client.post(form_of(offer), {**(data or opened(client, offer)), press: "1", **typed})


def counts():
    return [model.objects.count() for model in (m.ContactList, m.Coupon, m.EmailTemplate, m.Scenario)]
