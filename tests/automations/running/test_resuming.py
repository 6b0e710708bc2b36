"""E-mails that could not be sent and are mended: who waited for one goes on without anybody's help."""

from __future__ import annotations

import pytest

from tests.automations.story import stream
from tests.mailing.making import make_template
from tests.support import after
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine, resuming

pytestmark = pytest.mark.django_db

DUE = after(minutes=30)


def due():
    return DUE


@pytest.fixture(autouse=True)
def _clock(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": f"{__name__}.due"}


def held(story, template=None, *, reason="template_missing"):
    """A run as an earlier release has held it."""
    run = story.run_of(story.place())
    facts = {"template": (template or story.template).pk, "fault": "There is no placeholder."}
    m.StepRecord.objects.create(
        run=run, step=run.position, kind="send_email", outcome="paused", reason=reason, facts=facts, at=DUE
    )
    m.Run.objects.filter(pk=run.pk).update(state="paused", reason=reason, due_at=None)
    return run


def publish(template):
    template = m.EmailTemplate.objects.get(pk=template.pk)
    template.save_revision().publish()


def test_who_was_held_by_an_earlier_release_goes_on(story):
    run = held(story)
    publish(story.template)
    run.refresh_from_db()
    assert (run.state, run.reason) == ("active", "")
    assert engine.run_due(DUE).acted == 1
    assert m.OutgoingEmail.objects.filter(step_records__run=run).exists()


def test_a_translation_that_is_mended_counts_too(story):
    german = make_template(title="Deutsch", language="de")
    m.EmailTemplate.objects.filter(pk=german.pk).update(translation_key=story.template.translation_key)
    run = held(story)
    publish(german)
    run.refresh_from_db()
    assert run.state == "active"


@pytest.mark.parametrize("reason", ["definition", "restored"])
def test_who_is_held_for_another_reason_stays(story, reason):
    run = held(story, reason=reason)
    publish(story.template)
    run.refresh_from_db()
    assert (run.state, run.reason) == ("paused", reason)


def test_who_is_held_for_another_email_stays(story):
    run = held(story, make_template(title="Another"))
    publish(story.template)
    run.refresh_from_db()
    assert run.state == "paused"


def test_a_draft_that_is_saved_lets_nobody_go_on(story):
    run = held(story)
    m.EmailTemplate.objects.get(pk=story.template.pk).save_revision()
    run.refresh_from_db()
    assert run.state == "paused"


def test_who_waits_in_this_release_is_not_held_and_goes_on_by_the_next_look(story):
    run = story.run_of(story.place())
    right = m.EmailTemplate.objects.get(pk=story.template.pk).body
    broken = stream(("text", {"text": "<p>{{ no.such }}</p>"}))
    m.EmailTemplate.objects.filter(pk=story.template.pk).update(body=broken)
    summary = engine.run_due(DUE)
    run.refresh_from_db()
    assert (summary.acted, summary.paused, run.state) == (0, 0, "active")
    m.EmailTemplate.objects.filter(pk=story.template.pk).update(body=right)
    assert engine.run_due(after(minutes=36)).acted == 1


def test_publishing_costs_two_queries_where_nobody_waits(story, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert resuming.resume_held(story.template, DUE) == 0
