"""For whom a coupon works at a moment, in words for the team.

No list chosen: for everybody. Lists chosen: for the people who are on any of them just now, which may be nobody. The
difference is the commonest surprise about coupons, so every screen says it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from wagtail_kwiga import conf
from wagtail_kwiga.contacts import lists
from wagtail_kwiga.contacts.models import ContactList
from wagtail_kwiga.coupons import eligibility, rules, uses
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit
from wagtail_kwiga.coupons.rules import Reason
from wagtail_kwiga.formatting import instants


@dataclass(frozen=True)
class Audience:
    """The lists of a coupon (none: everybody), and how many people are on any of them; a person counts once."""

    lists: tuple[ContactList, ...] = ()
    people: int = 0

    @property
    def is_everybody(self) -> bool:
        return not self.lists

    @property
    def is_nobody(self) -> bool:
        return bool(self.lists) and not self.people


def audience(coupon: Coupon, now: dt.datetime | None = None) -> Audience:
    """The audience of one coupon. Two queries."""
    return audiences([coupon.pk], now)[coupon.pk]


def audiences(coupon_ids: Iterable[int], now: dt.datetime | None = None) -> dict[int, Audience]:
    """The audience of each coupon, in two queries whatever their number."""
    now = now or conf.now()
    wanted = list(coupon_ids)
    links = CouponListLimit.objects.filter(coupon_id__in=wanted)
    chosen: dict[int, list[ContactList]] = {pk: [] for pk in wanted}
    for link in links.select_related("contact_list").order_by("contact_list__title", "pk"):
        chosen[link.coupon_id].append(link.contact_list)
    on_them = links.filter(lists.holding(now, "contact_list__memberships__")).order_by().values("coupon_id")
    people = dict(
        on_them.annotate(people=Count("contact_list__memberships__contact", distinct=True)).values_list(
            "coupon_id", "people"
        )
    )
    return {pk: Audience(tuple(chosen[pk]), people.get(pk, 0)) for pk in wanted}


def sentence(audience: Audience) -> str:
    """The whole truth in one sentence, in the active language."""
    if audience.is_everybody:
        return _("Works for everybody: no list is chosen.")
    names = _titles(audience)
    several = len(audience.lists) > 1
    if audience.is_nobody and several:
        return _("Works for nobody: the lists %(lists)s are empty. A scenario or you can put people on them.") % {
            "lists": names
        }
    if audience.is_nobody:
        return _("Works for nobody: the list %(list)s is empty. A scenario or you can put people on it.") % {
            "list": names
        }
    if several:
        words = ngettext(
            "Works for the %(count)s person who is on one of these lists: %(lists)s.",
            "Works for the %(count)s people who are on one of these lists: %(lists)s.",
            audience.people,
        )
        return words % {"count": audience.people, "lists": names}
    words = ngettext(
        "Works for the %(count)s person who is on %(list)s.",
        "Works for the %(count)s people who are on %(list)s.",
        audience.people,
    )
    return words % {"count": audience.people, "list": names}


def summary(audience: Audience) -> str:
    """The same in a few words, for a column."""
    if audience.is_everybody:
        return pgettext("sales", "everybody")
    names = _titles(audience)
    if audience.is_nobody:
        return (
            _("nobody: %(lists)s is empty") % {"lists": names}
            if len(audience.lists) == 1
            else (_("nobody: %(lists)s are empty") % {"lists": names})
        )
    words = ngettext("%(count)s person on %(lists)s", "%(count)s people on %(lists)s", audience.people)
    return words % {"count": audience.people, "lists": names}


def hindrance(coupon: Coupon, now: dt.datetime | None = None) -> str:
    """What keeps a coupon from working for anybody at all just now, whoever its audience is; empty for nothing.

    The rules of the checkout, in their order. At most one query, and only where no use is left but that of a reservation
    which may have expired; ``used_count`` is as fresh as the object.
    """
    now = now or conf.now()
    facts = eligibility.facts_of(coupon, has_expired_reservation=False)
    found = rules.hindrance(facts, now)
    if found is not None and found.reason is Reason.USED_UP and uses.has_expired_reservation(coupon.pk, now):
        found = None
    match found.reason if found else Reason.OK:
        case Reason.INACTIVE:
            return _("It is not active, so it works for nobody at present.")
        case Reason.NOT_YET:
            return _("It begins on %(when)s.") % {"when": instants.moment(cast(dt.datetime, coupon.valid_from))}
        case Reason.EXPIRED:
            return _("It ended on %(when)s.") % {"when": instants.until(cast(dt.datetime, coupon.valid_until))}
        case Reason.USED_UP:
            return _("It has been used as often as it may be.")
    return ""


def _titles(audience: Audience) -> str:
    return ", ".join(_("“%(title)s”") % {"title": one.title} for one in audience.lists)
