"""How a grant of access stands, in words for the order card: what was sold, and what staff have made of it."""

from __future__ import annotations

import datetime as dt

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.access import grant_times
from wagtail_kwiga.access.models import AccessGrant
from wagtail_kwiga.backoffice.parts.columns import exact, exact_end


def state(grant: AccessGrant | None, now: dt.datetime) -> Promise | str:
    """Whether it was given, and whether it holds at ``now``."""
    if grant is None:
        return _("not given: opens once the order is paid")
    if grant.revoked_at:
        return gettext("taken away on %(moment)s") % {"moment": exact(grant.revoked_at)}
    times = grant_times.times_of(grant)
    for since, until in times.frozen if times else ():
        if since <= now and until is None:
            return gettext("frozen since %(moment)s") % {"moment": exact(since)}
        if until is not None and since <= now < until:
            return gettext("frozen until %(moment)s") % {"moment": exact(until)}
    if times and not times.lasts(now):
        return pgettext_lazy("sales", "ended")
    return pgettext_lazy("sales", "given")


def end(grant: AccessGrant) -> Promise | str:
    """When it really ends, with what was sold beside it where that has changed."""
    times = grant_times.times_of(grant)
    if grant.revoked_at:
        really: Promise | str = exact(min(grant.revoked_at, grant.ends_at or grant.revoked_at))
    elif times is None or not grant.adjustments.all():
        return exact_end(grant.ends_at) or _("no end")
    elif times.frozen and times.frozen[-1][1] is None:
        really = _("not known while it is frozen")
    else:
        really = exact_end(times.ends_at) or (_("no end") if times.open else _("never held"))
    sold = exact_end(grant.ends_at) or gettext("no end")
    return format_html("{} ({})", really, gettext("as sold: %(end)s") % {"end": sold})
