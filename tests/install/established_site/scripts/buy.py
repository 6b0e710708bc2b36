"""A visitor orders by bank transfer, does not pay; staff says that the money arrived. Through Django's test client; JSON."""

import json

from django.contrib.auth import get_user_model
from django.urls import reverse
from visiting import Browser, seen, words

from wagtail_kwiga import models as m
from wagtail_kwiga.orders import links

ATELIER = "https://atelier.example"
visitor = Browser("de")
page = visitor.open(f"{ATELIER}/watercolour/")
led = visitor.send(page, name="Ada Buyer", email="transfer@example.com", payment_method="transfer")
order = m.Order.objects.get(contact__email="transfer@example.com")
told = {
    "offer": seen(page),
    "order": seen(visitor.open(led)),
    "pay": seen(visitor.open(links.pay_url(order))),
    "resume": seen(Browser().open(links.resume_url(order, None))),
}
boss = get_user_model().objects.get(email="boss@atelier.example")
desk = Browser(user=boss)
form = desk.open(ATELIER + reverse("wagtail_kwiga_orders:money_arrived", args=[order.pk]))
card = desk.open(desk.send(form))
order.refresh_from_db()
told["booked"] = [order.status, order.pk, str(order.total), words(card)]
told["paid"] = seen(visitor.open(led))
print(json.dumps(told))
