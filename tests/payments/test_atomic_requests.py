"""A site with ATOMIC_REQUESTS keeps a webhook whose processing crashed (promise 8)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from tests.payments.shop import new_attempt, signed
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import applying

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("atomic", [False, True])
def test_a_webhook_whose_processing_crashes_stays(client, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    webhook = signed(new_attempt())

    def crash(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr(applying, "apply", crash)
    answer = client.post(
        reverse("wagtail_kwiga:notify", args=["sandbox"]),
        data=webhook.body,
        content_type="application/json",
        headers={"Sandbox-Signature": webhook.header("Sandbox-Signature")},
    )
    assert answer.status_code == 200
    assert m.ProviderEvent.objects.get().result == "failed"
