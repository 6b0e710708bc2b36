"""What wins an order back: the list, the coupon, the mail in five languages and the scenario; and who sells."""

from __future__ import annotations

from decimal import Decimal

from wagtail.models import Site

from sandbox.school.building import locales
from sandbox.school.texts import LANGUAGES, stream, texts
from wagtail_kwiga.models import ContactList, Coupon, EmailTemplate, KwigaSettings, Offer, OfferPage, Scenario

CODE = "COMEBACK15"
LIST = "Come back"
SCENARIO = "Unpaid order: 15 % for 24 hours"


def sales_settings(site: Site) -> KwigaSettings:
    """Who sells and sends, and where a transfer goes. An editor's own words stay."""
    settings = KwigaSettings.for_site(site)
    if not settings.seller_name:
        settings.seller_name = "Paper Harbour"
        settings.sender_name = "Paper Harbour"
        settings.sender_email = "school@paper-harbour.example"
        settings.reply_to = "maren@paper-harbour.example"
        settings.postal_footer = "Paper Harbour\nExample Quay 3\n12345 Sampleport"
        settings.default_currency = "EUR"
        settings.bank_holder = "Paper Harbour"
        # A specimen number, right in form.
        settings.bank_iban = "DE89370400440532013000"
        settings.bank_bic = "COBADEFFXXX"
        settings.bank_name = "Example Bank"
        settings.save()
    return settings


def come_back_list() -> ContactList:
    """The empty static list that the scenario puts people on."""
    return ContactList.objects.get_or_create(
        title=LIST,
        defaults={"description": "Left an order unpaid; may use COMEBACK15 for a day. Filled by the scenario."},
    )[0]


def coupon(only_for: ContactList) -> Coupon:
    """15 % without an end of its own: being on the list is what makes it work."""
    found = Coupon.objects.filter(code__iexact=CODE).first()
    if found is None:
        found = Coupon.objects.create(
            code=CODE,
            kind=Coupon.Kind.PERCENT,
            percent=Decimal(15),
            note="Given out by the scenario for unpaid orders.",
        )
        found.contact_lists.add(only_for)
    return found


def open_day() -> Coupon:
    """A coupon that works for nobody yet: the list that opens it is empty, and its screen says so."""
    found = Coupon.objects.filter(code__iexact="OPENDAY20").first()
    if found is None:
        visitors = ContactList.objects.get_or_create(
            title="Visitors of the open day",
            defaults={"description": "Whoever leaves an address at the open day. Put on by hand."},
        )[0]
        found = Coupon.objects.create(
            code="OPENDAY20", kind=Coupon.Kind.PERCENT, percent=Decimal(20), note="For the open day in spring."
        )
        found.contact_lists.add(visitors)
    return found


def friends(offer: OfferPage) -> Coupon:
    """A coupon made for an offer that takes none: the screens of both say so, and offer to mend it."""
    found = Coupon.objects.filter(code__iexact="FRIENDS10").first()
    if found is None:
        found = Coupon.objects.create(
            code="FRIENDS10",
            kind=Coupon.Kind.FIXED,
            amount=Decimal(10),
            currency="EUR",
            limit_total=25,
            note="For friends of people who took the course.",
        )
        found.offers.add(Offer.objects.get(translation_key=offer.translation_key))
    return found


def mail() -> EmailTemplate:
    """The mail in every language, published; returns the English one."""
    source = EmailTemplate.objects.filter(title=texts("en")["mail"]["title"], locale=locales()["en"]).first()
    for language in LANGUAGES:
        locale = locales()[language]
        words = texts(language)["mail"]
        if source is not None and source.get_translation_or_none(locale) is not None:
            continue
        template = source.copy_for_translation(locale) if source else EmailTemplate(locale=locale, live=False)
        template.title, template.subject, template.preheader = words["title"], words["subject"], words["preheader"]
        template.kind = "promotion"
        template.body = stream(
            ("heading", {"text": words["heading"]}),
            ("text", {"text": words["text"]}),
            ("coupon_card", {"title": "", "show_prices": True, "show_deadline": True}),
            ("button", {"label": words["button"], "where": "resume", "url": ""}),
            ("text", {"text": words["after"]}),
            ("order_summary", {"title": ""}),
        )
        template.save()
        template.save_revision().publish()
        source = source or template
    return source


def scenario(offer_page: OfferPage, wanted: ContactList, template: EmailTemplate) -> Scenario:
    """Unpaid order of this offer → 30 minutes → on the list → mail → 24 hours → off the list. Published."""
    found = Scenario.objects.filter(title=SCENARIO).first()
    if found is None:
        offer = Offer.objects.get(translation_key=offer_page.translation_key)
        found = Scenario(title=SCENARIO, live=False)
        found.start = stream(
            (
                "order_unpaid",
                {"offers": [offer.pk], "payment_kinds": ["online"], "origins": ["web"], "include_free": False},
            )
        )
        found.steps = stream(
            ("wait", {"amount": 30, "unit": "minutes"}),
            ("add_to_list", {"list": wanted.pk, "until": "scenario", "hours": None}),
            ("send_email", {"template": template.pk, "coupon": None}),
            ("wait", {"amount": 24, "unit": "hours"}),
            ("remove_from_list", {"list": wanted.pk}),
        )
        found.save()
        found.save_revision().publish()
        found.refresh_from_db()
    return found
