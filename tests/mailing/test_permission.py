"""Who may get which mail: the table, and that outbox, delivery, engine and admin all keep to it."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wagtail.models import Site

from tests.automations.story import tell
from tests.mailing.making import make_template, queue_one, settings_of_default_site
from tests.orders.shop import order_for
from tests.support import START, after, make_contact, make_offer
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.running import facts
from wagtail_kwiga.backoffice.orders.order_card import Buyer
from wagtail_kwiga.mailing import permission, reasons, suppression
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import Suppression
from wagtail_kwiga.mailing.sending.delivery import deliver_due
from wagtail_kwiga.site_settings import PromoPolicy


@pytest.mark.parametrize(
    ("known", "everybody", "consented", "service"),
    [
        ({}, "", "no_consent", ""),
        ({"consented": True}, "", "", ""),
        ({"unsubscribed": True}, "unsubscribed", "unsubscribed", ""),
        ({"consented": True, "unsubscribed": True}, "unsubscribed", "unsubscribed", ""),
        ({"is_placeholder": True, "consented": True}, "placeholder", "placeholder", "placeholder"),
        ({"promotion_suppressed": "complained"}, "complained", "no_consent", ""),
        ({"consented": True, "promotion_suppressed": "complained"}, "complained", "complained", ""),
        ({"suppressed": "bounced"}, "bounced", "no_consent", "bounced"),
        ({"suppressed": "bounced", "promotion_suppressed": "complained"}, "bounced", "no_consent", "bounced"),
        ({"unsubscribed": True, "suppressed": "bounced"}, "unsubscribed", "unsubscribed", "bounced"),
    ],
)
def test_who_may_get_which_mail(known, everybody, consented, service):
    reader = permission.Recipient(**known)
    assert permission.refusal(reader, kind="promotion", policy="everybody") == everybody
    for policy in ("consented", "a policy of tomorrow", ""):
        assert permission.refusal(reader, kind="promotion", policy=policy) == consented
        assert permission.refusal(reader, kind="service", policy=policy) == service


@pytest.mark.parametrize(
    ("known", "has_unsubscribed"),
    [
        ({}, False),
        ({"unsubscribed": True}, True),
        ({"promotion_suppressed": "unsubscribed"}, True),
        ({"suppressed": "unsubscribed"}, True),
        ({"suppressed": "bounced", "promotion_suppressed": "unsubscribed"}, True),
        ({"suppressed": "bounced", "promotion_suppressed": "complained", "consented": True}, False),
    ],
)
def test_who_has_unsubscribed(known, has_unsubscribed):
    assert permission.Recipient(**known).has_unsubscribed is has_unsubscribed


def test_whom_nothing_is_known_of_and_the_team():
    nobody = permission.Recipient(
        is_placeholder=False, consented=False, unsubscribed=False, suppressed="", promotion_suppressed=""
    )
    assert permission.Recipient() == nobody
    assert permission.refusal(permission.TEAM, kind="promotion", policy="consented") == "", "a trial goes to colleagues"


@pytest.mark.parametrize(
    ("scopes", "all_mail", "promotion"),
    [
        ({}, "", ""),
        ({"all": "bounced"}, "bounced", ""),
        ({"promotion": "complained"}, "", "complained"),
        ({"all": "bounced", "promotion": "complained"}, "bounced", "complained"),
    ],
)
def test_what_an_address_is_suppressed_for(scopes, all_mail, promotion):
    assert permission.suppressions(scopes) == {"suppressed": all_mail, "promotion_suppressed": promotion}


def test_the_words_are_those_of_the_database():
    assert Kind.PROMOTION.value == permission.PROMOTION
    assert PromoPolicy.EVERYBODY.value == permission.EVERYBODY
    assert {permission.ALL_MAIL, permission.PROMOTIONAL_MAIL} == set(Suppression.Scope.values)
    told = {permission.PLACEHOLDER, permission.UNSUBSCRIBED, permission.NO_CONSENT, *Suppression.Reason.values}
    assert told <= set(reasons.Why)


# --- everybody who asks -------------------------------------------------------------------------------------------------

people = st.fixed_dictionaries(
    {
        "is_placeholder": st.sampled_from([False, False, False, True]),
        "consented_at": st.sampled_from([None, START]),
        "unsubscribed_at": st.sampled_from([None, None, START]),
    }
)
scopes = st.dictionaries(
    st.sampled_from(Suppression.Scope.values), st.sampled_from(Suppression.Reason.values), max_size=2
)


@pytest.fixture
def world():
    """One mail of each kind, and a scenario that is about orders for one offer."""
    templates = {kind: make_template([], kind=kind, subject="Hello", preheader="") for kind in Kind.values}
    return tell(), templates


@pytest.mark.django_db
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(person=people, known=scopes, policy=st.sampled_from(PromoPolicy.values), kind=st.sampled_from(Kind.values))
def test_outbox_delivery_engine_and_admin_give_the_same_answer(world, person, known, policy, kind):
    story, templates = world
    django_mail.outbox = []
    settings_of_default_site(promo_policy=policy)
    contact = make_contact(consented_at=START)
    order = story.place(contact)
    waiting = queue_one(contact, order=order, template=templates[kind])
    assert waiting.status == "queued"

    m.Contact.objects.filter(pk=contact.pk).update(**person)
    for scope, reason in known.items():
        suppression.suppress(contact.email.upper(), scope=scope, reason=reason, now=START)
    contact.refresh_from_db()
    order.contact = contact

    allowed = not person["is_placeholder"] and "all" not in known
    if kind == "promotion":
        allowed = allowed and person["unsubscribed_at"] is None and "promotion" not in known
        allowed = allowed and (policy == "everybody" or person["consented_at"] is not None)

    fresh = queue_one(contact, order=order, template=templates[kind])
    deliver_due(START)
    waiting.refresh_from_db()
    decided = facts.load([story.run_of(order)], START).cases.popitem()[1].facts.mail_refusal(kind)
    assert {fresh.why, waiting.why, decided} == {decided}
    assert (decided == "") is allowed
    assert waiting.status == ("sent" if allowed else "suppressed")
    assert (fresh.status == "suppressed") is (not allowed)
    if kind == "promotion":
        shown = _shown(order)
        if decided == "unsubscribed" and person["unsubscribed_at"]:
            assert shown.startswith("unsubscribed on")
        elif decided:
            assert shown == reasons.sentence(decided)
        else:
            assert shown.startswith("agreed on" if person["consented_at"] else "never asked for, never refused")


def _shown(order: m.Order) -> str:
    request = RequestFactory().get("/")
    request.user = None
    return str(Buyer(order=order, request=request)._promotional_mail())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda contact: suppression.suppress(contact.email, scope="all", reason="bounced"), "does not accept mail"),
        (lambda contact: suppression.suppress(contact.email, scope="promotion", reason="complained"), "complained"),
        (lambda contact: settings_of_default_site(promo_policy="consented"), "has not agreed to promotional mail"),
    ],
)
def test_the_card_of_an_order_says_who_gets_no_promotion(change, words):
    """It used to say *never asked for, never refused* of all of these."""
    contact = make_contact()
    order = order_for(contact, make_offer(), site=Site.objects.get(is_default_site=True))
    assert _shown(order) == "never asked for, never refused"
    change(contact)
    assert words in _shown(order)


@pytest.mark.django_db
def test_the_engine_tells_what_an_address_is_suppressed_for():
    """It used to say *suppressed* of every reason, and *unsubscribed* of who had complained."""
    story = tell()
    contact = make_contact()
    run = story.run_of(story.place(contact))
    suppression.suppress(contact.email, scope="promotion", reason="complained", now=START)
    assert facts.load([run], START).cases[run.pk].facts.mail_refusal("promotion") == "complained"
    suppression.suppress(contact.email, scope="all", reason="refused", now=START)
    assert facts.load([run], START).cases[run.pk].facts.mail_refusal("service") == "refused"


@pytest.mark.django_db
@pytest.mark.parametrize("enrolment_hears", [True, False])
def test_the_rule_that_counts_is_that_of_the_site_of_the_order_which_the_mail_is_about(enrolment_hears):
    """Ordered on one site, then anew on another where only those who agreed get promotion. The engine used to ask the
    rule of the first site, and the outbox that of the second."""
    here = Site.objects.get(is_default_site=True)
    there = Site.objects.create(hostname="other.example", root_page=here.root_page)
    m.KwigaSettings.objects.create(site=there, promo_policy="consented")
    story, ada = tell(), make_contact()
    old = story.place(ada, site=here)
    run = story.run_of(old)
    story.place(ada, site=there, now=after(minutes=1))
    if not enrolment_hears:
        m.Run.objects.filter(pk=run.pk).update(order=old)
    run.refresh_from_db()
    assert facts.load([run], START).cases[run.pk].facts.mail_refusal("promotion") == "no_consent"
