"""The hooks a site may register, and the one way the package runs them.

Listening hooks run after commit with one argument, the event; a failing listener is logged and harms nobody.
All are ordinary Wagtail hooks: ``@hooks.register("after_kwiga_order_paid")``.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction
from wagtail import hooks

logger = logging.getLogger("wagtail_kwiga.hooks")

#: name → what the one argument is (and what a hook that shapes or adds should return).
HOOKS: dict[str, str] = {
    "after_kwiga_order_placed": "orders.events.OrderPlaced",
    "after_kwiga_order_paid": "orders.events.OrderPaid",
    "after_kwiga_order_closed": "orders.events.OrderClosed",
    "after_kwiga_order_refunded": "orders.events.OrderRefunded",
    "after_kwiga_payment_settled": "payments.events.PaymentSettled",
    "after_kwiga_payment_failed": "payments.events.PaymentFailed",
    "after_kwiga_payment_under_way": "payments.events.PaymentUnderWay",
    "after_kwiga_access_granted": "access.events.AccessGranted",
    "after_kwiga_access_ended": "access.events.AccessEnded",
    "after_kwiga_access_adjusted": "access.events.AccessAdjusted",
    "after_kwiga_access_opened": "access.events.AccessOpened",
    "after_kwiga_email_sent": "mailing.events.EmailSent",
    "after_kwiga_contact_unsubscribed": "contacts.events.ContactUnsubscribed",
    "before_kwiga_place_order": "orders.events.PlaceOrder; raise OrderRefused to veto",
    "construct_kwiga_quote": "offers.quoting.QuoteDraft; return it or a changed one",
    "construct_kwiga_checkout_form": "the form class; return it or a subclass",
    "construct_kwiga_email": "mailing.rendering.Mail; return it or a changed one",
    "register_kwiga_offer_blocks": "no argument; return a list of (name, block)",
    "register_kwiga_steps": "no argument; return a list of Step classes",
    "register_kwiga_events": "no argument; return a list of start event classes",
    "register_kwiga_conditions": "no argument; return a list of condition classes",
    "register_kwiga_placeholders": "no argument; return a list of mailing.placeholders.Placeholder",
    "register_kwiga_order_panels": "no argument; return a list of component classes",
    "register_kwiga_menu_item": "no argument; return a menu item for the Sales menu",
}


def notify(name: str, event: Any) -> None:
    """Tell the site's listeners of ``name``, once the present transaction has committed."""
    if hooks.get_hooks(name):
        transaction.on_commit(partial(_tell_now, name, event))


def _tell_now(name: str, event: Any) -> None:
    for listener in hooks.get_hooks(name):
        try:
            listener(event)
        except Exception:
            logger.exception("Hook %s: listener %r failed", name, listener)


def permit(name: str, event: Any) -> None:
    """Let the site veto: a listener refuses by raising; anything it raises passes through."""
    for listener in hooks.get_hooks(name):
        listener(event)


def transform(name: str, value: Any) -> Any:
    """Hand ``value`` through every listener; each returns it or a changed one (``None`` keeps it)."""
    for listener in hooks.get_hooks(name):
        changed = listener(value)
        if changed is not None:
            value = changed
    return value


def has_listeners(name: str) -> bool:
    """Whether the site listens to ``name`` at all."""
    return bool(hooks.get_hooks(name))


def collect(name: str) -> list[Any]:
    """Everything the listeners of a ``register_…`` hook return, flattened."""
    found: list[Any] = []
    for listener in hooks.get_hooks(name):
        found.extend(listener() or [])
    return found
