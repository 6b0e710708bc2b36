"""Asked before a coupon is deleted, an offer page is published, taken down or deleted, or people are taken off a list: what that
would break of what mail told.

Edit forms ask for themselves (``offers.promise_panel``). Here stand Wagtail's own views of one button: the first POST brings a
page that says how many people were told what, and its button sends the same POST again, knowingly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from wagtail import hooks
from wagtail.log_actions import LogFormatter

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises, CouponState
from wagtail_kwiga.offers import promise_panel, publishing

#: A row, and what would break of what was told about it.
_Broken = list[tuple[Any, BrokenPromises]]


def before_delete_snippet(request: HttpRequest, instances: Iterable[Any]) -> HttpResponse | None:
    """Wagtail's hook, for one coupon and for ticked ones."""
    if request.method != "POST":
        return None
    now = conf.now()
    coupons = [row for row in instances if isinstance(row, Coupon)]
    broken = [(row, unexpired_promises.of_coupon(CouponState.saved(row.pk), None, now)) for row in coupons]
    return ask(request, broken, pgettext("sales", "Yes, delete"))


def before_publish_page(request: HttpRequest, page: Any) -> None:
    """Wagtail's hook: its form has asked already (``OfferPageForm``), so what breaks now is broken knowingly."""
    now = conf.now()
    if publishing.is_offer_page(page) and not (page.go_live_at and page.go_live_at > now):
        promise_panel.end(
            publishing.promises_broken_by(page, now=now), history_of=page, by=policies.user_of(request), now=now
        )


def before_unpublish_page(request: HttpRequest, page: Any) -> HttpResponse | None:
    """Wagtail's hook."""
    return ask(request, _without(_going(request, [page], "unpublish")), pgettext("sales", "Yes, unpublish it"))


def before_delete_page(request: HttpRequest, page: Any) -> HttpResponse | None:
    """Wagtail's hook."""
    if request.method != "POST":
        return None
    return ask(request, _without(_going(request, [page], "delete")), pgettext("sales", "Yes, delete it"))


def before_bulk_action(request: HttpRequest, action: str, objects: Iterable[Any], _view: Any) -> HttpResponse | None:
    """Wagtail's hook, for ticked pages."""
    pages = [row.specific for row in objects if isinstance(row, publishing.page_model())]
    match action:
        case "publish":
            now = conf.now()
            drafts = [page.get_latest_revision_as_object() for page in pages if publishing.is_offer_page(page)]
            broken = [(page, publishing.promises_broken_by(page, now=now)) for page in drafts]
            return ask(request, broken, pgettext("sales", "Yes, publish"))
        case "unpublish":
            return ask(request, _without(_going(request, pages, action)), pgettext("sales", "Yes, unpublish"))
        case "delete":
            return ask(request, _without(_going(request, pages, action)), pgettext("sales", "Yes, delete"))
    return None


def _without(pages: Iterable[Any]) -> _Broken:
    broken = publishing.promises_broken_without(pages, now=conf.now())
    return [(page.specific, promises) for page, promises in broken if promises]  # a history names the very type


def _going(request: HttpRequest, pages: Iterable[Any], action: str) -> list[Any]:
    """The live offer pages among those that Wagtail takes down with ``pages``: translations that follow them (a hook of Wagtail's
    names them), and what lies below, which is deleted with them, and unpublished where that was ticked. One query a page."""
    taken = {page.pk: page for page in pages}
    if getattr(settings, "WAGTAIL_I18N_ENABLED", False):
        for hook in hooks.get_hooks("construct_translated_pages_to_cascade_actions"):
            for more in (hook(list(taken.values()), action) or {}).values():
                taken |= {page.pk: page for page in more}
    inclusive = action == "delete" or bool(request.POST.get("include_descendants"))
    sold = Offer.objects.values("translation_key")
    found: dict[int, Any] = {}
    for page in taken.values():
        rows = page.get_descendants(inclusive=True) if inclusive else publishing.page_model().objects.filter(pk=page.pk)
        found |= {row.pk: row for row in rows.filter(live=True, translation_key__in=sold)}
    return [found[pk] for pk in sorted(found)]


def ask(request: HttpRequest, found: _Broken, yes: str) -> HttpResponse | None:
    """The page that asks; ``None`` where nothing breaks, or it was sent knowingly: then the promises are ended."""
    broken = [(row, promises) for row, promises in found if promises]
    if not broken:
        return None
    if request.POST.get(promise_panel.CONFIRMED):
        for row, promises in broken:
            promise_panel.end(promises, history_of=row, by=policies.user_of(request))
        return None
    sent = [(name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"]
    title = _("People were told otherwise")
    context = {
        "page_title": title,
        "header_title": title,
        "header_icon": "warning",
        "breadcrumbs_items": [
            {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
            {"url": "", "label": title},
        ],
        "broken": [(row, promises.told) for row, promises in broken],
        "sent": sent,
        "name": promise_panel.CONFIRMED,
        "yes": yes,
        "back": linking.back(request, request.get_full_path()),
    }
    return TemplateResponse(request, "wagtail_kwiga/backoffice/promises.html", context)


def register_log_action(actions: Any) -> None:
    """``register_log_actions``: ending promises in the words of a history."""

    @actions.register_action(promise_panel.LOG_ACTION)
    class PromisesEnded(LogFormatter):
        label = gettext_lazy("Ended what people were told by mail")

        def format_message(self, entry: Any) -> str:
            people = entry.data.get("people") if isinstance(entry.data, dict) else None
            if not isinstance(people, int):
                return str(self.label)
            words = ngettext(
                "Ended what %(people)d person was told by mail",
                "Ended what %(people)d people were told by mail",
                people,
            )
            return words % {"people": people}
