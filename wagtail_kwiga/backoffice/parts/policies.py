"""Who may do what to machine-written records in the admin."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from wagtail.permission_policies import ModelPermissionPolicy

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

#: What nobody may do to a record by hand, superusers included: the books are not edited.
REFUSED = frozenset({"add", "change", "delete"})


class RecordPolicy(ModelPermissionPolicy):
    """People with *view* or *change* may look; nobody makes, edits or deletes a record by hand."""

    def user_has_permission(self, user: Any, action: str) -> bool:
        if action in REFUSED:
            return False
        if action == "view":
            return any(super(RecordPolicy, self).user_has_permission(user, word) for word in ("view", "change"))
        allowed: bool = super().user_has_permission(user, action)
        return allowed

    def user_has_any_permission(self, user: Any, actions: Any) -> bool:
        return any(self.user_has_permission(user, action) for action in actions)


#: Rights to rows that have no screen of their own to bring them into the group's form.
_WITHOUT_A_SCREEN = ("view_contact", "view_listmembership", "add_listmembership", "change_listmembership")


def user_of(request: HttpRequest) -> AbstractBaseUser:
    """Who is at the admin, for ``by``: Wagtail lets nobody in who has not logged in."""
    return cast("AbstractBaseUser", request.user)


def can(user: Any, verb: str) -> bool:
    """Whether ``user`` has the permission of that name: what is done to a record is asked by its verb (``record_payment``,
    ``stop_runs`` …), as it stands in ``Meta.permissions`` of the model. ``LookupError`` for a verb that no model has."""
    if verb not in _verbs():
        raise LookupError(f"There is no permission {verb!r}.")
    return bool(user.has_perm(f"wagtail_kwiga.{verb}"))


@cache
def _verbs() -> frozenset[str]:
    models = apps.get_app_config("wagtail_kwiga").get_models()
    return frozenset(codename for model in models for codename, _name in model._meta.permissions)


def registered() -> QuerySet[Permission]:
    """``register_permissions``: every verb of ours, for Wagtail's form of a group. Their names there are translated: the form
    looks up the English one, which the database has, in the catalogue that holds it for ``Meta.permissions``."""
    codenames = {*_verbs(), *_WITHOUT_A_SCREEN}
    return Permission.objects.filter(content_type__app_label="wagtail_kwiga", codename__in=codenames)


def may(user: Any, verb: str, model: Any) -> bool:
    """Whether ``user`` has the permission that a verb on ``model`` asks for; to *view* a record, *change* will do too."""
    words = ("view", "change") if verb == "view" else (verb,)
    return any(user.has_perm(f"{model._meta.app_label}.{word}_{model._meta.model_name}") for word in words)


def register(model: type, viewset: Any) -> None:
    """Put ``model`` under a ``RecordPolicy``: in Wagtail's registry (8.0), or on the viewset where there is none (7.4)."""
    policy = RecordPolicy(model)
    try:
        from wagtail.permissions import register_permission_policy
    except ImportError:
        viewset.permission_policy = policy
    else:
        register_permission_policy(model, policy)
