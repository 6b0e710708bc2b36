"""Typing in a coupon: on its own screen, and in a chooser."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, Value
from django.db.models.functions import Upper
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.forms import WagtailAdminModelForm

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.parts import calendar_bounds
from wagtail_kwiga.backoffice.parts.filters import RowsField
from wagtail_kwiga.catalogue import end_field
from wagtail_kwiga.catalogue.amount_field import AmountField
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import codes
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.currency_validator import validate_currency
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises, CouponState
from wagtail_kwiga.offers import promise_panel
from wagtail_kwiga.offers.promise_panel import AsksAboutPromises
from wagtail_kwiga.site_settings import sales_settings


def same_code(code: str) -> Q:
    """Coupons that a buyer could mean by ``code``. ``UPPER`` folds only a–z on SQLite, so other casings are named too."""
    casings = {code, code.upper(), code.lower(), code.title(), code.capitalize()}
    return Q(folded_code=Upper(Value(code))) | Q(code__in=casings)


class CouponForm(AsksAboutPromises, WagtailAdminModelForm):
    """A coupon's size must fit its kind; a new one brings a code that may be replaced. What breaks promises is asked about.

    What does not belong to the kind is dropped, so that no forgotten amount comes back when the kind is changed again.
    """

    class Meta(WagtailAdminModelForm.Meta):  # without it the fields have Django's widgets, not Wagtail's
        field_classes = {"contact_lists": RowsField, "offers": RowsField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk and not self.initial.get("code"):
            self.initial["code"] = codes.generate()
        if not self.instance.pk and not self.is_bound and not self.initial.get("currency"):
            self.initial["currency"] = sales_settings(None).default_currency
        size = self.initial.get("percent")
        if isinstance(size, Decimal):  # 10, not 10.0000
            self.initial["percent"] = format(size.normalize(), "f")
        if "amount" in self.fields:
            self.fields["amount"] = AmountField.instead_of(self.fields["amount"], currency=self.instance.currency)
        if "offers" in self.fields:
            self.fields["offers"].label_from_instance = _offer_label
        end_field.replace(self.fields, "valid_until")
        for name in {"valid_from", "valid_until"} & set(self.fields):
            self.fields[name].validators.extend(calendar_bounds.VALIDATORS)
        for name in {"limit_total", "limit_per_contact"} & set(self.fields):
            self.fields[name].widget.attrs["min"] = 1

    def clean_code(self) -> str:
        code = unicodedata.normalize("NFC", self.cleaned_data["code"])
        if any(unicodedata.category(letter)[0] == "C" for letter in code):
            raise ValidationError(_("This code holds characters that cannot be seen. Please type it by hand."))
        others = Coupon.objects.annotate(folded_code=Upper("code")).filter(same_code(code))
        other = others.exclude(pk=self.instance.pk).first()
        if other is not None:
            raise ValidationError(
                _("There is a coupon with this code already: %(code)s. Capitals and small letters count the same.")
                % {"code": other.code}
            )
        return code

    def clean_currency(self) -> str:
        currency = (self.cleaned_data.get("currency") or "").strip().upper()
        if currency:
            validate_currency(currency)
        return currency

    def _at_least_one(self, name: str) -> int | None:
        limit: int | None = self.cleaned_data.get(name)
        if limit == 0:
            raise ValidationError(_("At least 1. Leave it empty for no limit."))
        return limit

    def clean_limit_total(self) -> int | None:
        return self._at_least_one("limit_total")

    def clean_limit_per_contact(self) -> int | None:
        return self._at_least_one("limit_per_contact")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if data.get("kind") == Coupon.Kind.PERCENT:
            if not data.get("percent") and "percent" not in self.errors:
                self.add_error("percent", _("How many percent does it take off?"))
            self._drop("amount", None)
            self._drop("currency", "")
        if data.get("kind") == Coupon.Kind.FIXED:
            if not data.get("amount") and "amount" not in self.errors:
                self.add_error("amount", _("How much does it take off?"))
            if not data.get("currency") and "currency" not in self.errors:
                self.add_error("currency", _("In which currency? For example EUR."))
            self._drop("percent", None)
        start, end = data.get("valid_from"), data.get("valid_until")
        if start and end and end <= start:
            self.add_error("valid_until", ValidationError(_("This is before it begins.")))
        return data

    def promises_to_break(self) -> BrokenPromises:
        if not self.instance.pk or not {"contact_lists", "offers"} <= set(self.fields):
            return BrokenPromises()
        before = CouponState.saved(self.instance.pk)
        chosen = (frozenset(row.pk for row in self.cleaned_data[name]) for name in ("contact_lists", "offers"))
        self.instance.used_count = before.coupon.used_count  # as it is now, and not as it was when the form was opened
        return unexpired_promises.of_coupon(before, CouponState(self.instance, *chosen), conf.now())

    def save(self, commit: bool = True) -> Any:
        if self.broken:
            promise_panel.end(self.broken, history_of=self.instance, by=self.for_user)
        return super().save(commit)

    def _drop(self, name: str, empty: Any) -> None:
        if name not in self.fields:
            return
        self.errors.pop(name, None)
        self.cleaned_data[name] = empty


class CouponCreationForm(CouponForm):
    """The few fields that a coupon needs, for a chooser's *Create* tab. The rest has good defaults and can be changed later."""

    class Meta(CouponForm.Meta):
        model = Coupon
        fields = ["code", "kind", "percent", "amount", "currency", "contact_lists"]
        widgets = {"contact_lists": forms.CheckboxSelectMultiple}
        help_texts = {
            "percent": gettext_lazy("From 1 to 100, under “percent of the price”."),
            "amount": gettext_lazy("Under “fixed amount”."),
        }


def _offer_label(offer: Offer) -> str:
    if offer.state == Offer.State.ON_SALE:
        return offer.title
    return _("%(offer)s (%(state)s)") % {"offer": offer.title, "state": offer.get_state_display()}
