"""What cards and edit forms are put together from: a headed panel, sentences, links to copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from wagtail.admin.panels import Panel
from wagtail.admin.ui.components import Component

from wagtail_kwiga.offers.sharing import SharedLink


class Card(Component):
    """One panel of a card (``card.html``): a heading over any component."""

    def __init__(self, heading: Any, content: Component, icon: str = "") -> None:
        self.heading, self.content, self.icon = heading, content, icon

    def render_html(self, parent_context: Any = None) -> str:
        shown: str = self.content.render_html(parent_context)
        return shown


@dataclass(frozen=True)
class CardNote:
    """One sentence for the team. ``status`` is ``info``, ``warning`` or ``critical``; the button is left out without a url."""

    words: Any
    status: str = "info"
    url: str = ""
    label: Any = ""


class Notes(Component):
    """Sentences below each other, each with its button; ``none`` is what is said where there are none."""

    template_name = "wagtail_kwiga/backoffice/notes.html"

    def __init__(self, notes: Sequence[CardNote], none: Any = "") -> None:
        self.notes, self.none = list(notes), none

    def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
        return {"notes": self.notes, "none": self.none}


class CopyLinks(Component):
    """Addresses to copy with one click; without JavaScript they are selected by hand.

    ``name_of`` says what stands above a link (by default the offer). What goes beyond ``most`` is counted only.
    """

    template_name = "wagtail_kwiga/backoffice/copy_links.html"
    most = 20

    def __init__(
        self, links: Sequence[SharedLink], none: Any, name_of: Callable[[SharedLink], Any] | None = None
    ) -> None:
        self.links, self.none = list(links), none
        self.name_of = name_of or (lambda link: link.offer.title)

    def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
        shown = [(self.name_of(link), link) for link in self.links[: self.most]]
        return {"links": shown, "more": len(self.links) - len(shown), "none": self.none}


def joined(parts: Iterable[Any]) -> SafeString:
    """Words and links with commas between them; whatever is not marked as safe is escaped."""
    return format_html_join(", ", "{}", ((part,) for part in parts))


class LivePanel(Panel):
    """A panel of an edit form that shows something made for the saved instance; left out while there is none.

    ``make`` takes the instance and the request and returns a component, or ``None`` for nothing to show.
    """

    def __init__(self, make: Callable[[Any, Any], Component | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.make = make

    def clone_kwargs(self) -> dict[str, Any]:
        return {**super().clone_kwargs(), "make": self.make}

    class BoundPanel(Panel.BoundPanel):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            saved = self.instance is not None and self.instance.pk is not None and self.request is not None
            self.content = self.panel.make(self.instance, self.request) if saved else None

        def is_shown(self) -> bool:
            return self.content is not None and super().is_shown()

        def render_html(self, parent_context: Any = None) -> str:
            return self.content.render_html(parent_context) if self.content is not None else ""
