"""*Send test to me*: the draft of an e-mail, filled with sample data, to the address of whoever asks and to nobody else."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.admin import messages

from wagtail_kwiga import background
from wagtail_kwiga.contacts import limits
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.mailing.sending import outbox

#: Tests that one person may send an hour: enough to try things out, too few to fill anybody's inbox.
LIMIT = 20


def send_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask once more, naming the address; then queue the latest draft."""
    if not request.user.has_perm("wagtail_kwiga.change_emailtemplate"):
        raise PermissionDenied
    template = get_object_or_404(EmailTemplate, pk=pk).get_latest_revision_as_object()
    editor = reverse("wagtail_kwiga_emails:edit", args=[template.pk])
    address = address_of(request.user)
    problems = versions.problems(template)
    if request.method == "POST" and address and not problems:
        try:
            limits.check(f"test-mail:{request.user.pk}", limit=LIMIT)
            mail = outbox.send_test(template, to=address)
        except KwigaError as refusal:
            messages.error(request, str(refusal))
        else:
            background.enqueue("deliver_due")
            words = _("The test to %(address)s goes out with the next pass of the worker, usually within a minute.")
            messages.success(request, words % {"address": address}, buttons=_ways_on(request, mail))
            return redirect(editor)
    return TemplateResponse(
        request,
        "wagtail_kwiga/backoffice/emails/send_test.html",
        {
            "template": template,
            "address": address,
            "problems": problems,
            "editor": editor,
            "header_icon": "mail",
            "page_title": _("Send test to me"),
            "page_subtitle": template.title,
            "header_title": f"{_('Send test to me')}: {template.title}",
            "breadcrumbs_items": [
                {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
                {"url": reverse("wagtail_kwiga_emails:list"), "label": pgettext("sales", "E-mails")},
                {"url": editor, "label": template.title},
                {"url": "", "label": _("Send test to me")},
            ],
        },
    )


def address_of(user: Any) -> str:
    """The e-mail address of an account, whatever a site's user model calls it; empty where it has none."""
    return str(getattr(user, user.get_email_field_name(), "") or "").strip()


def _ways_on(request: HttpRequest, mail: Any) -> list[Any]:
    if not request.user.has_perm("wagtail_kwiga.view_outgoingemail"):
        return []
    return [messages.button(reverse("wagtail_kwiga_mail:inspect", args=[mail.pk]), _("Outgoing mail"))]
