"""*The first recovery*, the same by hand: list, coupon, gate, e-mail and scenario for a second offer.

Prints what each screen said. Leaves an order of that offer unpaid.
"""

import json
import sys

from editing import PUBLISH, make_offer, posted, streams
from wagtail.test.utils.form_data import nested_form_data, streamfield
from walking import Reader

from wagtail_kwiga import models as m
from wagtail_kwiga.mailing.authoring import default_content

given = json.loads(sys.argv[1])
admin, told = Reader(), {}
admin.log_in("/admin/login/", "admin", "admin")
product = m.Product.objects.create(title="Ink", slug="ink")
told["offer"] = make_offer(admin, "Ink", "80", product).text
offer_page = m.OfferPage.objects.get(title="Ink")
offer = m.Offer.objects.get(translation_key=offer_page.translation_key)

# --- 1. a contact list

told["list"] = admin.fill_in(admin.open("/admin/kwiga/lists/add/"), given["list"]).text
contacts = m.ContactList.objects.get(title=given["list"]["Title"])

# --- 2. a coupon: its list is a box to tick

page = admin.open("/admin/kwiga/coupons/add/")
chosen = given["coupon"].pop("Only for people on")
form = page.form(*given["coupon"])
(box,) = [tag.find("input") for tag in form("label") if tag.find("input") and chosen in tag.get_text()]
told["coupon"] = admin.fill_in(page, given["coupon"], {box["name"]: box["value"]}).text
coupon = m.Coupon.objects.get(code=given["coupon"]["Code"])
told["coupon"] = admin.open(f"/admin/kwiga/coupons/edit/{coupon.pk}/").text

# --- 3. the gate on the page

page = admin.open(f"/admin/pages/{offer_page.pk}/edit/")
form = page.form("Which coupons")
gate = page.field(form, "Which coupons")
(only,) = [option["value"] for option in gate("option") if option.get_text().strip() == "only these coupons"]
told["gate"] = admin.send(page, form, {gate["name"]: only, **streams(product, [coupon])}, PUBLISH).text

# --- 4. an e-mail: the one that is there already

page = admin.open("/admin/kwiga/emails/add/")
told["starter"] = page.text
body = m.EmailTemplate._meta.get_field("body").stream_block
value = body.to_python(default_content.win_back("en").body)
mail = nested_form_data({"body": posted(body, value)})
told["email"] = admin.fill_in(page, {"Title": given["email"]}, mail, PUBLISH).text
template = m.EmailTemplate.objects.get(title=given["email"])

# --- 5. a scenario

steps = [
    ("wait", {"amount": "30", "unit": "minutes"}),
    ("add_to_list", {"list": contacts.pk, "until": "scenario", "hours": ""}),
    ("send_email", {"template": template.pk, "coupon": ""}),
    ("wait", {"amount": "24", "unit": "hours"}),
    ("remove_from_list", {"list": contacts.pk}),
]
start = streamfield([("order_unpaid", {"include_free": ""})])
typed = nested_form_data({"start": start, "steps": streamfield(steps)})
chosen = {"offers": [str(offer.pk)], "payment_kinds": ["online"], "origins": ["web"]}
typed |= {f"start-0-value-{name}": values for name, values in chosen.items()}
told["scenario"] = admin.fill_in(admin.open("/admin/kwiga/scenarios/add/"), given["scenario"], typed, PUBLISH).text

# --- see it happen, once more

buyer = Reader()
page = buyer.open(offer_page.url)
typed = {"Your name": "Mo", "E-mail address": "mo@example.com", "Card (test)": None}
told["bank"] = buyer.fill_in(page, typed).text
print(json.dumps(told))
