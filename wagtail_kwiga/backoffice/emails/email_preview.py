"""Choosing the order that previews of e-mails are filled with."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.mailing.authoring import previewing


@require_POST
@xframe_options_sameorigin  # it is asked from within the preview's frame
def preview_with(request: HttpRequest) -> HttpResponse:
    """Keep the choice in the editor's session and go back to the preview. ``sample`` means the made-up data."""
    if not previewing.may_see_orders(request.user):
        raise PermissionDenied
    previewing.choose(
        request.session, "" if "sample" in request.POST else request.POST.get("order", "").replace("\x00", "")
    )
    return redirect(linking.back(request, reverse("wagtail_kwiga_emails:list")))
