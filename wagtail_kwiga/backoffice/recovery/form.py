"""The one form of *Win back unpaid orders*: everything is filled in already, and every refusal stands at its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.widgets import AdminAutoHeightTextInput

from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.recovery import presets
from wagtail_kwiga.automations.recovery.preset_texts import Languages
from wagtail_kwiga.automations.recovery.presets import Recovery
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.authoring import default_content, validation


class _OneLine(forms.CharField):
    """Words on one line; what was pasted with line breaks is put on one."""

    def to_python(self, value: Any) -> str:
        return " ".join(cast(str, super().to_python(value)).split())


class WinBackForm(forms.Form):
    """Discount, wait, hours, texts. ``languages`` are those of the offer's pages."""

    percent = forms.DecimalField(
        label=_("Discount in percent"),
        min_value=presets.PERCENT[0],
        max_value=presets.PERCENT[1],
        max_digits=5,
        decimal_places=2,
        help_text=_("Off the price of this offer, once for each person."),
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any"}),
    )
    wait = forms.IntegerField(
        label=_("Wait, in minutes"),
        min_value=presets.WAIT[0],
        max_value=presets.WAIT[1],
        help_text=_("So long an order must be unpaid first. 30 are recommended."),
        error_messages={
            "min_value": _(
                "At least %(limit_value)s minutes; 30 are recommended. Payment systems may be slow to confirm, and people "
                "need time to pay."
            )
        },
    )
    hours = forms.IntegerField(
        label=_("The discount holds, in hours"),
        min_value=presets.HOURS[0],
        max_value=presets.HOURS[1],
        help_text=_("From the e-mail on. The mail says until when, and the checkout keeps it."),
    )
    subject = _OneLine(label=pgettext_lazy("sales", "Subject"), max_length=200)
    heading = _OneLine(
        label=pgettext_lazy("sales", "Heading"),
        max_length=150,
    )
    text = forms.CharField(
        label=pgettext_lazy("sales", "Text"),
        max_length=5000,
        widget=AdminAutoHeightTextInput,
        help_text=_(
            "An empty line begins a new paragraph. Placeholders such as {{ order.title }}, {{ price.after }} or "
            "{{ contact.first_name }} are filled in for each person. The coupon, the button and the order stand below it."
        ),
    )
    button = _OneLine(label=_("Words on the button"), max_length=60)
    also_in = forms.MultipleChoiceField(
        label=_("Also in"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Whoever orders in one of these languages gets the e-mail in it, with our standard words; you can reword "
            "them afterwards."
        ),
    )
    #: The coupon's code, made when the form is opened: a form that is sent twice is told by it.
    code = forms.CharField(
        max_length=Coupon._meta.get_field("code").max_length,
        validators=Coupon._meta.get_field("code").validators,
        widget=forms.HiddenInput,
    )

    #: Another scenario that stands in the way, once that is known.
    conflict: Scenario | None = None

    def __init__(self, *args: Any, languages: Languages, **kwargs: Any) -> None:
        kwargs["initial"] = first_values(languages) if not args or args[0] is None else {}
        super().__init__(*args, **kwargs)
        self.languages = languages
        others = [(spoken.language, spoken.name) for spoken in languages.others]
        if others:
            cast(forms.ChoiceField, self.fields["also_in"]).choices = others
        else:
            del self.fields["also_in"]
        for name in ("subject", "heading", "text", "button"):
            self.fields[name].widget.attrs["lang"] = languages.own.language
        self.fields["text"].widget.attrs["rows"] = 5

    # A method each, because Django asks them in the order of the fields and puts what they raise at the field.

    def clean_subject(self) -> str:
        return self._proofread("subject", validation.mistakes_in)

    def clean_heading(self) -> str:
        return self._proofread("heading", validation.mistakes_in)

    def clean_button(self) -> str:
        return self._proofread("button", validation.mistakes_in)

    def clean_text(self) -> str:
        return self._proofread(
            "text", lambda text: validation.mistakes_in_rich_text(default_content.as_rich_text(text))
        )

    def _proofread(self, name: str, mistakes: Callable[[str], list[tuple[str, str]]]) -> str:
        words: str = self.cleaned_data[name]
        if found := mistakes(words):
            raise ValidationError([message for message, _name in found])
        return words

    def recovery(self) -> Recovery:
        """What the form says, once it is valid."""
        data = self.cleaned_data
        return Recovery(
            texts=default_content.Texts(data["subject"], data["heading"], data["text"], data["button"]),
            percent=data["percent"],
            wait_minutes=data["wait"],
            hours=data["hours"],
            also_in=tuple(data.get("also_in", ())),
            code=data["code"],
        )


def first_values(languages: Languages) -> dict[str, Any]:
    """What stands in the form when it is opened."""
    texts = default_content.standard_texts(languages.own.language)
    return {
        "percent": "15",
        "wait": 30,
        "hours": 24,
        "subject": texts.subject,
        "heading": texts.heading,
        "text": texts.text,
        "button": texts.button,
        "also_in": [spoken.language for spoken in languages.others],
        "code": presets.free_code(),
    }
