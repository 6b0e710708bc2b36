"""A site with ATOMIC_REQUESTS keeps a notice whose processing crashed (promise 8)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from tests.payments.shop import new_attempt, signed
from wagtail_kwiga import models as m
from wagtail_kwiga.payments import applying

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("atomic", [False, True])
def test_a_notice_whose_processing_crashes_stays(client, monkeypatch, atomic):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    notice = signed(new_attempt())

    def crash(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr(applying, "apply", crash)
    client.raise_request_exception = False
    answer = client.post(
        reverse("wagtail_kwiga:notify", args=["sandbox"]),
        data=notice.body,
        content_type="application/json",
        headers={"Sandbox-Signature": notice.header("Sandbox-Signature")},
    )
    assert answer.status_code == 500
    assert m.ProviderEvent.objects.count() == 1
