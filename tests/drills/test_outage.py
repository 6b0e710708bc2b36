"""Nothing ran for hours, then one pass: what is at most six hours late is done, later steps are *missed* and their runs go
on; a mail of whose promise less than half is left is *missed*, the others go out. Through the real command, and once.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.drills.crew import Group
from tests.drills.servers import mail_server
from tests.drills.shop import crowd
from tests.journeys.school import make_school
from tests.support import START, after
from wagtail_kwiga import background
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.journal import writing

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

Status = m.OutgoingEmail.Status
BACK = after(hours=13)  # when somebody comes to work again


def one_pass(folder, name, at, mail):
    group = Group(name, "kwiga_work", "--at", at.isoformat(), folder=folder, MAIL_PORT=mail.port).start()
    try:
        assert group.process.wait(240) == 0, group.tail()
    finally:
        group.kill()
    return group.said()


def outcomes(runs):
    rows = m.StepRecord.objects.filter(run__in=[run.pk for run in runs])
    return Counter(rows.exclude(kind="wait").values_list("kind", "outcome", "reason"))


def mails_of(runs):
    return Counter(
        m.OutgoingEmail.objects.filter(contact__in=[run.contact_id for run in runs]).values_list("status", "why")
    )


def test_thirteen_hours(tmp_path):
    school = make_school()

    def people(name, *, due):
        return crowd(school, 3, placed=START, due=due, name=name)

    # Decided before the outage, not handed over: 24 hours are promised, so half of them is the latest.
    stale, fresh = people("stale", due=after(minutes=30)), people("fresh", due=after(hours=2))
    assert engine.run_due(after(minutes=30)).acted == 3
    assert engine.run_due(after(hours=2)).acted == 3
    # Not decided: more than six hours late, a minute more than that, a minute less, and just due.
    late, just_late = people("late", due=after(hours=2)), people("just-late", due=after(hours=6, minutes=59))
    in_time, on_time = people("in-time", due=after(hours=7, minutes=1)), people("on-time", due=BACK)
    early = people("early", due=after(hours=13, minutes=1))

    with mail_server(tmp_path) as mail:
        one_pass(tmp_path, "first", BACK, mail)

        for runs in (late, just_late):
            assert outcomes(runs) == {("add_to_list", "missed", "too_late"): 3, ("send_email", "missed", "too_late"): 3}
            assert not mails_of(runs)
            assert set(m.Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("state", flat=True)) == {
                "active"
            }
        for runs in (in_time, on_time):
            assert {key[:2]: n for key, n in outcomes(runs).items()} == {
                ("add_to_list", "acted"): 3, ("send_email", "acted"): 3,
            }  # fmt: skip
            assert mails_of(runs) == {(Status.SENT, ""): 3}
        assert not outcomes(early) and not mails_of(early)
        assert mails_of(stale) == {(Status.MISSED, "too_late"): 3}
        assert mails_of(fresh) == {(Status.SENT, ""): 3}
        assert len(mail.arrived()) == len(set(mail.arrived())) == 9
        assert not writing.open_attention().exists()  # missing is a rule and no fault

        one_pass(tmp_path, "second", after(hours=13, minutes=1), mail)
        assert sorted({address.rsplit("-", 1)[0] for address in mail.recipients()}) == [
            "early", "fresh", "in-time", "on-time",
        ]  # fmt: skip
        assert len(mail.arrived()) == len(set(mail.arrived())) == 12
    assert background.last_beat(background.SWEEP) is None  # a pass at a given instant is no sign of life

    # Whoever missed steps goes on by the same rules, and comes to the end.
    everybody = [*stale, *fresh, *late, *just_late, *in_time, *on_time, *early]
    engine.run_due(after(hours=38))
    assert set(m.Run.objects.filter(pk__in=[run.pk for run in everybody]).values_list("state", flat=True)) == {
        "completed"
    }
    assert not m.ListMembership.objects.filter(removed_at__isnull=True).exists()
