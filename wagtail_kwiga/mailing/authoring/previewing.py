"""The editor's preview: the real mail, filled with sample data or with an order of the site.

Which order is a choice of the editor, kept in their session and asked for again each time: somebody who may not see
orders (any more) gets the sample data. Looking changes nothing, and no link in the frame leads anywhere.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from wagtail.models import Site

from wagtail_kwiga.exceptions import TemplateFault
from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing import placeholders
from wagtail_kwiga.mailing.authoring import compiling, sample_data, transfer_code, validation, versions
from wagtail_kwiga.mailing.models import EmailTemplate
from wagtail_kwiga.orders.models import Order

logger = logging.getLogger("wagtail_kwiga.mailing")

#: The preview modes: the mail as most see it, the mail at night, and its plain-text part.
HTML, DARK, TEXT = "", "dark", "text"
#: Where the session keeps the choice: the order's key, or what was asked for in vain.
ORDER, IN_VAIN = "wagtail_kwiga_preview_order", "wagtail_kwiga_preview_in_vain"
#: The attribute of a preview's request that says where the preview itself is, so that the choice can lead back to it.
PREVIEW_URL = "kwiga_preview_url"
#: Orders offered to choose from.
OFFERED = 10


@dataclass(frozen=True)
class Data:
    """What a preview is filled with."""

    situation: placeholders.Situation
    order: Order | None = None

    @property
    def coupon_is_made_up(self) -> bool:
        return self.order is not None and self.order.coupon_id is None


def may_see_orders(user: Any) -> bool:
    """Whether orders may be shown to ``user``: the rule of the list of orders."""
    return user is not None and user.has_perm("wagtail_kwiga.view_order")


def choose(session: Any, words: str) -> Order | None:
    """Have the session's previews filled with the order that ``words`` name: its number, or the newest of an address.

    Empty ``words`` mean sample data again. Where nothing is found the present choice stays and the preview says so.
    """
    session.pop(IN_VAIN, None)
    words = words.strip()[:254]
    if not words:
        session.pop(ORDER, None)
        return None
    orders = Order.objects.order_by("-placed_at", "-pk")
    found = orders.filter(number__iexact=words.lstrip("#")).first()
    if found is None and "@" in words:
        found = orders.filter(contact__email__iexact=words).first()
    if found is None:
        session[IN_VAIN] = words
        return None
    session[ORDER] = found.pk
    return found


def preview(request: HttpRequest, template: EmailTemplate, mode: str = HTML) -> HttpResponse:
    """``template`` as it stands in memory; with its mistakes where there are any."""
    language = template.locale.language_code if template.locale_id else languages.active()
    site = Site.find_for_request(request)
    user, session = getattr(request, "user", None), getattr(request, "session", {})
    may_choose = may_see_orders(user)
    data = _data(session.get(ORDER) if may_choose else None, language, site)
    mail, size, problems = _filled(template, data.situation)
    context = {
        "email_template": template,
        "mode": mode,
        "mail": mail,
        "frame": framed(mail.html, data.situation, dark=mode == DARK) if mail else "",
        "problems": problems,
        "hints": [
            *validation.hints(template),
            *validation.target_hints(validation.unpublished_targets([template])[template.pk]),
        ],
        "size": max(1, round(size / 1000)),
        "limit": compiling.MAX_BYTES // 1000,
        "is_too_long": size > compiling.MAX_BYTES,
        "sender": data.situation.sender.from_header,
        "preheader": sample_data.line(template.preheader, data.situation) if mail else "",
        "data": data,
        "may_choose": may_choose,
        "in_vain": session.get(IN_VAIN) if may_choose else None,
        "orders": _newest() if may_choose else [],
        "preview_url": getattr(request, PREVIEW_URL, ""),
    }
    return TemplateResponse(request, "wagtail_kwiga/mailing/preview.html", context)


def _data(order_id: Any, language: str, site: Site | None) -> Data:
    rows = Order.objects.select_related("contact", "offer", "coupon", "coupon_use", "site")
    order = rows.filter(pk=order_id).first() if order_id else None
    if order is None:
        return Data(sample_data.situation(language=language, site=site))
    # One mail, one language: dates and amounts as outbox writes them.
    spoken = versions.formatting_language(language, order.language)
    return Data(sample_data.of_order(order, language=spoken, site=site), order)


def _newest() -> list[Order]:
    return list(Order.objects.select_related("contact").order_by("-placed_at", "-pk")[:OFFERED])


def _filled(
    template: EmailTemplate, example: placeholders.Situation
) -> tuple[Any, int, list[validation.TemplateProblem]]:
    """The mail and its size in bytes, or what is in its way."""
    problems = validation.read_through(template)
    if problems:
        return None, 0, problems
    try:
        compiled = versions.compiled(template)
    except TemplateFault as fault:
        return None, 0, [validation.TemplateProblem(str(fault.facts.get("where", "")), str(fault))]
    try:
        mail = sample_data.mail(compiled, example)
    except Exception as error:  # a placeholder or hook of the site: the editor shall know, and go on
        logger.exception("A mail could not be previewed")
        message = _("An extension of this site stumbled over this mail: %(error)s") % {"error": repr(error)[:200]}
        return None, 0, [validation.TemplateProblem(pgettext("sales", "site"), message)]
    return mail, len(mail.html.encode()), []


def framed(html: str, example: placeholders.Situation, *, dark: bool) -> str:
    """The mail for the frame, with its pictures: in the light asked for, whatever the editor's own screen is set to, and with links that
    open nothing (they would need a window of their own, which the frame's sandbox does not allow)."""
    html = transfer_code.shown_in(html, example.transfer)
    wanted = "dark" if dark else "light"
    html = html.replace("(prefers-color-scheme: dark)", "all" if dark else "not all")
    html = re.sub(r"(color-scheme:\s*)light dark", rf"\g<1>{wanted} only", html)
    html = html.replace('content="light dark"', f'content="{wanted} only"')
    return html.replace("<head>", '<head><base target="_blank">', 1)
