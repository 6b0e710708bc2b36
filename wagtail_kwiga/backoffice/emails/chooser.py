"""Choosing an e-mail where one is asked for, and making a draft on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.forms.choosers import BaseFilterForm, LocaleFilterMixin
from wagtail.admin.ui.tables import Column, LocaleColumn
from wagtail.log_actions import log
from wagtail.models import Locale
from wagtail.snippets.views.chooser import (
    ChooseResultsView,
    ChooseView,
    SnippetCreateView,
)

from wagtail_kwiga.backoffice.emails.forms import NewEmailForm
from wagtail_kwiga.backoffice.parts.choosers import GuardedChooser
from wagtail_kwiga.backoffice.parts.drafts import DraftStatusColumn, with_schedule
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.authoring import default_content
from wagtail_kwiga.mailing.models import EmailTemplate

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.chooser import ChooseView as _ChooserView
else:
    _ChooserView = object


class _WordsFilterMixin(forms.Form):
    """Search in title and subject, in the database itself."""

    q = forms.CharField(
        label=pgettext_lazy("sales", "Search term"),
        widget=forms.TextInput(attrs={"placeholder": pgettext_lazy("sales", "Search")}),
        required=False,
    )

    def filter(self, objects: QuerySet[EmailTemplate]) -> QuerySet[EmailTemplate]:
        objects = super().filter(objects)  # type: ignore[misc]  # that of Wagtail's form, which stands behind this one
        if words := self.cleaned_data.get("q"):
            self.is_searching, self.search_query = True, words
            objects = objects.filter(Q(title__icontains=words) | Q(subject__icontains=words))
        return objects


class _FilterForm(_WordsFilterMixin, BaseFilterForm):
    """Words."""


class _LocaleFilterForm(LocaleFilterMixin, _FilterForm):
    """Words and language."""


class _Choosing(_ChooserView):
    """The list: what an editor tells e-mails apart by."""

    results_template_name = "wagtail_kwiga/backoffice/emails/chooser_results.html"

    def get_object_list(self) -> QuerySet[EmailTemplate]:
        return with_schedule(EmailTemplate.objects.all())

    def get_filter_form_class(self) -> type[forms.Form]:
        return _LocaleFilterForm if self.i18n_enabled else _FilterForm

    @property
    def columns(self) -> list[Any]:
        columns = [
            self.title_column,
            Column("subject", label=pgettext_lazy("sales", "Subject")),
            DraftStatusColumn(sort_key=None),
        ]
        if self.i18n_enabled:
            columns.insert(2, LocaleColumn(sort_key=None, label=pgettext_lazy("sales", "Language"), classname=""))
        return columns


class EmailChooseView(_Choosing, ChooseView):
    """The whole dialogue."""


class EmailChooseResultsView(_Choosing, ChooseResultsView):
    """Its list alone."""


class EmailMakeView(SnippetCreateView):
    """A draft from a title and a subject. Its text is the starter, in the language of who makes it, to be edited later."""

    def save_form(self, form: NewEmailForm) -> EmailTemplate:
        template: EmailTemplate = form.save(commit=False)
        template.locale = _own_locale()
        starter = default_content.win_back(template.locale.language_code)
        template.preheader = starter.preheader
        template.body = starter.body  # type: ignore[assignment]  # a StreamField takes a plain list of blocks
        template.live = False
        template.save()
        template.save_revision(user=self.request.user)
        log(instance=template, action="wagtail.create", user=self.request.user)
        return template


def _own_locale() -> Locale:
    """The site's locale for the language that the editor's admin speaks, else the default one."""
    known = {locale.language_code: locale for locale in Locale.objects.order_by("pk")}
    code = languages.nearest(languages.active(), known)
    return known[code] if code is not None else Locale.get_default()


class EmailChooserViewSet(GuardedChooser):
    """The chooser of e-mails."""

    choose_view_class = EmailChooseView
    choose_results_view_class = EmailChooseResultsView
    create_view_class = EmailMakeView
    creation_form_class = NewEmailForm
    creation_tab_label = _("Make a new one")
    create_action_label = _("Make a draft")
