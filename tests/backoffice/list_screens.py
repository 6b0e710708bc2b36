"""Where the screens of contact lists are."""

from __future__ import annotations

import datetime as dt

from django.urls import reverse

LIST = "/admin/kwiga/lists/"
ADD = "/admin/kwiga/lists/add/"
DAY = dt.timedelta(days=1)


def url(name, contact_list, *more):
    return reverse(f"wagtail_kwiga_lists:{name}", args=[contact_list.pk, *more])


def bulk(*grants, more=""):
    query = "&".join(f"id={grant.pk}" for grant in grants) + more
    return f"{reverse('wagtail_bulk_action', args=['wagtail_kwiga', 'listmembership', 'take_off'])}?{query}"
