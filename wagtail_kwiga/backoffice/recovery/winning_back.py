"""*Win back unpaid orders*: from an offer page to a live recovery on one screen, and a look at what was made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext
from wagtail.admin.widgets.button import Button, HeaderButton

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.editing import editor_warnings
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.recovery import preset_texts, presets, readiness
from wagtail_kwiga.automations.recovery.presets import DraftedRecovery, Recovery
from wagtail_kwiga.backoffice.parts import policies
from wagtail_kwiga.backoffice.recovery import showing
from wagtail_kwiga.backoffice.recovery.form import WinBackForm
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.coupons.discounts import size_text
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.offers import coupon_gate, publishing
from wagtail_kwiga.offers.models import OfferPageMixin

TITLE = gettext_lazy("Win back unpaid orders")
ICON = "mail"
FOLDER = "wagtail_kwiga/backoffice/winning_back"
#: What somebody must be allowed to do, besides publishing the page.
NEEDED = tuple(
    f"wagtail_kwiga.{word}"
    for word in (
        "add_scenario", "change_scenario", "publish_scenario", "add_emailtemplate", "change_emailtemplate",
        "publish_emailtemplate", "add_coupon", "change_coupon", "add_contactlist",
    )
)  # fmt: skip
#: What somebody must be allowed to do to throw the drafts away.
TO_REMOVE = tuple(f"wagtail_kwiga.delete_{word}" for word in ("scenario", "emailtemplate", "coupon", "contactlist"))


# --- ways in --------------------------------------------------------------------------------------------------------------


def may(user: Any, page: Any | None) -> bool:
    """Whether ``user`` may win back unpaid orders of the offer of ``page`` (of an offer without a page: in general)."""
    return user.has_perms(NEEDED) and (page is None or page.permissions_for_user(user).can_publish())


def page_header_buttons(page: Any, user: Any, view_name: str = "", next_url: str | None = None) -> Iterator[Button]:
    """Wagtail's hook: in the menu at the top of a live offer page's editor and of its place in the tree."""
    yield from _page_button(page, user, priority=75)


def page_listing_buttons(page: Any, user: Any, next_url: str | None = None) -> Iterator[Button]:
    """Wagtail's hook: among the things to do with a live offer page in a list of pages."""
    yield from _page_button(page, user, priority=65)


def offer_header_button(offer: Offer, user: Any) -> list[HeaderButton]:
    """For the screen of an offer: the button, where the offer has a page and ``user`` may."""
    if offer.translation_key is None or not user.has_perms(NEEDED):
        return []
    return [HeaderButton(label=TITLE, url=address(offer.pk), icon_name=ICON)]


def address(offer_id: int) -> str:
    """Where the form of an offer is."""
    return reverse("wagtail_kwiga_offers:win_back", args=[offer_id])


def _page_button(page: Any, user: Any, *, priority: int) -> Iterator[Button]:
    if not page.live or not issubclass(page.specific_class or object, OfferPageMixin) or not may(user, page):
        return
    if offer_id := _offers_by_source(user).get(page.pk):
        yield Button(TITLE, address(offer_id), icon_name=ICON, priority=priority)


def _offers_by_source(user: Any) -> dict[int, int]:
    """Source page → offer, of the whole site: asked once for a list of pages, kept on the user of this request."""
    known = getattr(user, "_kwiga_offers_by_source", None)
    if known is None:
        offers = dict(Offer.objects.filter(translation_key__isnull=False).values_list("translation_key", "pk"))
        pages = publishing.page_model().objects.filter(translation_key__in=Offer.objects.values("translation_key"))
        sources: dict[Any, int] = {}
        for pk, key in pages.order_by("pk").values_list("pk", "translation_key"):
            sources.setdefault(key, pk)
        known = user._kwiga_offers_by_source = {pk: offers[key] for key, pk in sources.items() if key in offers}
    return known


# --- the form -------------------------------------------------------------------------------------------------------------


def win_back(request: HttpRequest, pk: int) -> HttpResponse:
    """The form. POST with ``publish`` or ``draft`` makes it all, any other POST shows what the form says by now."""
    offer, page = _open(request, pk)
    now = conf.now()
    live = readiness.live_scenarios(offer).first()
    obstacle = readiness.why_not(offer, page, now=now)
    if obstacle or (live is not None and request.method != "POST"):
        return _explained(request, offer, page, obstacle, live)
    waiting = presets.drafts(offer).first()
    if waiting is not None and request.method != "POST":
        messages.info(request, _("Drafts have been made for this offer. Publish them, or remove them to begin anew."))
        return redirect(_made_address(offer, waiting))
    languages = preset_texts.languages_of(page)
    form = WinBackForm(request.POST or None, languages=languages)
    if form.is_valid() and (request.POST.keys() & {"publish", "draft"}):
        answer = _send(request, offer, form, publish="publish" in request.POST)
        if answer is not None:
            return answer
    return TemplateResponse(request, f"{FOLDER}/form.html", _form_context(request, offer, page, form, now))


def _send(request: HttpRequest, offer: Offer, form: WinBackForm, *, publish: bool) -> HttpResponse | None:
    """Make what the form says; ``None`` where that was refused, with the reason in the form."""
    try:
        with locking.atomic_write():
            made = _make(request, offer, form.recovery(), publish=publish)
    except KwigaError as refusal:
        scenario = refusal.facts.get("scenario")
        if refusal.code == "made_already" and scenario is not None:
            messages.info(request, str(refusal))
            return redirect(_made_address(offer, scenario))
        if refusal.code == "made_already":  # a code that was free when the form was opened
            form.data = {**cast(QueryDict, form.data).dict(), **_lists(form), "code": presets.free_code()}
            refusal = KwigaError(_("The code of the coupon has been taken meanwhile. Please send the form once more."))
        form.add_error(None, str(refusal))
        form.conflict = scenario
        return None
    messages.success(request, _started(made) if publish else _("The drafts are made. Nobody is written to yet."))
    return redirect(_made_address(offer, made.scenario))


def _make(request: HttpRequest, offer: Offer, recovery: Recovery, *, publish: bool) -> DraftedRecovery:
    waiting = presets.drafts(offer).first()
    made = presets.draft_recovery(offer, recovery, by=policies.user_of(request))
    if waiting is not None:  # asked only now, so that a form sent twice is told so
        words = _("Drafts have been made for this offer meanwhile, “%(scenario)s”. Publish or remove them first.")
        raise KwigaError(words % {"scenario": waiting}, code="drafts_wait", scenario=waiting)
    return presets.publish_recovery(made, by=policies.user_of(request)) if publish else made


def _lists(form: WinBackForm) -> dict[str, list[str]]:
    return {"also_in": cast(QueryDict, form.data).getlist("also_in")}


def _form_context(request: HttpRequest, offer: Offer, page: Any, form: WinBackForm, now: dt.datetime) -> dict[str, Any]:
    title = presets.free_title(offer)
    context = {
        **_frame(request, offer),
        "form": form,
        "page": page,
        "media": form.media,
        "action_url": address(offer.pk),
        "has_unsaved_changes": form.is_bound,
        "numbers": [form[name] for name in ("percent", "wait", "hours")],
        "words": [form[name] for name in ("subject", "heading", "text", "button")],
        "also_in": form["also_in"] if "also_in" in form.fields else None,
        "language": form.languages.own.name,
        "no_words_in": ", ".join(spoken.name for spoken in form.languages.missing),
        "own_words": languages.has_words(form.languages.own.language),
        "cannot_publish": coupon_gate.why_not_nameable(page, now=now),
        "cautions": readiness.cautions(offer, page, now=now),
        "gate": _gate(page),
        "page_url": _page_address(page),
        "conflict_url": showing.address(form.conflict) if form.conflict else "",
    }
    recovery = _said(form)
    if recovery is not None:
        context |= {
            "sentence": presets.sentence(offer, recovery),
            "recovery": recovery,
            "size": size_text(recovery.coupon(), languages.active()),
            "title": title,
            "free": recovery.percent == presets.PERCENT[1],
            "mails": showing.mails_to_be(offer, page, form.languages, recovery, now),
        }
    return context


def _said(form: WinBackForm) -> Recovery | None:
    """What the form says now: as it is opened, or as it was sent; ``None`` where it cannot be read."""
    if not form.is_bound:
        opened = WinBackForm(form.initial, languages=form.languages)
        return opened.recovery() if opened.is_valid() else None
    return form.recovery() if not set(form.errors) - {"__all__"} else None


def _gate(page: Any) -> str:
    """What will happen to the page's own gate."""
    if page.coupon_mode == Offer.CouponMode.ANY:
        return _("The page takes any coupon, so it stays as it is.")
    if page.coupon_mode == Offer.CouponMode.ONLY:
        return _("The page takes only the coupons it names. It will name this one too, and is published with it.")
    return _("The page takes no coupons so far. It will take this one and no other, and is published with it.")


# --- what was made --------------------------------------------------------------------------------------------------------


def made(request: HttpRequest, pk: int, scenario_id: int) -> HttpResponse:
    """The four objects, the summary and the mail. POST publishes all of them."""
    offer, page = _open(request, pk)
    scenario = get_object_or_404(presets.made(offer), pk=scenario_id)
    drafted = presets.drafted(scenario, offer)
    if drafted is None:
        messages.info(request, _("This scenario was changed too much for this form since it was made. Edit it here."))
        return redirect(showing.address(scenario))
    refusal, seen = "", _state(drafted)
    if request.method == "POST" and request.POST.get("seen", seen) != seen:
        refusal = _("Somebody has changed these drafts since you opened this page. Please look at them again.")
    elif request.method == "POST":
        try:
            drafted = presets.publish_recovery(drafted, by=policies.user_of(request))
        except KwigaError as fault:
            refusal = str(fault)
        else:
            messages.success(request, _started(drafted))
            return redirect(request.path)
    return TemplateResponse(request, f"{FOLDER}/made.html", _made_context(request, drafted, page, refusal))


def _state(drafted: DraftedRecovery) -> str:
    """What the screen shows of the drafts, so that nobody publishes what they have not seen."""
    shown = [
        drafted.scenario.latest_revision_id,
        drafted.coupon.pk,
        *(one.latest_revision_id for one in drafted.templates),
    ]
    return "-".join(map(str, shown))


def _made_context(request: HttpRequest, drafted: DraftedRecovery, page: Any, refusal: str) -> dict[str, Any]:
    offer, scenario = drafted.offer, drafted.scenario
    is_live = scenario.live
    return {
        **_frame(request, offer),
        "drafted": drafted,
        "is_live": is_live,
        "was_live": not is_live and scenario.version_id is not None,
        "seen": _state(drafted),
        "refusal": refusal,
        "cannot_publish": "" if is_live or page is None else coupon_gate.why_not_nameable(page),
        "sentence": presets.sentence_of(drafted),
        "cautions": _cautions(drafted, page),
        "table": showing.table(drafted),
        "mails": showing.mails_made(drafted, page),
        "unpublish_url": showing.address(scenario, "unpublish"),
        "edit_url": showing.address(scenario),
        "page_url": _page_address(page),
        "remove_url": reverse("wagtail_kwiga_offers:win_back_remove", args=[offer.pk, scenario.pk]),
        "may_remove": scenario.version_id is None and request.user.has_perms(TO_REMOVE),
    }


def _cautions(drafted: DraftedRecovery, page: Any | None) -> list[str]:
    """Of a draft only what concerns the offer: that its coupon is not active yet is what drafts are about."""
    if drafted.scenario.live:
        return editor_warnings.warnings(drafted.scenario)
    return readiness.cautions(drafted.offer, page) if page is not None else []


def remove(request: HttpRequest, pk: int, scenario_id: int) -> HttpResponse:
    """Throw the drafts away, after asking."""
    offer, _page = _open(request, pk)
    if not request.user.has_perms(TO_REMOVE):
        raise PermissionDenied
    scenario = get_object_or_404(presets.drafts(offer), pk=scenario_id)
    drafted = presets.drafted(scenario, offer)
    if drafted is None:
        raise Http404
    if request.method != "POST":
        context = {**_frame(request, offer), "drafted": drafted, "back": _made_address(offer, scenario)}
        return TemplateResponse(request, f"{FOLDER}/remove.html", context)
    try:
        kept = presets.discard_recovery(drafted, by=policies.user_of(request))
    except KwigaError as refusal:
        messages.error(request, str(refusal))
        return redirect(_made_address(offer, scenario))
    messages.success(request, _("The drafts are gone."))
    if kept:
        names = ", ".join(_("“%(title)s”") % {"title": one} for one in kept)
        words = ngettext(
            "%(names)s stays, because it is in use elsewhere.", "%(names)s stay, because they are in use elsewhere.", len(kept)
        )  # fmt: skip
        messages.warning(request, words % {"names": names})
    return redirect(address(offer.pk))


# --- shared ---------------------------------------------------------------------------------------------------------------


def _open(request: HttpRequest, pk: int) -> tuple[Offer, Any | None]:
    offer = get_object_or_404(Offer, pk=pk)
    page = readiness.source_page(offer)
    if not may(request.user, page):
        raise PermissionDenied
    return offer, page


def _explained(
    request: HttpRequest, offer: Offer, page: Any | None, obstacle: str, live: Scenario | None
) -> HttpResponse:
    """Why there is no form: nothing can be won back, or it is won back already."""
    context = {
        **_frame(request, offer),
        "obstacle": obstacle,
        "live": live,
        "live_url": showing.address(live) if live else "",
        "made_url": _made_address(offer, live) if live and presets.made(offer).filter(pk=live.pk).exists() else "",
        "page_url": _page_address(page),
    }
    return TemplateResponse(request, f"{FOLDER}/explained.html", context)


def _frame(request: HttpRequest, offer: Offer) -> dict[str, Any]:
    """What the header of these screens shows."""
    crumbs = []
    if policies.may(request.user, "view", Offer):
        crumbs = [
            {"url": reverse("wagtail_kwiga_offers:list"), "label": pgettext("sales", "Offers")},
            {"url": reverse("wagtail_kwiga_offers:inspect", args=[offer.pk]), "label": offer.title},
        ]
    return {
        "offer": offer,
        "page_title": TITLE,
        "page_subtitle": TITLE,
        "header_title": f"{TITLE}: {offer.title}",
        "header_icon": ICON,
        "breadcrumbs_items": [*crumbs, {"url": "", "label": TITLE, "sublabel": offer.title}],
    }


def _started(made: DraftedRecovery) -> str:
    words = _(
        "It is live. Whoever leaves an order of “%(offer)s” unpaid from now on is written to; orders placed before are "
        "left alone."
    )
    return words % {"offer": made.offer}


def _page_address(page: Any | None) -> str:
    return reverse("wagtailadmin_pages:edit", args=[page.pk]) if page is not None else ""


def _made_address(offer: Offer, scenario: Scenario) -> str:
    return reverse("wagtail_kwiga_offers:win_back_made", args=[offer.pk, scenario.pk])


def urlpatterns() -> list[Any]:
    """For the viewset of offers."""
    return [
        path("win-back/<int:pk>/", win_back, name="win_back"),
        path("win-back/<int:pk>/<int:scenario_id>/", made, name="win_back_made"),
        path("win-back/<int:pk>/<int:scenario_id>/remove/", remove, name="win_back_remove"),
    ]
