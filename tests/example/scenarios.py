"""What the studio adds to scenarios: a step, a condition and a start event. Frozen values that only decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from wagtail_kwiga import locking
from wagtail_kwiga.automations.core.conditions import Condition
from wagtail_kwiga.automations.core.intents import Intent
from wagtail_kwiga.automations.core.steps import Step, StepResult
from wagtail_kwiga.automations.core.triggers import StartEvent
from wagtail_kwiga.automations.running import enrolment
from wagtail_kwiga.automations.wording import reasons
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.journal import writing

writing.register_sentences({"studio.call": _("Call them on %(phone)s: %(about)s")})
reasons.register_words({"studio_no_phone": _("They gave no phone number.")})


@dataclass(frozen=True)
class Call(Intent):
    """A note on the contact's timeline, and on the list of things a person must look at."""

    kind: ClassVar[str] = "studio_call"

    contact_id: int
    phone: str
    about: str

    @classmethod
    def apply_all(cls, intents, *, now):
        writing.write_many(
            writing.draft(
                (Contact, one.contact_id), "studio.call", now=now, attention=True, phone=one.phone, about=one.about
            )
            for one in intents
        )


@dataclass(frozen=True)
class AskToCall(Step):
    """Have somebody call the person. Who gave no number is passed over."""

    kind: ClassVar[str] = "studio_ask_to_call"
    block: ClassVar[str] = "tests.example.blocks.AskToCallBlock"

    about: str

    @classmethod
    def load(cls, runs, now):
        phones = dict(Contact.objects.filter(pk__in={run.contact_id for run in runs}).values_list("pk", "phone"))
        return {run.id: phones.get(run.contact_id, "") for run in runs}

    def decide(self, run, facts, now):
        phone = facts.extra[self.kind]
        if not phone:
            return StepResult("skipped", "studio_no_phone")
        return StepResult(
            "acted", "due", (Call(run.run.id, facts.contact.id, phone, self.about),), facts={"phone": phone}
        )

    def words(self):
        return _("ask staff to call about “%(about)s”") % {"about": self.about}


@dataclass(frozen=True)
class CameBack(Condition):
    """The person has begun this purchase at least so many times."""

    kind: ClassVar[str] = "studio_came_back"
    block: ClassVar[str] = "tests.example.blocks.CameBackBlock"

    times: int

    def holds(self, run, facts, now):
        return len(facts.orders) >= self.times

    def words(self):
        return _("has tried at least %(times)s times") % {"times": self.times}


@dataclass(frozen=True)
class LessonFinished(StartEvent):
    """Somebody has seen a lesson to its end. The studio's own code says so, by ``enrolment.enter``."""

    kind: ClassVar[str] = "studio_lesson_finished"
    block: ClassVar[str] = "tests.example.blocks.LessonFinishedBlock"

    def words(self):
        return _("a lesson seen to its end")


def lesson_finished(contact, lesson_id):
    """Called by the page of a lesson."""
    with locking.atomic_write():
        contact = directory.lock(contact.pk)
        return enrolment.enter("studio_lesson_finished", contact=contact, key=f"lesson:{lesson_id}")
