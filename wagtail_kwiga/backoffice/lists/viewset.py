"""Contact lists in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, ObjectList
from wagtail.admin.ui.components import Component, MediaContainer
from wagtail.admin.ui.menus import MenuItem
from wagtail.admin.ui.tables import Column, DateColumn
from wagtail.admin.widgets.button import HeaderButton
from wagtail.snippets.views.snippets import EditView, InspectView, SnippetViewSet

from wagtail_kwiga import conf
from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.backoffice.lists import members, members_by_hand
from wagtail_kwiga.backoffice.parts import linking, policies
from wagtail_kwiga.backoffice.parts.cards import Card, CardNote, LivePanel, Notes, joined
from wagtail_kwiga.backoffice.parts.choosers import ContactListChooser
from wagtail_kwiga.backoffice.parts.columns import NUMBER, Facts
from wagtail_kwiga.backoffice.parts.history import HistoryView
from wagtail_kwiga.backoffice.parts.listings import GuidedIndexView
from wagtail_kwiga.contacts.lists import holding, people_on
from wagtail_kwiga.contacts.models import ContactList, ListMembership
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.snippets import EditView as _View
else:
    _View = object


class ContactListCreationForm(WagtailAdminModelForm):
    """A list needs a title; for a chooser's *Create* tab."""

    class Meta:
        model = ContactList
        fields = ["title"]


def people(number: int) -> str:
    """A number of people in words."""
    if not number:
        return pgettext("sales", "nobody")
    return ngettext("%(number)s person", "%(number)s people", number) % {"number": number}


def how_many(contact_list: ContactList) -> int:
    """How many people are on a list at this moment. One query."""
    on_it = ListMembership.objects.filter(holding(conf.now()), list=contact_list)
    return on_it.order_by().values("contact").distinct().count()


def opens(coupons: Sequence[Coupon]) -> str:
    """Which coupons a list opens, in a sentence."""
    if not coupons:
        return gettext("No coupon asks for this list.")
    words = ngettext(
        "This list opens the coupon %(coupons)s: only people on it can use it.",
        "This list opens the coupons %(coupons)s: only people on it can use them.",
        len(coupons),
    )
    return words % {"coupons": ", ".join(coupon.code for coupon in coupons)}


def present(contact_list: ContactList, request: HttpRequest) -> Notes:
    """Who is on the list just now, and what being on it opens."""
    number, user = how_many(contact_list), request.user
    told = ngettext(
        "%(number)s person is on this list now.", "%(number)s people are on this list now.", number
    ) % {"number": number}  # fmt: skip
    label: Any = ""
    url = ""
    if policies.may(user, "view", ListMembership):
        url, label = reverse("wagtail_kwiga_lists:members", args=[contact_list.pk]), _("Show the people")
    coupons = list(Coupon.objects.filter(list_links__contact_list=contact_list).order_by("code"))
    if not number:
        told = gettext("Nobody is on this list now. A scenario or you can put people on it.")
        if policies.may(user, "add", ListMembership):
            url, label = reverse("wagtail_kwiga_lists:add_member", args=[contact_list.pk]), _("Put somebody on it")
    notes = [CardNote(told, "info" if number or not coupons else "warning", url, label), CardNote(opens(coupons))]
    if alone := _closed(coupons) if not number else []:
        words = ngettext(
            "While it is empty, the coupon %(coupons)s works for nobody.",
            "While it is empty, the coupons %(coupons)s work for nobody.",
            len(alone),
        )
        notes.append(CardNote(words % {"coupons": ", ".join(coupon.code for coupon in alone)}, "warning"))
    return Notes(notes)


def _closed(coupons: Sequence[Coupon]) -> list[Coupon]:
    """Those of ``coupons`` that no other list opens for anybody. One query."""
    opened = CouponListLimit.objects.filter(
        holding(conf.now(), "contact_list__memberships__"), coupon__in=[coupon.pk for coupon in coupons]
    )
    others = set(opened.values_list("coupon_id", flat=True))
    return [coupon for coupon in coupons if coupon.pk not in others]


class ContactListIndexView(GuidedIndexView):
    """All lists: how many are on each now, and what that opens."""

    def nothing_yet(self) -> str:
        return gettext(
            "A list holds exactly the people whom a scenario or you have put on it, and opens coupons for them. "
            "There is none yet."
        )

    def get_list_more_buttons(self, instance: ContactList) -> list[Any]:
        buttons: list[Any] = super().get_list_more_buttons(instance)
        if policies.may(self.request.user, "view", ListMembership):
            where = reverse("wagtail_kwiga_lists:members", args=[instance.pk])
            buttons.append(MenuItem(pgettext_lazy("sales", "People"), url=where, icon_name="group", priority=15))
        return buttons

    def look_up(self, rows: Sequence[Any]) -> None:
        may_look = policies.may(self.request.user, "view", ListMembership)
        for one in rows:
            words = people(one.members_now)
            where = reverse("wagtail_kwiga_lists:members", args=[one.pk])
            one.people_words = format_html('<a href="{}">{}</a>', where, words) if may_look else words


class _WithPeople(_View):
    """The way to the people, in the header."""

    @property
    def header_buttons(self) -> list[Any]:
        if not policies.may(self.request.user, "view", ListMembership):
            return []
        where = reverse("wagtail_kwiga_lists:members", args=[self.object.pk])
        return [HeaderButton(label=pgettext_lazy("sales", "People"), url=where, icon_name="group")]


class ContactListEditView(_WithPeople, EditView):
    """A list, with what is true of it at this moment above the form."""


class ContactListInspectView(_WithPeople, InspectView):
    """A list for those who may only look."""

    page_title = _("Contact list")

    def get_fields(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        panels = _cards(self.object, self.request)
        context: dict[str, Any] = super().get_context_data(panels=panels, media=MediaContainer(panels).media, **kwargs)
        return context


def _cards(contact_list: ContactList, request: HttpRequest) -> list[Component]:
    scenarios = Scenario.objects.filter(version__links__contact_list=contact_list).distinct()
    linked = [linking.linked(one, one.title, request.user) for one in scenarios]
    return [
        Card(_("At present"), present(contact_list, request), "info-circle"),
        Card(
            _("Contact list"),
            Facts((_("What it is for"), contact_list.description), (_("Scenarios that use it"), joined(linked))),
            "group",
        ),
    ]  # fmt: skip


class ContactListViewSet(SnippetViewSet):
    """Contact lists."""

    model = ContactList
    base_url_path = "kwiga/lists"
    admin_url_namespace = "wagtail_kwiga_lists"
    chooser_viewset_class = ContactListChooser
    icon = "group"
    menu_label = _("Contact lists")
    menu_name = "kwiga-lists"
    menu_order = 400
    index_view_class = ContactListIndexView
    index_results_template_name = ContactListIndexView.results_template_name
    edit_view_class = ContactListEditView
    history_view_class = HistoryView
    inspect_view_enabled = True
    inspect_view_class = ContactListInspectView
    inspect_template_name = "wagtail_kwiga/backoffice/card.html"
    search_fields = ["title", "description"]
    search_backend_name = None
    edit_handler = ObjectList(
        [
            LivePanel(present, heading=_("At present"), icon="info-circle"),
            FieldPanel(
                "title", icon="title", help_text=_("Your team chooses the list by it. Buyers never see it.")
            ),
            FieldPanel("description", icon="pilcrow"),
        ]
    )  # fmt: skip

    @property
    def list_display(self) -> list[Any]:
        return [
            "title",
            Column(
                "people", label=_("On it now"), accessor="people_words", sort_key="members_now", classname=NUMBER
            ),
            Column("opens", label=_("Opens the coupons"), accessor=_codes),
            DateColumn("created_at", label=pgettext_lazy("sales", "Made"), sort_key="created_at"),
        ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContactList]:
        lists = ContactList.objects.annotate(members_now=people_on(conf.now()))
        return lists.prefetch_related("coupons").order_by("title")

    def get_urlpatterns(self) -> list[Any]:
        people = members.MembersView
        return [
            *super().get_urlpatterns(),
            path("people/<int:pk>/", people.as_view(), name="members"),
            path("people/<int:pk>/results/", people.as_view(results_only=True), name="members_results"),
            path("people/<int:pk>/add/", members_by_hand.add_member, name="add_member"),
            path("people/<int:pk>/remove/<int:contact_pk>/", members_by_hand.remove_member, name="remove_member"),
        ]


def _codes(one: ContactList) -> str:
    return ", ".join(coupon.code for coupon in one.coupons.all())
