"""The forms of an e-mail. A draft may be incomplete; what it says must make sense all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.models import Locale

from wagtail_kwiga.catalogue import end_field
from wagtail_kwiga.mailing import placeholder_syntax
from wagtail_kwiga.mailing.authoring import validation, versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.admin.forms import WagtailAdminModelForm as _Form

    _EmailForm = forms.ModelForm[EmailTemplate]
else:
    _Form = object
    _EmailForm = forms.ModelForm  # Django's names its model to a type checker only


class _Words(_Form):
    """The lines of an e-mail: one line each (they become headers), every placeholder known."""

    def clean_subject(self) -> str:
        return self._line("subject")

    def _line(self, name: str) -> str:
        line = placeholder_syntax.one_line(self.cleaned_data.get(name) or "")
        mistakes = validation.mistakes_in(line)
        if mistakes:
            raise ValidationError([message for message, _name in mistakes])
        return line


class EmailTemplateForm(_Words, WagtailAdminModelForm):
    """Each mistake is told at its place, in drafts too; what is published must be sendable as a whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        end_field.replace(self.fields, "expire_at")
        if "kind" in self.fields:
            automatic = _("automatic: promotion where it holds a coupon, else service")
            self.fields["kind"].choices = [("", automatic), *Kind.choices]

    def clean_preheader(self) -> str:
        return self._line("preheader")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if not self.is_deferred_validation and not self.errors:
            names = ("title", "kind", "subject", "preheader", "body")
            locale = self.instance.locale if self.instance.locale_id else Locale.get_default()
            template = EmailTemplate(locale=locale, **{name: data[name] for name in names if name in data})
            problems = versions.problems(template)
            if problems:
                raise ValidationError([str(problem) for problem in problems])
        return data

    def _update_errors(self, errors: ValidationError) -> None:
        """What is wrong with a block is told at the field of all blocks; a path is for another app's editor (``validation.refuse``)."""
        told = {
            name: refusals for name, refusals in errors.update_error_dict({}).items() if not name.startswith("body.")
        }
        super()._update_errors(ValidationError(told))


class NewEmailForm(_Words, _EmailForm):
    """What is asked of an e-mail that is made where one is to be chosen; the rest comes from the starter."""

    class Meta:
        model = EmailTemplate
        fields = ["title", "subject"]
        help_texts = {
            "subject": _(
                "The text comes from our mail for unpaid orders. Open the draft afterwards to reword and publish it."
            )
        }
