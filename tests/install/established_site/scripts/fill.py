"""What stood in the site's database before the shop came. Numbers of rows have four digits."""

import datetime as dt
import io

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.core.management import call_command
from home.models import HomePage
from numbering import four_digits
from orders.models import Coupon, Order, Product
from PIL import Image as Picture
from studio.models import Analytics, ContactPage, EntryPage, JournalPage, Notice, Question, StudioSettings, TextPage
from wagtail.contrib.redirects.models import Redirect
from wagtail.contrib.search_promotions.models import Query, SearchPromotion
from wagtail.documents.models import Document
from wagtail.images.models import Image
from wagtail.models import Locale, Site

call_command("makemigrations", "people", "orders", "studio", verbosity=0)
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)

four_digits()
english = Locale.objects.get()
german = Locale.objects.create(language_code="de")
home = HomePage.objects.get()
site = Site.objects.get()
site.hostname, site.port, site.site_name = "atelier.example", 443, "Atelier"
site.save()

person = get_user_model().objects
boss = person.create_superuser("boss@atelier.example", "brush-and-paper", first_name="Boss")
people = {}
for name in ("Editors", "Moderators"):
    people[name] = person.create_user(f"{name.lower()}@atelier.example", "brush-and-paper", first_name=name)
    people[name].groups.add(Group.objects.get(name=name))
own = Permission.objects.filter(content_type__app_label__in=["orders", "studio", "wagtailredirects", "wagtailforms"])
Group.objects.get(name="Editors").permissions.add(*own)
Group.objects.create(name="Sellers").permissions.set(Permission.objects.filter(content_type__app_label="orders"))

painted = io.BytesIO()
Picture.new("RGB", (640, 400), "teal").save(painted, "PNG")
picture = Image.objects.create(title="Teal", file=ImageFile(painted, "teal.png"), description="A teal sheet")
paper = Document.objects.create(title="Materials", file=ContentFile(b"Eight colours.", "materials.txt"))


def page(kind, parent, title, slug, **given):
    made = parent.add_child(instance=kind(title=title, slug=slug, locale=english, live=True, **given))
    made.save_revision(user=boss).publish()
    return made


link = f'<p><a linktype="document" id="{paper.pk}">What you need</a> and <a linktype="page" id="{home.pk}">home</a></p>'
about = page(
    TextPage, home, "About", "about", picture=picture, introduction=link, search_description="Who we are",
    body=[
        ("paragraph", "<p>A studio by the water.</p>"),
        ("picture", picture),
        ("table", {"data": [["Brush", "Size"], ["Round", "1200"]], "first_row_is_table_header": True, "cell": []}),
    ],
)  # fmt: skip
store = page(TextPage, home, "Shop", "shop", introduction="<p>Come by on Saturdays.</p>")
page(TextPage, store, "Order", "order", introduction="<p>How to order a commission.</p>")
journal = page(JournalPage, home, "Journal", "journal")
for year in (2024, 2025):
    page(
        EntryPage,
        journal,
        f"Notes of {year}",
        f"notes-{year}",
        day=dt.date(year, 5, 1),
        introduction="<p>Wet paper.</p>",
    )
contact = ContactPage(title="Contact", slug="contact", locale=english, live=True)
contact.form_fields = [
    Question(label="Name", field_type="singleline"),
    Question(label="Letter", field_type="multiline"),
]
home.add_child(instance=contact)
contact.save_revision(user=boss).publish()
for each in (home, about):
    translated = each.copy_for_translation(german)
    translated.title = {"Home": "Startseite", "About": "Über uns"}.get(each.title, each.title)
    translated.save_revision(user=boss).publish()

Redirect.add_redirect("/who-we-are/", about, is_permanent=True)
Redirect.add_redirect("/old-shop/pay/", "/shop/", is_permanent=False)
SearchPromotion.objects.create(query=Query.get("brush"), page=about, description="Start here")
StudioSettings.objects.create(site=site, telephone="+43 1 234", address="Quay 7")
Analytics.objects.create(visits_until_today=1234567)
Notice.objects.create(text="Closed on Mondays", live=True)
Coupon.objects.create(code="REGULAR", site=site)
portrait = Product.objects.create(title="Portrait", picture=picture, page=about)
for number in ("A-1", "A-2"):
    Order.objects.create(number=number, site=site, locale=english, placed_by=boss, product=portrait, total=1250)
print("{}")
