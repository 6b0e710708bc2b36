"""``kwiga_setup``: the schedule, the groups and the defaults that a site needs. Safe to repeat at every deployment.

A permission is handed to a group once: what an administrator takes away afterwards stays away, and what a later
version of the package adds is handed over the next time. A group that bears one of our names but was there before us
is left as it is.
"""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from wagtail.coreutils import get_content_languages
from wagtail.models import Site

from wagtail_kwiga import background, conf, installation, locking
from wagtail_kwiga.background import Heartbeat
from wagtail_kwiga.installation import Installation, Standing
from wagtail_kwiga.mailing.authoring import versions
from wagtail_kwiga.management import restoring
from wagtail_kwiga.management.arguments import instant
from wagtail_kwiga.orders.models import Order
from wagtail_kwiga.site_settings import KwigaSettings

EDITORS = "Kwiga: Editors"
SALES = "Kwiga: Sales"

#: Step 2: people inside scenarios, lists by hand, mail in doubt, and what needs a person; both groups alike.
_SECOND = (
    "view_run", "stop_runs", "resume_runs", "view_contact", "export_contacts",
    "view_listmembership", "add_listmembership", "change_listmembership",
    "view_outgoingemail", "settle_email", "view_timelineentry", "resolve_attention", "view_order",
)  # fmt: skip

#: (step, group, permissions). Never change a step that was released: add one with the next number.
HANDED_OUT: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (
        1,
        EDITORS,
        (
            "wagtailadmin.access_admin",
            *(
                f"wagtail_kwiga.{verb}_{model}"
                for model in ("product", "coupon", "contactlist", "emailtemplate", "scenario")
                for verb in ("view", "add", "change", "delete")
            ),
            "wagtail_kwiga.publish_emailtemplate",
            "wagtail_kwiga.publish_scenario",
            "wagtail_kwiga.view_offer",
            "wagtail_kwiga.view_run",
            "wagtail_kwiga.change_kwigasettings",
        ),
    ),
    (
        1,
        SALES,
        (
            "wagtailadmin.access_admin",
            *(
                f"wagtail_kwiga.view_{model}"
                for model in ("product", "offer", "coupon", "contactlist", "contact", "order", "outgoingemail", "run")
            ),
            *(
                f"wagtail_kwiga.{verb}"
                for verb in ("record_payment", "refund_order", "edit_order", "place_order", "grant_access")
            ),
        ),
    ),
    *((2, group, tuple(f"wagtail_kwiga.{code}" for code in _SECOND)) for group in (EDITORS, SALES)),
)


_STANDINGS = {
    Standing.PRODUCTION: "production.",
    Standing.HELD: "held: no mail goes out, no scenario goes on, no refund is asked for (--this-is-production ends that).",
    Standing.UNDECIDED: (
        "this database is that of another one, so mail, scenarios and refunds hold back. "
        "Say --this-is-production, if these data are worked on nowhere else, or --hold."
    ),
}


class Command(BaseCommand):
    help = (
        "Make or put right the schedule of the worker, the groups of the sales screens and the settings of each site."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-groups", action="store_true", help="Make no groups; this site has its own.")
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument(
            "--this-is-production",
            action="store_const",
            const=Installation.State.PRODUCTION,
            dest="state",
            help="These data are worked on here and nowhere else: mail, scenarios and refunds go on.",
        )
        whose.add_argument(
            "--hold",
            action="store_const",
            const=Installation.State.HELD,
            dest="state",
            help="This is a copy: send no mail, let no scenario go on, ask for no refund.",
        )

        parser.add_argument(
            "--restored-from",
            metavar="ISO8601",
            help="The database was restored from a backup made at this instant: leave what fell due since to people.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="With --restored-from: only tell what would be left to people."
        )

    def handle(
        self,
        *,
        no_groups: bool,
        state: str | None = None,
        restored_from: str | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> None:
        if restored_from is not None:
            self._restored(instant("--restored-from", restored_from), conf.now(), dry_run)
        elif dry_run:
            raise CommandError("--dry-run goes with --restored-from.")
        if dry_run:
            return
        with locking.atomic_write():
            self._lock()
            self._installation(state)
            self._schedule()
            if not no_groups:
                for name in (EDITORS, SALES):
                    self._group(name)
            self._settings()
        self._emails()
        self._strangers()

    def _restored(self, backup: dt.datetime, now: dt.datetime, dry_run: bool) -> None:
        if backup > now:
            raise CommandError(f"--restored-from: {backup.isoformat()} lies in the future.")
        doubts = restoring.count(backup, now) if dry_run else restoring.put_in_doubt(backup, now)
        self._tell(
            f"Restored from {backup:%Y-%m-%d %H:%M:%S %Z}; {'would be' if dry_run else 'now'} left to people: "
            f"{doubts.mails} mails whose delivery is unknown, {doubts.runs} people held inside scenarios, "
            f"{doubts.refunds} refunds whose outcome is unknown, {doubts.announcements} announcements of access."
        )

    def _tell(self, text: str) -> None:
        self.stdout.write(text)

    def _lock(self) -> None:
        """Two deployments at once wait for each other here; nothing below is unique in the database."""
        Heartbeat.objects.get_or_create(name="kwiga_setup", defaults={"at": conf.now()})
        locking.locked(Heartbeat.objects.filter(name="kwiga_setup")).get()
        background.beat("kwiga_setup")

    def _installation(self, state: str | None) -> None:
        if state is not None:
            installation.decide(state, note="kwiga_setup")
        standing = installation.settle(is_unused=lambda: not Order.objects.exists())
        self._tell(f"Installation: {_STANDINGS[standing]}")

    def _schedule(self) -> None:
        if not apps.is_installed("django_q"):
            self._tell(
                "Schedule: django_q is not in INSTALLED_APPS, so none. Let cron or a service run kwiga_work every minute."
            )
            return
        self._tell(f"Schedule “{background.SCHEDULE_NAME}”: {background.ensure_schedule()}.")
        if not background.has_queue():
            self._tell("  But Q_CLUSTER is not set, so no cluster will run it (see wagtail_kwiga.W002).")

    def _group(self, name: str) -> None:
        group = Group.objects.filter(name=name).first()
        record = Heartbeat.objects.filter(name=f"kwiga_setup: {name}").first()
        if group is None:
            if record is not None:
                self._tell(f"Group “{name}”: was made before and then removed or renamed; left so.")
                return
            group = Group.objects.create(name=name)
            record = Heartbeat(name=f"kwiga_setup: {name}", note="0")
            told = "made"
        elif record is None:
            self._tell(f"Group “{name}”: was there before us, left as it is.")
            return
        else:
            told = "there"
        done = int(record.note)
        codes = [code for step, of, part in HANDED_OUT if of == name and step > done for code in part]
        group.permissions.add(*_permissions(codes))
        record.note = str(max(step for step, of, _ in HANDED_OUT if of == name))
        record.at = conf.now()
        record.save()
        self._tell(f"Group “{name}”: {told}, {len(codes)} permissions handed over.")

    def _settings(self) -> None:
        for site in Site.objects.order_by("pk"):
            _, made = KwigaSettings.objects.get_or_create(site=site)
            self._tell(f"Sales settings of {site}: {'made with defaults' if made else 'there'}.")

    def _emails(self) -> None:
        """Compile the mails about orders, so that no buyer waits for it."""
        number = versions.store_builtins(get_content_languages())
        self._tell(f"Built-in emails: {number} ready.")

    def _strangers(self) -> None:
        """Tell of groups that may make offer pages, as all who may add pages can, and see nothing of what comes of them."""
        adding = Group.objects.filter(page_permissions__permission__codename="add_page")
        ours = Group.objects.filter(permissions__content_type__app_label="wagtail_kwiga")
        names = adding.exclude(pk__in=ours).order_by("name").distinct().values_list("name", flat=True)
        if names:
            self._tell(
                f"Groups that may add pages, and so offer pages, but see no products, coupons or orders: {', '.join(names)}. "
                "Where that is not meant, put their people into a group that does (docs: Permissions)."
            )


def _permissions(codes: list[str]) -> list[Permission]:
    """The rows of the named permissions. They exist once ``migrate`` has run; before that nothing is half done."""
    wanted = {tuple(code.split(".", 1)) for code in codes}
    query = Q(pk__in=[])
    for app, codename in wanted:
        query |= Q(content_type__app_label=app, codename=codename)
    rows = list(Permission.objects.filter(query).select_related("content_type"))
    missing = wanted - {(row.content_type.app_label, row.codename) for row in rows}
    if missing:
        names = ", ".join(sorted(".".join(pair) for pair in missing))
        raise CommandError(f"These permissions do not exist yet: {names}. Run migrate first.")
    return rows
