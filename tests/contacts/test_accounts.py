"""Which contact an account is: by a link that somebody made, or by an address that is proven, and by nothing else."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection

from tests.support import START, after, make_contact
from wagtail_kwiga.contacts import directory
from wagtail_kwiga.contacts.directory import AccountConflict
from wagtail_kwiga.contacts.models import Contact
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.journal import writing

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return make_contact("ada@example.com")


@pytest.fixture
def user():
    return User.objects.create_user("ada", email="ada@example.com")


def refusal(act) -> str:
    with pytest.raises(AccountConflict) as refused:
        act()
    assert str(refused.value)
    return refused.value.code


def test_a_link_is_made_once_and_stands_on_the_timeline(ada, user):
    assert directory.link_user(ada, user, START) is True
    assert directory.link_user(Contact.objects.get(), user, after(days=1)) is False
    assert ada.user_id == user.pk
    assert directory.of_user(user) == ada
    entry = writing.timeline(ada).get()
    assert (entry.code, writing.sentence(entry)) == ("contact.linked", "Belongs to the account ada from now on.")


def test_the_address_of_an_account_alone_proves_nothing(ada, user):
    assert directory.of_user(user) is None


def test_a_proven_address_does_and_links_nothing(ada, user, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert directory.of_user(user, verified_email="ADA@example.com") == ada
    ada.refresh_from_db()
    assert ada.user_id is None
    assert directory.of_user(user, verified_email="nobody@example.com") is None
    with pytest.raises(KwigaError, match="whole e-mail address"):
        directory.of_user(user, verified_email="nonsense")


def test_a_link_counts_before_an_address(ada, user, django_assert_num_queries):
    other = make_contact("work@example.com")
    directory.link_user(other, user, START)
    with django_assert_num_queries(1):
        assert directory.of_user(user, verified_email="ada@example.com") == other


@pytest.mark.parametrize("nobody", [None, AnonymousUser()])
def test_nobody_is_nobody(ada, nobody, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert directory.of_user(nobody, verified_email="ada@example.com") is None


def test_a_contact_of_another_account_is_not_handed_over(ada, user):
    eve = User.objects.create_user("eve")
    directory.link_user(ada, user, START)
    assert refusal(lambda: directory.link_user(ada, eve, START)) == "contact_linked"
    assert refusal(lambda: directory.of_user(eve, verified_email="ada@example.com")) == "contact_linked"
    ada.refresh_from_db()
    assert ada.user == user


def test_an_account_has_one_contact(ada, user):
    other = make_contact("work@example.com")
    directory.link_user(ada, user, START)
    with pytest.raises(AccountConflict) as refused:
        directory.link_user(other, user, START)
    assert (refused.value.code, refused.value.facts) == ("user_linked", {"contact": ada.pk})
    other.refresh_from_db()
    assert other.user_id is None


def test_whoever_stands_for_nobody_any_more_is_not_linked(ada, user):
    ada.merged_into = make_contact("work@example.com")
    ada.save()
    assert refusal(lambda: directory.link_user(ada, user, START)) == "contact_merged"
    assert refusal(lambda: directory.of_user(user, verified_email="ada@example.com")) == "contact_merged"
    Contact.objects.filter(pk=ada.pk).update(merged_into=None, erased_at=START)
    ada.refresh_from_db()
    assert refusal(lambda: directory.link_user(ada, user, START)) == "contact_erased"
    assert directory.of_user(user, verified_email="ada@example.com") is None


def test_the_person_outlives_the_account(ada, user):
    directory.link_user(ada, user, START)
    user.delete()
    ada.refresh_from_db()
    assert ada.user is None


def test_many_contacts_have_no_account():
    make_contact()
    make_contact()
    assert Contact.objects.filter(user=None).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_contacts_linked_to_one_account_at_once():
    user = User.objects.create_user("ada")
    people, barrier, codes = [make_contact(), make_contact()], threading.Barrier(2), []

    def link(contact: Contact) -> None:
        try:
            barrier.wait()
            codes.append(directory.link_user(contact, user, START))
        except AccountConflict as refused:
            codes.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=link, args=[each]) for each in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, codes)) == ["True", "user_linked"]
    assert Contact.objects.filter(user=user).count() == 1
