"""What Wagtail takes down on a date without a time goes when that day ends (promise 13). Pages: ``tests/offers/test_panels.py``."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from tests.automations.story import tell
from tests.backoffice.mails import WRITES, data, editor, url, words
from tests.backoffice.scenario_screens import form, story_steps
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

THE_DAY_ENDS = dt.datetime(2037, 3, 29, tzinfo=ZoneInfo("Europe/Warsaw"))


def test_an_email():
    client = editor(*WRITES)
    client.post(url("add"), data(expire_at="2037-03-28"))
    template = m.EmailTemplate.objects.get()
    assert template.get_latest_revision_as_object().expire_at == THE_DAY_ENDS
    assert 'name="expire_at" value="2037-03-28"' in words(client.get(url("edit", template.pk)))


def test_a_scenario(admin_client):
    story = tell()
    admin_client.post(
        reverse("wagtail_kwiga_scenarios:add"), form(story, *story_steps(story)) | {"expire_at": "2037-03-28"}
    )
    assert m.Scenario.objects.latest("pk").get_latest_revision_as_object().expire_at == THE_DAY_ENDS
