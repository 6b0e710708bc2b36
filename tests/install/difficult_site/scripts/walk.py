"""What people and machines find on the difficult site; told as JSON on the last line."""

import datetime as dt
import json
import re

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import mail
from django.urls import reverse
from django_q.models import Schedule
from visiting import Browser, seen
from wagtail.models import Locale, Site
from wagtail_localize.models import TranslationSource

from wagtail_kwiga import conf, tasks
from wagtail_kwiga import models as m
from wagtail_kwiga.offers import sharing
from wagtail_kwiga.orders import links
from wagtail_kwiga.payments import registry

SCHOOL, ATELIER = "http://school.example", "https://atelier.example"
told = {}


def order_of(email):
    return m.Order.objects.filter(contact__email=email).latest("pk")


def addresses(order):
    return {"pay": links.pay_url(order), "order": links.order_url(order), "resume": links.resume_url(order, None)}


def buy(url, email, *, language="", method="sandbox"):
    """Order at ``url``; where one is sent to pay."""
    visitor = Browser(language)
    page = visitor.open(url)
    led = visitor.send(page, name="Ada Buyer", email=email, phone="", payment_method=method)
    return visitor, seen(page), led


def links_of_ours(page):
    return sorted(set(re.findall(r'href="(/admin/kwiga/[^"?#]+)', page.content.decode())))


# --- visitors: the offer on both sites and in both languages ---------------------------------------------------------------

told["offers"] = {
    url: seen(Browser().open(url))
    for url in (
        f"{SCHOOL}/en/courses/watercolour/",
        f"{ATELIER}/en/courses/watercolour/",
        f"{ATELIER}/de/kurse/aquarell/",
    )
}

# --- an order on the second site in the second language, paid at a gateway that tells by a webhook ---------------------------

visitor, page, led = buy(f"{ATELIER}/de/kurse/aquarell/", "paid@example.com")
order = order_of("paid@example.com")
attempt = m.PaymentAttempt.objects.get(payment__order=order)
gateway = visitor.open(led)
provider = registry.get("sandbox")
booked = provider.choose(attempt, "success", conf.now())
webhook = provider.webhook_about(attempt, booked, conf.now())
heard = []
for body in (webhook.body + b" ", webhook.body, webhook.body):
    door = visitor._client("atelier.example").post(
        links.absolute("notify", "sandbox", site_id=order.site_id, language="").removeprefix(ATELIER),
        body,
        content_type="application/json",
        headers={"sandbox-signature": webhook.headers["Sandbox-Signature"]},
        secure=True,
    )
    heard.append(door.status_code)
order.refresh_from_db()
told["paid"] = {
    "led": led,
    "language": order.language,
    "site": order.site.hostname,
    "gateway": seen(gateway),
    "heard": heard,
    "status": order.status,
    "back": seen(visitor.open(attempt.data["return_url"])),
}

# --- one that stays unpaid: its pages, and the mail that wins it back --------------------------------------------------------

_, page, led = buy(f"{ATELIER}/de/kurse/aquarell/", "unpaid@example.com")
order = order_of("unpaid@example.com")
told["unpaid"] = {name: seen(Browser("en").open(url)) for name, url in addresses(order).items()}
told["unpaid_links"] = addresses(order)
for minutes in (0, 31, 32):
    told["worker"] = [str(each) for each in tasks.one_pass(conf.now() + dt.timedelta(minutes=minutes)) if each.error]
told["mails"] = []
for message in mail.outbox:
    html = message.alternatives[0][0] if message.alternatives else ""
    found = sorted(set(re.findall(r'href="(https?://[^"]+)"', html.replace("&amp;", "&"))))
    told["mails"].append(
        {
            "to": message.to[0],
            "from": message.from_email,
            "subject": message.subject,
            "text": message.body,
            "unsubscribe": message.extra_headers.get("List-Unsubscribe", ""),
            "pictures": re.findall(r'<img[^>]* src="([^"]+)"', html),
            "links": {url: seen(Browser("en").open(url)) for url in found},
        }
    )

# --- a page that only mirrors another, as wagtail-localize makes them ---------------------------------------------------------

visitor, page, led = buy(f"{SCHOOL}/de/kurse/watercolour/", "mirror@example.com", language="de", method="transfer")
order = order_of("mirror@example.com")
told["mirror"] = {
    "page": page,
    "order": seen(visitor.open(led)),
    "resume": seen(visitor.open(links.resume_url(order, None))),
}
told["offers_known"] = m.Offer.objects.count()

# --- a language of the site that the shop does not speak, and one that the site has dropped ----------------------------------

_, page, led = buy(f"{SCHOOL}/en/courses/watercolour/", "french@example.com", language="fr", method="transfer")
order = order_of("french@example.com")
told["french"] = {"page": page, "led": led, "language": order.language, "order": seen(Browser("fr").open(led))}
order.language = "xx"
told["dropped"] = {name: seen(Browser().open(url)) for name, url in addresses(order).items()}

# --- the admin, as somebody who logs in with an address ------------------------------------------------------------------------

boss = get_user_model().objects.get()
admin = Browser(user=boss)
menu = admin.open(f"{SCHOOL}/admin/")
told["admin"] = {"/admin/": menu.status_code}
ours = []
for path in sorted(set(re.findall(r'"url": *"(/admin/[^"]*)"', menu.content.decode().replace("&quot;", '"')))):
    if "logout" not in path:
        page = admin.open(SCHOOL + path)
        told["admin"][path] = page.status_code
        if path.startswith("/admin/kwiga/"):
            ours += links_of_ours(page)
# What our lists lead to, and what that leads to: looking changes nothing, so every link may be followed.
for path in ours:
    if path not in told["admin"] and len(told["admin"]) < 200:
        page = admin.open(SCHOOL + path)
        told["admin"][path] = page.status_code
        ours += links_of_ours(page) if path.count("/") < 6 else []
german = Locale.objects.get(language_code="de")
translation = m.OfferPage.objects.get(locale=german, alias_of=None)
source = m.OfferPage.objects.get(translation_key=translation.translation_key, locale__language_code="en")
email = m.EmailTemplate.objects.get(locale=german)
for path in (
    f"/admin/pages/{source.pk}/edit/",
    f"/admin/pages/{translation.pk}/edit/",
    reverse("wagtail_kwiga_offers:win_back", args=[m.Offer.objects.get(translation_key=source.translation_key).pk]),
    f"/admin/pages/add/wagtail_kwiga/offerpage/{source.get_parent().pk}/",
):
    told["admin"][path] = admin.open(SCHOOL + path).status_code

told["shared"] = sharing.share_url(
    m.Offer.objects.get(translation_key=source.translation_key), m.Coupon.objects.get(), "de"
)

# --- somebody books money by hand ----------------------------------------------------------------------------------------------

form = admin.open(SCHOOL + reverse("wagtail_kwiga_orders:money_arrived", args=[order.pk]))
card = admin.open(admin.send(form))
order = order_of("french@example.com")
told["by_hand"] = [order.status, "boss@school.example" in card.content.decode()]

# --- whoever edits the translation cannot touch the price ------------------------------------------------------------------------

editor = admin.open(f"{SCHOOL}/admin/pages/{translation.pk}/edit/")
sent = admin.send(editor, price="1", currency="USD")
translation.refresh_from_db()
offer = m.Offer.objects.get(translation_key=source.translation_key)
told["translation"] = {
    "sent": sent,
    "price": str(translation.price),
    "currency": translation.currency,
    "offer": [str(offer.amount), offer.currency, offer.state],
    "segments": sorted(
        {
            path.partition(".")[0]
            for name in ("stringsegment_set", "overridablesegment_set")
            for path in getattr(TranslationSource.objects.get_for_instance(source), name).values_list(
                "context__path", flat=True
            )
        }
    ),
    "email": [email.live, email.subject],
}

# --- what was there before ----------------------------------------------------------------------------------------------------------

sales = Group.objects.get(name="Sales")
told["before"] = {
    "sales": sorted(sales.permissions.values_list("codename", flat=True)),
    "members": list(sales.user_set.values_list("email", flat=True)),
    "groups": sorted(Group.objects.values_list("name", flat=True)),
    "schedules": sorted(Schedule.objects.values_list("name", flat=True)),
    "sites": sorted(Site.objects.values_list("hostname", flat=True)),
}
print(json.dumps(told))
