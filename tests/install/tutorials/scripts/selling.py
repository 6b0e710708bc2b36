"""*Install into an existing site*, steps 3 to 6: what is typed comes from the tutorial, and goes through the site's own forms."""

import json
import sys

from editing import make_offer
from wagtail.models import Site
from wagtail.test.utils.form_data import nested_form_data, streamfield
from walking import Reader

from wagtail_kwiga import models as m

given = json.loads(sys.argv[1])
admin, told = Reader(), {}
told["admin"] = admin.log_in("/admin/login/", "admin", "admin").status

# --- 3. who sells, and where

(site,) = Site.objects.all()
page = admin.open(f"/admin/sites/edit/{site.pk}/")
told["site"] = admin.fill_in(page, {"Port": given["site"]["Port"]}).text
page = admin.open("/admin/settings/wagtail_kwiga/kwigasettings/")
legal = nested_form_data({"legal": streamfield([])})  # which the editor's script adds
told["seller"] = admin.fill_in(page, given["seller"], legal).text

# --- 4. a product

page = admin.open("/admin/kwiga/products/add/")
told["product"] = admin.fill_in(page, given["product"]).text
told["short name"] = m.Product.objects.get().slug


# --- 5. an offer page

shown = make_offer(admin, given["offer"]["Title"], given["offer"]["Price"], m.Product.objects.get())
told["published"] = shown.text
(offer,) = m.OfferPage.objects.live()
told["page"] = Reader().open(offer.url).text

# --- 6. the first order, by transfer

buyer = Reader()
page = buyer.open(offer.url)
page = buyer.fill_in(page, {"Your name": "Ada", "E-mail address": "ada@example.com"})
told["ordered"] = page.text
order = m.Order.objects.get()
page = admin.open(admin.open("/admin/kwiga/orders/").link(order.number))
told["open"] = page.text
page = admin.open(page.link("Money arrived"))
told["arrived"] = admin.push(page, "Yes, it arrived").text

# --- and one by card

buyer = Reader()
page = buyer.open(offer.url)
page = buyer.fill_in(page, {"Your name": "Grace", "E-mail address": "grace@example.com", "Card (test)": None})
told["bank"] = page.text
told["paid"] = buyer.send(page, page.form(), press=("choice", "success")).text

print(json.dumps(told))
