"""*Win back unpaid orders* ready-made: list, coupon, e-mail and scenario for one offer, made and published as one.

30 minutes unpaid → on a list → an e-mail with a coupon → 24 hours later off the list. What is made are ordinary objects:
each can be edited by itself afterwards. Everything of one verb happens in one transaction, under the lock of the offer.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.log_actions import log
from wagtail.models import ReferenceIndex

from wagtail_kwiga import conf, locking
from wagtail_kwiga.automations.core.definitions import Definition
from wagtail_kwiga.automations.core.steps import AddToList, RemoveFromList, SendEmail, Wait
from wagtail_kwiga.automations.core.triggers import OrderUnpaid
from wagtail_kwiga.automations.editing import compiling, versions
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.recovery import preset_texts, readiness
from wagtail_kwiga.automations.wording import descriptions
from wagtail_kwiga.automations.wording.naming import Discount
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons import codes
from wagtail_kwiga.coupons.discounts import size_text
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.authoring import default_content
from wagtail_kwiga.mailing.authoring import versions as mail_versions
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.offers import coupon_gate
from wagtail_kwiga.orders.statuses import Origin, PaymentKind

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

#: Bounds of what an editor may choose: percent, minutes, hours.
PERCENT = (Decimal(1), Decimal(100))
WAIT = (int(OrderUnpaid.least_wait.total_seconds() // 60), 7 * 24 * 60)
HOURS = (1, 30 * 24)
_PREFIX = "BACK-"

DRAFTED, PUBLISHED, DISCARDED = (f"automations.recovery_{word}" for word in ("drafted", "published", "discarded"))
writing.register_sentences(
    {
        DRAFTED: gettext_lazy("Drafts made for winning back its unpaid orders: “%(title)s”."),
        PUBLISHED: gettext_lazy("Its unpaid orders are won back from now on: “%(title)s”."),
        DISCARDED: gettext_lazy("Drafts for winning back its unpaid orders removed: “%(title)s”."),
    }
)


@dataclass(frozen=True)
class Recovery:
    """What the form says. ``texts`` are in the offer page's language; ``also_in`` are languages that get our own words.

    ``code`` is the coupon's; the same code is never used twice, so a form sent twice makes one recovery. Left empty, one
    is generated. Raises ``ValueError`` outside of the bounds above.
    """

    texts: default_content.Texts
    percent: Decimal = Decimal(15)
    wait_minutes: int = 30
    hours: int = 24
    also_in: tuple[str, ...] = ()
    code: str = ""

    def __post_init__(self) -> None:
        given: dict[str, tuple[Any, tuple[Any, Any]]] = {
            "percent": (self.percent, PERCENT),
            "wait": (self.wait_minutes, WAIT),
            "hours": (self.hours, HOURS),
        }
        for name, (value, (least, most)) in given.items():
            if not least <= value <= most:
                raise ValueError(f"{name} goes from {least} to {most}, and {value} does not")

    def coupon(self) -> Coupon:
        """The coupon in memory, not active yet."""
        return Coupon(code=self.code or free_code(), percent=self.percent, limit_per_contact=1, is_active=False)


@dataclass(frozen=True)
class DraftedRecovery:
    """What was made. ``template`` is the e-mail in the page's language; ``templates`` are all its languages."""

    contact_list: ContactList
    coupon: Coupon
    template: EmailTemplate
    scenario: Scenario
    offer: Offer
    templates: tuple[EmailTemplate, ...] = field(default=())


# --- what is there --------------------------------------------------------------------------------------------------------


def free_code() -> str:
    """A code that no coupon has."""
    return codes.generate(6, prefix=_PREFIX, is_taken=lambda code: Coupon.objects.filter(code__iexact=code).exists())


def made(offer: Offer, *, code: str = "") -> QuerySet[Scenario]:
    """Scenarios that were made here for ``offer`` (with the coupon ``code``, if given) and are still there, newest first."""
    entries = writing.timeline(offer).filter(code=DRAFTED)
    facts = entries.values_list("facts", flat=True)
    ids = [row.get("scenario") for row in facts if not code or str(row.get("coupon")).upper() == code.upper()]
    return Scenario.objects.filter(pk__in=ids).order_by("-pk")


def drafts(offer: Offer) -> QuerySet[Scenario]:
    """Those of them that were never published."""
    return made(offer).filter(live=False, version__isnull=True)


def drafted(scenario: Scenario, offer: Offer) -> DraftedRecovery | None:
    """What ``scenario`` works with, as it runs or else in its latest draft; ``None`` once it has become another story."""
    current = scenario if scenario.live else scenario.get_latest_revision_as_object()
    current.version_id = scenario.version_id  # the draft was written before there was one
    values = {child.block_type: child.value for child in current.steps}
    contact_list = values.get("add_to_list", {}).get("list")
    template, coupon = (values.get("send_email", {}).get(name) for name in ("template", "coupon"))
    if contact_list is None or template is None or coupon is None:
        return None
    return DraftedRecovery(contact_list, coupon, template, current, offer, _translations(template))


def sentence(offer: Offer, recovery: Recovery) -> str:
    """The scenario in words before anything is made."""
    steps = (
        Wait("wait", recovery.wait_minutes),
        AddToList("on", 1),
        SendEmail("mail", 1, 1),
        Wait("holds", recovery.hours * 60),
        RemoveFromList("off", 1),
    )
    size = size_text(recovery.coupon(), languages.active())
    known = descriptions.Names(offers={offer.pk: offer.title}, discounts={1: Discount(size, lists=frozenset({1}))})
    return descriptions.sentence(Definition(OrderUnpaid(offers=(offer.pk,)), steps), known)


def sentence_of(drafted: DraftedRecovery) -> str:
    """The scenario in words as it will be once all of it is published; empty where it cannot be read."""
    definition = compiling.read(drafted.scenario).definition
    if definition is None:
        return ""
    known = descriptions.names(definition)
    promised = {pk: replace(one, is_active=True) for pk, one in known.discounts.items()}
    return descriptions.sentence(definition, replace(known, discounts=promised))


def free_title(offer: Offer) -> str:
    """“Win back: Watercolour”, or with a number where that is taken: the same for list, e-mail and scenario."""
    base = _("Win back: %(offer)s") % {"offer": Truncator(offer.title).chars(80)}
    taken = {
        title
        for model in (ContactList, EmailTemplate, Scenario)
        for title in model.objects.filter(title__startswith=base).values_list("title", flat=True)
    }
    number = 1
    while (title := base if number == 1 else f"{base} ({number})") in taken:
        number += 1
    return title


# --- the verbs ------------------------------------------------------------------------------------------------------------


def draft_recovery(
    page_or_offer: Any, recovery: Recovery, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> DraftedRecovery:
    """Make list, coupon (not active), e-mail in every language asked for, and scenario, all as drafts.

    The page's gate is left as it is. Raises ``KwigaError``: ``made_already`` (with ``facts["scenario"]``, the one that
    this very form has made), ``no_offer`` where there is nothing to win back.
    """
    now = now or conf.now()
    with _about(page_or_offer if isinstance(page_or_offer, Offer) else _offer_of(page_or_offer)) as offer:
        if recovery.code and Coupon.objects.filter(code__iexact=recovery.code).exists():
            scenario = made(offer, code=recovery.code).first()
            raise KwigaError(
                _("You sent this form before; everything was made only once."), code="made_already", scenario=scenario
            )
        page = readiness.source_page(offer)
        if words := readiness.why_not(offer, page, now=now):
            raise KwigaError(words, code="no_offer")
        title = free_title(offer)
        contact_list = _new(ContactList(title=title), by)
        coupon = recovery.coupon()
        coupon.note = title
        _new(coupon, by)
        coupon.contact_lists.set([contact_list])
        coupon.offers.set([offer])
        templates = _templates(page, recovery, title, by)
        scenario = Scenario(title=title, live=False, **_streams(offer, contact_list, coupon, templates[0], recovery))
        scenario.save()
        scenario.save_revision(user=by, log_action="wagtail.create")
        writing.write(offer, DRAFTED, now=now, by=by, scenario=scenario.pk, coupon=coupon.code, title=title)
        return DraftedRecovery(contact_list, coupon, templates[0], scenario, offer, tuple(templates))


def publish_recovery(
    drafted: DraftedRecovery, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> DraftedRecovery:
    """Activate the coupon, publish the e-mail, have the page take the coupon, publish the scenario: all of it or nothing.

    Repeating it changes nothing; what is live stays as it is. Raises ``KwigaError`` with words for the editor:
    ``already_live`` (another scenario wins back orders of this offer; ``facts["scenario"]``), ``no_offer``,
    ``page_not_nameable``, ``template_fault``, ``scenario_fault``; and ``PermissionDenied`` where ``by`` may not publish one.
    """
    now = now or conf.now()
    with _about(drafted.offer) as offer:
        scenario = Scenario.objects.get(pk=drafted.scenario.pk)
        if other := readiness.live_scenarios(offer).exclude(pk=scenario.pk).first():
            raise KwigaError(
                _("Unpaid orders of this offer are won back already, by the scenario “%(scenario)s”.")
                % {"scenario": other},
                code="already_live",
                scenario=other,
            )
        if scenario.live:  # a coupon that was put to sleep since is not woken by an old tab
            return _as_it_is(drafted, scenario, offer)
        page = readiness.source_page(offer)
        if words := readiness.why_not(offer, page, now=now):
            raise KwigaError(words, code="no_offer")
        _activate(drafted.coupon, by)
        for template in _translations(drafted.template):
            _publish_template(template, by)
        coupon_gate.name_coupon(page, drafted.coupon, by=by, now=now)
        revision = scenario.get_latest_revision()
        # The version is dated with ``now``; publishing in Wagtail then finds it there.
        versions.publish(revision.as_object(), by=by, now=now, revision=revision)
        revision.publish(user=by)
        writing.write(offer, PUBLISHED, now=now, by=by, scenario=scenario.pk, title=scenario.title)
        scenario.refresh_from_db()
        return _as_it_is(drafted, scenario, offer)


def discard_recovery(
    drafted: DraftedRecovery, *, by: AbstractBaseUser | None = None, now: dt.datetime | None = None
) -> list[Any]:
    """Remove the drafts; returns those that stay, because somebody uses them for something else by now.

    Raises ``KwigaError`` (``published``) where the scenario has ever been live: then people may be inside.
    """
    now = now or conf.now()
    with _about(drafted.offer):
        scenario = Scenario.objects.get(pk=drafted.scenario.pk)
        if scenario.live or scenario.version_id:
            raise KwigaError(_("The scenario was published meanwhile. Unpublish it instead."), code="published")
        _delete(scenario, by)
        kept = [one for one in (*drafted.templates, drafted.coupon, drafted.contact_list) if not _removed(one, by)]
        writing.write(drafted.offer, DISCARDED, now=now, by=by, title=scenario.title)
        return kept


# --- the parts ------------------------------------------------------------------------------------------------------------


@contextmanager
def _about(offer: Offer) -> Iterator[Offer]:
    """A transaction in which nobody else makes or publishes a recovery for ``offer``, which is read anew."""
    with locking.atomic_write():
        yield locking.locked(Offer.objects.filter(pk=offer.pk)).get()


def _offer_of(page: Any) -> Offer:
    offer = Offer.objects.filter(translation_key=page.translation_key).first()
    if offer is None:
        raise KwigaError(_("The page is not published, so nobody can order. Publish it first."), code="no_offer")
    return offer


def _new(instance: Any, by: AbstractBaseUser | None) -> Any:
    instance.full_clean()
    instance.save()
    log(instance=instance, action="wagtail.create", user=by, content_changed=True)
    return instance


def _templates(page: Any, recovery: Recovery, title: str, by: AbstractBaseUser | None) -> list[EmailTemplate]:
    """The e-mail in the page's language, then its translations."""
    languages = preset_texts.languages_of(page)
    wanted = [(languages.own, recovery.texts)] + [
        (spoken, default_content.standard_texts(spoken.language))
        for spoken in languages.others
        if spoken.language in recovery.also_in
    ]
    found: list[EmailTemplate] = []
    for spoken, texts in wanted:
        template = preset_texts.email_of(texts, spoken.locale, title=title)
        if found:
            template.translation_key = found[0].translation_key
        template.full_clean()
        template.save()
        template.save_revision(user=by, log_action="wagtail.create")
        found.append(template)
    return found


def _translations(template: EmailTemplate) -> tuple[EmailTemplate, ...]:
    """A template and its translations, itself first."""
    rows = EmailTemplate.objects.filter(translation_key=template.translation_key).select_related("locale")
    return tuple(sorted(rows, key=lambda row: (row.pk != template.pk, row.pk)))


def _streams(
    offer: Offer, contact_list: ContactList, coupon: Coupon, template: EmailTemplate, recovery: Recovery
) -> dict[str, Any]:
    """The streams of the scenario. The end of the membership is that of the wait, so the two cannot drift apart."""
    event = {
        "offers": [str(offer.pk)],
        "payment_kinds": [PaymentKind.ONLINE.value],
        "origins": [Origin.WEB.value],
        "include_free": False,
    }
    steps = [
        ("wait", {"minutes": recovery.wait_minutes}),
        ("add_to_list", {"list": contact_list.pk, "until": "scenario", "hours": None}),
        ("send_email", {"template": template.pk, "coupon": coupon.pk}),
        ("wait", {"minutes": recovery.hours * 60}),
        ("remove_from_list", {"list": contact_list.pk}),
    ]

    def stream(*blocks: tuple[str, Any]) -> list[dict[str, Any]]:
        return [{"type": kind, "value": value, "id": str(uuid.uuid4())} for kind, value in blocks]

    return {"start": stream(("order_unpaid", event)), "steps": stream(*steps)}


def _as_it_is(drafted: DraftedRecovery, scenario: Scenario, offer: Offer) -> DraftedRecovery:
    templates = _translations(drafted.template)
    return DraftedRecovery(drafted.contact_list, drafted.coupon, templates[0], scenario, offer, templates)


def _activate(coupon: Coupon, by: AbstractBaseUser | None) -> None:
    coupon.refresh_from_db()
    if not coupon.is_active:
        coupon.is_active = True
        coupon.save()
        log(instance=coupon, action="wagtail.edit", user=by, content_changed=True)


def _publish_template(template: EmailTemplate, by: AbstractBaseUser | None) -> None:
    if template.live:
        return
    current = template.get_latest_revision_as_object()
    if problems := mail_versions.problems(current):
        words = _("The e-mail “%(mail)s” cannot be sent: %(problems)s")
        told = {"mail": current.title, "problems": " ".join(str(problem) for problem in problems)}
        raise KwigaError(words % told, code="template_fault")
    revision = template.get_latest_revision() or template.save_revision(user=by)
    revision.publish(user=by)


def _removed(instance: Any, by: AbstractBaseUser | None) -> bool:
    """Whether nobody else uses ``instance``, so that it is gone now."""
    if any(references for _source, references in ReferenceIndex.get_grouped_references_to(instance)):
        return False
    try:
        with locking.atomic_write():
            _delete(instance, by)
    except (ProtectedError, RestrictedError):
        return False
    return True


def _delete(instance: Any, by: AbstractBaseUser | None) -> None:
    log(instance=instance, action="wagtail.delete", user=by, deleted=True)
    instance.delete()
