"""Scenarios as editors write them, their immutable versions, and the runs of people through them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.models import DraftStateMixin, RevisionMixin, Site

from wagtail_kwiga.catalogue.models import Offer
from wagtail_kwiga.contacts.models import Contact, ContactList
from wagtail_kwiga.coupons.models import Coupon
from wagtail_kwiga.drafts import StaleDraftGuard
from wagtail_kwiga.mailing.models import EmailTemplate, OutgoingEmail
from wagtail_kwiga.orders.models import Order, Purchase
from wagtail_kwiga.streams import OpenStreamField


class Scenario(StaleDraftGuard, DraftStateMixin, RevisionMixin, models.Model):
    """What an editor writes: one start event and a stream of steps. Publishing compiles it into a ``ScenarioVersion``."""

    title = models.CharField(pgettext_lazy("sales", "title"), max_length=120)
    start = OpenStreamField(
        blocks="wagtail_kwiga.automations.editing.blocks.start_blocks",
        min_num=1,
        max_num=1,
        blank=True,
        verbose_name=_("starts when"),
    )
    steps = OpenStreamField(
        blocks="wagtail_kwiga.automations.editing.blocks.step_blocks",
        blank=True,
        verbose_name=pgettext_lazy("sales", "steps"),
    )
    #: The version that new runs follow; people inside stay on theirs.
    version = models.ForeignKey(
        "ScenarioVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = pgettext_lazy("sales", "scenario")
        verbose_name_plural = pgettext_lazy("sales", "scenarios")
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title


class ScenarioVersion(models.Model):
    """A scenario as compiled at one publishing: immutable, with a schema number of its own."""

    scenario = models.ForeignKey(Scenario, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(pgettext_lazy("sales", "version"))
    schema = models.PositiveSmallIntegerField(default=1)
    #: Name of the start event, e.g. ``order_unpaid``; indexed for enrolment.
    event = models.CharField(pgettext_lazy("sales", "event"), max_length=40)
    #: ``automations.core.definitions.Definition`` as JSON.
    definition = models.JSONField()
    #: Only what happens from now on enters, as in Kwiga's article “General information about automation”.
    published_at = models.DateTimeField(pgettext_lazy("sales", "published"))
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("version of a scenario")
        verbose_name_plural = _("versions of scenarios")
        ordering = ["scenario", "-number"]
        constraints = [models.UniqueConstraint(fields=["scenario", "number"], name="kwiga_scenario_version_number")]

    def __str__(self) -> str:
        return f"{self.scenario_id} v{self.number}"


class ScenarioVersionLink(models.Model):
    """That a version uses a list, a coupon, a template or an offer: what protects them from deletion while it may run."""

    version = models.ForeignKey(ScenarioVersion, on_delete=models.CASCADE, related_name="links")
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.PROTECT, null=True, blank=True, related_name="scenario_links"
    )
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, null=True, blank=True, related_name="scenario_links")
    template = models.ForeignKey(
        EmailTemplate, on_delete=models.PROTECT, null=True, blank=True, related_name="scenario_links"
    )
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, blank=True, related_name="scenario_links")

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("thing used by a scenario")
        verbose_name_plural = _("things used by scenarios")


class Run(models.Model):
    """One person's way through one version of a scenario. Refused entries are runs too: they say why."""

    class State(models.TextChoices):
        ACTIVE = "active", pgettext_lazy("sales", "inside")
        COMPLETED = "completed", _("went through")
        LEFT = "left", pgettext_lazy("sales", "left")
        STOPPED = "stopped", _("stopped by staff")
        PAUSED = "paused", _("held: something is wrong")
        REFUSED = "refused", _("not let in")

    scenario = models.ForeignKey(
        Scenario, on_delete=models.PROTECT, related_name="runs", verbose_name=pgettext_lazy("sales", "scenario")
    )
    version = models.ForeignKey(
        ScenarioVersion, on_delete=models.PROTECT, related_name="runs", verbose_name=pgettext_lazy("sales", "version")
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, related_name="runs", verbose_name=pgettext_lazy("sales", "contact")
    )
    #: The order it is about by now; none where what began it has none.
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="runs",
        verbose_name=pgettext_lazy("sales", "order"),
    )
    purchase = models.ForeignKey(
        Purchase, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="runs",
        verbose_name=pgettext_lazy("sales", "purchase"),
    )  # fmt: skip
    #: What the event said that began it, frozen: JSON values.
    context = models.JSONField(default=dict, blank=True)
    #: From where and in which language the person is written to while no order says so.
    site = models.ForeignKey(Site, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    language = models.CharField(pgettext_lazy("sales", "language"), max_length=15, blank=True)
    #: What makes this entry one of its kind: ``unpaid:<purchase>``, or event, contact and what happened to them.
    entry_key = models.CharField(max_length=80)
    #: The same, where the entry may happen only once in all; else empty.
    once_key = models.CharField(max_length=80, blank=True)
    state = models.CharField(
        pgettext_lazy("sales", "state"), max_length=10, choices=State.choices, default=State.ACTIVE
    )
    #: Id of the step it stands at (steps keep their StreamField ids); empty once it is through.
    position = models.CharField(max_length=60, blank=True)
    due_at = models.DateTimeField(pgettext_lazy("sales", "next"), null=True, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    #: Counted and committed before the risky work; a run that fails again and again is paused.
    attempts = models.PositiveSmallIntegerField(default=0)
    entered_at = models.DateTimeField(pgettext_lazy("sales", "entered"))
    #: When it came to its present step; what a wait counts from.
    stepped_at = models.DateTimeField()
    #: First moment a payment was seen under way at this step.
    in_flight_since = models.DateTimeField(null=True, blank=True)
    first_message_at = models.DateTimeField(_("first message"), null=True, blank=True)
    last_message_at = models.DateTimeField(_("last message"), null=True, blank=True)
    ended_at = models.DateTimeField(pgettext_lazy("sales", "ended"), null=True, blank=True)
    #: Stable word for why it ended, was refused or is paused.
    reason = models.CharField(pgettext_lazy("sales", "why"), max_length=60, blank=True)
    error = models.TextField(blank=True)

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = pgettext_lazy("sales", "run")
        verbose_name_plural = pgettext_lazy("sales", "runs")
        default_permissions = ("view",)
        permissions = [
            ("stop_runs", _("Can take people out of scenarios")),
            ("resume_runs", _("Can let people go on in scenarios")),
        ]
        ordering = ["-entered_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["scenario", "entry_key"],
                condition=models.Q(state__in=["active", "paused"]),
                name="kwiga_run_one_live",
            ),
            models.UniqueConstraint(
                fields=["scenario", "once_key"],
                condition=~models.Q(once_key="") & ~models.Q(state="refused"),
                name="kwiga_run_once",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="kwiga_run_due", condition=models.Q(state="active")),
            models.Index(fields=["lease"], name="kwiga_run_lease", condition=~models.Q(lease="")),
            # Also of those that have ended: when one of them last wrote decides whether another may begin.
            models.Index(fields=["purchase"], name="kwiga_run_purchase", condition=models.Q(purchase__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.scenario_id}"


class StepRecord(models.Model):
    """What was decided at one step of one run, from which facts, and when (promise 11)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="records")
    step = models.CharField(max_length=60)
    kind = models.CharField(pgettext_lazy("sales", "step"), max_length=40)
    #: ``acted, waited, skipped, missed, left, paused``
    outcome = models.CharField(pgettext_lazy("sales", "outcome"), max_length=12)
    reason = models.CharField(pgettext_lazy("sales", "why"), max_length=60)
    facts = models.JSONField(pgettext_lazy("sales", "facts"), default=dict)
    at = models.DateTimeField(pgettext_lazy("sales", "when"))
    email = models.ForeignKey(
        OutgoingEmail, on_delete=models.SET_NULL, null=True, blank=True, related_name="step_records"
    )

    wagtail_reference_index_ignore = True

    class Meta:
        verbose_name = _("step taken")
        verbose_name_plural = _("steps taken")
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["run", "at"], name="kwiga_step_run")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.outcome}"
