"""The offer page in Wagtail's editor: what belongs together stands together; translations show what their source decides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.forms import WagtailAdminPageForm
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel, ObjectList, Panel, TabbedInterface

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue import end_field
from wagtail_kwiga.catalogue.amount_field import AmountField, is_known, refuse_smaller_parts
from wagtail_kwiga.exceptions import ConfigurationFault
from wagtail_kwiga.formatting import languages, typed_amounts
from wagtail_kwiga.formatting.money import money_for_reader
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises
from wagtail_kwiga.offers import choices, page_currency, publishing
from wagtail_kwiga.offers.promise_panel import AsksAboutPromises, PromisesPanel
from wagtail_kwiga.payments import registry
from wagtail_kwiga.pricing import currencies
from wagtail_kwiga.pricing.money import Money


class OfferPageForm(AsksAboutPromises, WagtailAdminPageForm):
    """Leaves out what the source page decides, so that no translation can change it, whatever is posted.

    A price is typed in the reader's own notation. A currency that changes is asked about, and an offer is free only where
    somebody says so. Publishing at once what breaks promises is asked about; a draft breaks none, and what is published later
    cannot be asked about any more (``publishing`` then puts it on a person's list).
    """

    is_free = forms.BooleanField(
        required=False,
        label=_("This offer is free"),
        help_text=_("No payment step, access at once. The price stays empty."),
    )

    currency_confirmed = forms.BooleanField(required=False, label=_("Yes, the price is in this other currency"))
    #: Whether the currency is about to change, known once the form was sent.
    asks_currency = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "fixed_language" in self.fields:
            given = self.fields["fixed_language"]
            self.fields["fixed_language"] = forms.ChoiceField(
                choices=[("", "—"), *settings.LANGUAGES], required=False, label=given.label, help_text=given.help_text
            )
        if "payment_methods" in self.fields:
            given = self.fields["payment_methods"]
            self.fields["payment_methods"] = forms.MultipleChoiceField(
                choices=method_choices(self.instance.payment_methods),
                required=False,
                widget=forms.CheckboxSelectMultiple,
                label=given.label,
                help_text=given.help_text,
                error_messages={"invalid_choice": _("There is no payment method “%(value)s” on this site.")},
            )
        end_field.replace(self.fields, "sales_until", "expire_at")
        if "price" in self.fields:
            #: What it is priced in so far; empty for a page that has no price yet.
            self.priced_in = page_currency.currency_of(self.instance) if self._is_priced() else ""
            shown = self.priced_in or page_currency.default_currency(self.instance, self.parent_page)
            asked = {"required": _("Give a price, or tick “This offer is free”.")}
            self.fields["price"] = AmountField.instead_of(self.fields["price"], currency=shown, error_messages=asked)
            self.initial["is_free"] = self.instance.price is not None and not self.instance.price
            if self.initial["is_free"] and not self.is_bound:
                self.initial["price"] = None
            if self.priced_in and "currency" in self.fields:
                self.initial["currency"] = self.priced_in
        self.is_translation = publishing.is_translation(self.instance)
        if self.is_translation:
            for name in (*choices.SOURCE_FIELDS, "currency_confirmed", "is_free"):
                self.fields.pop(name, None)

    def _is_priced(self) -> bool:
        return self.instance.pk is not None and self.instance.price is not None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if "price" in self.fields:
            self._clean_free(data)
        if "price" in self.fields and "currency" in data and data.get("price") is not None:
            self._clean_money(data)
        return data

    def _get_validation_exclusions(self) -> set[str]:
        """On a draft Wagtail asks for nothing that is needed only where it is published, and no more does the page."""
        excluded: set[str] = super()._get_validation_exclusions()
        return excluded | {"products"} if getattr(self, "is_deferred_validation", False) else excluded

    def _update_errors(self, errors: ValidationError) -> None:
        """What the page refuses of a field that this form does not have (a translation's, or that of an API, which asks for the
        fields that were sent) is told above the form; Django would fall over it."""
        told: dict[str, list[ValidationError]] = {}
        for name, refusals in errors.update_error_dict({}).items():
            told.setdefault(name if name in self.fields else NON_FIELD_ERRORS, []).extend(refusals)
        super()._update_errors(ValidationError(told))

    def _clean_free(self, data: dict[str, Any]) -> None:
        """Free is what was said to be free, and nothing becomes so by leaving a field alone."""
        price, is_free = data.get("price"), data.get("is_free")
        if is_free and not self.data.get(self.add_prefix("price"), "").strip():
            self.errors.pop("price", None)
            data["price"] = Decimal(0)
        elif is_free and price:
            self.add_error("price", _("A free offer has no price. Leave this empty, or untick “This offer is free”."))
        elif price == 0 and not is_free:
            self.add_error("price", _("Please tick “This offer is free” if it shall cost nothing, or give a price."))

    def _clean_money(self, data: dict[str, Any]) -> None:
        """The price in its currency, which is written down from now on and is not changed by the way."""
        default = self.priced_in or page_currency.default_currency(self.instance, self.parent_page)
        currency = data["currency"] = data["currency"] or default
        if not currencies.is_active(currency):  # its own validator says so
            return
        try:
            refuse_smaller_parts(data["price"], currency)
        except ValidationError as refusal:
            self.add_error("price", refusal)
            return
        self.asks_currency = bool(self.priced_in) and currency != self.priced_in
        if self.asks_currency and not data.get("currency_confirmed"):
            words = _(
                "This page is priced in %(before)s so far. Is %(price)s the right price? Please confirm it below."
            )
            price = money_for_reader(Money(data["price"], currency))
            self.add_error("currency", words % {"before": self.priced_in, "price": price})

    where_the_box_is = _("Tick the box on the tab “Selling” to publish it all the same.")

    def promises_to_break(self) -> BrokenPromises:
        now = conf.now()
        page = self.instance
        publishes = "action-publish" in self.data and not (page.go_live_at and page.go_live_at > now)
        return publishing.promises_broken_by(page, now=now) if publishes else BrokenPromises()


def method_choices(held: Any) -> list[tuple[str, Any]]:
    """(alias, name) of every payment method that is set up, and of those ``held`` that are not any more.

    These stay to be seen and ticked: were they dropped without a word, none would be left ticked, which means all.
    """
    try:
        found: dict[str, Any] = {provider.alias: provider.label for provider in registry.enabled()}
    except ConfigurationFault:  # ``check`` says so; the page can be edited all the same
        found = {}
    gone = [alias for alias in held or () if isinstance(alias, str) and alias not in found]
    return [*found.items(), *((alias, _("%(alias)s (not set up)") % {"alias": alias}) for alias in gone)]


def in_its_currency(page: Any) -> str:
    """The price as its reader types it, with the digits of its currency; the column holds four."""
    if page.price is None:
        return ""
    currency = page_currency.currency_of(page)
    return typed_amounts.write_amount(Decimal(page.price), currency if is_known(currency) else "", languages.active())


class SourceFieldPanel(FieldPanel):
    """A field of the source page: edited there, shown as it is on every translation."""

    def format_value_for_display(self, value: Any) -> Any:
        if hasattr(value, "stream_block"):
            names = [getattr(block.value, "code", "") or _product_title(block.value) for block in value]
            return ", ".join(name for name in names if name) or "—"
        if isinstance(value, list):
            labels = dict(method_choices(value))
            return ", ".join(str(labels[alias]) for alias in value) or _("all that this site has")
        if isinstance(value, bool):
            return pgettext_lazy("sales", "yes") if value else pgettext_lazy("sales", "no")
        return super().format_value_for_display(value) or "—"

    class BoundPanel(FieldPanel.BoundPanel):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            if self.bound_field is None and getattr(self.form, "is_translation", False):
                self.read_only = True
                self.heading = self.panel.heading or capfirst(self.panel.db_field.verbose_name)
                self.help_text = self.panel.help_text or capfirst(self.panel.db_field.help_text)

        @property
        def value_from_instance(self) -> Any:
            page = _source_of(self) or self.instance
            return in_its_currency(page) if self.field_name == "price" else getattr(page, self.field_name)


class CurrencyQuestionPanel(FieldPanel):
    """The box that confirms another currency. There only once somebody has typed one."""

    class BoundPanel(FieldPanel.BoundPanel):
        def is_shown(self) -> bool:
            return bool(getattr(self.form, "asks_currency", False)) and super().is_shown()


class SourceOnlyPanel(FieldPanel):
    """A field of the form, not of the page, that the source page alone has."""

    class BoundPanel(FieldPanel.BoundPanel):
        def is_shown(self) -> bool:
            return self.bound_field is not None and super().is_shown()


class SourceNotePanel(Panel):
    """On a translation: where the selling fields are edited. Nothing on the source page."""

    class BoundPanel(Panel.BoundPanel):
        template_name = "wagtail_kwiga/offers/admin/source_note.html"

        def is_shown(self) -> bool:
            return bool(getattr(self.form, "is_translation", False)) and super().is_shown()

        def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
            return {**super().get_context_data(parent_context), "source": _source_of(self)}


def editor(page_type: Any) -> TabbedInterface:
    """Wagtail's own tabs of a page type, with a tab for selling behind the content: price and coupons in sight at once."""
    tabs = [
        (page_type.content_panels, pgettext_lazy("sales", "Content")),
        (page_type.selling_panels, pgettext_lazy("sales", "Selling")),
        (page_type.promote_panels, pgettext_lazy("sales", "Promote")),
        (page_type.settings_panels, pgettext_lazy("sales", "Settings")),
    ]
    return TabbedInterface(
        [ObjectList(panels, heading=heading) for panels, heading in tabs if panels],
        base_form_class=page_type.base_form_class,
    )


def selling_panels() -> list[Panel]:
    """All panels of an offer but the title and the body; for page types of a site that build their own editor."""
    return [
        MultiFieldPanel(
            [
                PromisesPanel(),
                SourceNotePanel(),
                FieldRowPanel([SourceFieldPanel("price"), SourceFieldPanel("currency")]),
                CurrencyQuestionPanel("currency_confirmed"),
                SourceOnlyPanel("is_free"),
                FieldRowPanel([SourceFieldPanel("sales_from"), SourceFieldPanel("sales_until")]),
                SourceFieldPanel("is_listed"),
                FieldPanel("ask_phone"),
            ],
            heading=_("Price and time"),
            icon="tag",
        ),
        MultiFieldPanel(
            [SourceFieldPanel("payment_methods")], heading=pgettext_lazy("sales", "Payment"), icon="download"
        ),
        MultiFieldPanel(
            [SourceFieldPanel("products"), SourceFieldPanel("sells_no_access")],
            heading=pgettext_lazy("sales", "Access"),
            icon="key",
        ),
        MultiFieldPanel(
            [
                SourceFieldPanel("coupon_mode", heading=_("Which coupons")),
                SourceFieldPanel("coupons"),
            ],
            heading=pgettext_lazy("sales", "Coupons"),
            icon="pick",
            help_text=_("A coupon has limits of its own as well: both must agree."),
        ),
        MultiFieldPanel(
            [
                FieldPanel("language_mode", heading=_("It speaks")),
                FieldPanel(
                    "fixed_language", heading=_("Which language"), help_text=_("Counts under “always the same”.")
                ),
            ],
            heading=_("Language of this page"),
            icon="globe",
            help_text=_(
                "The language of the form, its messages, the order and its mails; not of the texts you write here."
            ),
        ),
    ]


def _product_title(value: Any) -> str:
    product = value.get("product") if hasattr(value, "get") else None
    return getattr(product, "title", "")


def _source_of(bound: Any) -> Any:
    """The source page of a translation, read once per editor form."""
    form = bound.form
    if form is None or not getattr(form, "is_translation", False):
        return None
    if not hasattr(form, "source_page"):
        owner = publishing.source_id(bound.instance.translation_key)
        form.source_page = publishing.page_model().objects.get(pk=owner).specific
    return form.source_page
