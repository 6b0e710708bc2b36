"""Before something is saved that breaks what mail has told people: how many they are, and a box for whoever saves it knowingly.

A form with ``AsksAboutPromises`` says which promises it would break. Then it is refused once, with the box; sent again with the
box ticked it is saved, and the promises are ended. No JavaScript is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.admin.panels import Panel
from wagtail.log_actions import log

from wagtail_kwiga import conf
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises

if TYPE_CHECKING:
    import datetime as dt

    from django.contrib.auth.base_user import AbstractBaseUser

#: The name of the box in a form that is sent.
CONFIRMED = "kwiga_ends_promises"
#: The action under which it stands in the history of a coupon or a page.
LOG_ACTION = "wagtail_kwiga.end_promises"


def end(
    broken: BrokenPromises, *, history_of: Any, by: AbstractBaseUser | None, now: dt.datetime | None = None
) -> None:
    """End the promises knowingly, and write it into the history of a coupon or page. Nothing happens where none is broken."""
    if not broken:
        return
    broken.end(by=by, now=now or conf.now())
    log(instance=history_of, action=LOG_ACTION, user=by, data={"people": broken.people})


def warning(told: str, where: object = "") -> str:
    """That something breaks promises: ``told`` says which, ``where`` what to do to go on."""
    words = _("This breaks what people were told by mail and could still use. %(told)s %(where)s")
    return (words % {"told": told, "where": where}).strip()


class AsksAboutPromises:
    """For an admin form: refuses once to break promises, and remembers which it would break."""

    broken: BrokenPromises | None = None
    #: Where the box is, for whoever reads on top of the screen why nothing was saved.
    where_the_box_is: Any = gettext_lazy("Tick the box below to save it all the same.")
    data: Any
    errors: Any

    def promises_to_break(self) -> BrokenPromises:
        """Which promises saving would break; asked once all fields are valid and stand in ``instance``."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # that of the form it is put before
        self.broken = None
        if self.errors:
            return
        if broken := self.promises_to_break():
            self.broken = broken
            if not self.data.get(CONFIRMED):
                words = warning(broken.sentences(), self.where_the_box_is)
                self.add_error(None, ValidationError(words, code="breaks_promises"))  # type: ignore[attr-defined]


class PromisesPanel(Panel):
    """The box, in a form that was refused because it breaks promises; nothing in any other."""

    class BoundPanel(Panel.BoundPanel):
        template_name = "wagtail_kwiga/offers/admin/promises.html"

        def is_shown(self) -> bool:
            return bool(getattr(self.form, "broken", None)) and super().is_shown()

        def get_context_data(self, parent_context: Any = None) -> dict[str, Any]:
            broken = self.form.broken
            context = super().get_context_data(parent_context)
            return {**context, "told": broken.told, "name": CONFIRMED, "confirmed": bool(self.form.data.get(CONFIRMED))}
