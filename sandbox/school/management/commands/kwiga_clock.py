"""``kwiga_clock``: show, move or reset the shop's clock."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sandbox import clock
from sandbox.school import timelapse
from sandbox.school.context import in_words


class Command(BaseCommand):
    help = (
        "The shop's clock. Without an argument: show it. +31m, +26h, +2d: let that much time pass (what falls due on the "
        "way is done). reset: back to the real time."
    )

    def add_arguments(self, parser):
        parser.add_argument("by", nargs="?", default="", help="+31m, +26h, +2d or reset")
        parser.add_argument("--no-work", action="store_true", help="only move it: as if no worker were running")

    def handle(self, *args, by: str, no_work: bool, **options):
        if by == "reset":
            clock.reset()
            if not no_work:
                timelapse.work()
        elif by:
            try:
                span = clock.parse(by)
                if no_work:
                    clock.set_offset(clock.offset() + span)
                else:
                    came = timelapse.move(span)
                    self.stdout.write(f"{came} new mail{'' if came == 1 else 's'} in the inbox.")
            except clock.BadSpan as fault:
                raise CommandError(str(fault)) from fault
        offset = clock.offset()
        state = f"{in_words(offset)} ahead" if offset else "not moved"
        self.stdout.write(f"The shop's clock: {timezone.localtime(clock.now()):%Y-%m-%d %H:%M %Z} ({state}).")
