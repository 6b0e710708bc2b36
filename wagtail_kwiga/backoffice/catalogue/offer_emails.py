"""*Emails* of an offer: which go out by themselves about its orders, and in whose words."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from wagtail.admin import messages
from wagtail.admin.widgets.button import HeaderButton
from wagtail.log_actions import log
from wagtail.snippets.widgets import AdminSnippetChooser

from wagtail_kwiga.backoffice.emails.builtin_emails import WORDS
from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate, OfferEmail
from wagtail_kwiga.mailing.sending import order_mails
from wagtail_kwiga.mailing.sending.order_mails import Chosen

TITLE = gettext_lazy("Emails about its orders")
TEMPLATE = "wagtail_kwiga/backoffice/emails/offer_emails.html"
#: What somebody must be allowed to do: what is chosen here is what buyers get.
NEEDED = ("wagtail_kwiga.change_emailtemplate", "wagtail_kwiga.publish_emailtemplate")

Mode = OfferEmail.Mode


class _Chooser(AdminSnippetChooser):
    """Shows nothing for what is no e-mail: the field says so."""

    def get_instance(self, value: Any) -> Any:
        try:
            return super().get_instance(value)
        except (ValueError, OverflowError, EmailTemplate.DoesNotExist):
            return None


class OfferEmailsForm(forms.Form):
    """For each occasion what is sent, and which e-mail where it is one of the site's own."""

    def __init__(self, *args: Any, chosen: dict[str, Chosen], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for occasion in OfferEmail.Occasion:
            now = chosen.get(occasion, Chosen())
            modes = [
                choice for choice in Mode.choices if choice[0] != Mode.NONE or occasion not in order_mails.REQUIRED
            ]
            _title, when = WORDS[order_mails.BUILTIN[occasion]]
            self.fields[f"{occasion}-mode"] = forms.ChoiceField(
                label=_("What is sent"), help_text=when, choices=modes, initial=now.mode, widget=forms.RadioSelect
            )
            self.fields[f"{occasion}-template"] = forms.ModelChoiceField(
                EmailTemplate.objects.all(),
                label=_("E-mail of your own"),
                required=False,
                initial=now.template_id,
                widget=_Chooser(EmailTemplate),
            )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for occasion in OfferEmail.Occasion:
            template = data.get(f"{occasion}-template")
            if data.get(f"{occasion}-mode") != Mode.OWN:
                continue
            if template is None:
                self.add_error(f"{occasion}-template", _("Choose the e-mail that is to be sent."))
            elif why := _unfit(template):
                self.add_error(f"{occasion}-template", why)
        return data

    def chosen(self) -> dict[str, Chosen]:
        """What the form says, by occasion."""
        found = {}
        for occasion in OfferEmail.Occasion:
            mode, template = (self.cleaned_data[f"{occasion}-{name}"] for name in ("mode", "template"))
            found[str(occasion)] = Chosen(mode, template.pk if mode == Mode.OWN else None)
        return found

    def rows(self) -> list[tuple[Any, Any, Any]]:
        """Each occasion: what it is called, and its two fields."""
        return [
            (WORDS[order_mails.BUILTIN[one]][0], self[f"{one}-mode"], self[f"{one}-template"])
            for one in OfferEmail.Occasion
        ]


def _unfit(template: EmailTemplate) -> str:
    """Why an e-mail cannot go out about an order by itself; empty where it can."""
    if not template.live:
        return _("This e-mail is a draft. Publish it first.")
    if template.settled_kind == Kind.PROMOTION:
        return _("This e-mail is promotion, which not everybody may be sent. Choose one that is service.")
    if problems := versions.problems(template):
        return str(problems[0])
    return ""


def may(user: Any) -> bool:
    """Whether ``user`` may choose the e-mails of an offer."""
    return user.has_perms(NEEDED) and policies.may(user, "view", Offer)


def header_button(offer: Offer, user: Any) -> list[HeaderButton]:
    """For the screen of an offer: the button, where ``user`` may."""
    if not may(user):
        return []
    return [HeaderButton(label=TITLE, url=reverse("wagtail_kwiga_offers:emails", args=[offer.pk]), icon_name="mail")]


def emails(request: HttpRequest, pk: int) -> HttpResponse:
    """The form, and its saving."""
    if not may(request.user):
        raise PermissionDenied
    offer = get_object_or_404(Offer, pk=pk)
    form = OfferEmailsForm(request.POST or None, chosen=order_mails.choices_of(offer))
    if form.is_valid():
        if order_mails.choose(offer, form.chosen()):
            log(instance=offer, action="wagtail.edit", user=request.user, content_changed=True)
        messages.success(request, _("The emails of “%(title)s” are chosen.") % {"title": offer.title})
        return redirect("wagtail_kwiga_offers:inspect", offer.pk)
    card = reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])
    context = {
        "form": form,
        "media": form.media,
        "offer": offer,
        "back": card,
        "builtin_url": reverse("wagtail_kwiga_emails:builtin"),
        "header_icon": "mail",
        "page_title": TITLE,
        "page_subtitle": offer.title,
        "header_title": f"{TITLE}: {offer.title}",
        "breadcrumbs_items": [
            {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
            {"url": reverse("wagtail_kwiga_offers:list"), "label": pgettext("sales", "Offers")},
            {"url": card, "label": offer.title},
            {"url": "", "label": TITLE},
        ],
    }
    return TemplateResponse(request, TEMPLATE, context)


def urlpatterns() -> list[Any]:
    """Made anew each time: a pattern is decorated where it is asked for (``backoffice.worker``), and twice would be once too
    often."""
    return [path("<int:pk>/emails/", emails, name="emails")]
