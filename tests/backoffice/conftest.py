"""An offer page and somebody who may edit and publish it, for *Win back unpaid orders*; a contact list and a contact."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from wagtail.models import GroupPagePermission

from tests.offers import making
from tests.offers.making import make_page, offer_of
from tests.support import make_contact, make_list


@pytest.fixture
def page():
    return make_page()


@pytest.fixture
def offer(page):
    return offer_of(page)


@pytest.fixture
def editor(client):
    """An editor as ``kwiga_setup`` has it, who may publish the site's pages."""
    call_command("kwiga_setup", stdout=StringIO())
    group = Group.objects.create(name="Pages")
    for codename in ("add_page", "change_page", "publish_page"):
        permission = Permission.objects.get(codename=codename, content_type__app_label="wagtailcore")
        GroupPagePermission.objects.create(group=group, page=making.root(), permission=permission)
    user = get_user_model().objects.create_user("editor", password="editor")
    user.groups.add(group, Group.objects.get(name="Kwiga: Editors"))
    client.force_login(user)
    return user


@pytest.fixture
def come_back(db):
    return make_list("Come back")


@pytest.fixture
def ada(db):
    return make_contact("ada@example.com", name="Ada")
