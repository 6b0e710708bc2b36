"""What the tests of the e-mail screens share: the editor's form, and editors with just the permissions they need."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from wagtail.test.utils.form_data import nested_form_data, streamfield

HEADING = ("heading", {"text": "Hello {{ contact.first_name }}"})
CARD = ("coupon_card", {"title": "", "show_prices": "on", "show_deadline": "on"})


def url(name: str, *args: Any) -> str:
    return reverse(f"wagtail_kwiga_emails:{name}", args=args)


def data(*blocks: tuple[str, Any], **given: Any) -> dict[str, Any]:
    """What the editor's form posts."""
    filled = {"title": "Come back", "subject": "Your order", "preheader": "", "kind": ""}
    return nested_form_data({**filled, "body": streamfield(blocks or [HEADING]), **given})


def words(response: HttpResponse) -> str:
    return response.content.decode()


def editor(*permissions: str, email: str = "ed@school.example", **given: Any) -> Client:
    """Somebody who may enter the admin, and has these permissions."""
    user = get_user_model().objects.create_user("ed", email, "secret", **given)
    user.user_permissions.add(Permission.objects.get(codename="access_admin"))
    for codename in permissions:
        user.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label="wagtail_kwiga"))
    client = Client()
    client.force_login(user)
    return client


WRITES = ("add_emailtemplate", "change_emailtemplate", "publish_emailtemplate", "delete_emailtemplate")
