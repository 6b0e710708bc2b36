"""Taking several people off a list at once, through the checkboxes of the list."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from wagtail.admin.views.bulk_action import BulkAction

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.lists.members import MemberFilterSet, of_list
from wagtail_kwiga.backoffice.lists.members_by_hand import coupons_of, say_removed, take_off
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.records import keys
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import ContactList, ListMembership
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.offers import promise_panel


class TakeOffBulkAction(BulkAction):
    """Ends all grants, on the same list, of the people behind the ticked rows."""

    display_name = _("Take off the list")
    action_type = "take_off"
    aria_label = _("Take the selected people off the list")
    template_name = "wagtail_kwiga/backoffice/contact_lists/bulk_take_off.html"
    action_priority = 10
    classes = {"serious"}
    models = [ListMembership]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not policies.may(request.user, "change", ListMembership):
            raise PermissionDenied
        self.next_url = linking.back(request, request.path)
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    @classmethod
    def get_queryset(cls, model: type, object_ids: Any) -> list[ListMembership]:
        held = ListMembership.objects.filter(lists.holding(conf.now()), pk__in=keys(object_ids))
        return list(held.select_related("contact", "list").order_by("contact__email", "pk"))

    def get_all_objects_in_listing_query(self, parent_id: Any) -> Any:
        """Those that the list showed: the same filters and words as in its address."""
        if not (list_id := keys([parent_id])):
            return []
        grants: QuerySet[ListMembership] = of_list(list_id[0]).filter(lists.holding(conf.now()))
        data = self.request.GET.copy()
        data["state"] = "now"
        filters = MemberFilterSet(data, request=self.request, queryset=grants)
        if filters.is_valid():
            grants = filters.qs
        if words := self.request.GET.get("q", "").strip():
            grants = grants.filter(contact__email__icontains=words) | grants.filter(contact__name__icontains=words)
        return grants.values_list("pk", flat=True)

    def check_perm(self, obj: ListMembership) -> bool:
        return policies.may(self.request.user, "change", ListMembership)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        grants = [one["item"] for one in context["items"]]
        people = {grant.contact_id: grant.contact for grant in grants}
        context["people"] = list(people.values())
        broken = [
            unexpired_promises.of_taking_off(pk, people, conf.now()) for pk in {grant.list_id for grant in grants}
        ]
        told = " ".join(one.sentences() for one in broken if one)
        context["warning"] = promise_panel.warning(told) if told else ""
        context["titles"] = ", ".join(sorted({grant.list.title for grant in grants}))
        context["coupons"] = ", ".join(filter(None, map(coupons_of, {grant.list for grant in grants})))
        return context

    def get_execution_context(self) -> dict[str, Any]:
        return {**super().get_execution_context(), "request": self.request}

    @classmethod
    def execute_action(cls, objects: list[ListMembership], **kwargs: Any) -> tuple[int, int]:
        request = kwargs["request"]
        people: dict[ContactList, set[int]] = defaultdict(set)
        for grant in objects:
            people[grant.list].add(grant.contact_id)
        if not people:  # somebody was quicker
            ticked = ListMembership.objects.filter(pk__in=keys(request.GET.getlist("id")))
            for contact_list in ContactList.objects.filter(pk__in=ticked.values("list")):
                say_removed(request, contact_list, [])
        number = 0
        for contact_list, contact_ids in people.items():
            gone = take_off(contact_list, contact_ids, by=request.user)
            say_removed(request, contact_list, gone)
            number += len(gone)
        return number, 0
