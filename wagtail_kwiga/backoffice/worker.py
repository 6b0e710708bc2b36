"""Whether the worker runs, may act and succeeds, said on every screen of the *Sales* menu while it does not.

Without a worker no mail goes out and no scenario goes on, and on a copy of the database (``installation``) neither does with one;
nothing else would tell: pages sell as ever.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.utils.urlpatterns import decorate_urlpatterns

from wagtail_kwiga import background, conf, installation
from wagtail_kwiga.background import Heartbeat
from wagtail_kwiga.backoffice.parts import columns, policies
from wagtail_kwiga.backoffice.parts.cards import CardNote

#: The beat of ``kwiga_setup``: a site that has just been set up is given the time to start its worker.
SETUP = "kwiga_setup"
TEMPLATE = "wagtail_kwiga/backoffice/screen.html"


def worker_notice(now: dt.datetime | None = None) -> str:
    """What to say of a worker that does not run, fails or is to hold back, and what to do; empty while all is well. One query."""
    return _told(now or conf.now())[0]


def worker_notes(user: Any, now: dt.datetime | None = None) -> list[CardNote]:
    """The same for ``notes.html``. To a ``user`` who may decide about the installation it leads to where that is done. One query."""
    said, is_held = _told(now or conf.now())
    if not said:
        return []
    if not is_held or not policies.can(user, "decide_installation"):
        return [CardNote(said, "critical")]
    return [CardNote(said, "critical", reverse("wagtail_kwiga_installation:decide"), pgettext("sales", "Decide"))]


def _told(now: dt.datetime) -> tuple[str, bool]:
    """What there is to say, and whether it is that this installation holds back."""
    patience = dt.timedelta(minutes=conf.settings.HEARTBEAT_STALE_MINUTES)
    rows = Heartbeat.objects.filter(name__in=[background.SWEEP, SETUP])
    beats: dict[str, Any] = {beat.name: beat for beat in rows.annotate(**installation.columns())}
    sweep, setup = beats.get(background.SWEEP), beats.get(SETUP)
    held = next((_holding_back(beat) for beat in beats.values()), "")
    if held:
        return held, True
    last = sweep.at if sweep else None
    known = last or (setup.at if setup else None)
    if known is not None and now - known <= patience:
        return _failing(sweep.note) if sweep and sweep.note else "", False
    if last is None:
        said = _("No worker has ever run here, so no e-mail goes out and no scenario goes on.")
    else:
        said = _("No worker has run since %(moment)s, so no e-mail goes out and no scenario goes on.") % {
            "moment": columns.exact(last)
        }
    return f"{said} {_remedy()}", False


def _holding_back(beat: Any) -> str:
    """What to say where this installation may not act; empty where it may."""
    found = installation.standing_of(beat)
    if found.may_act:
        return ""
    if found == installation.Standing.HELD:
        return _("This installation is held: no e-mail goes out, no scenario goes on and no refund is asked for.")
    return _(
        "This database is that of another installation, so this one holds back: no e-mail goes out, no scenario goes on "
        "and no refund is asked for, until somebody says whether this is production."
    )


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
        if _is_screen(request, response) and (notes := worker_notes(getattr(request, "user", None))):
            response.context_data = {
                **(response.context_data or {}),
                "kwiga_screen": response.resolve_template(response.template_name),
                "kwiga_worker_notes": notes,
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
