"""Choosers for coupons, lists, products and offers: searched, and (offers aside) filled on the spot by a *Create* tab."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.forms.choosers import BaseFilterForm
from wagtail.admin.ui.tables import Column
from wagtail.log_actions import log
from wagtail.permission_policies.pages import PagePermissionPolicy
from wagtail.snippets.views import chooser

from wagtail_kwiga.backoffice.parts import records
from wagtail_kwiga.backoffice.parts.columns import NUMBER, MoneyColumn
from wagtail_kwiga.coupons import discounts
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.formatting import languages

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.chooser import ChooseView as _ChooserView
else:
    _ChooserView = object


class SearchForm(BaseFilterForm):
    """Searches with the ORM: our models are in no search index."""

    q = forms.CharField(
        label=pgettext_lazy("sales", "Search term"),
        widget=forms.TextInput(attrs={"placeholder": pgettext_lazy("sales", "Search")}),
        required=False,
    )
    #: Fields that are searched; each chooser names its own.
    searched: tuple[str, ...] = ("title",)

    def filter(self, objects: Any) -> Any:
        words = self.cleaned_data.get("q")
        if not words:
            return objects
        self.is_searching, self.search_query = True, words
        query = Q()
        for name in self.searched:
            query |= Q(**{f"{name}__icontains": words})
        return objects.filter(query)


class _More(_ChooserView):
    """Columns beside the name."""

    more_columns: tuple[Column, ...] = ()

    @property
    def columns(self) -> list[Column]:
        return [*super().columns, *self.more_columns]


class ChooseView(_More, chooser.ChooseView):
    """The whole dialogue."""

    filter_form_class = SearchForm
    results_template_name = "wagtail_kwiga/backoffice/chooser_results.html"


class ChooseResultsView(_More, chooser.ChooseResultsView):
    """Its list alone, when it is searched or turned over."""

    filter_form_class = SearchForm
    results_template_name = "wagtail_kwiga/backoffice/chooser_results.html"


class CreateView(chooser.SnippetCreateView):
    """Makes the row and records who made it, which Wagtail's own does not."""

    def save_form(self, form: Any) -> Any:
        with transaction.atomic():
            made = super().save_form(form)
            log(instance=made, action="wagtail.create", user=self.request.user, content_changed=True)
        return made


def may_choose(user: Any) -> bool:
    """Whether ``user`` has anything to choose our rows for: some permission of ours, or pages to edit.

    Wagtail's own choosers of snippets are open to whoever may log in to the admin; codes of coupons are worth money.
    """
    return bool(
        user.has_module_perms("wagtail_kwiga")
        or PagePermissionPolicy().user_has_any_permission(user, {"add", "change", "publish"})
    )


class GuardedChooser(chooser.SnippetChooserViewSet):
    """A chooser for those who ``may_choose``."""

    def construct_view(self, view_class: Any, **kwargs: Any) -> Callable[..., Any]:
        view = super().construct_view(view_class, **kwargs)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not may_choose(request.user):
                raise PermissionDenied
            # What is no key at all would reach the database, which cannot read it.
            asked = [*request.GET.getlist("id"), *(str(key) for key in kwargs.values())]
            if len(records.keys(asked)) < len(asked):
                raise Http404
            return view(request, *args, **kwargs)

        return guarded

    def get_urlpatterns(self) -> list[Any]:
        """Without a form to make a row with, no address to send one to."""
        patterns = super().get_urlpatterns()
        return patterns if self.creation_form_class else [one for one in patterns if one.name != "create"]


class RowChooser(GuardedChooser):
    """The base of our choosers. ``searched`` and ``more_columns`` are what a subclass says."""

    choose_view_class = ChooseView
    choose_results_view_class = ChooseResultsView
    create_view_class = CreateView
    creation_tab_label = _("Make a new one")
    create_action_label = _("Create and choose")
    searched: tuple[str, ...] = ("title",)
    more_columns: tuple[Column, ...] = ()

    def get_common_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = type("SearchForm", (SearchForm,), {"searched": self.searched})
        given: dict[str, Any] = super().get_common_view_kwargs(
            filter_form_class=form, more_columns=self.more_columns, **kwargs
        )
        return given


class CouponChooser(RowChooser):
    """Coupons: found by code and note, with what they take off."""

    searched = ("code", "note")
    creation_form_class = "wagtail_kwiga.backoffice.coupons.forms.CouponCreationForm"
    more_columns = (
        Column("size", label=_("Takes off"), accessor=lambda coupon: _size(coupon), classname=NUMBER),
        Column("note", label=pgettext_lazy("sales", "Note")),
    )


class ContactListChooser(RowChooser):
    """Contact lists: found by title and description."""

    searched = ("title", "description")
    creation_form_class = "wagtail_kwiga.backoffice.lists.viewset.ContactListCreationForm"
    more_columns = (Column("description", label=_("What it is for")),)


class ProductChooser(RowChooser):
    """Products: found by title and short name."""

    searched = ("title", "slug")
    creation_form_class = "wagtail_kwiga.backoffice.catalogue.products.ProductCreationForm"
    more_columns = (Column("kind", label=pgettext_lazy("sales", "Kind"), accessor="get_kind_display"),)


class OfferChooser(RowChooser):
    """Offers: chosen only; they are made by offer pages."""

    more_columns = (
        MoneyColumn("price", label=pgettext_lazy("sales", "Price")),
        Column("state", label=pgettext_lazy("sales", "State"), accessor="get_state_display"),
    )


def _size(coupon: Coupon) -> str:
    return discounts.size_text(coupon, languages.active())
