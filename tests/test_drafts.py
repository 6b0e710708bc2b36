"""A draft that was read before a publication and saved after it takes nothing down."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail import hooks
from wagtail.test.utils.form_data import nested_form_data, rich_text, streamfield

from tests import sessions
from tests.mailing.making import make_template
from tests.offers.making import make_page
from tests.offers.test_panels import sent
from wagtail_kwiga import models as m

pytestmark = pytest.mark.django_db

JSON = {"headers": {"accept": "application/json"}}  # as Wagtail's editor asks when it saves by itself


def make(kind: str) -> Any:
    """Something that was never published."""
    if kind == "offer page":
        row = make_page(publish=False)
    elif kind == "scenario":
        row = m.Scenario.objects.create(
            title="Thanks", start=[("order_paid", {"offers": []})], steps=[("wait", {"minutes": 5})], live=False
        )
    else:
        row = make_template(live=False)
    row.save_revision()
    return type(row).objects.get(pk=row.pk)


@pytest.fixture(params=["offer page", "scenario", "e-mail"])
def draft(request):
    return make(request.param)


def stored(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def publish(row: Any, title: str = "Published") -> None:
    """Somebody else's request."""
    row = stored(row)
    row.title = title
    row.save_revision().publish()


@pytest.mark.parametrize("through_revision", [False, True])
def test_a_draft_that_was_read_before_it_takes_nothing_down(draft, through_revision):
    stale = draft.get_latest_revision_as_object() if through_revision else draft
    publish(draft)
    stale.title = "Half typed"
    stale.save()
    assert (stored(draft).live, stored(draft).title) == (True, "Published")


def test_the_late_draft_is_kept_as_a_revision(draft):
    stale = draft.get_latest_revision_as_object()
    publish(draft)
    stale.title = "Half typed"
    stale.save()
    stale.save_revision()
    assert (stored(draft).live, stored(draft).title) == (True, "Published")
    assert stored(draft).has_unpublished_changes
    assert draft.revisions.order_by("-created_at", "-pk").first().content["title"] == "Half typed"


def test_drafts_are_written_while_nothing_is_published(draft):
    for title in ("First", "Second"):
        draft.title = title
        draft.save()
        assert (stored(draft).live, stored(draft).title) == (False, title)


def test_a_new_row_and_a_row_of_a_given_key_are_written(draft):
    copy = stored(draft)
    copy.delete()
    again = m.Scenario(pk=987, title="Given", live=False)
    again.save()
    assert stored(again).title == "Given"


def test_what_is_published_is_taken_down_on_purpose(draft):
    publish(draft)
    live = stored(draft)
    live.unpublish()
    assert not stored(draft).live
    live.title = "Draft again"
    live.save()
    assert stored(draft).title == "Draft again"
    publish(draft, "Once more")
    live.title = "Too late"
    live.save()
    assert (stored(draft).live, stored(draft).title) == (True, "Once more")


def test_an_instance_that_was_read_anew_takes_down_on_purpose(draft):
    publish(draft)
    draft.refresh_from_db()
    draft.unpublish()
    assert not stored(draft).live


def test_a_single_field_is_written_all_the_same(draft):
    publish(draft)
    draft.title = "One field"
    draft.save(update_fields=["title"])
    assert (stored(draft).live, stored(draft).title) == (True, "One field")


def test_a_draft_costs_one_statement_and_a_savepoint_more():
    draft = make("scenario")
    counted = []
    for was_live in (None, False):  # unguarded, guarded
        draft._was_live = was_live
        with CaptureQueriesContext(connection) as queries:
            draft.save()
        counted.append(len(queries))
    assert counted[1] == counted[0] + 3


def editor_of(row: Any) -> tuple[str, str]:
    """Where it is edited, and the hook that Wagtail calls once the request has read the row."""
    if isinstance(row, m.OfferPage):
        return reverse("wagtailadmin_pages:edit", args=[row.pk]), "before_edit_page"
    room = {m.Scenario: "wagtail_kwiga_scenarios", m.EmailTemplate: "wagtail_kwiga_emails"}[type(row)]
    return reverse(f"{room}:edit", args=[row.pk]), "before_edit_snippet"


def typed(row: Any, title: str) -> dict[str, Any]:
    """What the editor sends when it saves by itself while somebody types."""
    if isinstance(row, m.OfferPage):
        data = sent(title=title)
        del data["action-publish"]
        return data
    if isinstance(row, m.Scenario):
        steps = streamfield([("wait", {"amount": "24", "unit": "hours"})])
        return nested_form_data({"title": title, "start": streamfield([("order_paid", {})]), "steps": steps})
    text = ("text", {"text": rich_text("<p>Hello</p>")})
    return nested_form_data(
        {"title": title, "subject": "Hello", "kind": "", "preheader": "", "body": streamfield([text])}
    )


def test_the_editor_saves_by_itself_while_somebody_publishes(admin_client, draft):
    url, hook = editor_of(draft)
    met = []

    def meanwhile(request, instance):
        """The request has read the row; now the other one publishes it."""
        met.append(instance.live)
        publish(draft)

    with hooks.register_temporarily(hook, meanwhile):
        answer = admin_client.post(url, typed(draft, "Half typed"), **JSON)
    assert answer.status_code == 200, answer.content
    assert met == [False]
    assert (stored(draft).live, stored(draft).title) == (True, "Published")
    assert stored(draft).has_unpublished_changes


def test_what_is_half_typed_is_saved_by_the_editor(admin_client, draft):
    """A field that was just emptied to type something else into it: each alone, as autosaving meets them."""
    url, _hook = editor_of(draft)
    whole = typed(draft, "Half typed")
    for name in whole:
        if name.startswith("comments-") or name.endswith(("-count", "-order", "-type", "-deleted", "-id")):
            continue
        for accept in (JSON, {}):
            answer = admin_client.post(url, {**whole, name: ""}, **accept)
            assert answer.status_code in (200, 302, 400), (name, answer.status_code)
        assert admin_client.get(url).status_code == 200, name


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_draft_waits_for_who_is_publishing():
    draft = make("scenario")
    with sessions.meanwhile() as begin:
        with transaction.atomic(), connection.cursor() as cursor:
            m.Scenario.objects.filter(pk=draft.pk).update(live=True, title="Published")
            saving = begin(draft.save)
            assert sessions.is_waited_for(cursor, saving)
        saving.result(timeout=sessions.LONGEST)
    assert (stored(draft).live, stored(draft).title) == (True, "Published")
