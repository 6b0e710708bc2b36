"""An e-mail can be sent again: people who were held for it go on by themselves.

A worker of this release holds nobody for an e-mail that cannot be sent: it asks again every few minutes
(``missed_entries.leave_to_newer``). Earlier releases held them, and beside one of those somebody may still be held.
"""

from __future__ import annotations

import datetime as dt

from wagtail_kwiga.automations.models import Run
from wagtail_kwiga.automations.running import endings
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.models import EmailTemplate


def resume_held(template: EmailTemplate, now: dt.datetime) -> int:
    """Have everybody go on who is held because ``template``, in whatever language, could not be sent; returns how many.

    Two queries, and those of ``endings.let_go_on`` for each. Who is held for something else by now, and was once for this, is
    asked again and held again.
    """
    translations = list(
        EmailTemplate.objects.filter(translation_key=template.translation_key).values_list("pk", flat=True)
    )
    held = Run.objects.filter(
        state=Run.State.PAUSED,
        reason="template_missing",
        records__reason="template_missing",
        records__facts__template__in=translations,
    )
    went_on = 0
    for run in held.distinct():
        try:
            endings.let_go_on(run, now=now)
        except KwigaError:  # somebody was quicker
            continue
        went_on += 1
    return went_on
