"""Putting somebody on a contact list by hand, and taking them off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy
from wagtail.admin import messages

from wagtail_kwiga import conf, locking
from wagtail_kwiga.backoffice import promises
from wagtail_kwiga.backoffice.lists import member_sources
from wagtail_kwiga.backoffice.lists.members import crumbs, of_list
from wagtail_kwiga.backoffice.parts import calendar_bounds, linking, policies
from wagtail_kwiga.backoffice.parts.columns import exact_end
from wagtail_kwiga.catalogue.end_field import EndField
from wagtail_kwiga.contacts import directory, lists
from wagtail_kwiga.contacts.models import Contact, ContactList, ListMembership
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.offers import promise_panel

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


class MemberForm(forms.Form):
    """Whom to put on a list, and until when."""

    email = forms.CharField(
        label=pgettext_lazy("sales", "E-mail"),
        max_length=254,
        widget=forms.EmailInput,
        help_text=gettext_lazy("Somebody who is not known yet becomes a contact. No mail is sent."),
    )
    name = forms.CharField(
        label=pgettext_lazy("sales", "Name"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Kept only where no name is known yet."),
    )
    until = EndField(
        label=pgettext_lazy("sales", "Until"),
        required=False,
        validators=calendar_bounds.VALIDATORS,
        help_text=gettext_lazy(
            "Empty: without an end. A date without a time ends with that day. Whoever was put on it by hand before gets this "
            "end instead."
        ),
    )

    def clean_email(self) -> str:
        try:
            return directory.normalise(self.cleaned_data["email"])
        except KwigaError as refusal:
            raise ValidationError(str(refusal)) from refusal

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until is not None and until <= conf.now():
            raise ValidationError(_("This is over already. Choose a moment to come, or leave it empty."))
        return until


def add_member(request: HttpRequest, pk: int) -> HttpResponse:
    """Put somebody on a list by hand.

    A new address makes a contact that counts as unverified, and what is known of somebody is not overwritten: whoever
    types an address here vouches that the person belongs on the list, not for the person's name.
    """
    if not policies.may(request.user, "add", ListMembership):
        raise PermissionDenied
    contact_list = get_object_or_404(ContactList, pk=pk)
    people = reverse("wagtail_kwiga_lists:members", args=[pk])
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        if asked := _ask_about_another_end(request, contact_list, data):
            return asked
        contact = directory.get_or_create_contact(email=data["email"], name=data["name"])
        grant = lists.staff_add(contact_list, contact, until=data["until"], by=policies.user_of(request))
        facts = {"person": contact, "list": contact_list.title, "until": exact_end(grant.until)}
        words = _("%(person)s is on “%(list)s” until %(until)s.") if grant.until else _("%(person)s is on “%(list)s”.")
        messages.success(request, words % facts)
        return redirect(people if policies.may(request.user, "view", ListMembership) else request.path)
    context = {"form": form, "media": form.media, "coupons": coupons_of(contact_list)}
    return _page(request, contact_list, "add_member", _("Put somebody on the list"), people, context)


def remove_member(request: HttpRequest, pk: int, contact_pk: int) -> HttpResponse:
    """Take one person off a list, after saying what that ends."""
    if not policies.may(request.user, "change", ListMembership):
        raise PermissionDenied
    contact_list = get_object_or_404(ContactList, pk=pk)
    contact = get_object_or_404(Contact.objects.filter(memberships__list=contact_list).distinct(), pk=contact_pk)
    people = linking.back(request, reverse("wagtail_kwiga_lists:members", args=[pk]))
    if request.method == "POST":
        say_removed(request, contact_list, take_off(contact_list, [contact.pk], by=policies.user_of(request)))
        return redirect(people)
    now = conf.now()
    grants = list(of_list(pk).filter(lists.holding(now), contact=contact).order_by("added_at"))
    member_sources.look_up(contact_list, grants, now)
    broken = unexpired_promises.of_taking_off(pk, [contact.pk], now)
    warning = promise_panel.warning(broken.sentences()) if broken else ""
    context = {"contact": contact, "grants": grants, "coupons": coupons_of(contact_list), "warning": warning}
    return _page(request, contact_list, "remove_member", _("Take off the list"), people, context)


def _ask_about_another_end(
    request: HttpRequest, contact_list: ContactList, data: dict[str, Any]
) -> HttpResponse | None:
    """A sooner end than before may break what the person was told. Whoever is not known yet was told nothing."""
    contact = directory.find(data["email"])
    if contact is None:
        return None
    broken = unexpired_promises.of_another_end(contact_list.pk, contact.pk, data["until"], conf.now())
    return promises.ask(request, [(contact_list, broken)], _("Put on the list"))


def take_off(
    contact_list: ContactList,
    contact_ids: Iterable[int],
    *,
    by: AbstractBaseUser | None,
    now: dt.datetime | None = None,
) -> list[int]:
    """Take people off a list, knowingly: what mail has told them by it ends with it, also what has been told since somebody was
    asked. Returns who was on it."""
    now, contact_ids = now or conf.now(), list(contact_ids)
    with locking.atomic_write():
        directory.lock_many(contact_ids)  # no mail of theirs leaves before promises and membership are ended
        broken = unexpired_promises.of_taking_off(contact_list.pk, contact_ids, now)
        promise_panel.end(broken, history_of=contact_list, by=by, now=now)
        return lists.staff_remove(contact_list, contact_ids, by=by, now=now)


def say_removed(request: HttpRequest, contact_list: ContactList, gone: list[int]) -> None:
    """The message after somebody was taken off."""
    if not gone:
        messages.info(request, _("None of them was on “%(list)s” any more.") % {"list": contact_list.title})
        return
    words = ngettext(
        "%(number)s person was taken off “%(list)s”.", "%(number)s people were taken off “%(list)s”.", len(gone)
    )
    messages.success(request, words % {"number": len(gone), "list": contact_list.title})


def coupons_of(contact_list: ContactList) -> str:
    """The codes of the coupons that a list opens."""
    coupons = Coupon.objects.filter(list_links__contact_list=contact_list).order_by("code")
    return ", ".join(coupon.code for coupon in coupons)


def _page(
    request: HttpRequest, contact_list: ContactList, name: str, title: str, back: str, context: dict[str, Any]
) -> HttpResponse:
    way = [
        {"url": reverse("wagtailadmin_home"), "label": pgettext("sales", "Home")},
        *crumbs(contact_list, request.user),
        {"url": reverse("wagtail_kwiga_lists:members", args=[contact_list.pk]), "label": pgettext("sales", "People")},
        {"url": "", "label": title},
    ]
    shared = {
        "contact_list": contact_list, "back": back, "page_title": title, "header_title": f"{title}: {contact_list.title}", "header_icon": "group",
        "page_subtitle": contact_list.title, "breadcrumbs_items": way,
    }  # fmt: skip
    return TemplateResponse(request, f"wagtail_kwiga/backoffice/contact_lists/{name}.html", {**shared, **context})
