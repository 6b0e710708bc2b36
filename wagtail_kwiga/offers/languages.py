"""Which language an offer page speaks, and where the same page is found in other languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import global_settings, settings
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import translation
from wagtail.coreutils import get_content_languages, get_supported_content_language_variant
from wagtail.models import Site

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.offers import publishing
from wagtail_kwiga.offers.choices import LanguageMode, languages_spoken


@dataclass(frozen=True)
class Alternate:
    """The page in one language. ``own`` is the one being looked at."""

    language: str
    name: str
    url: str
    path: str
    own: bool


@dataclass(frozen=True)
class Languages:
    """The languages of one page: its own, and every live translation (itself among them) in the order they were made."""

    own: str
    alternates: tuple[Alternate, ...]

    @property
    def source(self) -> Alternate | None:
        """Where people of any other language are sent (``hreflang="x-default"``)."""
        return self.alternates[0] if self.alternates else None


def unspoken() -> list[str]:
    """The languages in which visitors may meet a page and our own words are not there, as codes in small letters."""
    return [code for code in _site_languages() if not languages.has_words(code)]


def _site_languages() -> list[str]:
    """The languages in which visitors may meet a page. Django's own long list means that nobody has chosen any."""
    if not settings.USE_I18N:
        return []
    codes = [settings.LANGUAGE_CODE]
    if settings.LANGUAGES != global_settings.LANGUAGES:
        codes += [code for code, _name in settings.LANGUAGES]
    codes += [code for code, _name in getattr(settings, "WAGTAIL_CONTENT_LANGUAGES", ())]
    return list(dict.fromkeys(code.lower() for code in codes))


def languages_of(page: Any, request: HttpRequest) -> Languages:
    """The languages of ``page``. One query; none on a site of a single language. An alias stands for its original."""
    if page.alias_of_id and page.alias_of.translation_key != page.translation_key:
        page = page.alias_of.specific
    if not getattr(settings, "WAGTAIL_I18N_ENABLED", False) or len(get_content_languages()) < 2:
        own = get_supported_content_language_variant(settings.LANGUAGE_CODE)
        here = _alternate(page, own, request, is_own=True)
        return Languages(own, (here,) if here else ())
    pages = publishing.page_model().objects.filter(translation_key=page.translation_key).select_related("locale")
    versions = pages.only("url_path", "live", "locale__language_code").order_by("pk")
    own = ""
    found = []
    for version in versions:
        code, is_own = version.locale.language_code, version.pk == page.pk
        own = code if is_own else own
        if version.live:
            found.append(_alternate(page if is_own else version, code, request, is_own=is_own))
    return Languages(own or _locale_code(page), tuple(alternate for alternate in found if alternate))


def spoken_language(page: Any, own: str, request: HttpRequest) -> str:
    """The language of the page's interface, its messages, the order placed on it and the mails of that order: one of
    ``choices.languages_spoken``."""
    if page.language_mode == LanguageMode.VISITOR:
        return translation.get_language_from_request(request)
    return languages_spoken(own, page.language_mode, page.fixed_language)[0]


def site_of(page: Any, request: HttpRequest) -> Site | None:
    """The Wagtail site a visitor is on. No query where Wagtail has found it already."""
    return Site.find_for_request(request) or page.get_site()


class SpokenResponse(TemplateResponse):
    """A response rendered in a language of its own.

    Wagtail and Django render after the view has returned, so a language activated inside the view would be gone by then.
    """

    def __init__(self, *args: Any, language: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language = language
        self["Content-Language"] = language

    @property
    def rendered_content(self) -> str:
        with translation.override(self.language):
            return super().rendered_content


def _alternate(page: Any, language: str, request: HttpRequest, *, is_own: bool) -> Alternate | None:
    """``None`` for a page without an address (outside of every site)."""
    parts = page.get_url_parts(request)
    if parts is None or parts[1] is None:
        return None
    site_id, root, path = parts
    here = Site.find_for_request(request)
    url = root + path
    is_here = here is not None and here.pk == site_id
    return Alternate(language, languages.own_name(language), url, path if is_here else url, is_own)


def _locale_code(page: Any) -> str:
    return page.locale.language_code if page.locale_id else settings.LANGUAGE_CODE
