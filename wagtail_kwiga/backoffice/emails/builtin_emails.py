"""*Built-in emails*: what the package sends by itself, looked at with sample data, and taken as the beginning of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_POST
from wagtail.admin import messages
from wagtail.log_actions import log
from wagtail.models import Locale, Site

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.authoring import builtin_mails, previewing, sample_data, versions
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate

FOLDER = "wagtail_kwiga/backoffice/emails"
TITLE = gettext_lazy("Built-in emails")
#: What each is called, and when it goes out.
WORDS: dict[str, tuple[Any, Any]] = {
    "order_received": (
        gettext_lazy("Order received"),
        gettext_lazy("At once after every order that is to be paid: what was agreed to, and how to pay."),
    ),
    "receipt": (gettext_lazy("Paid: the receipt"), gettext_lazy("As soon as an order is paid.")),
    "free": (gettext_lazy("Free offer accepted"), gettext_lazy("The one email about an order that costs nothing.")),
    "payment_waiting": (
        gettext_lazy("Payment under way"),
        gettext_lazy("When the payment service has not confirmed a payment after two minutes."),
    ),
    "payment_failed": (
        gettext_lazy("Payment failed"),
        gettext_lazy("When a payment did not go through, with the link to pay again."),
    ),
    "access_opened": (
        gettext_lazy("Access opened"),
        gettext_lazy("On the start date of what was bought, or when your team gives access."),
    ),
    "waiting_rest": (
        gettext_lazy("A part is paid"),
        gettext_lazy("When somebody orders anew with the address of an order that is paid in part."),
    ),
    "waiting_payment": (
        gettext_lazy("The order is waiting"),
        gettext_lazy("When somebody orders anew with the address of an order whose payment is under way."),
    ),
    "waiting_price": (
        gettext_lazy("The price still holds"),
        gettext_lazy("When somebody orders anew with the address of an order that still holds a better price."),
    ),
    "already_owned": (
        gettext_lazy("Owned already"),
        gettext_lazy("When somebody orders what the owner of the address has already."),
    ),
}
LOOKS = {
    "": pgettext_lazy("sales", "Mail"),
    "dark": gettext_lazy("Mail in dark mode"),
    "text": gettext_lazy("Plain text"),
}
WIDTHS = {"desk": pgettext_lazy("sales", "Desktop"), "phone": pgettext_lazy("sales", "Telephone")}


@dataclass(frozen=True)
class Row:
    """One mail of the list."""

    title: Any
    when: Any
    url: str


def listing(request: HttpRequest) -> HttpResponse:
    """All of them, with when each goes out."""
    _let_in(request)
    rows = [
        Row(title, when, reverse("wagtail_kwiga_emails:builtin_show", args=[name]))
        for name, (title, when) in WORDS.items()
    ]
    return TemplateResponse(request, f"{FOLDER}/builtin.html", {"rows": rows, **_head(TITLE)})


def show(request: HttpRequest, name: str) -> HttpResponse:
    """One of them, filled with sample data, in a language, in light or dark or as plain text, wide or narrow."""
    _let_in(request)
    title, when = _words(name)
    language = _language(request.GET.get("language", ""))
    look = request.GET.get("look", "")
    width = request.GET.get("width", "desk")
    look, width = look if look in LOOKS else "", width if width in WIDTHS else "desk"
    example = sample_data.of_builtin(name, language=language, site=Site.find_for_request(request))
    mail = sample_data.mail(versions.compiled_builtin(name, language), example)
    may_make = name in builtin_mails.REPLACEABLE and request.user.has_perm("wagtail_kwiga.add_emailtemplate")
    context = {
        "mail": mail,
        "when": when,
        "frame": previewing.framed(mail.html, example, dark=look == previewing.DARK),
        "is_text": look == previewing.TEXT,
        "frame_class": f"kwiga-mail kwiga-mail--{width}",
        "choices": (
            (
                "language",
                pgettext("sales", "Language"),
                [(code, label, code == language) for code, label in _languages()],
            ),
            ("look", pgettext("sales", "Look"), [(code, label, code == look) for code, label in LOOKS.items()]),
            ("width", pgettext("sales", "Width"), [(code, label, code == width) for code, label in WIDTHS.items()]),
        ),
        "own_url": reverse("wagtail_kwiga_emails:builtin_own", args=[name]) if may_make else "",
        "language": language,
        **_head(title, (TITLE, reverse("wagtail_kwiga_emails:builtin"))),
    }
    return TemplateResponse(request, f"{FOLDER}/builtin_show.html", context)


@require_POST
def make_own(request: HttpRequest, name: str) -> HttpResponse:
    """Make a draft of the site's own with the same blocks, in the language of the preview, and open it."""
    if not request.user.has_perm("wagtail_kwiga.add_emailtemplate"):
        raise PermissionDenied
    title, _when = _words(name)
    if name not in builtin_mails.REPLACEABLE:
        raise Http404
    language = _language(request.POST.get("language", ""))
    locale = Locale.objects.filter(language_code=language).first() or Locale.get_default()
    with translation.override(locale.language_code):
        subject, preheader, blocks = builtin_mails.BUILTINS[name]()
    template = EmailTemplate(
        title=str(title), subject=subject, preheader=preheader, kind=Kind.SERVICE, locale=locale, live=False,
        has_unpublished_changes=True,
    )  # fmt: skip
    template.body = builtin_mails.as_stream(blocks)  # type: ignore[assignment]  # what the field's descriptor takes
    template.save()
    template.save_revision(user=request.user)
    log(instance=template, action="wagtail.create", user=request.user, content_changed=True)
    messages.success(
        request,
        _("This draft says what the built-in email says. Publish it, then choose it on the screen of an offer."),
    )
    return redirect("wagtail_kwiga_emails:edit", template.pk)


def _let_in(request: HttpRequest) -> None:
    """Who may see e-mails; there is nothing of anybody's in them."""
    rights = ("view", "add", "change", "publish")
    if not any(request.user.has_perm(f"wagtail_kwiga.{right}_emailtemplate") for right in rights):
        raise PermissionDenied


def _words(name: str) -> tuple[Any, Any]:
    if name not in WORDS:
        raise Http404
    return WORDS[name]


def _languages() -> list[tuple[str, str]]:
    return [(code, capfirst(languages.name(code))) for code, _label in settings.LANGUAGES]


def _language(wanted: str) -> str:
    codes = [code for code, _label in settings.LANGUAGES]
    return wanted if wanted in codes else languages.nearest(languages.active(), codes) or codes[0]


def _head(title: Any, *trail: tuple[Any, str]) -> dict[str, Any]:
    """What the top of the screen says."""
    return {
        "header_icon": "mail",
        "page_title": title,
        "header_title": title,
        "breadcrumbs_items": [
            {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
            {"url": reverse("wagtail_kwiga_emails:list"), "label": pgettext("sales", "E-mails")},
            *({"url": url, "label": label} for label, url in trail),
            {"url": "", "label": title},
        ],
    }
