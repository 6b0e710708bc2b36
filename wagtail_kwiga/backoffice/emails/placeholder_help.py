"""The list of placeholders beside the e-mail that is being written: what to type, what it stands for, how it will look."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.side_panels import BaseSidePanel
from wagtail.models import Site

from wagtail_kwiga.formatting import languages
from wagtail_kwiga.mailing.authoring import sample_data


class PlaceholdersSidePanel(BaseSidePanel):
    """Every placeholder, ours and the site's, with an example in the language of the e-mail. Two queries."""

    class SidePanelToggle(BaseSidePanel.SidePanelToggle):
        """The icon in the header."""

        aria_label = _("Toggle placeholders")
        icon_name = "code"
        has_counter = False

    name = "placeholders"
    title = pgettext_lazy("sales", "Placeholders")
    template_name = "wagtail_kwiga/backoffice/emails/placeholders.html"
    order = 250

    class Media:
        css = {"all": ["wagtail_kwiga/email-editor.css"]}

    def get_context_data(self, parent_context: Any) -> dict[str, Any]:
        language = self.object.locale.language_code if self.object.locale_id else languages.active()
        example = sample_data.situation(language=language, site=Site.find_for_request(self.request))
        shown = sample_data.of_placeholders(example)
        return {
            **super().get_context_data(parent_context),
            "language": language,
            "words": [one for one in shown if not one.is_link],
            "links": [one for one in shown if one.is_link],
        }
