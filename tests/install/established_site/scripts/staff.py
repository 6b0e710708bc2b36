"""The site's own people at the site's own screens, with the shop beside them: they save, publish and delete. JSON."""

import json

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from forms import Form
from orders.models import Coupon, Order, Product
from record import rights
from studio.models import Answer, ContactPage, EntryPage, StudioSettings
from wagtail.models import Site

site = Site.objects.get()
told = {}


def desk(name):
    client = Client(SERVER_NAME="atelier.example", headers={"x-forwarded-proto": "https"})
    client.force_login(get_user_model().objects.get(email=f"{name}@atelier.example"))
    return client


def save(client, path, mark="<form", **typed):
    """The form at ``path`` sent as it stands, but for what was typed."""
    shown = client.get(path)
    sent = Form(shown.content.decode(), mark).sent
    return client.post(path, {**sent, **typed}).status_code


editor, moderator, boss = map(desk, ("editors", "moderators", "boss"))

# Commissions: the site's own viewset, which is called "orders" as well.
product = Product.objects.get()
mark = 'method="POST"'
told["order"] = [
    save(editor, "/admin/orders/new/", mark, number="A-3", site=site.pk, product=product.pk, total="1300.50")
]
order = Order.objects.get(number="A-3")
told["order"] += [save(editor, f"/admin/orders/edit/{order.pk}/", mark, number="A-4")]
told["order"] += [
    editor.get(path).status_code
    for path in (
        f"/admin/orders/inspect/{order.pk}/",
        f"/admin/orders/history/{order.pk}/",
        "/admin/orders/?export=csv",
    )
]
told["order"] += [str(Order.objects.get(pk=order.pk)), str(Order.objects.get(pk=order.pk).total)]
told["order"] += [
    editor.post(f"/admin/orders/delete/{order.pk}/").status_code,
    Order.objects.filter(pk=order.pk).exists(),
]

# Snippets: Wagtail's own bulk action deletes the site's coupons, whatever ours does with ours.
spare = [Coupon.objects.create(code=f"SPARE{number}", site=site) for number in range(2)]
query = "&".join(f"id={each.pk}" for each in spare)
sent = editor.post(f"/admin/bulk/orders/coupon/delete/?next=/admin/snippets/orders/coupon/&{query}")
told["bulk"] = [sent.status_code, list(Coupon.objects.values_list("code", flat=True))]

told["settings"] = [
    save(editor, f"/admin/settings/studio/studiosettings/{site.pk}/", mark, telephone="+43 1 999"),
    StudioSettings.objects.get().telephone,
]

entry = EntryPage.objects.get(slug="notes-2025")
told["page"] = [
    save(
        moderator,
        f"/admin/pages/{entry.pk}/edit/",
        'id="page-edit-form"',
        title="Notes, again",
        **{"action-publish": "1"},
    )
]
entry.refresh_from_db()
told["page"] += [entry.title, entry.live]

before = rights()
told["groups"] = []
for name in ("Editors", "Kwiga: Editors"):
    group = Group.objects.get(name=name)
    told["groups"].append(save(boss, f"/admin/groups/edit/{group.pk}/", mark))
told["groups"].append(rights() == before)

fresh = {
    "email": "new@atelier.example",
    "password1": "brush-and-paper-2",
    "password2": "brush-and-paper-2",
    "first_name": "New",
    "last_name": "Person",
}
told["user"] = [save(boss, "/admin/users/new/", mark, **fresh, groups=[Group.objects.get(name="Kwiga: Sales").pk])]
told["user"] += [
    list(get_user_model().objects.filter(email="new@atelier.example").values_list("groups__name", flat=True))
]

contact = ContactPage.objects.get()
told["answers"] = [
    editor.get(f"/admin/forms/submissions/{contact.pk}/?export=csv").status_code,
    Answer.objects.count() > 0,
]
print(json.dumps(told))
