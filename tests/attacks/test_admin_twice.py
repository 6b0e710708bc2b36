"""Attacked: the second click. Two members of staff do the same thing at once, a form is sent twice, what a screen shows has
changed or gone meanwhile: the second is told, and nothing is done twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.urls import reverse

from tests.attacks import admin_world
from tests.attacks.admin_world import client_of, differences, fingerprint, tried
from tests.orders.shop import order_for
from tests.support import after, make_contact, make_list, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.contacts import lists

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    return admin_world.build()


def told(answer: Any) -> str:
    return " ".join(str(one) for one in get_messages(answer.wsgi_request)._queued_messages)


def verbs(shop: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each confirmation that one can press twice: its address and what is sent."""

    def named(name: str, *args: Any) -> str:
        return reverse(f"wagtail_kwiga_{name}", args=args)

    bulk = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "run", "stop"])
    off = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "listmembership", "take_off"])
    spare = make_list("To be deleted")
    delete = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "contactlist", "delete"])
    return {
        "ticked off": (named("attention:done", shop.entry.pk), {}),
        "it was sent": (named("mail:was_sent", shop.doubtful.pk), {}),
        "stop": (named("runs:stop", shop.paused.pk), {}),
        "let go on": (named("runs:let_go_on", shop.paused.pk), {}),
        "stop ticked": (f"{bulk}?id={shop.paused.pk}", {}),
        "taken off": (named("lists:remove_member", shop.list.pk, shop.contact.pk), {}),
        "ticked taken off": (f"{off}?id={shop.grant.pk}", {}),
        "money with a reference": (named("orders:money_arrived", shop.order.pk), {"amount": "1", "reference": "bank-1"}),
        "money without one": (
            named("orders:money_arrived", shop.order.pk), {"amount": "1", "reference": "", "known": "0.00"}
        ),
        "they agree": (named("coupons:mend", shop.mendable.pk, shop.other_offer.pk, "offer_takes_none"), {}),
        "deleted": (f"{delete}?id={spare.pk}", {}),
        "task again": (reverse("kwiga_queue_failed_modeladmin_run_again", args=[shop.failure.pk]), {}),
    }  # fmt: skip


def test_pressed_twice(shop):
    given = verbs(shop)
    for name, (where, sent) in given.items():
        with tried():
            one, other = client_of(shop.users["superuser"]), client_of(shop.users["superuser"])
            before = fingerprint()
            first = one.post(where, sent)
            done = fingerprint()
            assert first.status_code in (200, 302) and before != done, (name, told(first))
            second = other.post(where, sent)
            assert second.status_code in (200, 302), name
            assert differences(done) == [], name
            # Told by a message, or by the form that is shown again.
            assert told(second) != told(first) or second.status_code == 200, (name, told(second))
            assert told(second) or second.status_code == 200, name


@pytest.mark.parametrize("name", ["was_sent", "send_again"])
def test_a_mail_that_was_settled_otherwise_meanwhile(shop, name):
    other = {"was_sent": "send_again", "send_again": "was_sent"}[name]
    client = client_of(shop.users["superuser"])
    client.get(reverse(f"wagtail_kwiga_mail:{other}", args=[shop.doubtful.pk]))  # the question is on the screen
    client.post(reverse(f"wagtail_kwiga_mail:{name}", args=[shop.doubtful.pk]))
    done = fingerprint()
    late = client.post(reverse(f"wagtail_kwiga_mail:{other}", args=[shop.doubtful.pk]))
    assert "any more" in told(late) and differences(done) == []


def test_a_form_sent_twice_makes_one_recovery_and_one_coupon(shop):
    client, where = (
        client_of(shop.users["superuser"]),
        reverse("wagtail_kwiga_offers:win_back", args=[shop.other_offer.pk]),
    )
    form = client.get(where).context["form"]
    sent = {**form.initial, "also_in": [], "publish": "1"}
    assert client.post(where, sent).status_code == 302
    done = fingerprint()
    assert client.post(where, sent).status_code in (200, 302)
    assert differences(done) == []


def test_what_has_gone_meanwhile_is_gone(shop):
    """A form of something that was deleted under it: 404, and nothing else is changed."""
    client, spare = client_of(shop.users["superuser"]), make_list("Going")
    screens = [reverse(f"wagtail_kwiga_lists:{name}", args=[spare.pk]) for name in ("edit", "delete", "add_member")]
    spare.delete()
    before = fingerprint()
    sent = {"title": "Back again", "email": "ada@example.com"}
    assert {client.post(screen, sent).status_code for screen in screens} == {404}
    assert differences(before) == []


def test_ticked_rows_of_which_some_have_changed(shop):
    """Those that can still be stopped are stopped; the others stay as they are."""
    m.Run.objects.filter(pk=shop.run.pk).update(state="completed")
    before = m.Run.objects.filter(pk=shop.run.pk).values().get()
    where = reverse("wagtail_bulk_action", args=["wagtail_kwiga", "run", "stop"])
    client_of(shop.users["superuser"]).post(f"{where}?id={shop.run.pk}&id={shop.paused.pk}")
    assert m.Run.objects.filter(pk=shop.run.pk).values().get() == before
    assert m.Run.objects.get(pk=shop.paused.pk).state == "stopped"


# --- really at once -----------------------------------------------------------------------------------------------------


def at_once(clients: list[Any], where: str, sent: dict[str, Any]) -> list[Any]:
    """Post from several threads that wait for each other."""
    gate, answers = threading.Barrier(len(clients)), []

    def press(client: Any) -> None:
        try:
            gate.wait(timeout=30)
            answers.append(client.post(where, sent))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return answers


@pytest.mark.django_db(transaction=True)
def test_four_members_of_staff_at_the_same_moment(admin_user):
    clients = [client_of(admin_user) for _ in range(4)]
    offer, ada, members = make_offer(), make_contact(), make_list()
    order = order_for(ada, offer, now=after())
    lists.staff_add(members, ada, by=None)
    entry = admin_world.writing.write(order, "payments.too_much", attention=True, amount="1")
    money = reverse("wagtail_kwiga_orders:money_arrived", args=[order.pk])
    answers = at_once(clients, money, {"amount": "120", "reference": "bank-1"})
    assert sorted(answer.status_code for answer in answers) == [302] * 4
    assert m.PaymentAttempt.objects.filter(state="confirmed").count() == 1
    order.refresh_from_db()
    assert (order.status, order.received.amount) == ("paid", 120)
    assert m.AccessGrant.objects.count() == 1
    at_once(clients, reverse("wagtail_kwiga_lists:remove_member", args=[members.pk, ada.pk]), {})
    assert m.TimelineEntry.objects.filter(code=lists.UNLISTED).count() == 1
    answers = at_once(clients, reverse("wagtail_kwiga_attention:done", args=[entry.pk]), {})
    assert sum("Done" in told(answer) for answer in answers) == 1
    coupon = {"code": "ONCE", "kind": "percent", "percent": "10", "limit_per_contact": "1", "is_active": "on"}
    answers = at_once(clients, reverse("wagtail_kwiga_coupons:add"), coupon)
    assert {answer.status_code for answer in answers} <= {200, 302}
    assert m.Coupon.objects.count() == 1
