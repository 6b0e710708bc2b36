"""Unsubscribing, and the pictures of mails."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import check_for_language, gettext
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from wagtail.images.exceptions import InvalidFilterSpecError
from wagtail.images.models import SourceImageIOError

from wagtail_kwiga import conf
from wagtail_kwiga.exceptions import BadToken
from wagtail_kwiga.journal.acting import Actor, acting_as
from wagtail_kwiga.mailing import references, suppression
from wagtail_kwiga.mailing.authoring import styles
from wagtail_kwiga.mailing.sending import unsubscribe


@method_decorator(csrf_exempt, name="dispatch")
class UnsubscribeView(View):
    """GET asks and changes nothing: mail scanners open every link. POST acts at once, without login, cookie or CSRF token,
    for mail programs do it on their own (RFC 8058). The same page takes it back.
    """

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._answer(request, token, acting=False)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._answer(request, token, acting=True)

    @acting_as(Actor.BUYER)
    def _answer(self, request: HttpRequest, token: str, *, acting: bool) -> HttpResponse:
        now = conf.now()
        try:
            holder = unsubscribe.holder_of(token, now)
        except BadToken:
            return _page(request, {"state": "unknown"}, status=404)
        contact = holder.contact
        state = "asking"
        if acting and "undo" in request.POST:
            unsubscribe.undo(contact, now=now)
            state = "undone"
        elif acting:
            one_click = request.POST.get("List-Unsubscribe") == "One-Click"
            unsubscribe.unsubscribe(contact, source=unsubscribe.ONE_CLICK if one_click else unsubscribe.LINK, now=now)
            state = "done"
        elif suppression.recipient_among(contact, suppression.known_among([contact.email])).has_unsubscribed:
            state = "already"
        return _page(request, {"state": state}, language=holder.language)


class PictureView(View):
    """A picture of a mail, under an address that stays the same for as long as somebody keeps the mail: whatever has become of the
    files that Wagtail makes of it, of the storage's folder, or of signatures that run out."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, sealed: str) -> HttpResponseBase:
        image = references.picture_of(sealed)
        if image is None:
            raise Http404
        try:
            made = references.rendition(image, styles.PICTURE_WIDTH)
            opened = references.open_rendition(made)
        except (SourceImageIOError, InvalidFilterSpecError, OSError) as fault:
            raise Http404 from fault
        response = FileResponse(opened, filename=made.file.name.rpartition("/")[2])
        response["Cache-Control"] = "public, max-age=86400"
        response["X-Content-Type-Options"] = "nosniff"
        response["X-Robots-Tag"] = "noindex"
        return response


def _page(request: HttpRequest, context: dict[str, Any], *, language: str = "", status: int = 200) -> HttpResponse:
    """The page in the language of the mail. It shows no address: the link may have been forwarded (promise 10)."""
    with translation.override(language if language and check_for_language(language) else translation.get_language()):
        title = gettext("This link does not work") if context["state"] == "unknown" else gettext("E-mails from us")
        context = {"kwiga_title": title, **context}
        response = TemplateResponse(request, "wagtail_kwiga/mailing/unsubscribe.html", context, status=status)
        response.render()
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex"
    response.setdefault("X-Frame-Options", django_settings.X_FRAME_OPTIONS)
    return response
