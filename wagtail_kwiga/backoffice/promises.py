"""Asked before a coupon is deleted or an offer page is published, taken down or deleted: what that would break of what mail told.

Edit forms ask for themselves (``offers.promise_panel``). Here stand Wagtail's own views of one button: the first POST brings a
page that says how many people were told what, and its button sends the same POST again, knowingly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from wagtail.log_actions import LogFormatter

from wagtail_kwiga import conf
from wagtail_kwiga.backoffice.parts import linking, policies
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
    return _ask(request, broken, pgettext("sales", "Yes, delete"))


def before_publish_page(request: HttpRequest, page: Any) -> None:
    """Wagtail's hook: its form has asked already (``OfferPageForm``), so what breaks now is broken knowingly."""
    now = conf.now()
    if publishing.is_offer_page(page) and not (page.go_live_at and page.go_live_at > now):
        promise_panel.end(
            publishing.promises_broken_by(page, now=now), history_of=page, by=policies.user_of(request), now=now
        )


def before_unpublish_page(request: HttpRequest, page: Any) -> HttpResponse | None:
    """Wagtail's hook."""
    return _ask(request, _without([page]), pgettext("sales", "Yes, unpublish it"))


def before_delete_page(request: HttpRequest, page: Any) -> HttpResponse | None:
    """Wagtail's hook."""
    return _ask(request, _without([page]), pgettext("sales", "Yes, delete it")) if request.method == "POST" else None


def before_bulk_action(request: HttpRequest, action: str, objects: Iterable[Any], _view: Any) -> HttpResponse | None:
    """Wagtail's hook, for ticked pages."""
    pages = [getattr(row, "specific", row) for row in objects]
    match action:
        case "publish":
            now = conf.now()
            drafts = [page.get_latest_revision_as_object() for page in pages if publishing.is_offer_page(page)]
            broken = [(page, publishing.promises_broken_by(page, now=now)) for page in drafts]
            return _ask(request, broken, pgettext("sales", "Yes, publish"))
        case "unpublish":
            return _ask(request, _without(pages), pgettext("sales", "Yes, unpublish"))
        case "delete":
            return _ask(request, _without(pages), pgettext("sales", "Yes, delete"))
    return None


def _without(pages: Iterable[Any]) -> _Broken:
    now = conf.now()
    offers = [page for page in pages if publishing.is_offer_page(page)]
    return [(page, publishing.promises_broken_without(page, now=now)) for page in offers]


def _ask(request: HttpRequest, found: _Broken, yes: str) -> HttpResponse | None:
    """The page that asks; ``None`` where nothing breaks, or it was sent knowingly: then the promises are ended."""
    broken = [(row, promises) for row, promises in found if promises]
    if not broken:
        return None
    if request.POST.get(promise_panel.CONFIRMED):
        for row, promises in broken:
            promise_panel.end(promises, history_of=row, by=policies.user_of(request))
        return None
    sent = [(name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"]
    context = {
        "page_title": _("People were told otherwise"),
        "header_icon": "warning",
        "broken": [(row, promises.told) for row, promises in broken],
        "sent": sent,
        "name": promise_panel.CONFIRMED,
        "yes": yes,
        "back": linking.back(request, ""),
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
