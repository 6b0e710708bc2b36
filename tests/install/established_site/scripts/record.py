"""What visitors and the site's own people find, to be compared before and after: told as JSON on the last line."""

import json
import re
import sys

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from orders.models import Order
from wagtail.documents.models import Document
from wagtail.models import Collection, GroupCollectionPermission, GroupPagePermission, Page, Site

PAGES = (
    "/", "/about/", "/about", "/shop/", "/shop/order/", "/journal/", "/journal/2025/", "/journal/notes-2024/", "/contact/",
    "/who-we-are/", "/old-shop/pay/", "/search/?query=brush", "/sitemap.xml", "/api/v2/pages/?fields=*", "/api/v2/images/",
    "/orders/", f"/orders/{Order.objects.get(number='A-1').pk}/", Document.objects.get().url, "/not-there/",
    "/de/", "/de/about/",
)  # fmt: skip
TOKEN = re.compile(r'(csrfmiddlewaretoken" value=|csrf_token"?: )("|&quot;)[A-Za-z0-9]{64}')


def body_of(response):
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return TOKEN.sub(r"\1", content.decode())


def answer(client, method, path, data=None, **how):
    """Everything of an answer but what is new each time; and how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        response = getattr(client, method)(path, data, secure=how.pop("secure", True), **how)
        body = body_of(response)
    cookies = {
        name: {key: str(value) for key, value in sorted(morsel.items()) if value and key not in ("expires",)}
        for name, morsel in sorted(response.cookies.items())
    }
    headers = {key: value for key, value in sorted(response.headers.items()) if key != "Last-Modified"}
    return {
        "status": response.status_code, "headers": headers, "cookies": cookies, "body": body, "queries": len(queries)
    }  # fmt: skip


def visits():
    client = Client(SERVER_NAME="atelier.example")
    for _warmed in (False, True):
        found = {path: answer(client, "get", path) for path in PAGES}
    found["http"] = answer(client, "get", "/about/", secure=False)
    found["sent"] = answer(client, "post", "/contact/", {"name": "Ada", "letter": "Hello"})
    return found


def entries(menu):
    """(label, address) of whatever stands in the menu."""
    props = json.loads(re.search(r'<script id="wagtail-sidebar-props"[^>]*>(.*?)</script>', menu, re.S)[1])
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "label" in value and "url" in value:
                found.append([value["label"], value["url"]])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(props)
    return [each for each in found if each[1]]


def screens(user):
    client = Client(SERVER_NAME="atelier.example")
    client.force_login(user)
    home = answer(client, "get", "/admin/")
    menu = entries(home["body"])
    found = {path: answer(client, "get", path)["status"] for _, path in menu if "logout" not in path}
    about = Page.objects.get(slug="about", locale__language_code="en-gb")
    for path in (
        f"/admin/pages/{about.pk}/edit/",
        f"/admin/pages/{about.get_parent().pk}/",
        f"/admin/pages/{about.pk}/history/",
    ):
        found[path] = answer(client, "get", path)["status"]
    return {
        "menu": menu, "screens": found, "panels": re.findall(r'<section class="([^"]*)"', home["body"]),
        "about": answer(client, "get", "/about/")["body"],
    }  # fmt: skip


def rights():
    found = {}
    for group in Group.objects.order_by("name"):
        found[group.name] = {
            "permissions": sorted(f"{app}.{code}" for app, code in group.permissions.values_list("content_type__app_label", "codename")),
            "pages": sorted(
                map(list, GroupPagePermission.objects.filter(group=group).values_list("page__path", "permission__codename"))
            ),
            "collections": sorted(
                map(list, GroupCollectionPermission.objects.filter(group=group).values_list("collection__path", "permission__codename"))
            ),
            "members": sorted(group.user_set.values_list("email", flat=True)),
        }  # fmt: skip
    return found


def rows():
    """How many rows each table of the site's has; all but what every visit and every installation adds to."""
    counted = {}
    for kind in ContentType.objects.exclude(app_label__in=["wagtail_kwiga", "django_q", "sessions", "contenttypes"]):
        model = kind.model_class()
        if model and kind.model not in (
            "permission",
            "answer",
            "editingsession",
            "formstate",
            "querydailyhits",
            "referenceindex",
            "group",
        ):
            counted[f"{kind.app_label}.{kind.model}"] = model._base_manager.count()
    return counted


def main(file):
    cache.clear()
    users = get_user_model().objects
    told = {
        "visits": visits(),
        "staff": {
            name: screens(users.get(email=f"{name}@atelier.example")) for name in ("editors", "moderators", "boss")
        },
        "rights": rights(),
        "rows": rows(),
        "sites": list(Site.objects.values_list("hostname", "port")),
        "collections": list(Collection.objects.values_list("path", flat=True)),
    }
    with open(file, "w") as written:
        json.dump(told, written)
    print(json.dumps({"written": file}))


if __name__ == "__main__":
    main(sys.argv[2])
