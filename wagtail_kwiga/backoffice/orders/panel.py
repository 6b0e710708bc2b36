"""What every panel of an order's card is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from wagtail.admin.ui.components import Component

from wagtail_kwiga.orders.models import Order

#: Rows shown of anything that may be many; a purchase grows whenever somebody comes back.
ROWS = 50


class OrderPanel(Component):
    """One panel. Subclasses give ``heading`` and ``card()``; a site's may be any component with the same signature."""

    heading: Any = ""
    icon = "form"

    def __init__(self, *, order: Order, request: HttpRequest) -> None:
        self.order, self.request, self.user = order, request, request.user

    def is_shown(self) -> bool:
        return True

    def card(self) -> Component:
        raise NotImplementedError

    def render_html(self, parent_context: Any = None) -> str:
        shown: str = self.card().render_html(parent_context)
        return shown
