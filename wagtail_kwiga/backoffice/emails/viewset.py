"""E-mails in the admin, as editors compose them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import django_filters
from django import forms
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html_join
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from wagtail.admin.filters import WagtailFilterSet
from wagtail.admin.panels import FieldPanel, MultiFieldPanel, ObjectList, PublishingPanel
from wagtail.admin.ui.tables import Column, LocaleColumn, UpdatedAtColumn
from wagtail.admin.widgets import BooleanRadioSelect
from wagtail.admin.widgets.button import HeaderButton
from wagtail.models import ReferenceIndex
from wagtail.snippets.views import snippets

from wagtail_kwiga.automations.models import Scenario
from wagtail_kwiga.backoffice.emails import builtin_emails, email_editor, email_preview, email_trial
from wagtail_kwiga.backoffice.emails.chooser import EmailChooserViewSet
from wagtail_kwiga.backoffice.emails.forms import EmailTemplateForm
from wagtail_kwiga.backoffice.parts.drafts import DraftStatusColumn, with_schedule
from wagtail_kwiga.backoffice.parts.filters import ReadableLocale
from wagtail_kwiga.backoffice.parts.history import HistoryView
from wagtail_kwiga.backoffice.parts.records import WIDE_LISTING
from wagtail_kwiga.mailing.classification import Kind
from wagtail_kwiga.mailing.models import EmailTemplate, OfferEmail

#: The kinds in a word, for a cell.
KINDS = {Kind.SERVICE: pgettext_lazy("sales", "service"), Kind.PROMOTION: pgettext_lazy("sales", "promotion")}
#: Names of scenarios shown in a row; more are counted.
NAMED = 2


class EmailTemplateFilterSet(WagtailFilterSet):
    """Filters of the list of e-mails; Wagtail adds the locale."""

    kind = django_filters.ChoiceFilter(
        label=pgettext_lazy("sales", "Kind"),
        choices=list(KINDS.items()),
        method="of_kind",
        widget=forms.RadioSelect,
        empty_label=pgettext_lazy("sales", "All"),
    )
    live = django_filters.BooleanFilter(label=pgettext_lazy("sales", "Published"), widget=BooleanRadioSelect)

    class Meta:
        model = EmailTemplate
        fields = ["kind", "live"]

    def of_kind(self, rows: QuerySet[EmailTemplate], name: str, value: str) -> QuerySet[EmailTemplate]:
        """By the kind that counts, which the words settle where the editor has not. A site has dozens of mails, not more."""
        return rows.filter(pk__in=[one.pk for one in EmailTemplate.objects.all() if one.settled_kind == value])


class EmailTemplateIndexView(ReadableLocale, snippets.IndexView):
    """All e-mails, each language a row, with the scenarios that send them."""

    table_classname = WIDE_LISTING

    @cached_property
    def header_buttons(self) -> list[Any]:
        where = reverse("wagtail_kwiga_emails:builtin")
        return [*super().header_buttons, HeaderButton(label=_("Built-in emails"), url=where, icon_name="mail")]

    def get_base_queryset(self) -> QuerySet[EmailTemplate]:
        return with_schedule(super().get_base_queryset())

    @cached_property
    def list_display(self) -> list[Any]:
        columns = [
            "title",
            Column("subject", label=pgettext_lazy("sales", "Subject"), sort_key="subject"),
            Column(
                "kind", label=pgettext_lazy("sales", "Kind"), accessor=lambda template: KINDS[template.settled_kind]
            ),
            DraftStatusColumn(),
            Column("used_by", label=pgettext_lazy("sales", "Used by"), accessor=self.used_by),
            UpdatedAtColumn(),
        ]
        if self.i18n_enabled:
            columns.insert(2, LocaleColumn(label=pgettext_lazy("sales", "Language"), classname=""))
        return columns

    @cached_property
    def scenarios(self) -> dict[Any, list[Scenario]]:
        """The scenarios that name a mail, by its translation key: they send it in every language. Three queries in all."""
        rows = ReferenceIndex.objects.filter(
            base_content_type=ContentType.objects.get_for_model(Scenario),
            to_content_type=ContentType.objects.get_for_model(EmailTemplate),
        )
        pairs = set(rows.values_list("object_id", "to_object_id"))
        known = {str(one.pk): one for one in Scenario.objects.filter(pk__in={scenario for scenario, _mail in pairs})}
        keys = dict(
            EmailTemplate.objects.filter(pk__in={mail for _s, mail in pairs}).values_list("pk", "translation_key")
        )
        found: dict[Any, dict[int, Scenario]] = defaultdict(dict)
        for scenario, mail in pairs:
            if scenario in known and int(mail) in keys:
                found[keys[int(mail)]][known[scenario].pk] = known[scenario]
        return {key: sorted(ones.values(), key=str) for key, ones in found.items()}

    @cached_property
    def offers(self) -> dict[Any, list[str]]:
        """The offers whose orders are answered with a mail of the site's own, by its translation key. One query."""
        rows = OfferEmail.objects.filter(template__isnull=False).order_by("offer__title", "offer_id")
        found: dict[Any, dict[int, str]] = defaultdict(dict)
        for key, pk, title in rows.values_list("template__translation_key", "offer_id", "offer__title"):
            found[key][pk] = title
        return {key: list(ones.values()) for key, ones in found.items()}

    def used_by(self, template: EmailTemplate) -> Any:
        """The names of the scenarios that send ``template`` (drafts are marked), and of the offers whose orders it answers."""
        key = template.translation_key
        ones = [
            one.title if one.live else gettext("%(title)s (draft)") % {"title": one.title}
            for one in self.scenarios.get(key, [])
        ]
        ones += [gettext("orders of “%(offer)s”") % {"offer": title} for title in self.offers.get(key, [])]
        words = ones[:NAMED]
        if len(ones) > NAMED:
            words.append(gettext("and %(number)d more") % {"number": len(ones) - NAMED})
        return format_html_join("", "<div>{}</div>", ([word] for word in words)) or gettext("no scenario")


class EmailTemplateViewSet(snippets.SnippetViewSet):
    """E-mails."""

    model = EmailTemplate
    base_url_path = "kwiga/emails"
    admin_url_namespace = "wagtail_kwiga_emails"
    icon = "mail"
    menu_label = pgettext_lazy("sales", "E-mails")
    menu_name = "kwiga-emails"
    menu_order = 500
    search_fields = ["title", "subject"]
    search_backend_name = None
    filterset_class = EmailTemplateFilterSet
    index_view_class = EmailTemplateIndexView
    index_results_template_name = "wagtail_kwiga/backoffice/emails/index_results.html"
    add_view_class = email_editor.EmailCreateView
    edit_view_class = email_editor.EmailEditView
    history_view_class = HistoryView
    unpublish_view_class = email_editor.EmailUnpublishView
    copy_view_class = email_editor.EmailCopyView
    preview_on_add_view_class = email_editor.EmailPreviewOnCreateView
    preview_on_edit_view_class = email_editor.EmailPreviewOnEditView
    chooser_viewset_class = EmailChooserViewSet
    edit_handler = ObjectList(
        [
            FieldPanel("title", icon="title"),
            MultiFieldPanel([FieldPanel("subject"), FieldPanel("preheader")], heading=_("In the inbox"), icon="mail"),
            FieldPanel(
                "body",
                icon="pilcrow",
                help_text=_(
                    "Placeholders such as {{ contact.first_name }} are filled in for each reader. The list of all "
                    "of them opens with the icon “Placeholders” at the top right."
                ),
            ),
            FieldPanel("kind", icon="tag", widget=forms.RadioSelect),
            PublishingPanel(),
        ],
        base_form_class=EmailTemplateForm,
    )

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("preview-with/", email_preview.preview_with, name="preview_with"),
            path("built-in/", builtin_emails.listing, name="builtin"),
            path("built-in/<str:name>/", builtin_emails.show, name="builtin_show"),
            path("built-in/<str:name>/own/", builtin_emails.make_own, name="builtin_own"),
            path("send-test/<int:pk>/", email_trial.send_test, name="send_test"),
        ]
