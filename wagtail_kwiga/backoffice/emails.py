"""E-mails in the admin, as editors compose them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from wagtail.admin.forms import WagtailAdminModelForm
from wagtail.admin.panels import FieldPanel, MultiFieldPanel, ObjectList, PublishingPanel, TabbedInterface
from wagtail.admin.ui.tables import LiveStatusTagColumn, UpdatedAtColumn
from wagtail.snippets.views.snippets import SnippetViewSet

from wagtail_kwiga.mailing import versions as mail_versions
from wagtail_kwiga.mailing.models import EmailTemplate


class EmailTemplateForm(WagtailAdminModelForm):
    """A draft may be anything; what is published must be sendable."""

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.is_deferred_validation and not self.errors:
            given = {name: data[name] for name in ("title", "kind", "subject", "preheader", "body") if name in data}
            problems = mail_versions.problems(EmailTemplate(locale=self.instance.locale, **given))
            if problems:
                raise ValidationError([str(problem) for problem in problems])
        return data


class EmailTemplateViewSet(SnippetViewSet):
    """E-mails."""

    model = EmailTemplate
    base_url_path = "kwiga/emails"
    admin_url_namespace = "wagtail_kwiga_emails"
    icon = "mail"
    menu_label = _("E-mails")
    menu_name = "kwiga-emails"
    menu_order = 500
    search_fields = ["title", "subject"]
    search_backend_name = None
    list_filter = ["kind"]
    list_display = ["title", "subject", "kind", LiveStatusTagColumn(), UpdatedAtColumn()]
    edit_handler = TabbedInterface(
        [
            ObjectList(
                [
                    FieldPanel("title"),
                    FieldPanel("kind"),
                    MultiFieldPanel([FieldPanel("subject"), FieldPanel("preheader")], heading=_("In the inbox")),
                    FieldPanel("body"),
                ],
                heading=_("E-mail"),
            ),
            ObjectList([PublishingPanel()], heading=_("Publishing")),
        ],
        base_form_class=EmailTemplateForm,
    )
