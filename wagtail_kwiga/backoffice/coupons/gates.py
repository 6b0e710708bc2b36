"""Where a coupon and an offer name each other in vain: said on both screens, and mended after a look at what will change.

What is wrong is found by ``coupons.gates``. The coupon's side is mended there, the offer's side on its page
(``offers.coupon_gate``), which is published at once or, while somebody is in the middle of changing it, left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from wagtail.admin import messages
from wagtail.log_actions import LogFormatter, log

from wagtail_kwiga import locking
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.cards import CardNote
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons import audience, gates
from wagtail_kwiga.coupons.gates import Conflict, Fix
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.offers import coupon_gate, publishing

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Words of the buttons that lead to the confirmation.
_LABELS: dict[str, Any] = {
    Fix.NAME_COUPON: gettext_lazy("Let the offer take it"),
    Fix.WIDEN_COUPON: gettext_lazy("Let the coupon work there too"),
    Fix.ACTIVATE_COUPON: gettext_lazy("Make the coupon active"),
}
#: Sentences in a coupon's history.
_HISTORY: dict[str, Any] = {
    Fix.NAME_COUPON: gettext_lazy("The offer “%(offer)s” was made to take the coupon"),
    Fix.WIDEN_COUPON: gettext_lazy("The coupon was made to work for the offer “%(offer)s” too"),
    Fix.ACTIVATE_COUPON: gettext_lazy("The coupon was made active for the offer “%(offer)s”"),
}


def source_pages(offers: Sequence[Offer]) -> dict[Any, Any]:
    """Translation key → the page that owns the terms of that offer, as Wagtail's base page. One query."""
    keys = {offer.translation_key for offer in offers if offer.translation_key is not None}
    found: dict[Any, Any] = {}
    if keys:
        for page in publishing.page_model().objects.filter(translation_key__in=keys).order_by("pk"):
            found.setdefault(page.translation_key, page)
    return found


def may_fix(user: Any, remedy: str, page: Any) -> bool:
    """Whether ``user`` may do what ``remedy`` does; ``page`` is the offer's source page, if it has one."""
    if remedy == Fix.NAME_COUPON:
        return page is not None and page.permissions_for_user(user).can_publish()
    return bool(remedy) and policies.may(user, "change", Coupon)


def notes(subject: Coupon | Offer, user: Any, back: str) -> list[CardNote]:
    """The disagreements of a coupon or an offer in words, each with its way out. At most five queries.

    ``back`` is where the confirmation leads to afterwards.
    """
    faults = gates.conflicts(subject)
    pages = source_pages([fault.offer for fault in faults if fault.offer is not None])
    found = []
    for fault in faults:
        page = pages.get(fault.offer.translation_key) if fault.offer is not None else None
        url, label = _way_out(fault, subject, page, user, back)
        found.append(CardNote(fault.message, "warning", url, label))
    return found


def _way_out(fault: Conflict, subject: Any, page: Any, user: Any, back: str) -> tuple[str, Any]:
    if fault.remedy:
        if not may_fix(user, fault.remedy, page):
            return "", ""
        coupon, offer = _pair(fault)
        address = reverse("wagtail_kwiga_coupons:mend", args=[coupon.pk, offer.pk, fault.code])
        return f"{address}?{urlencode({'next': back})}", _LABELS[fault.remedy]
    if fault.code == gates.NOWHERE:
        return reverse("wagtail_kwiga_offers:list"), _("Show the offers")
    if fault.code == Reason.OTHER_CURRENCY and isinstance(subject, Offer) and policies.may(user, "change", Coupon):
        return reverse("wagtail_kwiga_coupons:edit", args=[_pair(fault)[0].pk]), _("Open the coupon")
    return page_button(page, user)


def page_button(page: Any, user: Any) -> tuple[str, Any]:
    """The way to the page's editor, for those who may edit it."""
    if page is None or not page.permissions_for_user(user).can_edit():
        return "", ""
    return reverse("wagtailadmin_pages:edit", args=[page.pk]), _("Open the page")


# --- mending ----------------------------------------------------------------------------------------------------------


def fix(fault: Conflict, *, by: AbstractBaseUser | None) -> None:
    """Do what the remedy of ``fault`` says. Raises ``KwigaError`` in words, and ``PermissionDenied``; then nothing changed."""
    coupon, offer = _pair(fault)
    if fault.remedy != Fix.NAME_COUPON:
        gates.fix(fault.code, coupon, offer, by=by)
        return
    page = source_pages([offer]).get(offer.translation_key)
    if page is None:
        raise KwigaError(_("This offer has no page any more, so nobody can choose its coupons."), code="no_page")
    with locking.atomic_write():
        coupon_gate.name_coupon(page.specific, coupon, by=by)
        offer = Offer.objects.get(pk=offer.pk)
        if not gates.taking(coupon).filter(pk=offer.pk).exists() and _still(fault):
            # The page names it already and the offer's terms lag behind: they are written again, from what is live.
            live = publishing.page_model().objects.filter(pk=page.pk, live=True).first()
            if live is not None:
                publishing.publish_terms(live.specific)
        data = gates.log_data(fault.remedy, offer)
        log(instance=coupon, action=gates.LOG_ACTION, user=by, content_changed=True, data=data)


def _pair(fault: Conflict) -> tuple[Coupon, Offer]:
    """The two of a disagreement that is about one coupon and one offer, as every one with a remedy is."""
    return cast(Coupon, fault.coupon), cast(Offer, fault.offer)


def _still(fault: Conflict) -> bool:
    return find(*_pair(fault), fault.code) is not None


def find(coupon: Coupon, offer: Offer, code: str) -> Conflict | None:
    """The disagreement ``code`` between these two as it is now, or ``None``."""
    told = gates.conflicts(coupon)
    return next((fault for fault in told if fault.code == code and fault.offer == offer), None)


def what_changes(fault: Conflict, page: Any) -> list[str]:
    """What mending does, sentence by sentence. ``page`` is the specific source page where the page changes."""
    about, offer = _pair(fault)[0], _pair(fault)[1].title
    coupon = about.code
    if fault.remedy == Fix.ACTIVATE_COUPON:
        return [
            _("The coupon %(coupon)s becomes active.") % {"coupon": coupon},
            audience.sentence(audience.audience(about)),
        ]
    if fault.remedy == Fix.WIDEN_COUPON:
        return [
            _("The coupon %(coupon)s works for the offer “%(offer)s” too, beside those it is limited to.")
            % {"coupon": coupon, "offer": offer}
        ]
    if coupon_gate.takes(page, about):
        return [_("The page “%(page)s” takes it already: its terms are written anew.") % {"page": page.title}]
    told = []
    if page.coupon_mode == Offer.CouponMode.NONE:
        told.append(
            _("The page “%(page)s” takes coupons from now on, but only this one: %(coupon)s.")
            % {"page": page.title, "coupon": coupon}
        )
        others = [block.value.code for block in page.coupons if block.value not in (None, about)]
        if others:
            told.append(
                _("Left over in its list of coupons, and taken out so that they do not come back unasked: %(coupons)s.")
                % {"coupons": ", ".join(others)}
            )
    else:
        told.append(
            _("The page “%(page)s” takes %(coupon)s beside the coupons that it names already.")
            % {"page": page.title, "coupon": coupon}
        )
    told.append(_("The page is published with this change at once; it has no other changes waiting."))
    return told


def confirm(request: HttpRequest, coupon_pk: int, offer_pk: int, code: str) -> HttpResponse:
    """Show what mending a disagreement would change; on POST do it."""
    coupon = get_object_or_404(Coupon, pk=coupon_pk)
    offer = get_object_or_404(Offer, pk=offer_pk)
    back = linking.back(request, reverse("wagtail_kwiga_coupons:inspect", args=[coupon.pk]))
    remedy = Conflict(code, "", coupon, offer).remedy
    if not remedy:
        raise Http404
    page = source_pages([offer]).get(offer.translation_key)
    if not may_fix(request.user, remedy, page):
        raise PermissionDenied
    fault = find(coupon, offer, code)
    if fault is None:
        messages.info(
            request,
            _("The coupon %(coupon)s and the offer “%(offer)s” agree about this already.")
            % {"coupon": coupon.code, "offer": offer.title},
        )
        return redirect(back)
    specific = cast(Any, page).specific if remedy == Fix.NAME_COUPON else None  # there is one: ``may_fix``
    refusal = coupon_gate.why_not_nameable(specific) if specific is not None else ""
    if request.method == "POST" and not refusal:
        try:
            fix(fault, by=policies.user_of(request))
        except KwigaError as told:
            refusal = str(told)
        else:
            _say_done(request, fault)
            return redirect(back)
    return TemplateResponse(
        request,
        "wagtail_kwiga/backoffice/coupons/mend.html",
        {
            "fault": fault,
            "changes": [] if refusal else what_changes(fault, specific),
            "refusal": refusal,
            "page_url": page_button(page, request.user)[0] if specific is not None else "",
            "button": _LABELS[remedy],
            "back": back,
            "header_icon": "pick",
            "page_title": _("Make them agree"),
            "page_subtitle": coupon.code,
            "header_title": _("Make them agree"),
            "breadcrumbs_items": [
                {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
                {"url": reverse("wagtail_kwiga_coupons:list"), "label": pgettext("sales", "Coupons")},
                {"url": reverse("wagtail_kwiga_coupons:inspect", args=[coupon.pk]), "label": coupon.code},
                {"url": "", "label": _("Make them agree")},
            ],
        },
    )


def _say_done(request: HttpRequest, fault: Conflict) -> None:
    coupon, offer = _pair(fault)
    facts = {"coupon": coupon.code, "offer": offer.title}
    rest = [other for other in gates.conflicts(coupon) if other.offer == offer]
    for other in rest:
        messages.warning(request, other.message)
    if not rest:
        messages.success(request, _("Done: the coupon %(coupon)s and the offer “%(offer)s” agree now.") % facts)


# --- the page editor, the history -------------------------------------------------------------------------------------


def warn_on_page(request: HttpRequest, page: Any) -> None:
    """``before_edit_page``: say above the editor of an offer's source page what is wrong with its coupons."""
    if request.method != "GET" or "_w_hydrate_create_view" in request.GET or not publishing.is_offer_page(page):
        return
    offer = Offer.objects.filter(translation_key=page.translation_key).first()
    if offer is None or publishing.source_id(page.translation_key) != page.pk:
        return
    told = notes(offer, request.user, reverse("wagtailadmin_pages:edit", args=[page.pk]))
    for note in told[:3]:
        # The way to this very page would lead nowhere.
        is_here = note.url == request.path
        messages.warning(
            request, note.words, buttons=[messages.button(note.url, note.label)] if note.url and not is_here else None
        )
    if len(told) > 3 and policies.may(request.user, "view", Offer):
        where = reverse("wagtail_kwiga_offers:inspect", args=[offer.pk])
        messages.warning(
            request,
            _("More coupons and this offer do not agree."),
            buttons=[messages.button(where, pgettext("sales", "Show all"))],
        )


def register_log_action(actions: Any) -> None:
    """``register_log_actions``: mending in the words of a coupon's history."""

    @actions.register_action(gates.LOG_ACTION)
    class Mended(LogFormatter):
        label = gettext_lazy("Made to agree with an offer")

        def format_message(self, entry: Any) -> str:
            data = entry.data if isinstance(entry.data, dict) else {}
            words = _HISTORY.get(data.get("remedy", ""), self.label)
            return str(words) % {"offer": data.get("offer", "")}
