"""The links of an order where the site has the shop's addresses beside its languages, not below them."""

import json

from visiting import Browser, seen

from wagtail_kwiga import models as m
from wagtail_kwiga.orders import links

order = m.Order.objects.get(contact__email="unpaid@example.com")
urls = (links.pay_url(order), links.order_url(order), links.resume_url(order, None))
print(json.dumps([seen(Browser("en").open(url)) for url in urls]))
