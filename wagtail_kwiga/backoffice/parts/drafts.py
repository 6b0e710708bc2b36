"""Live, draft or scheduled, in a list: Wagtail's own column asks the database once a row whether publishing is planned."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Cast
from wagtail.admin.ui.tables import LiveStatusTagColumn
from wagtail.models import Revision

_Row = TypeVar("_Row", bound=Model)


def with_schedule(rows: QuerySet[_Row]) -> QuerySet[_Row]:
    """``rows`` of a model with drafts, each knowing whether its publishing is planned. Needed by ``DraftStatusColumn``."""
    planned = Revision.objects.filter(
        base_content_type=ContentType.objects.get_for_model(rows.model),
        object_id=Cast(OuterRef("pk"), CharField()),
        approved_go_live_at__isnull=False,
    )
    # To the plug-in for Django, rows of whatever model became rows of the base class.
    return cast("QuerySet[_Row]", rows.annotate(publishing_is_planned=Exists(planned)))


class DraftStatusColumn(LiveStatusTagColumn):
    """Wagtail's status tag at no query a row, for rows from ``with_schedule``."""

    def get_value(self, instance: Any) -> Any:
        # The cached property that would ask; all that is made of it here is whether it is None.
        instance.__dict__.setdefault("scheduled_revision", instance.publishing_is_planned or None)
        return super().get_value(instance)
