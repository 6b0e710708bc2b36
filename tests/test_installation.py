"""Whose database this is: what makes an installation another one, and what a copy holds back until somebody has spoken."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import TextField, Value
from django.test.utils import CaptureQueriesContext

from tests.automations import story
from tests.mailing.making import make_template, queue_one
from tests.orders.shop import order_for
from tests.payments import bank
from tests.payments.shop import new_order
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import conf, installation, tasks
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import engine
from wagtail_kwiga.installation import Installation, Standing
from wagtail_kwiga.mailing.sending import delivery
from wagtail_kwiga.payments import ledger, refunds

pytestmark = pytest.mark.django_db

OTHER = "another-secret-that-is-long-enough-to-sign-with"


def settle(**given):
    return tasks.settle_installation(given.get("now", START))


def an_order():
    return order_for(make_contact(), make_offer(), now=START, language="en")


@pytest.fixture
def sold():
    """This installation has sold something."""
    an_order()
    assert settle() == Standing.PRODUCTION


@pytest.fixture
def copied(sold, settings):
    """The same database under another secret: a copy of it, on a staging server."""
    settings.SECRET_KEY = OTHER


# --- who it is


def test_whoever_works_first_on_a_database_is_its_installation():
    an_order()  # so was every shop that ran before the package asked
    assert installation.standing() == Standing.NEW
    assert settle(now=after(hours=1)) == Standing.PRODUCTION
    row = Installation.objects.get()
    assert (row.state, row.decided_at, row.decided_by) == ("production", after(hours=1), None)


@pytest.mark.usefixtures("copied")
def test_another_secret_is_another_installation():
    assert installation.standing() == settle() == Standing.UNDECIDED


@pytest.mark.usefixtures("sold")
def test_a_secret_that_moves_on_is_the_same_installation(settings):
    before = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OTHER, [before]
    assert installation.standing() == settle() == Standing.PRODUCTION
    settings.SECRET_KEY_FALLBACKS = []  # the old one is retired
    assert installation.standing() == Standing.PRODUCTION


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("HOST", "10.0.0.7", False),
        ("PORT", "6543", False),
        ("NAME", "staging", False),
        ("USER", "somebody", True),
        ("PASSWORD", "changed", True),
    ],
)
@pytest.mark.postgres
def test_another_place_of_the_database_is_another_installation(monkeypatch, name, value, same):
    monkeypatch.setitem(connection.settings_dict, name, value)
    assert (installation.standing() == Standing.PRODUCTION) is same


@pytest.mark.usefixtures("sold")
@pytest.mark.postgres
def test_the_port_of_the_kind_of_database_may_be_left_out(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "PORT", "")
    without = installation.identities()
    monkeypatch.setitem(connection.settings_dict, "PORT", 5432)
    assert installation.identities() == without


@pytest.mark.usefixtures("sold")
@pytest.mark.sqlite
def test_the_folder_of_sqlite_says_nothing(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", "/srv/release-42/db.sqlite3")
    assert installation.standing() == Standing.PRODUCTION


@pytest.mark.usefixtures("sold")
def test_a_machine_of_another_name_is_the_same_installation(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "a-fresh-container")
    monkeypatch.setattr("platform.node", lambda: "a-fresh-container")
    assert installation.standing() == Standing.PRODUCTION


@pytest.mark.usefixtures("sold")
def test_a_name_of_its_own_counts_instead(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "INSTALLATION": "staging"}
    assert settle() == Standing.UNDECIDED  # all else is that of production: the case that the setting is for
    installation.decide("production", now=START)
    settings.SECRET_KEY = OTHER
    assert installation.standing() == Standing.PRODUCTION
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "INSTALLATION": "production"}
    assert installation.standing() == Standing.UNDECIDED


@pytest.mark.usefixtures("sold")
def test_what_is_kept_tells_nobody_what_it_is_made_of(settings):
    (kept,) = Installation.objects.values_list("identity", flat=True)
    assert len(kept) == 64
    assert set(kept) <= set("0123456789abcdef")


def test_one_that_has_sold_nothing_adopts_itself(settings):
    settle()
    settings.SECRET_KEY = OTHER
    assert installation.standing() == Standing.UNDECIDED
    assert settle() == Standing.PRODUCTION
    an_order()
    settings.SECRET_KEY = OTHER + "-again"
    assert settle() == Standing.UNDECIDED


def test_one_that_is_held_does_not_adopt_itself(settings):
    installation.decide("held", now=START)
    settings.SECRET_KEY = OTHER
    assert settle() == Standing.UNDECIDED


def test_two_that_begin_at_once_come_to_the_same(monkeypatch):
    """Whoever finds no row while another one writes it keeps what the other wrote."""
    installation.decide("held", now=START)
    monkeypatch.setattr(type(Installation.objects), "first", lambda self: None, raising=False)
    assert settle() == Standing.HELD


# --- who says it


def test_somebody_says_what_it_is(django_user_model, settings):
    settle()
    an_order()
    settings.SECRET_KEY = OTHER
    anna = django_user_model.objects.create_user("anna")
    installation.decide("held", by=anna, note="the staging server", now=after(hours=2))
    assert settle() == Standing.HELD
    row = Installation.objects.get()
    assert (row.decided_by, row.note, row.decided_at) == (anna, "the staging server", after(hours=2))
    installation.decide("production", by=anna, now=after(hours=3))
    assert settle() == Standing.PRODUCTION
    anna.delete()
    assert Installation.objects.get().decided_by is None


def test_there_is_no_third_word():
    with pytest.raises(ValueError, match="perhaps"):
        installation.decide("perhaps")


def test_in_one_statement_it_is_asked_with_exists(settings):
    """Compiled or not, the question in SQL has the answer of ``standing``."""
    an_order()
    for say, secret, may_act in ((None, OTHER, True), ("production", OTHER, True), ("held", OTHER, False)):
        settings.SECRET_KEY = secret
        if say:
            installation.decide(say, now=START)
        assert installation.standing().may_act is may_act
        assert installation.holding().exists() is not may_act
    settings.SECRET_KEY = OTHER + "-2"
    mine = Value(installation.spelled_identities(), output_field=TextField())
    for state in ("held", "production"):
        Installation.objects.update(state=state)
        assert installation.holding().exists()
        assert installation.holding(mine).exists()
    settings.SECRET_KEY_FALLBACKS = [OTHER]
    assert not installation.holding().exists()


# --- what a copy holds back


def due_mail():
    return queue_one(make_contact(), template=make_template())


@pytest.mark.usefixtures("copied")
def test_no_mail_leaves_a_copy_receipts_included(mailoutbox):
    for purpose in m.OutgoingEmail.Purpose.values:
        email = due_mail()
        m.OutgoingEmail.objects.filter(pk=email.pk).update(purpose=purpose)
    before = list(m.OutgoingEmail.objects.order_by("pk").values())
    assert delivery.deliver_due(after(hours=1)).total == 0
    assert mailoutbox == []
    assert list(m.OutgoingEmail.objects.order_by("pk").values()) == before
    installation.decide("held")
    assert delivery.deliver_due(after(hours=1)).total == 0
    installation.decide("production")
    assert delivery.deliver_due(after(hours=1)).total == len(before)


def test_no_scenario_goes_on_in_a_copy(settings):
    told = story.tell()
    order = told.place()
    settle()
    settings.SECRET_KEY = OTHER
    before = m.Run.objects.values().get()
    assert engine.run_due(after(minutes=30)).batches == 0
    assert m.Run.objects.values().get() == before
    installation.decide("production")
    assert engine.run_due(after(minutes=30)).acted == 1
    assert told.run_of(order).first_message_at == after(minutes=30)


@pytest.fixture
def at_the_bank(settings, tmp_path):
    order = new_order()
    options = {"class": "tests.payments.bank.Bank", "folder": str(tmp_path)}
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "PAYMENT_PROVIDERS": {"bank": options}}
    ledger.record_payment(order=order, amount=Decimal(120), method="bank", reference="ch_1", now=after(minutes=1))
    return bank.Bank("bank", options), order


def test_no_money_moves_from_a_copy(at_the_bank, settings):
    gateway, order = at_the_bank
    settle()
    settings.SECRET_KEY = OTHER
    refund = refunds.request(order=order, amount=Decimal(50), now=START)
    assert refunds.send(refund, START).state == "requested"
    assert refunds.sweep(after(hours=1)).tried == 0
    assert gateway.books() == []
    installation.decide("production")
    refunds.sweep(after(hours=1))
    refund.refresh_from_db()
    assert (refund.state, len(gateway.books())) == ("done", 1)


def test_money_that_comes_is_booked_in_a_copy_all_the_same(copied):
    order = m.Order.objects.get()
    ledger.record_payment(order=order, amount=order.total, method="transfer", now=after(hours=1))
    order.refresh_from_db()
    assert order.status == "paid"
    assert m.OutgoingEmail.objects.get(purpose="receipt").status == "queued"


# --- what asking costs


def test_idle_sweeps_cost_one_query_each_and_the_installation_one(sold):
    costs = {}
    with CaptureQueriesContext(connection) as queries:
        for sweep in (delivery.deliver_due, engine.run_due, refunds.sweep, tasks.settle_installation):
            before = len(queries)
            sweep(START)
            costs[sweep.__name__] = len(queries) - before
    assert costs == {"deliver_due": 1, "run_due": 1, "sweep": 1, "settle_installation": 1}


def test_the_clock_of_the_shop_is_asked(settings):
    settings.WAGTAIL_KWIGA = {**settings.WAGTAIL_KWIGA, "CLOCK": "tests.test_installation.a_year_later"}
    tasks.settle_installation()
    assert Installation.objects.get().decided_at == a_year_later() == conf.now()


def a_year_later() -> dt.datetime:
    return after(days=365)
