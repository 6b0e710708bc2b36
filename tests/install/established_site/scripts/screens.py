"""Numbers of pages, and an address of every screen of ours that a link of the admin leads to: JSON."""

import json
import re
from html import unescape

from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import Resolver404, resolve
from wagtail.models import Page, Site

home = Site.objects.get().root_page
about = Page.objects.get(slug="about", locale=home.locale)
offer = Page.objects.get(slug="watercolour")
client = Client(SERVER_NAME="atelier.example", headers={"x-forwarded-proto": "https"})
client.force_login(get_user_model().objects.get(email="boss@atelier.example"))
LINK = re.compile(r"""["'](/admin/(?:kwiga|settings/wagtail_kwiga)[^"'#]*)""")

#: Screens that are Wagtail's from top to bottom.
WAGTAILS = (":copy", ":history", ":usage", ":delete", ":unpublish")
found = {}
waiting = ["/admin/", "/admin/settings/"]
seen = set()
while waiting:
    address = waiting.pop(0)
    path = address.partition("?")[0]
    try:
        name = resolve(path).view_name
    except Resolver404:
        continue
    if path in seen or name in found:
        continue
    seen.add(path)
    answer = client.get(address, follow=True)
    text = answer.content.decode()
    if answer.status_code != 200 or "<html" not in text:
        continue
    if path.startswith(("/admin/kwiga", "/admin/settings/wagtail_kwiga")) and not name.endswith(WAGTAILS):
        found[name] = address
    waiting += map(unescape, LINK.findall(text.replace("&quot;", '"')))
screens = [*found.values(), f"/admin/pages/{offer.pk}/edit/", f"/admin/pages/add/wagtail_kwiga/offerpage/{home.pk}/"]
print(json.dumps({"home": home.pk, "about": about.pk, "screens": screens}))
