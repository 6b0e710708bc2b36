"""What a compiled mail refers to on the site: pages it links to, pictures it shows. Their addresses are made when the mail leaves.

A version of a mail lives for years, and an address written into it would keep the slug, the host, the signature or the folder of the
day it was compiled. So it keeps only which page and which picture is meant, under a name that looks like a placeholder of ours and
that no editor can write.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.files.base import File
from django.http import HttpRequest
from wagtail.images import get_image_model
from wagtail.models import Page, Site

from wagtail_kwiga import signing
from wagtail_kwiga.orders import links

_PAGE = re.compile(r"page\.n(\d+)_url")
_PICTURE = re.compile(r"picture\.n(\d+)_t(\d+)_url")
#: The picture's key and the second it was uploaded: a restored backup hands out the same keys again.
_SEALED = re.compile(r"(\d{1,18})\.(\d{1,12})")

#: Formats that mail programs show as they are; all others are converted. SVG cannot be: it is refused (``validation``).
_SHOWN = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "gif": "gif"}


# --- names ----------------------------------------------------------------------------------------------------------------


def page_name(pk: int | str) -> str:
    """What a version calls a page."""
    return f"page.n{pk}_url"


def picture_name(image: Any) -> str:
    """What a version calls a picture."""
    return f"picture.n{image.pk}_t{_uploaded(image)}_url"


def is_name(name: str) -> bool:
    """Whether a version means a page or a picture by it."""
    return bool(_PAGE.fullmatch(name) or _PICTURE.fullmatch(name))


def pages_in(names: Iterable[str]) -> set[int]:
    """The keys of the pages among these names."""
    return {int(found[1]) for name in names if (found := _PAGE.fullmatch(name))}


def _uploaded(image: Any) -> int:
    uploaded: dt.datetime = image.created_at
    return int(uploaded.timestamp())


# --- addresses ------------------------------------------------------------------------------------------------------------


def load_pages(ids: Iterable[int]) -> dict[int, Page]:
    """The published ones of these pages, each as the type that knows its address. One query, none for none."""
    wanted = set(ids)
    pages: Any = Page.objects.filter(pk__in=wanted).live().specific(defer=True) if wanted else ()
    return {page.pk: page for page in pages}


def addresses(
    names: Iterable[str], *, site_id: int | None, language: str, pages: Mapping[int, Page] | None = None
) -> dict[str, str]:
    """Name → absolute address for a mail of that site. A page that is gone or not published is the site's root. ``pages``: those of
    ``load_pages``, where the caller has them already; else one query where there is a page."""
    names = list(names)
    if pages is None:
        pages = load_pages(pages_in(names))
    found = {}
    for name in names:
        if match := _PAGE.fullmatch(name):
            found[name] = _page_address(pages.get(int(match[1])), site_id)
        elif match := _PICTURE.fullmatch(name):
            sealed = signing.seal(signing.Purpose.PICTURE, f"{match[1]}.{match[2]}")
            found[name] = links.absolute("picture", sealed, site_id=site_id, language=language)
    return found


def _page_address(page: Page | None, site_id: int | None) -> str:
    """Where a page is on the mail's own site, else on the one that it belongs to."""
    root = links.site_root(site_id)
    if page is None:
        return root
    request: Any = HttpRequest()
    # What ``Site.find_for_request`` would find; of several sites with one tree it chooses.
    known = (Site(pk=one.site_id) for one in Site.get_site_root_paths() if one.root_url == root)
    request._wagtail_site = next(known, None)
    return str(page.get_full_url(request) or root)


# --- pictures -------------------------------------------------------------------------------------------------------------


def picture_of(sealed: str) -> Any | None:
    """The picture that an address of ``addresses`` names; ``None`` where it is gone, or the address is none of ours."""
    found = _SEALED.fullmatch(signing.unseal(signing.Purpose.PICTURE, sealed) or "")
    if found is None:
        return None
    model: Any = get_image_model()
    image = model._default_manager.filter(pk=int(found[1])).first()
    return image if image is not None and _uploaded(image) == int(found[2]) else None


def rendition(image: Any, width: int) -> Any:
    """``image`` at most so many pixels wide, in a format that every mail program shows; made when first asked for.

    Raises what Wagtail raises for a file that is gone or cannot be read.
    """
    size = f"width-{width}"
    extension = image.file.name.rpartition(".")[2].lower()
    if extension in _SHOWN:
        return image.get_rendition(f"{size}|format-{_SHOWN[extension]}")
    specs = [f"{size}|format-jpeg", f"{size}|format-png"]
    made = image.renditions.filter(filter_spec__in=specs).first()
    return made or image.get_rendition(specs[_has_alpha(image)])


def _has_alpha(image: Any) -> bool:
    with image.get_willow_image() as willow:
        return bool(willow.has_alpha())


def open_rendition(made: Any) -> File[bytes]:
    """The bytes of a rendition. A file that storage or an editor has deleted meanwhile is made anew."""
    try:
        return made.file.storage.open(made.file.name, "rb")  # type: ignore[no-any-return]
    except OSError:
        image, spec = made.image, made.filter_spec
        made.delete()
        again = image.get_rendition(spec)
        return again.file.storage.open(again.file.name, "rb")  # type: ignore[no-any-return]
