"""The two views of the site that are no pages: logging in, and moving the shop's clock."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from wagtail.models import Site

from sandbox import clock
from sandbox.school import timelapse


class SchoolLogin(LoginView):
    """The buyers' door (the team's is /admin/)."""

    template_name = "school/login.html"

    def get_context_data(self, **kwargs):
        # Django's view calls something else “site”; the foot of the page wants Wagtail's.
        return super().get_context_data(**kwargs) | {"site": Site.find_for_request(self.request)}


@require_POST
def move_clock(request: HttpRequest) -> HttpResponse:
    """Move the shop's clock: ``by`` is a span such as ``+31m``, or ``reset``. Then back to where the visitor was."""
    wish = request.POST.get("by", "")
    try:
        if wish == "reset":
            clock.reset()
            timelapse.work()
            messages.success(request, _("The shop's clock shows the real time again."))
        else:
            came = timelapse.move(clock.parse(wish))
            news = ngettext("%(count)d new mail.", "%(count)d new mails.", came) % {"count": came}
            messages.success(request, news if came else _("The clock has moved. No new mail."))
    except clock.BadSpan as fault:
        messages.error(request, str(fault))
    return HttpResponseRedirect(_way_back(request))


def _way_back(request: HttpRequest) -> str:
    wish = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wish, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wish
    return reverse("inbox")
