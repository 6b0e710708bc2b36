"""*The first recovery*, in one form: what the editor presses, and what the visitor who comes back sees.

``recovering.py start`` makes the scenario and leaves an order unpaid; ``recovering.py back LINK`` follows the mail.
"""

import json
import sys

from walking import Reader

from wagtail_kwiga import models as m

told = {}
offer = m.OfferPage.objects.live().get(slug="watercolour-for-beginners")
if sys.argv[1] == "start":
    admin = Reader()
    admin.log_in("/admin/login/", "admin", "admin")
    page = admin.open(f"/admin/pages/{offer.pk}/edit/")
    page = admin.open(page.link("Win back unpaid orders"))
    told["form"] = page.text
    told["live"] = admin.push(page, "Publish all").text
    buyer = Reader()
    page = buyer.open(offer.url)
    typed = {"Your name": "Lin", "E-mail address": "lin@example.com", "Card (test)": None}
    told["bank"] = buyer.fill_in(page, typed).text
else:
    buyer = Reader()
    page = buyer.open(sys.argv[2])
    told["page"] = page.text
    form = page.form("E-mail address")
    told["address"] = page.field(form, "E-mail address")["value"]
    page = buyer.fill_in(page, {"Card (test)": None})
    told["paid"] = buyer.send(page, page.form(), press=("choice", "success")).text
    admin = Reader()
    admin.log_in("/admin/login/", "admin", "admin")
    told["people"] = admin.open("/admin/kwiga/people/").text
    told["mail"] = admin.open("/admin/kwiga/mail/").text
print(json.dumps(told))
