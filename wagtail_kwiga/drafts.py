"""Saving a draft never takes down what was published meanwhile.

Wagtail's editor saves by itself while somebody types. Such a request writes the whole row of what was never published, as it
was when the request began; where *Publish* commits in between, that row says *not live* again. An offer would be gone from
the shop, and a scenario would take nobody in, though its editor read *published* (Wagtail's ``EditView.save_action``: the
form is committed unless the object was live when it was read).
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import models, transaction

logger = logging.getLogger("wagtail_kwiga.drafts")


class StaleDraftGuard(models.Model):
    """Mixin for models with drafts, before Wagtail's own.

    An instance that was read as not live, and is still not, writes its row only while the row is not live either: one
    statement more for each such save, which takes the row's lock, so a publication comes wholly before or wholly after.
    A draft that came too late is kept as a revision, which Wagtail makes beside this; it takes nothing down.
    """

    _was_live: bool | None = None

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        is_draft = self._was_live is False and not self.live  # type: ignore[attr-defined]  # Wagtail's mixin, behind this one
        if is_draft and kwargs.get("update_fields") is None:
            self._save_draft(*args, **kwargs)
        else:
            super().save(*args, **kwargs)
        self._was_live = self.__dict__.get("live")

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any, **options: Any) -> Any:
        instance = super().from_db(db, field_names, values, **options)  # Django 6.1 gives a fetch mode
        instance._was_live = instance.__dict__.get("live")
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._was_live = self.__dict__.get("live")

    def with_content_json(self, content: Any) -> Any:
        """What Wagtail edits is this: the latest revision's content, with the row's own *live*."""
        draft = super().with_content_json(content)  # type: ignore[misc]  # Wagtail's mixin
        draft._was_live = self._was_live
        return draft

    def _save_draft(self, *args: Any, **kwargs: Any) -> None:
        owner = self._meta.get_field("live").model._base_manager
        with transaction.atomic():
            # A write that changes nothing: it waits for who writes the row now, and then sees what they wrote.
            if owner.filter(pk=self.pk, live=False).update(live=False) or not owner.filter(pk=self.pk).exists():
                super().save(*args, **kwargs)
            else:
                logger.warning(
                    "%s %s was published meanwhile: this draft is not written over it", self._meta.label, self.pk
                )
