"""The school's pages, pictures and people. Everything here leaves alone what is there already."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.utils.crypto import get_random_string
from wagtail.documents import get_document_model
from wagtail.images import get_image_model
from wagtail.models import Collection, GroupCollectionPermission, GroupPagePermission, Locale, Page, Site

from sandbox.school import washes
from sandbox.school.models import CoursePage, HomePage, LessonPage
from sandbox.school.texts import FOLDER, LANGUAGES, items, stream, texts
from wagtail_kwiga.models import Coupon, OfferPage, Product

CLIP = "colour-on-wet-paper.mp4"
PAGE_EDITORS = "Paper Harbour: Pages"
#: user name (and password) → (e-mail, first name, last name)
PEOPLE = {
    "admin": ("admin@example.com", "Maren", "Holt"),
    "editor": ("editor@example.com", "Ilse", "Anker"),
    "buyer": ("buyer@example.com", "Robin", "Bayer"),
}


def pictures(paint: Callable[[str], bytes] = washes.picture) -> dict[str, int]:
    """Have what is missing painted; name → id."""
    model = get_image_model()
    alts = texts("en")["pictures"]
    found: dict[str, int] = {}
    for name in washes.PICTURES:
        title = f"Wash: {name}"
        image = model.objects.filter(title=title).first()
        if image is None:
            file = ContentFile(paint(name), name=f"{name}.jpg")
            image = model.objects.create(title=title, file=file, description=alts.get(name, ""))
        found[name] = image.pk
    return found


def clip() -> int:
    """The short film as a document; its id."""
    model = get_document_model()
    document = model.objects.filter(title="Colour on wet paper").first()
    if document is None:
        file = ContentFile((FOLDER / CLIP).read_bytes(), name=CLIP)
        document = model.objects.create(title="Colour on wet paper", file=file)
    return document.pk


def locales() -> dict[str, Locale]:
    """The locales of the site, in the order of its languages."""
    return {code: Locale.objects.get_or_create(language_code=code)[0] for code in LANGUAGES}


def site() -> Site:
    """The default site with the school's home page as its root, at the address the demo listens on."""
    home = HomePage.objects.filter(locale__language_code="en").first() or _plant_home()
    found = Site.objects.filter(is_default_site=True).first()
    if found is None:
        found = Site(is_default_site=True)
    found.hostname, found.port, found.root_page = "localhost", settings.PORT, home
    found.site_name = settings.WAGTAIL_SITE_NAME
    found.save()
    Page.objects.filter(depth=2, title="Welcome to your new Wagtail site!").exclude(pk=home.pk).delete()
    return found


def _plant_home() -> HomePage:
    root = Page.get_first_root_node()
    home = HomePage(title=texts("en")["home"]["title"], slug="paper-harbour", locale=locales()["en"])
    return root.add_child(instance=home)


def home_pages(offers: dict[str, OfferPage], painted: dict[str, int]) -> None:
    """Words on the home page of every language, once each."""
    for language, offer in offers.items():
        words = texts(language)["home"]
        home = HomePage.objects.get(locale__language_code=language)
        if home.lead:
            continue
        home.title, home.lead = words["title"], words["lead"]
        home.draft_title = words["title"]
        home.picture_id, home.offer_page_id = painted["harbour"], offer.pk
        home.offer_label, home.steps_title, home.after_steps = (
            words["offer_label"],
            words["steps_title"],
            words["after_steps"],
        )
        home.steps = stream(*(("step", step) for step in words["steps"]))
        home.save_revision().publish()


def product() -> Product:
    """What is sold; its way in is the course page."""
    title = texts("en")["course"]["title"]
    return Product.objects.get_or_create(
        slug="watercolour-for-beginners",
        defaults={"title": title, "entry_url": "/course/", "description": "Four lessons, opened at once, without end."},
    )[0]


def drawing() -> Product:
    """What the second offer sells; it has no course pages of its own."""
    return Product.objects.get_or_create(
        slug="ink-and-line",
        defaults={"title": texts("en")["second"]["title"], "entry_url": "/", "description": "An afternoon, live."},
    )[0]


def course(sold: Product, offer: OfferPage, painted: dict[str, int]) -> CoursePage:
    """The course and its lessons."""
    found = CoursePage.objects.first()
    if found is not None:
        return found
    words = texts("en")["course"]
    home = HomePage.objects.get(locale__language_code="en")
    found = home.add_child(
        instance=CoursePage(
            title=words["title"], slug="course", lead=words["lead"], product=sold, offer_page_id=offer.pk
        )
    )
    for number, lesson in enumerate(words["lessons"]):
        found.add_child(
            instance=LessonPage(
                title=lesson["title"],
                slug=lesson["slug"],
                lead=lesson["lead"],
                minutes=lesson["minutes"],
                body=lesson["body"],
                picture_id=painted[lesson["picture"]],
                is_preview=number == 0,
            )
        )
    return found


def offer_pages(sold: Product, coupons: list[Coupon], painted: dict[str, int], film: int) -> dict[str, OfferPage]:
    """The offer in every language, published; the English page is the source of the others."""
    by_language: dict[str, OfferPage] = {}
    for language, locale in locales().items():
        words = texts(language)["offer"]
        page = OfferPage.objects.filter(locale=locale, slug=words["slug"]).first()
        if page is None:
            page = _new_offer(sold, coupons) if language == "en" else _translated(by_language["en"], locale)
            page.title = page.draft_title = words["title"]
            page.slug, page.search_description = words["slug"], words["description"]
            page.body = _offer_body(language, painted, film)
            page.save_revision().publish()
            page.refresh_from_db()
        by_language[language] = page
    return by_language


def second_offer(sold: Product, painted: dict[str, int]) -> OfferPage:
    """An offer that takes no coupons and that no scenario looks after: the place to try *Win back unpaid orders*."""
    words = texts("en")["second"]
    found = OfferPage.objects.filter(locale=locales()["en"], slug=words["slug"]).first()
    if found is not None:
        return found
    page = OfferPage(
        title=words["title"],
        slug=words["slug"],
        search_description=words["description"],
        price=Decimal("49.00"),
        currency="EUR",
        products=stream(
            ("product", {"product": sold.pk, "length": "unlimited", "new_lessons": True, "comments": True})
        ),
        coupon_mode="none",
        body=stream(
            (
                "hero",
                {
                    "heading": "",
                    "lead": words["lead"],
                    "image": {
                        "image": painted["edges"],
                        "alt_text": texts("en")["pictures"]["edges"],
                        "decorative": False,
                    },
                    "button": words["button"],
                },
            ),
            ("text", words["text"]),
            ("price", {"heading": words["price"], "points": items(words["points"]), "note": words["note"]}),
        ),
        live=False,
    )
    HomePage.objects.get(locale__language_code="en").add_child(instance=page)
    page.save_revision().publish()
    page.refresh_from_db()
    return page


def _new_offer(sold: Product, coupons: list[Coupon]) -> OfferPage:
    home = HomePage.objects.get(locale__language_code="en")
    page = OfferPage(
        title=texts("en")["offer"]["title"],
        slug=texts("en")["offer"]["slug"],
        price=Decimal("120.00"),
        currency="EUR",
        products=stream(
            ("product", {"product": sold.pk, "length": "unlimited", "new_lessons": True, "comments": True})
        ),
        coupon_mode="only",
        coupons=stream(*(("coupon", coupon.pk) for coupon in coupons)),
        live=False,
    )
    return home.add_child(instance=page)


def _translated(source: OfferPage, locale: Locale) -> OfferPage:
    if not HomePage.objects.filter(locale=locale).exists():
        # Not by ``copy_parents``: that would make an alias, which repeats whatever the English page says.
        HomePage.objects.get(locale__language_code="en").copy_for_translation(locale).save_revision().publish()
    return source.get_translation_or_none(locale) or source.copy_for_translation(locale)


def _offer_body(language: str, painted: dict[str, int], film: int) -> str:
    words = texts(language)["offer"]
    alts = texts(language)["pictures"]
    minutes = [lesson["minutes"] for lesson in texts("en")["course"]["lessons"]]
    lessons = [
        item | {"length": f"{length} min"} for item, length in zip(words["lessons"]["items"], minutes, strict=True)
    ]
    return stream(
        (
            "hero",
            {
                "heading": "",
                "lead": words["hero"]["lead"],
                "image": {"image": painted["boat"], "alt_text": alts["boat"], "decorative": False},
                "button": words["hero"]["button"],
            },
        ),
        ("text", words["text"]["body"]),
        (
            "image",
            {
                "image": {"image": painted["table"], "alt_text": words["image"]["alt"], "decorative": False},
                "caption": words["image"]["caption"],
            },
        ),
        ("video", {"url": "", "file": film, "poster": painted["drops"], "caption": words["video"]["caption"]}),
        ("lessons", {"heading": words["lessons"]["title"], "lessons": items(lessons)}),
        (
            "price",
            {
                "heading": words["price"]["title"],
                "points": items(words["price"]["points"]),
                "note": words["price"]["note"],
            },
        ),
        (
            "questions",
            {"heading": words["questions"]["title"], "questions": items(words["questions"]["items"])},
        ),
        (
            "call_to_action",
            {"heading": words["call"]["title"], "text": words["call"]["text"], "button": words["call"]["button"]},
        ),
    )


def people(editors: Group | None) -> None:
    """The demo's three users, each with its own name as password; existing ones are left alone."""
    model = get_user_model()
    for name, (email, first, last) in PEOPLE.items():
        if model.objects.filter(username=name).exists():
            continue
        rank = {"is_superuser": True, "is_staff": True} if name == "admin" else {}
        user = model(username=name, email=email, first_name=first, last_name=last, **rank)
        # A password that is the name needs no stretching. At the first login Django puts in a hash of full strength.
        user.password = PBKDF2PasswordHasher().encode(name, get_random_string(22), iterations=1000)
        user.save()
        if name == "editor":
            user.groups.add(*[group for group in (editors, page_editors()) if group is not None])


def page_editors() -> Group:
    """Who may make, change and publish the pages of the shop, and use its pictures and files."""
    group, is_new = Group.objects.get_or_create(name=PAGE_EDITORS)
    if is_new:
        permissions = Permission.objects.filter(
            content_type__app_label="wagtailcore", codename__in=["add_page", "change_page", "publish_page"]
        )
        for home in HomePage.objects.all():
            for permission in permissions:
                GroupPagePermission.objects.create(group=group, page=home, permission=permission)
        media = Permission.objects.filter(
            content_type__app_label__in=["wagtailimages", "wagtaildocs"],
            codename__in=[f"{verb}_{kind}" for verb in ("add", "change", "choose") for kind in ("image", "document")],
        )
        for permission in media:
            GroupCollectionPermission.objects.create(
                group=group, collection=Collection.get_first_root_node(), permission=permission
            )
        group.permissions.add(Permission.objects.get(codename="access_admin", content_type__app_label="wagtailadmin"))
    return group
