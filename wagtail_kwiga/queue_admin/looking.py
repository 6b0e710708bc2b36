"""What the screens of the queue have in common: superusers look, nobody types."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import re_path
from django.utils.html import format_html
from wagtail.admin.templatetags.wagtailadmin_tags import human_readable_date
from wagtail_modeladmin.helpers import ButtonHelper, PermissionHelper
from wagtail_modeladmin.options import ModelAdmin

from wagtail_kwiga.queue_admin import views
from wagtail_kwiga.queue_admin.rows import shown

Facts = list[tuple[Any, Any]]


class SuperusersLook(PermissionHelper):
    """Superusers list and inspect; nobody adds, edits or deletes. Permissions of groups play no part in it.

    The arguments of a task may hold anything the site puts there, and running one again runs code.
    """

    def get_all_model_permissions(self) -> QuerySet[Permission]:
        return Permission.objects.none()  # so that the form of a group offers none that would have no effect

    def user_can_list(self, user: Any) -> bool:
        return bool(user.is_active and user.is_superuser)

    def user_can_inspect_obj(self, user: Any, obj: Any) -> bool:
        return self.user_can_list(user)

    def user_can_create(self, user: Any) -> bool:
        return False

    def user_can_edit_obj(self, user: Any, obj: Any) -> bool:
        return False

    def user_can_delete_obj(self, user: Any, obj: Any) -> bool:
        return False


class NoButtons(ButtonHelper):
    """The first column of a list is the link to the record; a second one beside it says nothing more."""

    def get_buttons_for_obj(self, obj: Any, **kwargs: Any) -> list[dict[str, Any]]:
        return []


class NamedValues(AllValuesFieldListFilter):
    """A filter by the names that occur; left out where there is nothing to choose, as on sites with a single cluster."""

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1


class LookedAt(ModelAdmin):
    """A list with a page for each record, and nothing to type in."""

    index_view_class = views.ListView
    inspect_view_class = views.InspectView
    index_template_name = "wagtail_kwiga/queue_admin/list.html"
    permission_helper_class = SuperusersLook
    button_helper_class = NoButtons
    inspect_view_enabled = True
    history_view_enabled = False
    list_per_page = 50
    #: What the list says where it is empty.
    empty: Any = ""
    #: The URLs there are.
    actions: tuple[str, ...] = ("index", "inspect")

    def name_of(self, obj: Any) -> str:
        """What a record is called in the header of its page."""
        return str(obj)

    def facts(self, obj: Any) -> Facts:
        """What the page of a record shows, as (label, value)."""
        raise NotImplementedError

    def notices(self) -> list[Any]:
        """Sentences on top of the list, each about something that needs a person."""
        return []

    def get_admin_urls_for_registration(self) -> tuple[Any, ...]:
        helper = self.url_helper
        return tuple(
            re_path(helper.get_action_url_pattern(action), getattr(self, f"{action}_view"), name=name)
            for action in self.actions
            for name in [helper.get_action_url_name(action)]
        )

    def register_indexing(self) -> None:
        """Not in Wagtail's reference index: rows of a machine would be indexed at every task."""

    def register_admin_url_finders(self) -> None:
        """Nothing here can be edited, so there is no address to find."""


def moment(instant: Any) -> Any:
    """An instant as Wagtail shows it: how long ago, and exactly on hover."""
    if instant is None:
        return ""
    return render_to_string("wagtailadmin/shared/human_readable_date.html", human_readable_date(instant))


def preformatted(value: Any) -> str:
    text = shown(value)
    return format_html("<pre>{}</pre>", text) if text else ""
