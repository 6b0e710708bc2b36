"""What a painting studio adds to the shop. Whatever changes a sale acts on offers called “Studio …” alone."""

import logging
from dataclasses import replace
from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from wagtail import hooks
from wagtail.admin.menu import MenuItem
from wagtail.admin.ui.components import Component

from tests.example.blocks import GuaranteeBlock
from tests.example.scenarios import AskToCall, CameBack, LessonFinished
from wagtail_kwiga.exceptions import OrderRefused
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.placeholders import Placeholder
from wagtail_kwiga.models import Order
from wagtail_kwiga.pricing.discounts import Percent

logger = logging.getLogger("studio")
writing.register_sentences(
    {"studio.easel": _("An easel is set up."), "studio.apron": _("An apron is laid out, size %(size)s.")}
)


# --- add --------------------------------------------------------------------------------------------------------------


@hooks.register("register_kwiga_offer_blocks")
def offer_blocks():
    return [("guarantee", GuaranteeBlock())]


@hooks.register("register_kwiga_steps")
def steps():
    return [AskToCall]


@hooks.register("register_kwiga_conditions")
def conditions():
    return [CameBack]


@hooks.register("register_kwiga_events")
def start_events():
    return [LessonFinished]


def days_left(situation):
    """Whole days until the order expires."""
    order = situation.order
    return str(max((order.expires_at - situation.now).days, 0)) if order and order.expires_at else ""


@hooks.register("register_kwiga_placeholders")
def placeholders():
    return [Placeholder("studio.days_left", _("days until the order expires"), "14", "text", days_left)]


class EaselPanel(Component):
    """A panel of the order card."""

    heading = _("Studio")

    def __init__(self, *, order, request):
        self.order = order

    def is_shown(self):
        return self.order.title.startswith("Studio")

    def render_html(self, parent_context=None):
        return format_html("<p>{}</p>", _("Easel %(number)s") % {"number": self.order.pk % 12 + 1})


@hooks.register("register_kwiga_order_panels")
def order_panels():
    return [EaselPanel]


@hooks.register("register_kwiga_menu_item")
def menu_item():
    return MenuItem(_("Easels"), reverse_lazy("wagtail_kwiga_orders:index"), icon_name="image", order=900)


# --- listen -----------------------------------------------------------------------------------------------------------


@hooks.register("after_kwiga_order_paid")
def set_up_an_easel(event):
    for order in Order.objects.filter(pk=event.order_id, title__startswith="Studio"):
        writing.write(order, "studio.easel", now=event.at)
        if size := order.answers.get("apron"):
            writing.write(order, "studio.apron", now=event.at, size=size)


@hooks.register("after_kwiga_contact_unsubscribed")
def tell_the_studio(event):
    logger.info("Contact %s wants no more offers (%s)", event.contact_id, event.source)


# --- permit -----------------------------------------------------------------------------------------------------------


@hooks.register("before_kwiga_place_order")
def ask_for_a_phone_number(event):
    if event.offer and event.offer.title.startswith("Studio") and not event.contact.phone:
        raise OrderRefused(_("We call before a visit to the studio. Please give your phone number."))


# --- shape ------------------------------------------------------------------------------------------------------------


@hooks.register("construct_kwiga_quote")
def friends_pay_half(draft):
    known = draft.contact.email if draft.contact else ""
    if draft.offer.title.startswith("Studio") and draft.coupon is None and known.endswith("@friends.example"):
        return replace(draft, discount=Percent(Decimal(50)))
    return draft


@hooks.register("construct_kwiga_checkout_form")
def ask_for_the_apron(form_class):
    class StudioForm(form_class):
        apron = forms.ChoiceField(
            label=_("Apron"), choices=[("", "—"), ("s", _("Small")), ("l", _("Large"))], required=False
        )

        def clean_email(self):
            email = super().clean_email()
            if email.endswith("@throwaway.example"):
                raise ValidationError(_("Please give an address that you will still have next week."))
            return email

    return StudioForm


@hooks.register("construct_kwiga_email")
def mark_for_the_studio(mail):
    if "Studio" in mail.subject:
        return replace(mail, headers={**mail.headers, "X-Studio": "visit"})
    return mail
