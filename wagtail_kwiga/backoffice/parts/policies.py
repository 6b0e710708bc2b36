"""Who may do what to machine-written records in the admin."""

from __future__ import annotations

from typing import Any

from wagtail.permission_policies import ModelPermissionPolicy

#: What nobody may do to a record by hand, superusers included: the books are not edited.
REFUSED = frozenset({"add", "change", "delete"})


class RecordPolicy(ModelPermissionPolicy):
    """People with *view* or *change* may look; nobody makes, edits or deletes a record by hand."""

    def user_has_permission(self, user: Any, action: str) -> bool:
        if action in REFUSED:
            return False
        if action == "view":
            return any(super(RecordPolicy, self).user_has_permission(user, word) for word in ("view", "change"))
        return super().user_has_permission(user, action)

    def user_has_any_permission(self, user: Any, actions: Any) -> bool:
        return any(self.user_has_permission(user, action) for action in actions)


def may(user: Any, verb: str, model: Any) -> bool:
    """Whether ``user`` has the permission that a verb on ``model`` asks for; to *view* a record, *change* will do too."""
    words = ("view", "change") if verb == "view" else (verb,)
    return any(user.has_perm(f"{model._meta.app_label}.{word}_{model._meta.model_name}") for word in words)


def register(model: type, viewset: type) -> None:
    """Put ``model`` under a ``RecordPolicy``: in Wagtail's registry (8.0), or on the viewset where there is none (7.4)."""
    policy = RecordPolicy(model)
    try:
        from wagtail.permissions import register_permission_policy
    except ImportError:
        viewset.permission_policy = policy  # type: ignore[attr-defined]
    else:
        register_permission_policy(model, policy)
