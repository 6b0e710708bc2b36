"""Videos on an offer page: from any provider that Wagtail's embeds know, or an uploaded file.

A provider is asked once, while the editor saves; viewing a page asks nobody. Until the visitor clicks, the page holds only
a poster and a link, so no third party learns of the visit.
"""

from __future__ import annotations

import contextlib
import html
import logging
import mimetypes
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail import blocks
from wagtail.blocks.struct_block import StructBlockValidationError
from wagtail.documents.blocks import DocumentChooserBlock
from wagtail.embeds.embeds import get_embed, get_embed_hash
from wagtail.embeds.exceptions import EmbedException, EmbedUnsupportedProviderException
from wagtail.embeds.models import Embed
from wagtail.images.blocks import ImageChooserBlock

#: What browsers play, by the end of the file's name.
PLAYABLE = (".mp4", ".m4v", ".webm", ".ogv", ".mov")
#: Ratios the stylesheet knows. (An inline style would need a hole in the site's content security policy.)
RATIOS = {"21:9": 21 / 9, "16:9": 16 / 9, "4:3": 4 / 3, "1:1": 1.0, "9:16": 9 / 16}
#: Where the picker shows it.
GROUP = _("Words and pictures")
#: The picture in previews of blocks that have no other.
SAMPLE = "wagtail_kwiga/sample.svg"
_IFRAME = re.compile(r"<iframe\b[^>]*?\bsrc\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
#: A name of the public internet: its last label is a word, so it is no number in whatever disguise, and has a dot.
_PUBLIC_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)+(?:[a-z]{2,}|xn--[a-z0-9-]+)", re.IGNORECASE)
_PRIVATE_ENDS = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".arpa")
#: As much of a provider's HTML as its player may be looked for in.
_LONGEST_PLAYER = 20_000
_YOUTUBE_HOSTS = ("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "www.youtube-nocookie.com")
_YOUTUBE_ID = re.compile(r"[\w-]{11}\Z")
#: Seconds for which a refusal is remembered: the editor saves and previews by itself, many times a minute.
_REFUSED_SECONDS = 30
_UNKNOWN, _HIDDEN, _SILENT, _NO_VIDEO = "unknown", "hidden", "silent", "no_video"
_REFUSALS = {
    _UNKNOWN: _("No video provider that this site knows plays this address. Copy the address of the video's own page."),
    _HIDDEN: _("The provider does not show this video: it is private, deleted, or may not be embedded elsewhere."),
    _SILENT: _("The provider could not be asked about this video. Please try again later."),
    _NO_VIDEO: _("There is something at this address, but no video that a page could play."),
}

logger = logging.getLogger("wagtail_kwiga.offers")


@dataclass(frozen=True)
class Player:
    """How to play the video of an address: the frame's address (empty: only a link can be shown), ratio, title, host."""

    frame: str
    ratio: str
    title: str
    host: str


def player_for(url: str) -> Player:
    """The player for ``url`` from what was learnt when the page was saved. One query, never a request to anybody."""
    embed = Embed.objects.filter(hash=get_embed_hash(url)).first()
    frame = _private(_frame_of(embed) if embed else "") or known_frame(url)
    if embed and embed.width and embed.height:
        ratio = min(RATIOS, key=lambda name: abs(RATIOS[name] - embed.width / embed.height))
    else:
        ratio = "9:16" if "/shorts/" in url else "16:9"
    return Player(frame, ratio, embed.title if embed else "", urlsplit(url).hostname or "")


def known_frame(url: str) -> str:
    """The player's address where the video's address alone tells it (YouTube, Vimeo), else an empty string."""
    parts = urlsplit(url)
    host, path = (parts.hostname or "").lower(), parts.path
    key = ""
    if host in _YOUTUBE_HOSTS:
        tail = path.strip("/").split("/")
        key = parse_qs(parts.query).get("v", [""])[0] or (
            tail[1] if len(tail) == 2 and tail[0] in ("embed", "shorts", "live") else ""
        )
    elif host == "youtu.be":
        key = path.strip("/")
    elif host in ("vimeo.com", "www.vimeo.com"):
        found = re.fullmatch(r"/(\d+)(?:/(\w+))?/?", path)
        if found:
            secret = f"&h={found[2]}" if found[2] else ""
            return f"https://player.vimeo.com/video/{found[1]}?dnt=1{secret}"
    return f"https://www.youtube-nocookie.com/embed/{key}" if _YOUTUBE_ID.match(key) else ""


def is_public(url: str) -> bool:
    """Whether ``url`` is an ordinary address of the public web.

    The patterns of providers are lax: to some of them a path looks like their host, whatever the host is.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or port not in (None, 80, 443) or "@" in parts.netloc:
        return False
    return len(host) < 254 and bool(_PUBLIC_HOST.fullmatch(host)) and not host.endswith(_PRIVATE_ENDS)


def look_up(url: str) -> None:
    """Ask the provider about ``url`` and remember the answer. Raises ``ValidationError`` with words for the editor.

    Where the provider cannot be reached (a firewall, no network) an address that tells its player by itself is taken.
    """
    key = f"wagtail_kwiga.video.{get_embed_hash(url)}"
    refusal = cache.get(key)
    if refusal is None and (refusal := _asked(url)):
        cache.set(key, refusal, _REFUSED_SECONDS)
    if refusal and not (refusal == _SILENT and known_frame(url)):
        raise ValidationError(_REFUSALS[refusal], code=refusal)


def _asked(url: str) -> str:
    """Why the video cannot be shown, as a key of ``_REFUSALS``; empty where it can."""
    if not is_public(url):
        return _UNKNOWN
    try:
        # A row that the database refuses must not spoil a transaction of the editor's; of ours there is none meanwhile.
        with transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext():
            embed = get_embed(url)
    except EmbedUnsupportedProviderException:
        return _UNKNOWN
    except EmbedException as fault:
        answer = getattr(fault.__cause__ or fault.__context__, "response", None)
        return _HIDDEN if getattr(answer, "status_code", None) in (401, 403, 404) else _SILENT
    except Exception:  # a provider's answer is input like any other: no object, fields missing, numbers without end
        logger.exception("The answer of a video provider could not be used")
        return _SILENT
    return "" if _frame_of(embed) or known_frame(url) else _NO_VIDEO


class VideoBlock(blocks.StructBlock):
    """A video from a provider or a file, shown as a poster until the visitor starts it."""

    url = blocks.URLBlock(
        required=False,
        label=_("Address of the video"),
        help_text=_("For example a page of YouTube, Vimeo or Dailymotion."),
    )
    file = DocumentChooserBlock(
        required=False, label=_("Or an uploaded file"), help_text=_("MP4 or WebM, put among the documents.")
    )
    poster = ImageChooserBlock(
        required=False, label=_("Picture before it starts"), help_text=_("Without one a plain dark panel is shown.")
    )
    caption = blocks.CharBlock(required=False, max_length=255, label=pgettext_lazy("sales", "Caption"))
    captions = DocumentChooserBlock(
        required=False,
        label=_("Subtitles of the uploaded file"),
        help_text=_("A WebVTT file (.vtt) among the documents."),
    )

    class Meta:
        icon = "media"
        group = GROUP
        label = pgettext_lazy("sales", "Video")
        description = _(
            "A video from a provider or a file; nothing is loaded from elsewhere before the visitor starts it"
        )
        template = "wagtail_kwiga/offers/blocks/video.html"
        preview_template = "wagtail_kwiga/offers/blocks/preview.html"
        preview_value = {
            "url": "https://www.youtube.com/watch?v=aqz-KE-bpKQ",
            "caption": _("Two minutes from the first lesson"),
        }

    def get_preview_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        return {**(parent_context or {}), "sample": SAMPLE}

    def clean(self, value: Any) -> Any:
        value = super().clean(value)
        errors: dict[str, ValidationError] = {}
        url, file, captions = value.get("url"), value.get("file"), value.get("captions")
        if bool(url) == bool(file):
            errors["url"] = ValidationError(_("Give either an address or a file."))
        elif url:
            try:
                look_up(url)
            except ValidationError as fault:
                errors["url"] = fault
        elif not file.filename.lower().endswith(PLAYABLE):
            errors["file"] = ValidationError(
                _("Browsers do not play this kind of file. Use one of: %(kinds)s.") % {"kinds": ", ".join(PLAYABLE)}
            )
        if captions and not file:
            errors["captions"] = ValidationError(
                _("Subtitles go with an uploaded file. A video from a provider brings its own.")
            )
        elif captions and not captions.filename.lower().endswith(".vtt"):
            errors["captions"] = ValidationError(_("Subtitles must be a WebVTT file, its name ending in .vtt."))
        if errors:
            raise StructBlockValidationError(block_errors=errors)
        return value

    def get_context(self, value: Any, parent_context: Any = None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(value, parent_context=parent_context)
        if value.get("url"):
            context["player"] = player_for(value["url"])
        elif value.get("file"):
            # The file itself and not Wagtail's document view: Safari plays only what can be asked for in pieces.
            context["source"] = value["file"].file.url
            context["source_type"] = mimetypes.guess_type(PurePosixPath(value["file"].filename).name)[0] or "video/mp4"
        return context


def _frame_of(embed: Embed) -> str:
    found = _IFRAME.search(str(embed.html or "")[:_LONGEST_PLAYER])
    frame = html.unescape(found[1]) if found else ""
    if frame.startswith("//"):
        frame = f"https:{frame}"
    return frame if frame.startswith("https://") and is_public(frame) else ""


def _private(frame: str) -> str:
    """The provider's own quieter player where it has one."""
    frame = re.sub(r"\Ahttps://(www\.)?youtube\.com/embed/", "https://www.youtube-nocookie.com/embed/", frame)
    if frame.startswith("https://player.vimeo.com/") and "dnt=" not in frame:
        frame += ("&" if "?" in frame else "?") + "dnt=1"
    return frame
