"""Whether the worker runs and its work succeeds, said on every screen of the *Sales* menu while it does not.

Without a worker no mail goes out and no scenario goes on, and nothing else would tell: pages sell as ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext as _
from wagtail.utils.urlpatterns import decorate_urlpatterns

from wagtail_kwiga import background, conf
from wagtail_kwiga.background import Heartbeat
from wagtail_kwiga.backoffice.parts import columns

#: The beat of ``kwiga_setup``: a site that has just been set up is given the time to start its worker.
SETUP = "kwiga_setup"
TEMPLATE = "wagtail_kwiga/backoffice/screen.html"


def worker_notice(now: dt.datetime | None = None) -> str:
    """What to say of a worker that does not run or fails, and what to do; empty while all is well. One query."""
    now = now or conf.now()
    patience = dt.timedelta(minutes=conf.settings.HEARTBEAT_STALE_MINUTES)
    beats = {beat.name: beat for beat in Heartbeat.objects.filter(name__in=[background.SWEEP, SETUP])}
    sweep, setup = beats.get(background.SWEEP), beats.get(SETUP)
    last = sweep.at if sweep else None
    known = last or (setup.at if setup else None)
    if known is not None and now - known <= patience:
        return _failing(sweep.note) if sweep and sweep.note else ""
    if last is None:
        said = _("No worker has ever run here, so no e-mail goes out and no scenario goes on.")
    else:
        said = _("No worker has run since %(moment)s, so no e-mail goes out and no scenario goes on.") % {
            "moment": columns.exact(last)
        }
    return f"{said} {_remedy()}"


def _failing(note: str) -> str:
    """A worker that beats and yet fails: a screen that said nothing would be believed."""
    return _(
        "A worker runs, but a part of its work fails (%(note)s), so e-mails or scenarios may stand still. "
        "Whoever looks after this site finds the cause in its log."
    ) % {"note": note}


def _remedy() -> str:
    if background.has_queue():
        return _(
            "Whoever looks after this site should start “manage.py qcluster”, or restart it where it hangs. "
            "The page “Run it in production with a queue” of the documentation says how."
        )
    return _(
        "Whoever looks after this site should have cron run “manage.py kwiga_work” every minute. "
        "The page “Run it in production without a queue” of the documentation says how."
    )


def with_notice(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Show the notice below the header of ``view``, where there is one and the view answers with an admin screen.

    The screen's own template is extended on the fly, so a view need not know of it. One query a screen.
    """

    @wraps(view)
    def noticing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: Any = view(request, *args, **kwargs)
        if _is_screen(request, response) and (notice := worker_notice()):
            response.context_data = {
                **(response.context_data or {}),
                "kwiga_screen": response.resolve_template(response.template_name),
                "kwiga_worker_notice": notice,
            }
            response.template_name = TEMPLATE
        return cast(HttpResponse, response)

    return noticing


def _is_screen(request: HttpRequest, response: HttpResponse) -> bool:
    """A whole page of the admin that is still to be rendered: no redirect, no part of a list, no preview."""
    in_part = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return isinstance(response, SimpleTemplateResponse) and not response.is_rendered and not in_part


def watch(viewset: Any) -> None:
    """Put the notice on every view of ``viewset``."""
    patterns = viewset.get_urlpatterns
    viewset.get_urlpatterns = lambda: decorate_urlpatterns(patterns(), with_notice)
