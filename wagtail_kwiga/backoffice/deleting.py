"""Deleting what something still refers to: refused in words, never a crash.

Wagtail looks for uses in its reference index; our machine-written records are not in it (it costs five queries a save),
so the database's own protection is asked before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import router
from django.db.models import ProtectedError, RestrictedError
from django.db.models.deletion import Collector
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from wagtail.snippets.bulk_actions.delete import DeleteBulkAction

from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.automations.models import Scenario, ScenarioVersionLink
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.records import keys
from wagtail_kwiga.catalogue.models import Offer, Product
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.offers import drafted_products, publishing

GUARDED = (Coupon, ContactList, Product, Offer, EmailTemplate, Scenario)


def users_of(instances: list[Any]) -> list[Any]:
    """The rows that keep ``instances`` from being deleted: products, also the pages whose drafts sell them. What only an old version
    of a scenario uses, in which nobody is any more, is in nobody's way (``forget_idle_uses``)."""
    if isinstance(instances[0], Product) and (pages := drafted_products.pages_naming([one.pk for one in instances])):
        return list(pages)
    idle = set(versions.idle_links().values_list("pk", flat=True)) if _is_used_by_scenarios(instances[0]) else set()
    return [row for row in _protectors(instances) if not (isinstance(row, ScenarioVersionLink) and row.pk in idle)]


def forget_idle_uses(instances: list[Any]) -> None:
    """Let the old versions of scenarios go that alone name ``instances``, right before they are deleted."""
    if _is_used_by_scenarios(instances[0]):
        own = {f"{_LINKED[type(instances[0])]}__in": instances}
        ScenarioVersionLink.objects.filter(pk__in=versions.idle_links().filter(**own).values("pk")).delete()


#: What scenarios use → the field of ``ScenarioVersionLink`` that says so.
_LINKED: dict[type, str] = {Coupon: "coupon", ContactList: "contact_list", EmailTemplate: "template", Offer: "offer"}


def _is_used_by_scenarios(instance: Any) -> bool:
    return type(instance) in _LINKED


def _protectors(instances: list[Any]) -> list[Any]:
    collector = Collector(using=router.db_for_write(type(instances[0])), origin=instances[0])
    try:
        collector.collect(instances)
    except ProtectedError as refusal:
        return list(refusal.protected_objects)
    except RestrictedError as refusal:
        return list(refusal.restricted_objects)
    return []


def refuse_if_used(request: HttpRequest, instances: Any) -> HttpResponse | None:
    """Wagtail's ``before_delete_snippet``: send the editor back with the reason where something is in use."""
    instances = list(instances)
    if instances and isinstance(instances[0], Offer):
        # Nobody may, but Wagtail 7.4 asks the user's permissions and not the model's policy before a bulk action.
        messages.error(request, _("Offers are not deleted by hand. Unpublish or delete the offer's page."))
        return redirect(_list_of(type(instances[0])))
    if not instances or not isinstance(instances[0], GUARDED):
        return None
    if not (used_by := users_of(instances)):
        if request.method == "POST":
            forget_idle_uses(instances)
        return None
    kinds = sorted({words for row in used_by for words in _told(row)})
    names = ", ".join(_("“%(title)s”") % {"title": instance} for instance in instances[:5])
    messages.error(
        request,
        capfirst(
            _("%(names)s cannot be deleted, because it is in use by: %(kinds)s.")
            % {"names": names, "kinds": ", ".join(kinds)}
        ),
    )
    return redirect(_list_of(type(instances[0])))


def _told(row: Any) -> Iterator[str]:
    """How a row that is in the way is told: a scenario or a page by its name, because that is where to go; all else by its kind."""
    if isinstance(row, ScenarioVersionLink):
        yield _("the scenario “%(title)s”") % {"title": row.version.scenario}
    elif isinstance(row, publishing.page_model()):
        yield _("page “%(title)s”") % {"title": row.get_admin_display_title()}
    else:
        yield str(type(row)._meta.verbose_name_plural)


class DeleteRows(DeleteBulkAction):
    """Wagtail's *Delete* for ticked rows. Its own is open to everybody in the admin and tells them the names of the rows that
    they may not delete; codes of coupons are worth money."""

    models = list(GUARDED)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.model is Offer or not request.user.has_perm(_right_to_delete(self.model)):
            raise PermissionDenied
        self.next_url = linking.back(request, _list_of(self.model))
        rows, kept = self.get_actionable_objects()
        if not rows and not kept["items_with_no_access"]:
            messages.warning(request, _("There is nothing to delete: somebody has done it already."))
            return redirect(_list_of(self.model))
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    @classmethod
    def get_queryset(cls, model: Any, object_ids: Any) -> list[Any]:
        return list(model.objects.filter(pk__in=keys(object_ids)))


def _list_of(model: Any) -> str:
    return reverse(model.snippet_viewset.get_url_name("list"))


def _right_to_delete(model: Any) -> str:
    return f"{model._meta.app_label}.{get_permission_codename('delete', model._meta)}"
