"""What an editor should know before publishing, though it does not stand in the way."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from wagtail_kwiga import conf
from wagtail_kwiga.automations import compiling, coupon_facts, explaining
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.automations.snapshots import ContactSnapshot, Facts, OfferSnapshot
from wagtail_kwiga.automations.steps import SendEmail
from wagtail_kwiga.catalogue.models import Offer

#: Reasons that are about one person and not about coupon and offer.
_PERSONAL = frozenset({"not_on_list", "used_by_you"})


def warnings(scenario: Scenario, *, now: dt.datetime | None = None) -> list[str]:
    """Mails whose coupon none of their readers could use as things stand: they would be skipped, each with the reason.

    No reason to refuse publishing, because the offer page may follow; a coupon that can never apply is the commonest
    mistake all the same. Empty for a scenario that has problems: those come first.
    """
    now = now or conf.now()
    definition = compiling.read(scenario).definition
    if definition is None:
        return []
    coupons = coupon_facts.load(definition.uses().coupons, [], now)
    offers = Offer.objects.filter(pk__in=definition.event.offer_ids())
    found = []
    for index, step in enumerate(definition.steps):
        if not isinstance(step, SendEmail) or step.coupon_id is None:
            continue
        for offer in offers:
            about = OfferSnapshot(offer.pk, offer.currency, str(offer.coupon_mode))
            facts = Facts(ContactSnapshot(0), offer=about, coupons=coupons.snapshots)
            refusal = facts.coupon_refusal(step.coupon_id, now)
            if refusal and refusal not in _PERSONAL:
                words = _("%(where)s: the coupon %(coupon)s does not work for “%(offer)s”. %(why)s")
                told = {
                    "where": compiling.place(index, _("Send e-mail")),
                    "coupon": coupons.rows[step.coupon_id],
                    "offer": offer,
                    "why": explaining.because_text(f"coupon_{refusal}"),
                }
                found.append(words % told)
    return found
