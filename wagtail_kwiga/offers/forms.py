"""The order form: who you are, how you pay, what you agree to. Nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import hooks, signing
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.orders import answers
from wagtail_kwiga.payments.provider import Provider
from wagtail_kwiga.pricing.money import Money
from wagtail_kwiga.signing import Purpose

#: Characters that turn the direction of the text around them: in a name they only ever deceive.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


_SLOT = re.compile(r"[A-Za-z0-9_-]{16}")


def one_line(text: str) -> str:
    """``text`` on one line, spaces made single. Raises ``ValidationError`` for characters that nobody types."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co") or letter in _TURNING for letter in text):
        raise ValidationError(
            _("There are characters in it that cannot be read. Please type it by hand."), code="invalid"
        )
    return text


def seal(offer: UUID | None, total: Money) -> str:
    """The total a page shows, signed, so that the checkout knows what was agreed to.

    ``offer`` is the offer's ``uid``: random, and so never that of another offer, as a key of the database may be after a backup was
    restored.
    """
    return signing.seal(Purpose.SHOWN_TOTAL, f"{offer}:{total.amount}:{total.currency}")


def unseal(offer: UUID | None, sealed: str) -> Money | None:
    """The total that ``seal`` wrote for this offer; ``None`` for anything else."""
    try:
        key, amount, currency = (signing.unseal(Purpose.SHOWN_TOTAL, sealed) or "").split(":")
        return Money(amount, currency) if key == str(offer) else None  # type: ignore[arg-type]  # ``Money`` reads text
    except ValueError:
        return None


def slot_of(text: str) -> str:
    """``text`` where it can be a slot that we gave out (``orders.purchases.new_slot``); else empty."""
    return text if _SLOT.fullmatch(text) else ""


class OneLineField(forms.CharField):
    """Text of a person: one line, no control characters, none that turn the text around."""

    def to_python(self, value: Any) -> str:
        value = super().to_python(value)
        # Before any work on it, so that megabytes are refused by their length alone.
        return one_line(value) if len(value) <= 4 * (self.max_length or 255) else value


class PhoneField(OneLineField):
    """A phone number as people write it: digits with what they put between them."""

    def validate(self, value: str) -> None:
        super().validate(value)
        digits = sum(letter.isdigit() for letter in value)
        if value and (not 4 <= digits <= 20 or any(not (letter.isdigit() or letter in "+-–/.() ") for letter in value)):
            raise ValidationError(_("Please give a phone number, such as +44 20 7946 0000."), code="invalid")


class CodeField(forms.CharField):
    """A coupon code as typed. What cannot be one is told in the words for a code that nobody knows."""

    def to_python(self, value: Any) -> str:
        code = cast(str, super().to_python(value))
        longest = cast(int, Coupon._meta.get_field("code").max_length)
        if len(code) > longest or any(unicodedata.category(letter)[0] == "C" for letter in code):
            raise ValidationError(_("We do not know this code. Please check it for typing mistakes."), code="unknown")
        return code


class CheckoutForm(forms.Form):
    """What a visitor fills in. A site replaces it by a subclass through the hook ``construct_kwiga_checkout_form``.

    ``phone``: ``no``, ``optional`` or ``required`` (an offer page's *phone number*). ``methods``: the ways to pay the
    visitor may choose from (asked only where there are two or more). ``legal``: link to the terms of sale and its name,
    asked to agree to where given. ``ask_promo``: ask whether promotional mail is welcome.
    """

    error_css_class = "kwiga-field--error"
    use_required_attribute = True

    name = OneLineField(
        label=_("Your name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autocapitalize": "words"}),
        error_messages={"required": _("Please tell us your name.")},
    )
    email = forms.CharField(
        label=_("E-mail address"),
        max_length=1000,
        widget=forms.EmailInput(
            attrs={"autocomplete": "email", "inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text=_("We send your order and the way in to it."),
        error_messages={"required": _("Please give your e-mail address.")},
    )
    phone = PhoneField(
        label=_("Phone number"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={"required": _("Please give a phone number.")},
    )
    #: Whether one must be chosen depends on the price, which the checkout finds out.
    payment_method = forms.ChoiceField(
        label=_("How would you like to pay?"),
        required=False,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": _("Please choose how to pay.")},
    )
    terms = forms.BooleanField(error_messages={"required": _("Please agree to the terms of sale.")})
    promo = forms.BooleanField(
        label=_("Write to me about offers and discounts now and then. I can unsubscribe at any time."), required=False
    )
    coupon = CodeField(
        label=_("Discount code"),
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "maxlength": "40"}
        ),
    )
    #: People do not see it; programs that fill in everything do.
    website = forms.CharField(
        label=_("Leave this empty"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    resume = forms.CharField(required=False, widget=forms.HiddenInput)
    another = forms.CharField(required=False, widget=forms.HiddenInput)

    #: Fields the template puts in places of their own; all others are shown in order.
    PLACED = ("coupon", "website", "shown", "resume", "another", "terms", "promo", "payment_method")

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        phone: str = "optional",
        methods: Iterable[Provider] = (),
        legal: tuple[str, str] | None = None,
        ask_promo: bool = False,
        takes_codes: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(data, label_suffix="", **kwargs)
        self._ask_phone(phone)
        methods = list(methods)
        if len(methods) > 1:
            cast(forms.ChoiceField, self.fields["payment_method"]).choices = [
                (provider.alias, provider.label) for provider in methods
            ]
            if not self.initial.get("payment_method"):
                self.initial["payment_method"] = methods[0].alias
        else:
            del self.fields["payment_method"]
        if legal:
            self.fields["terms"].label = format_html(
                cast(str, _('I agree to the <a href="{url}" target="_blank">{title}</a>.')),
                url=legal[0],
                title=legal[1],
            )
        else:
            del self.fields["terms"]
        if not ask_promo:
            del self.fields["promo"]
        if not takes_codes:
            self.fields["coupon"].widget = forms.HiddenInput()

    def _ask_phone(self, mode: str) -> None:
        if mode == "no":
            del self.fields["phone"]
        else:
            self.fields["phone"].required = mode == "required"

    def clean_email(self) -> str:
        try:
            return directory.normalise(self.cleaned_data["email"])
        except KwigaError as fault:
            raise ValidationError(fault.message, code=fault.code) from fault

    def clean_another(self) -> str:
        return slot_of(self.cleaned_data["another"])

    def clean_website(self) -> str:
        if self.cleaned_data["website"]:
            raise ValidationError(
                _("This form was filled in by a program, it seems: a field that people do not see had something in it.")
            )
        return ""

    def full_clean(self) -> None:
        super().full_clean()
        for name, answer in self.answers().items():
            if answers.is_too_long(answer):
                self.add_error(name, _("This is too long."))

    def answers(self) -> dict[str, Any]:
        """The cleaned values of the fields that a site has added, as they are kept on the order (``Order.answers``).

        A site that wants less kept (a riddle against programs, say) overrides this.
        """
        cleaned = getattr(self, "cleaned_data", {})
        return {name: cleaned[name] for name in self.fields if name in cleaned and name not in CheckoutForm.base_fields}

    # --- for the template ---------------------------------------------------------------------------------------------

    def open_fields(self) -> list[forms.BoundField]:
        """The fields without a place of their own, in order: name, e-mail, phone, and whatever a site has added."""
        return [self[name] for name in self.fields if name not in self.PLACED and not self[name].is_hidden]

    def faults(self) -> list[tuple[str, Any]]:
        """(id of the field or empty, message) for the summary above the form."""
        found: list[tuple[str, Any]] = [("", message) for message in self.non_field_errors()]
        for name, messages in self.errors.items():
            if name in self.fields:
                bound = self[name]
                target = "" if bound.is_hidden or name == "website" else bound.id_for_label or f"{bound.auto_id}_0"
                found += [(target, message) for message in messages]
        return found


def form_class() -> type[CheckoutForm]:
    """The site's form, or ours."""
    chosen: type[CheckoutForm] = hooks.transform("construct_kwiga_checkout_form", CheckoutForm)
    return chosen
