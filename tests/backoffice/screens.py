"""Looking at screens of the admin over HTTP, as somebody with just the permissions that are named."""

from __future__ import annotations

import re
from html import unescape

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from wagtail_kwiga import models as m


def words_of(response) -> str:
    """The words of a page, spaces made single; the address of each link behind it in brackets."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    body = body.replace("<wbr>", "")  # a place where a word may be broken, not two words
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " ").split())


def page_of(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code, answer.headers.get("Location"))
    return words_of(answer)


def html_of(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def says(page: str, *words: str) -> None:
    for one in words:
        assert one in page, (one, page[:6000])


def lacks(page: str, *words: str) -> None:
    for one in words:
        assert one not in page, one


def cost(client, address: str) -> int:
    """How many queries a look costs, everything cached that is cached after the first one."""
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
        assert answer.status_code == 200, address
        b"".join(answer.streaming_content) if answer.streaming else answer.content
    return len(queries)


def somebody_who_may(*codenames: str, name: str = "clerk") -> Client:
    """A client logged in as somebody of the admin with these permissions of ours."""
    user = User.objects.create_user(name, password=name)
    group = Group.objects.create(name=f"Those like {name}")
    wanted = Permission.objects.filter(codename__in=codenames, content_type__app_label="wagtail_kwiga")
    assert wanted.count() == len(codenames), codenames
    group.permissions.set([*wanted, Permission.objects.get(codename="access_admin")])
    user.groups.add(group)
    client = Client()
    client.force_login(user)
    return client


def is_refused(answer) -> bool:
    """Wagtail's way of refusing: back to its home, or a plain 403."""
    return answer.status_code == 403 or (answer.status_code == 302 and answer.headers["Location"].endswith("/admin/"))


#: What nobody's screen may carry as it stands.
MARKUP = '<img src=x onerror="alert(1)">'


def history_of(instance) -> list[str]:
    """The audit log of a row, in the words that its history shows, oldest first."""
    from wagtail.log_actions import registry

    entries = registry.get_logs_for_instance(instance).order_by("timestamp", "pk")
    return [str(entry.message) for entry in entries]


def timeline_of(subject) -> list[tuple[str, str]]:
    """(sentence, by whom) of a timeline."""
    from wagtail_kwiga.journal import writing

    return [(writing.sentence(entry), str(entry.by or "")) for entry in writing.timeline(subject)]


def members_of(contact_list) -> set[str]:
    """Addresses of the people on a list now."""
    from wagtail_kwiga import conf
    from wagtail_kwiga.contacts import lists

    on_it = m.ListMembership.objects.filter(lists.holding(conf.now()), list=contact_list)
    return set(on_it.values_list("contact__email", flat=True))
