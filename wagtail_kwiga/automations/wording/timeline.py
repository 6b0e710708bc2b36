"""The sentences that this room writes on timelines."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga.journal import writing

SENTENCES = {
    "automations.published": _("Published as version %(number)s."),
    "automations.unpublished": _("Unpublished: nobody new is let in. People inside go on."),
    "automations.not_published": _("Could not be published: %(problems)s"),
    "automations.paused": _("A scenario is held here: something is wrong. %(error)s"),
    "automations.template_unpublished": _(
        "Not published, and still used by the scenario “%(scenario)s”: people there go on without this email. Publish it, or take "
        "it out of the scenario."
    ),
    "automations.stopped": _("Stopped by staff; mail that still waited was called back."),
    "automations.stopped_all": _("All runs stopped by staff: %(runs)s."),
    "automations.let_go_on": _("Set going again by staff."),
    "automations.newer_version": _(
        "This scenario was published by a newer version of the software (or uses an extension that is not there), and no worker "
        "can read it: people wait inside. Please have all workers run the same version."
    ),
    "automations.enrolment_failed": _("The scenarios could not take note of this (%(what)s): %(error)s"),
}


def register() -> None:
    """Make the sentences known. Called when Django is ready, so that every process has them."""
    writing.register_sentences(SENTENCES)
