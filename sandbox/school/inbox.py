"""The demo's inbox: every mail the shop has sent, as a mail program would show it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr, parsedate_to_datetime
from urllib.parse import urlsplit

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import strip_tags
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sandbox import clock, mailbox
from sandbox.school.context import in_words

PER_PAGE = 25
_NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}\.eml", re.ASCII)
_ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Letter:
    """One mail, read from its file."""

    name: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def sender(self) -> tuple[str, str]:
        return parseaddr(str(self.message["From"] or ""))

    @property
    def recipient(self) -> tuple[str, str]:
        return parseaddr(str(self.message["To"] or ""))

    @property
    def reply_to(self) -> str:
        return str(self.message["Reply-To"] or "")

    @property
    def at(self) -> dt.datetime | None:
        """When it was sent, by the shop's clock."""
        try:
            return parsedate_to_datetime(str(self.message["Date"]))
        except (TypeError, ValueError):
            return None

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def snippet(self) -> str:
        """The first words, with addresses of links left out."""
        words = self.text or strip_tags(re.sub(r"(?s)<(style|head).*?</\1>", " ", self.html))
        return " ".join(re.sub(r"https?://\S+", "", words).split())[:160]

    @property
    def document(self) -> str:
        """The HTML part made fit for a frame: links open in a new tab, because the frame itself may run nothing."""
        base = '<base target="_blank">'
        if re.search(r"<head\b[^>]*>", self.html, re.IGNORECASE):
            return re.sub(r"(<head\b[^>]*>)", rf"\1{base}", self.html, count=1, flags=re.IGNORECASE)
        return base + self.html

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(key, str(value)) for key, value in self.message.items()]

    @property
    def unsubscribe_url(self) -> str:
        """Where a mail program posts when its reader presses *unsubscribe* (RFC 8058); empty where the mail has none."""
        if str(self.message["List-Unsubscribe-Post"] or "").strip() != _ONE_CLICK:
            return ""
        for address in re.findall(r"<([^<>]+)>", str(self.message["List-Unsubscribe"] or "")):
            if urlsplit(address).scheme in ("http", "https"):
                return address
        return ""

    def _part(self, subtype: str) -> str:
        part = self.message.get_body(preferencelist=(subtype,))
        return part.get_content() if part is not None else ""


def read(name: str) -> Letter:
    """The mail in the file ``name``. Raises ``Http404`` where there is none."""
    if not _NAME.fullmatch(name):
        raise Http404(name)
    try:
        raw_bytes = (mailbox.folder() / name).read_bytes()
    except FileNotFoundError as missing:
        raise Http404(name) from missing
    return Letter(name, BytesParser(policy=policy.default).parsebytes(raw_bytes))


@require_safe
@never_cache
def listing(request: HttpRequest) -> HttpResponse:
    """All mails, newest first."""
    names = mailbox.names()
    page = Paginator(names, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "school/inbox/listing.html",
        {"page_of_names": page, "letters": [read(name) for name in page], "total": len(names), "now": clock.now()},
    )


@require_safe
@never_cache
def count(request: HttpRequest) -> HttpResponse:
    """How many mails there are; the listing asks every few seconds so that a new one shows by itself."""
    return JsonResponse({"count": len(mailbox.names())})


@require_safe
@never_cache
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: as it looks, as plain text, or its headers."""
    letter = read(name)
    view = request.GET.get("view", "")
    if view not in ("text", "headers") and not letter.html:
        view = "text"
    if view not in ("text", "headers"):
        view = "html"
    age = clock.now() - letter.at if letter.at else dt.timedelta(0)
    context = {"letter": letter, "view": view, "age": in_words(age) if age >= dt.timedelta(minutes=1) else ""}
    return render(request, "school/inbox/detail.html", context)


@require_safe
def raw(request: HttpRequest, name: str) -> HttpResponse:
    """The file itself."""
    read(name)
    return FileResponse(
        (mailbox.folder() / name).open("rb"), as_attachment=True, filename=name, content_type="message/rfc822"
    )
