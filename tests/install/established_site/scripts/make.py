"""What the site's people make of the shop, in the admin: a page that a moderator lets through, and a recovery. JSON."""

import json
import re
from html import unescape

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from forms import Form
from numbering import four_digits
from wagtail.models import Page, Site, TaskState
from wagtail.test.utils.form_data import nested_form_data, rich_text, streamfield

from wagtail_kwiga import models as m

four_digits()
told = {}
people = {name: get_user_model().objects.get(email=f"{name}@atelier.example") for name in ("editors", "moderators")}
for person in people.values():
    person.groups.add(Group.objects.get(name="Kwiga: Editors"))


def desk(name):
    client = Client(SERVER_NAME="atelier.example", headers={"x-forwarded-proto": "https"})
    client.force_login(people[name])
    return client


def words(response):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


site = Site.objects.get()
m.KwigaSettings.objects.filter(site=site).update(
    seller_name="Atelier by the Water", sender_email="hello@atelier.example", postal_footer="Quay 7",
    bank_holder="Atelier", bank_iban="DE02120300000000202051",
)  # fmt: skip

editor, moderator = desk("editors"), desk("moderators")
menu = words(editor.get("/admin/"))
sent = editor.post(
    reverse("wagtail_kwiga_products:add"),
    {"title": "Watercolour", "slug": "watercolour", "kind": "course", "entry_url": "/about/"},
)
product = m.Product.objects.get()
told["product"] = [sent.status_code, product.pk]

# An editor may not publish here: what she makes waits for a moderator.
row = {
    "product": product.pk, "length": "unlimited", "length_number": "", "length_until": "", "start": "payment",
    "start_date": "", "lessons": "all", "lessons_first": "", "release": "all", "release_days": "",
    "release_dates": streamfield([]), "lessons_chosen": "", "lessons_known": "", "new_lessons": "on", "practice": "none",
}  # fmt: skip
page_form = {
    "title": "Watercolour", "slug": "watercolour", "body": streamfield([("text", rich_text("<p>Four calm evenings.</p>"))]),
    "products": streamfield([("product", row)]), "coupons": streamfield([]), "price": "1250.00", "currency": "EUR",
    "is_listed": "on", "coupon_mode": "none", "ask_phone": "no", "language_mode": "page", "fixed_language": "",
    "sales_from": "", "sales_until": "", "comments-TOTAL_FORMS": 0, "comments-INITIAL_FORMS": 0, "seo_title": "",
    "search_description": "", "go_live_at": "", "expire_at": "",
}  # fmt: skip
home = site.root_page
add = reverse("wagtailadmin_pages:add", args=["wagtail_kwiga", "offerpage", home.pk])
told["form"] = editor.get(add).status_code
sent = editor.post(add, nested_form_data({**page_form, "action-submit": "1"}))
page = m.OfferPage.objects.get()
visitor = Client(SERVER_NAME="atelier.example", headers={"x-forwarded-proto": "https"})
told["waiting"] = [sent.status_code, page.live, m.Offer.objects.get().state, visitor.get("/watercolour/").status_code]
state = TaskState.objects.get()
action = reverse("wagtailadmin_pages:workflow_action", args=[page.pk, "approve", state.pk])
sent = moderator.post(action, {"comment": ""})
page.refresh_from_db()
offer = m.Offer.objects.get()
told["approved"] = [sent.status_code, page.live, offer.state, str(offer.amount)]

# One form makes the recovery.
win_back = reverse("wagtail_kwiga_offers:win_back", args=[offer.pk])
shown = moderator.get(win_back)
typed = Form(shown.content.decode(), mark="w-editor-form").sent
made = moderator.post(win_back, {**typed, "publish": "1"})
scenario = m.Scenario.objects.get()
told["recovery"] = [
    made.status_code,
    scenario.live,
    words(moderator.get(made["Location"]))[-400:] if made.status_code == 302 else words(made),
]
told["numbers"] = [product.pk, offer.pk, page.pk, scenario.pk]
told["code"] = m.Coupon.objects.get().code
told["who"] = [Page.objects.get(pk=page.pk).owner.email, "Sales" in menu]
print(json.dumps(told))
