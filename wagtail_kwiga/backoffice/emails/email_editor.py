"""The e-mail editor: what Wagtail's own has, with a starter, a list of placeholders, advice, and a test to oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from wagtail.admin import messages
from wagtail.admin.ui.components import MediaContainer
from wagtail.admin.ui.side_panels import ChecksSidePanel
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import Button
from wagtail.models import Locale
from wagtail.snippets.views import snippets

from wagtail_kwiga.automations.editing import versions
from wagtail_kwiga.backoffice.emails.placeholder_help import PlaceholdersSidePanel
from wagtail_kwiga.backoffice.parts import linking
from wagtail_kwiga.backoffice.parts.filters import ReadableLocale
from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.mailing.authoring import default_content, previewing, validation
from wagtail_kwiga.mailing.models import EmailTemplate

# A class to be put before one of Wagtail's: to a type checker it stands on it already.
if TYPE_CHECKING:
    from wagtail.snippets.views.snippets import EditView as _EditorView
    from wagtail.snippets.views.snippets import PreviewOnEditView as _PreviewView
else:
    _EditorView = _PreviewView = object


class EmailUnpublishView(snippets.UnpublishView):
    """Says which scenarios go on without it, and the orders of which offers are answered with the standard email."""

    template_name = "wagtail_kwiga/backoffice/emails/unpublish.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        user, found = self.request.user, versions.scenarios_sending(self.object)
        key = self.object.translation_key
        offers = Offer.objects.filter(emails__template__translation_key=key).distinct().order_by("title", "pk")
        return context | {"scenarios": [linking.linked(one, one, user) for one in found], "offers": offers}


class _Editor(_EditorView):
    """What making and editing have in common."""

    def get_side_panels(self) -> MediaContainer:
        """Without the checks, which look for Wagtail's user bar in a page; with the placeholders."""
        panels = [one for one in super().get_side_panels() if not isinstance(one, ChecksSidePanel)]
        if not self.expects_json_response:
            panels.append(PlaceholdersSidePanel(self.form.instance, self.request))
        return MediaContainer(sorted(panels, key=lambda one: one.order))

    def save_action(self) -> HttpResponse:
        response: HttpResponse = super().save_action()
        if not self.expects_json_response:
            advise(self.request, self.object)
        return response


def advise(request: HttpRequest, template: EmailTemplate) -> None:
    """Say what a mail with a coupon leaves open."""
    if hints := validation.hints(template):
        listed = format_html_join("", "<li>{}</li>", ([hint] for hint in hints))
        messages.warning(
            request, format_html("{}<ul>{}</ul>", gettext("Saved. Please look at this once more:"), listed)
        )


class EmailCreateView(ReadableLocale, _Editor, snippets.CreateView):
    """A new e-mail opens with a mail that wins back unpaid orders, in its language."""

    def get_initial_form_instance(self) -> EmailTemplate:
        instance = super().get_initial_form_instance() or EmailTemplate(locale=Locale.get_default())
        if self.request.method == "GET":
            starter = default_content.win_back(instance.locale.language_code)
            instance.subject, instance.preheader, instance.body = starter.subject, starter.preheader, starter.body
        return instance

    def get_preview_url(self) -> str | None:
        url = super().get_preview_url()
        address: str | None = self._set_locale_query_param(url) if url else url
        return address


class EmailCopyView(generic.CopyViewMixin, EmailCreateView):
    """A copy opens with what it copies, in its language. Wagtail has it posted to where new ones are made."""

    http_method_names = ["get", "head", "options"]

    def get_locale(self) -> Locale | None:
        return self.get_object().locale if self.i18n_enabled else None


class EmailEditView(_Editor, snippets.EditView):
    """An e-mail."""

    @cached_property
    def header_more_buttons(self) -> list[Any]:
        test = Button(
            _("Send test to me"),
            url=reverse("wagtail_kwiga_emails:send_test", args=[self.object.pk]),
            icon_name="mail",
            priority=5,
        )
        return [*super().header_more_buttons, test]


class _PreviewsAnywhere(_PreviewView):
    """Tells the preview where it is, so that choosing other data leads back to it."""

    def get_extra_request_attrs(self) -> dict[str, Any]:
        attrs = super().get_extra_request_attrs()
        return {**attrs, previewing.PREVIEW_URL: self.request.get_full_path()}


class EmailPreviewOnEditView(_PreviewsAnywhere, snippets.PreviewOnEditView):
    """The draft as it stands in the editor."""


class EmailPreviewOnCreateView(_PreviewsAnywhere, snippets.PreviewOnCreateView):
    """The e-mail that is not saved yet, in the language it is made for."""

    def get_object(self) -> EmailTemplate:
        template: EmailTemplate = super().get_object()
        wanted = Locale.objects.filter(language_code=self.request.GET.get("locale", "").replace("\x00", "")).first()
        template.locale = wanted or Locale.get_default()
        return template
