"""Contact lists in the admin."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.admin.ui.tables import Column, DateColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga import conf
from wagtail_kwiga.contacts.lists import holding
from wagtail_kwiga.contacts.models import ContactList


class ContactListViewSet(SnippetViewSet):
    """Contact lists."""

    model = ContactList
    base_url_path = "kwiga/lists"
    admin_url_namespace = "wagtail_kwiga_lists"
    icon = "group"
    menu_label = _("Contact lists")
    menu_name = "kwiga-lists"
    menu_order = 400
    search_fields = ["title", "description"]
    search_backend_name = None
    edit_handler = ObjectList([FieldPanel("title"), FieldPanel("description")])

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            Column("people", label=_("On it now"), accessor=_people),
            DateColumn("created_at", label=_("Made")),
        ]

    def get_queryset(self, request: Any) -> Any:
        now_on = Count("memberships__contact", filter=_on_membership(conf.now()), distinct=True)
        return ContactList.objects.annotate(members_now=now_on).order_by("title")


def _on_membership(at: Any) -> Q:
    """``contacts.lists.holding`` as seen from a list."""

    def lifted(node: Any) -> Any:
        if isinstance(node, Q):
            return Q(*[lifted(child) for child in node.children], _connector=node.connector, _negated=node.negated)
        name, value = node
        return (f"memberships__{name}", value)

    return lifted(holding(at))


def _people(one: Any) -> Any:
    if not one.members_now:
        return _("nobody")
    return ngettext("%(number)s person", "%(number)s people", one.members_now) % {"number": one.members_now}
