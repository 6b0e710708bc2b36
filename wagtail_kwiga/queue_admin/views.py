"""The screens of the queue: lists, one record, and *run again*. For superusers; only the last one changes anything."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from wagtail.admin import messages
from wagtail.admin.views.generic.base import WagtailAdminTemplateMixin
from wagtail.admin.widgets.button import HeaderButton
from wagtail_modeladmin.views import IndexView, WMABaseView

from wagtail_kwiga.backoffice.parts.policies import user_of
from wagtail_kwiga.queue_admin import running_again


class Breadcrumbs:
    """The header of Wagtail's own screens, which modeladmin's lack: where we are, and the way back."""

    model_admin: Any

    @property
    def trail(self) -> list[dict[str, Any]]:
        group = {"url": "", "label": self.model_admin.parent.get_menu_label()}
        index = {"url": self.model_admin.url_helper.index_url, "label": self.model_admin.get_menu_label()}
        return [*WagtailAdminTemplateMixin.breadcrumbs_items, group, index]


class ListView(Breadcrumbs, IndexView):
    """A list. Columns, filters and search are the model admin's."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("\x00" in word for words in request.GET.lists() for word in words[1]):
            return redirect(self.index_url)  # PostgreSQL looks for no text with NUL in it
        try:
            answer: HttpResponse = super().dispatch(request, *args, **kwargs)
            return answer
        except (IncorrectLookupParameters, ValidationError):
            return redirect(self.index_url)  # an address typed or kept, of a filter that is not there

    def get_queryset(self, request: HttpRequest | None = None) -> models.QuerySet[models.Model]:
        """Worked out once; modeladmin asks twice, and each time its filters ask the database for their choices."""
        if not hasattr(self, "_found"):
            self._found: models.QuerySet[models.Model] = super().get_queryset(request)
        return self._found

    def get_page_title(self) -> str:
        return str(self.model_admin.get_menu_label())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        items = [*self.trail[:-1], {"url": "", "label": self.model_admin.get_menu_label()}]
        context: dict[str, Any] = super().get_context_data(
            breadcrumbs_items=items,
            header_title=self.get_page_title(),
            header_icon=self.header_icon,
            notices=self.model_admin.notices(),
            empty=self.model_admin.empty,
            **kwargs,
        )
        return context


class RecordView(Breadcrumbs, WMABaseView):
    """What concerns one record. One that is gone meanwhile (they are many and short-lived) leads back to the list."""

    instance_pk: str = ""
    instance: models.Model
    page_title = pgettext_lazy("sales", "Inspect")

    def __init__(self, model_admin: Any, instance_pk: str) -> None:
        super().__init__(model_admin)
        self.instance_pk = instance_pk

    def check_action_permitted(self, user: Any) -> bool:
        allowed: bool = self.permission_helper.user_can_list(user)
        return allowed

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.check_action_permitted(request.user):
            raise PermissionDenied
        found = self._find(request)
        if found is None:
            return self.gone(gettext("This task is not there any more."))
        self.instance = found
        answer: HttpResponse = super().dispatch(request, *args, **kwargs)
        return answer

    def _find(self, request: HttpRequest) -> models.Model | None:
        try:
            found: models.Model | None = self.model_admin.get_queryset(request).filter(pk=self.instance_pk).first()
            return found
        except (ValueError, ValidationError):
            return None  # not a key at all

    def gone(self, why: Any) -> HttpResponseRedirect:
        messages.warning(self.request, why)
        return redirect(self.index_url)

    @cached_property
    def inspect_url(self) -> str:
        address: str = self.url_helper.get_action_url("inspect", self.instance_pk)
        return address

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        name = self.model_admin.name_of(self.instance)
        title = capfirst(str(self.page_title))
        context: dict[str, Any] = super().get_context_data(
            breadcrumbs_items=[*self.trail, *self.steps(name), {"url": "", "label": title, "sublabel": name}],
            header_title=f"{title}: {name}",
            header_icon=self.header_icon,
            instance=self.instance,
            **kwargs,
        )
        return context

    def steps(self, name: str) -> list[dict[str, Any]]:
        return []


class InspectView(RecordView):
    """Everything about one record."""

    template_name = "wagtailadmin/generic/inspect.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        fields = [
            {"label": label, "value": value, "component": None}
            for label, value in self.model_admin.facts(self.instance)
            if value not in (None, "")
        ]
        return super().get_context_data(fields=fields, header_buttons=self.buttons(), **kwargs)

    def buttons(self) -> list[HeaderButton]:
        if "run_again" not in self.model_admin.actions:
            return []
        url = self.url_helper.get_action_url("run_again", self.instance_pk)
        return [HeaderButton(gettext("Run again"), url=url, icon_name="resubmit")]


class RunAgainView(RecordView):
    """Asks before it puts a failed task back into the queue."""

    page_title = gettext_lazy("Run again")
    template_name = "wagtail_kwiga/queue_admin/run_again.html"
    http_method_names = ["get", "head", "post"]

    def steps(self, name: str) -> list[dict[str, Any]]:
        return [{"url": self.inspect_url, "label": name}]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(facts=self.model_admin.brief(self.instance), **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            running_again.run_again(self.instance_pk, by=user_of(request))
        except running_again.CannotRunAgain as refusal:
            if refusal.code == "gone":
                return self.gone(refusal.message)
            messages.error(request, refusal.message)
            return redirect(self.inspect_url)
        except Exception as fault:  # whatever the site's broker raises: the failure is still in the list
            running_again.logger.exception("The failed task %s could not be put back into the queue", self.instance_pk)
            told = gettext("The task could not be put into the queue: %(fault)s. It is still here.")
            messages.error(request, told % {"fault": f"{type(fault).__name__}: {fault}"})
            return redirect(self.inspect_url)
        messages.success(request, gettext("The task is in the queue again. If it fails once more, it comes back here."))
        return redirect(self.index_url)
