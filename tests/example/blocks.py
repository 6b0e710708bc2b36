"""The studio's blocks: one for offer pages, and the forms of its step, condition and start event."""

from django.utils.translation import gettext_lazy as _
from wagtail.blocks import CharBlock, IntegerBlock, StructBlock

from wagtail_kwiga.automations.editing.blocks import ConditionBlock, EventBlock, StepBlock


class GuaranteeBlock(StructBlock):
    days = IntegerBlock(label=_("Days"), default=30, min_value=1)
    text = CharBlock(label=_("In your words"), max_length=200)

    class Meta:
        icon = "success"
        label = _("Guarantee")
        description = _("For how long buyers get their money back")
        template = "example/guarantee.html"
        preview_value = {"days": 30, "text": _("If it is not for you, write to us.")}
        preview_template = "wagtail_kwiga/offers/blocks/preview.html"


class AskToCallBlock(StepBlock):
    about = CharBlock(label=_("What about"), max_length=100)

    class Meta:
        icon = "user"
        label = _("Ask staff to call")
        label_format = "{about}"
        description = _("Puts a call on the list of things to look at.")


class CameBackBlock(ConditionBlock):
    times = IntegerBlock(label=_("Times"), default=2, min_value=2)

    class Meta:
        icon = "redirect"
        label = _("Has tried so often")
        description = _("How often the person has begun this purchase.")


class LessonFinishedBlock(EventBlock):
    class Meta:
        icon = "success"
        label = _("Studio: a lesson finished")
        description = _("Somebody has seen a lesson to its end.")
