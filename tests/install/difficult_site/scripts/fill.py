"""What stood in the site's database before the shop came, and then what an editor makes of the shop.

Two Wagtail sites, each with a home page in English and German; on each an offer below a shelf.
"""

import io

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.core.files.images import ImageFile
from django.core.management import call_command
from django_q.models import Schedule
from home.models import HomePage, ShelfPage
from library.models import Paper, Picture
from PIL import Image
from wagtail.models import Locale, Page, Site
from wagtail_localize.models import LocaleSynchronization, StringTranslation, TranslationSource
from wagtail_localize.operations import translate_object

from wagtail_kwiga import models as m

boss = get_user_model().objects.create_superuser("boss@school.example", "boss", first_name="Bo")
sales = Group.objects.create(name="Sales")
sales.permissions.set(Permission.objects.filter(codename__in=["access_admin", "add_picture"]))
boss.groups.add(sales)
painted = io.BytesIO()
Image.new("RGB", (400, 300), "teal").save(painted, "PNG")
picture = Picture.objects.create(title="Teal", credit="Ada", file=ImageFile(painted, "teal.png"))
paper = Paper.objects.create(title="Materials", shelf_mark="M 1", file=ContentFile(b"Eight colours.", "materials.txt"))
Schedule.objects.create(name="library: nightly", func="library.jobs.nightly", schedule_type="D")

english, german = Locale.objects.get(language_code="en"), Locale.objects.create(language_code="de")
root = Page.objects.get(depth=1)


def home_of(title, slug, hostname, port, name, default):
    home = HomePage.objects.filter(slug="home").first() if default else None
    if home is None:
        home = root.add_child(instance=HomePage(title=title, slug=slug, locale=english))
    shelf = home.add_child(instance=ShelfPage(title="Courses", slug="courses", locale=english))
    Site.objects.update_or_create(
        is_default_site=default,
        defaults={"hostname": hostname, "port": port, "root_page": home, "site_name": name},
    )
    for page, title in ((home, "Startseite"), (shelf, "Kurse")):
        translated = page.copy_for_translation(german)
        translated.title, translated.slug = title, title.lower() if page is shelf else f"{slug}-de"
        translated.save_revision().publish()
    return shelf


shelves = [
    home_of("Home", "home", "school.example", 80, "The School", True),
    home_of("Atelier", "atelier", "atelier.example", 443, "The Atelier", False),
]
call_command("kwiga_setup", verbosity=0)

for site in Site.objects.all():
    m.KwigaSettings.objects.filter(site=site).update(
        seller_name=site.site_name,
        sender_email=f"hello@{site.hostname}",
        postal_footer="Quay 7, Gdansk",
        bank_iban="DE02120300000000202051",
    )


# --- from here on: what an editor makes -----------------------------------------------------------------------------------


def block(kind, **value):
    return {"type": kind, "value": value}


image = {"image": picture.pk, "decorative": False, "alt_text": "A teal sheet"}
product = m.Product.objects.create(title="Watercolour", slug="watercolour")
for shelf in shelves:
    page = m.OfferPage(
        title="Watercolour",
        slug="watercolour",
        price=120,
        currency="EUR",
        coupon_mode="only",
        products=[("product", {"product": product})],
        body=[
            block("hero", heading="Paint with water", lead="Four calm evenings.", image=image, button="Order"),
            {"type": "text", "value": f'<p><a linktype="document" id="{paper.pk}">What you need</a></p>'},
        ],
        language_mode="visitor" if shelf == shelves[0] else "page",
        live=False,
    )
    shelf.add_child(instance=page)
    page.save_revision().publish()

offer = m.Offer.objects.get(translation_key=page.translation_key)  # of the atelier
members = m.ContactList.objects.create(title="Come back")
coupon = m.Coupon.objects.create(code="COMEBACK15", kind="percent", percent=15)
coupon.contact_lists.set([members])
page.coupons = [("coupon", coupon)]
page.save_revision().publish()
email = m.EmailTemplate(
    title="Come back",
    subject="{{ coupon.size }} off {{ order.title }}",
    locale=english,
    live=False,
    body=[
        block("heading", text='Hello {{ contact.first_name | default: "there" }}'),
        block("text", text="<p>You began an order for <b>{{ order.title }}</b>.</p>"),
        block("image", image=picture.pk, alt="A teal sheet"),
        block("coupon_card", title="", show_prices=True, show_deadline=True),
        block("button", label="Back to my order", where="resume", url=""),
    ],
)
email.save()
email.save_revision().publish()
scenario = m.Scenario(
    title="Win back",
    live=False,
    start=[
        block("order_unpaid", offers=[str(offer.pk)], payment_kinds=["online"], origins=["web"], include_free=False)
    ],
    steps=[
        block("wait", amount=30, unit="minutes"),
        block("add_to_list", list=members.pk, until="scenario", hours=None),
        block("send_email", template=email.pk, coupon=None),
        block("wait", amount=24, unit="hours"),
        block("remove_from_list", list=members.pk),
    ],
)
scenario.save()
scenario.save_revision().publish()

# --- and a translator, in wagtail-localize ----------------------------------------------------------------------------------

GERMAN = {
    "Watercolour": "Aquarell",
    "watercolour": "aquarell",
    "Paint with water": "Malen mit Wasser",
    "Four calm evenings.": "Vier ruhige Abende.",
    "Order": "Bestellen",
    "A teal sheet": "Ein blaugrünes Blatt",
    "What you need": "Was Sie brauchen",
    '<a id="a1">What you need</a>': '<a id="a1">Was Sie brauchen</a>',
    "Come back": "Wiederkommen",
    "{{ coupon.size }} off {{ order.title }}": "{{ coupon.size }} weniger für {{ order.title }}",
    'Hello {{ contact.first_name | default: "there" }}': 'Guten Tag {{ contact.first_name | default: "zusammen" }}',
    "You began an order for <b>{{ order.title }}</b>.": "Ihre Bestellung von <b>{{ order.title }}</b> wartet.",
    "Back to my order": "Zurück zu meiner Bestellung",
}
for original in (page, email):
    translate_object(original, [german], user=boss)
    source = TranslationSource.objects.get_for_instance(original)
    for segment in source.stringsegment_set.select_related("string", "context"):
        StringTranslation.objects.create(
            translation_of=segment.string,
            context=segment.context,
            locale=german,
            data=GERMAN[segment.string.data],
            last_translated_by=boss,
        )
    source.translations.get(target_locale=german).save_target(user=boss, publish=True)

# Whatever has no translation yet is mirrored in German: the offer of the school.
LocaleSynchronization.objects.create(locale=german, sync_from=english)
print("{}")
