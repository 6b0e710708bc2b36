"""``kwiga_demo``: fill an empty site with the demo school. Safe to repeat: what is there stays as it is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import connection, transaction
from wagtail.models import Collection, Locale, Page, Site

from sandbox import clock, mailbox
from sandbox.school import building, past, shop, washes
from sandbox.school.texts import LANGUAGES
from wagtail_kwiga.models import Offer


class Command(BaseCommand):
    help = "Make the demo school: pages, offer, coupon, mail, scenario, users and some weeks of orders. What is there stays."

    def add_arguments(self, parser):
        parser.add_argument("--reset", action="store_true", help="throw everything away first (asks before it does)")
        parser.add_argument("--noinput", "--no-input", action="store_true", help="with --reset: do not ask")

    def handle(self, *args, reset: bool, noinput: bool, verbosity: int, **options):
        if reset:
            if not noinput and not self._is_sure():
                raise CommandError("Nothing was changed.")
            start_afresh()
        call_command("kwiga_setup", verbosity=0, stdout=io.StringIO())
        told = fill()
        if verbosity:
            self.stdout.write(told)

    def _is_sure(self) -> bool:
        try:
            answer = input(
                f"This deletes ALL data of the demo in {settings.DATA_DIR}, yours too. Type “yes” to go on: "
            )
        except EOFError:
            return False
        return answer.strip().lower() == "yes"


@transaction.atomic
def fill(paint: Callable[[str], bytes] = washes.picture) -> str:
    """Make what is missing, in the order in which one thing needs another; one line about what there is. All or nothing."""
    opened = clock.real_now() - past.OPEN_FOR
    painted, film = building.pictures(paint), building.clip()
    site = building.site()
    shop.sales_settings(site)
    sold = building.product()
    come_back = shop.come_back_list()
    coupon = shop.coupon(come_back)
    offers = building.offer_pages(sold, [coupon, shop.open_day()], painted, film)
    shop.friends(building.second_offer(building.drawing(), painted))
    building.home_pages(offers, painted)
    building.course(sold, offers["en"], painted)
    building.people(Group.objects.filter(name="Kwiga: Editors").first())
    with clock.reserved_at(opened):
        shop.scenario(offers["en"], come_back, shop.mail())
    offer = Offer.objects.get(translation_key=offers["en"].translation_key)
    orders = past.tell(offer, coupon)
    return f"Paper Harbour stands: the offer in {len(offers)} languages, {orders} orders."


def start_afresh() -> None:
    """Empty the database, the pictures, the mails and the clock, and lay what Wagtail's own migrations laid."""
    kept = {"django_migrations", "django_content_type", "auth_permission"}  # a running web server knows these by heart
    tables = [name for name in connection.introspection.django_table_names(only_existing=True) if name not in kept]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, reset_sequences=True))
    cache.clear()
    clock.reset()
    mailbox.empty()
    shutil.rmtree(Path(settings.MEDIA_ROOT), ignore_errors=True)
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    english = Locale.objects.get_or_create(language_code=LANGUAGES[0])[0]
    root = Page.add_root(
        instance=Page(title="Root", slug="root", locale=english, content_type=ContentType.objects.get_for_model(Page))
    )
    Collection.add_root(instance=Collection(name="Root"))
    Site.objects.create(hostname="localhost", port=settings.PORT, root_page=root, is_default_site=True)
