"""Who may open a lesson. The package answers from grants; the school adds its one free lesson.

A link is not a login: nothing in a mail lets anybody in. A visitor counts as a buyer when the e-mail of the account they
are logged in with is the e-mail of a contact with a grant. (Accounts here are made by the demo, so that their addresses
can be relied on; a real site lets nobody have an account whose address was not confirmed.)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from sandbox import clock
from wagtail_kwiga.access import policy
from wagtail_kwiga.models import Contact, Product

if TYPE_CHECKING:
    from sandbox.school.models import LessonPage


@dataclass(frozen=True)
class Door:
    """One lesson and whether it opens for the visitor."""

    lesson: LessonPage
    is_open: bool
    #: ``bought``, ``preview``, ``not_yet``, ``closed`` or ``stranger`` (not logged in).
    why: str
    when: dt.datetime | None = None
    message: Any = ""


def contact_of(user: AbstractBaseUser | AnonymousUser) -> Contact | None:
    """The contact with the address of the account, if any."""
    address = getattr(user, "email", "") if user.is_authenticated else ""
    return Contact.objects.filter(email__iexact=address).first() if address else None


def door(user: AbstractBaseUser | AnonymousUser, product: Product | None, lesson: LessonPage, position: int) -> Door:
    """Whether this lesson opens for this visitor, by the shop's clock."""
    return _judge(user, contact_of(user), product, lesson, position)


def doors(user: AbstractBaseUser | AnonymousUser, product: Product | None, lessons: Sequence[LessonPage]) -> list[Door]:
    """The same for all lessons of a course."""
    contact = contact_of(user)
    return [_judge(user, contact, product, lesson, position) for position, lesson in enumerate(lessons)]


def _judge(user, contact: Contact | None, product: Product | None, lesson: LessonPage, position: int) -> Door:
    if contact is not None and product is not None:
        answer = policy.may_open(contact, product, policy.Lesson(key=lesson.slug, position=position), clock.now())
        if answer.state == "yes":
            return Door(lesson, True, "bought")
        if answer.state == "not_yet" and not lesson.is_preview:
            return Door(lesson, False, "not_yet", answer.when, answer.message)
    if lesson.is_preview:
        return Door(lesson, True, "preview")
    return Door(lesson, False, "closed" if user.is_authenticated else "stranger")
