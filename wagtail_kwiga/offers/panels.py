"""The offer page in Wagtail's editor: what belongs together stands together; translations show what their source decides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminPageForm
from wagtail.admin.panels import FieldPanel, FieldRowPanel, MultiFieldPanel, ObjectList, Panel, TabbedInterface

from wagtail_kwiga import conf
from wagtail_kwiga.catalogue.end_field import EndField
from wagtail_kwiga.exceptions import ConfigurationFault
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises
from wagtail_kwiga.offers import choices, publishing
from wagtail_kwiga.offers.promise_panel import AsksAboutPromises, PromisesPanel
from wagtail_kwiga.payments import registry
from wagtail_kwiga.pricing.money import quantise


class OfferPageForm(AsksAboutPromises, WagtailAdminPageForm):
    """Leaves out what the source page decides, so that no translation can change it, whatever is posted. Publishing at once what
    breaks promises is asked about; a draft breaks none, and what is published later cannot be asked about any more
    (``publishing`` then puts it on a person's list)."""

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
        if "sales_until" in self.fields:
            self.fields["sales_until"] = EndField.instead_of(self.fields["sales_until"])
        if "price" in self.fields and self.instance.price is not None:
            self.initial["price"] = in_its_currency(self.instance)
        self.is_translation = publishing.is_translation(self.instance)
        if self.is_translation:
            for name in choices.SOURCE_FIELDS:
                self.fields.pop(name, None)

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


def in_its_currency(page: Any) -> Decimal:
    """The price with as many digits as its currency has; the column holds four."""
    try:
        return quantise(Decimal(page.price), page.currency or "EUR")
    except (ArithmeticError, ValueError):
        return page.price


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
            return _("yes") if value else _("no")
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
        (page_type.content_panels, _("Content")),
        (page_type.selling_panels, _("Selling")),
        (page_type.promote_panels, _("Promote")),
        (page_type.settings_panels, _("Settings")),
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
                FieldRowPanel([SourceFieldPanel("sales_from"), SourceFieldPanel("sales_until")]),
                SourceFieldPanel("is_listed"),
                FieldPanel("ask_phone"),
            ],
            heading=_("Price and time"),
            icon="tag",
        ),
        MultiFieldPanel([SourceFieldPanel("payment_methods")], heading=_("Payment"), icon="download"),
        MultiFieldPanel([SourceFieldPanel("products")], heading=_("Access"), icon="key"),
        MultiFieldPanel(
            [
                SourceFieldPanel("coupon_mode", heading=_("Which coupons")),
                SourceFieldPanel("coupons"),
            ],
            heading=_("Coupons"),
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
