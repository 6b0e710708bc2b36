"""Names of addresses that other apps expect of any snippet."""

from __future__ import annotations

import pytest
from django.urls import reverse
from wagtail.models import Locale

from wagtail_kwiga.models import EmailTemplate

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("action", ["list", "add", "edit", "delete", "history"])
def test_an_email_answers_to_the_conventional_name_too(admin_client, action):
    template = EmailTemplate.objects.create(title="Hello", subject="Hello", locale=Locale.get_default())
    args = [] if action in {"list", "add"} else [template.pk]
    ours = reverse(f"wagtail_kwiga_emails:{action}", args=args)
    assert reverse(f"wagtailsnippets_wagtail_kwiga_emailtemplate:{action}", args=args) == ours
    assert admin_client.get(ours).status_code == 200
