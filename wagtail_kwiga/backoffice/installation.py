"""Saying whether this installation is production or is to be held: both choices, what each does, asked first, done by POST."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from wagtail.admin.menu import MenuItem

from wagtail_kwiga import conf, installation
from wagtail_kwiga.automations.models import Run
from wagtail_kwiga.backoffice.parts import columns, policies
from wagtail_kwiga.installation import Installation, Standing
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments.models import Refund

State = Installation.State
_TITLE = gettext_lazy("This installation")
_MOST_NOTE = 255
#: How loudly each standing is told.
_STATUSES = {
    Standing.NEW: "info",
    Standing.PRODUCTION: "info",
    Standing.HELD: "warning",
    Standing.UNDECIDED: "critical",
}


class NoteForm(forms.Form):
    """Why it was decided so, for whoever asks later."""

    note = forms.CharField(label=pgettext_lazy("sales", "Note"), max_length=_MOST_NOTE, required=False)


def decide(request: HttpRequest) -> HttpResponse:
    """Show how this installation stands and what may be said of it; with a choice, ask first, and do it by POST."""
    if not policies.can(request.user, "decide_installation"):
        raise PermissionDenied
    choice = request.GET.get("choice")
    if choice not in State.values:
        return _page(request, "wagtail_kwiga/backoffice/installation.html", _shown())
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        installation.decide(choice, by=policies.user_of(request), note=form.cleaned_data["note"])
        said = _("Noted: this is production.") if choice == State.PRODUCTION else _("Noted: this installation is held.")
        messages.success(request, said)
        return redirect("wagtail_kwiga_installation:decide")
    asked = next(one for one in _choices() if one["choice"] == choice)
    context = {
        "said": [*asked["said"], *(_waiting() if choice == State.PRODUCTION else ())],
        "form": form,
        "yes": asked["yes"],
        "serious": choice == State.PRODUCTION,
        "can_do": True,
        "back": reverse("wagtail_kwiga_installation:decide"),
    }
    return _page(request, "wagtail_kwiga/backoffice/runs/confirm.html", context, asked["title"])


def _shown() -> dict[str, Any]:
    """How this installation stands, who has said so, and what may be said of it instead."""
    standing = installation.standing()
    said = {
        Standing.NEW: _("No worker has run here yet. The first one to run makes this production."),
        Standing.PRODUCTION: _("This is production: mail goes out, scenarios go on, refunds are asked for."),
        Standing.HELD: _(
            "This installation is held: no e-mail goes out, no scenario goes on and no refund is asked for."
        ),
        Standing.UNDECIDED: _(
            "This database is that of another installation: it was copied here, or this site has moved or has got another "
            "SECRET_KEY. So this one holds back: no e-mail goes out, no scenario goes on and no refund is asked for."
        ),
    }[standing]
    row = Installation.objects.select_related("decided_by").first()
    choices = [one for one in _choices() if one["choice"] != standing]
    shown = {"said": said, "status": _STATUSES[standing], "choices": choices}
    if row is None:
        return shown
    told = {"state": row.get_state_display(), "moment": columns.exact(row.decided_at), "person": row.decided_by}
    last = _("Last decided: %(state)s, %(moment)s") if row.decided_by is None else _(
        "Last decided: %(state)s, %(moment)s, by %(person)s"
    )  # fmt: skip
    note = _(row.note) if row.note in installation.OWN_NOTES else row.note
    return {**shown, "last": " · ".join(part for part in (last % told, note) if part)}


def _choices() -> list[dict[str, Any]]:
    return [
        {
            "choice": State.PRODUCTION.value,
            "title": _("This is production"),
            "yes": _("Yes, this is production"),
            "said": [
                _(
                    "With its next pass the worker hands over mail, lets scenarios go on and asks providers for refunds."
                ),
                _(
                    "Say this only where these data are worked on here and nowhere else. Beside another site with the same "
                    "data everybody would be written to twice, and money might be given back twice."
                ),
            ],
        },
        {
            "choice": State.HELD.value,
            "title": _("Hold this installation"),
            "yes": _("Yes, hold it"),
            "said": [
                _("No mail leaves, receipts included; no scenario goes on; no refund is asked for."),
                _("Pages, orders and payments work, and money that comes is booked. What is due waits."),
            ],
        },
    ]


def _waiting() -> list[str]:
    """What would leave at once. Three queries."""
    now = conf.now()
    mails = delivery.due_count(now)
    runs = Run.objects.filter(state=Run.State.ACTIVE, due_at__lte=now).count()
    refunds = Refund.objects.filter(next_try_at__lte=now).count()
    told = (
        (mails, ngettext("%(number)s e-mail is due.", "%(number)s e-mails are due.", mails)),
        (runs, ngettext("%(number)s person stands before a due step.", "%(number)s people stand before a due step.", runs)),
        (refunds, ngettext("%(number)s refund is due.", "%(number)s refunds are due.", refunds)),
    )  # fmt: skip
    due = [words % {"number": number} for number, words in told if number]
    return [" ".join(due)] if due else [_("Nothing is due at the moment.")]


def _page(request: HttpRequest, template: str, context: dict[str, Any], title: Any = "") -> TemplateResponse:
    crumbs = [
        {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
        {"url": reverse("wagtail_kwiga_installation:decide") if title else "", "label": _TITLE},
        *([{"url": "", "label": title}] if title else []),
    ]
    shown = {"header_icon": "site", "header_title": title or _TITLE, "page_title": title or _TITLE}
    return TemplateResponse(request, template, {**context, **shown, "breadcrumbs_items": crumbs})


class _Item(MenuItem):
    def is_shown(self, request: HttpRequest) -> bool:
        return policies.can(request.user, "decide_installation")


def menu_item() -> MenuItem:
    """The way to the page in the *Settings* menu, for those who may decide."""
    return _Item(
        _TITLE, reverse("wagtail_kwiga_installation:decide"), name="kwiga-installation", icon_name="site", order=950
    )
