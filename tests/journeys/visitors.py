"""Every page that visitors see, in every state that was designed, as addresses to look at."""

from __future__ import annotations

import io
from decimal import Decimal

from django.core.files.base import ContentFile
from PIL import Image as Picture
from wagtail.images.models import Image
from wagtail.models import Site

from tests.offers import making
from tests.orders.shop import books_receive, order_for
from tests.payments.shop import bank_data, new_attempt, tell
from tests.support import START, after, make_contact, make_coupon, make_offer, make_product
from wagtail_kwiga import models as m
from wagtail_kwiga.mailing import link_building
from wagtail_kwiga.orders import links, transitions

FILM = "https://www.youtube.com/watch?v=aqz-KE-bpKQ"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsprüfungsvorbereitungskurs"


def picture() -> Image:
    file = io.BytesIO()
    Picture.linear_gradient("L").resize((1600, 800)).convert("RGB").save(file, "PNG")
    return Image.objects.create(
        title="A wash", file=ContentFile(file.getvalue(), "wash.png"), description="A grey wash"
    )


def all_blocks(image: Image | None = None) -> list[tuple]:
    """One of each block."""
    return [
        ("hero", {
            "heading": "Watercolour for beginners", "lead": "Four calm evenings, a box of eight colours, and pictures "
            "you will want to frame.", "image": image, "button": "See the price"}),
        ("text", "<h2>What you will learn</h2><p>How water, pigment and paper work <a href='https://example.com/'>"
         "together</a>, and how to stop in time.</p><ul><li>Washes without stripes</li><li>Light that stays</li></ul>"),
        ("image", {"image": image, "caption": "A wash in three colours"}),
        ("video", {"url": FILM, "caption": "Two minutes from the first lesson"}),
        ("lessons", {"heading": "The lessons", "lessons": [
            {"title": "Water first", "text": "Paper, brush and how wet is wet.", "length": "40 minutes"},
            {"title": "Three colours are enough", "text": "Mixing without mud.", "length": "55 minutes"}]}),
        ("price", {"heading": "The whole course", "points": ["Four lessons to keep", "Answers within a day"],
                   "note": "All taxes included."}),
        ("questions", {"heading": "Questions", "questions": [
            {"question": "Do I need to be able to draw?", "answer": "<p>No. We start with a <b>wet</b> brush.</p>"}]}),
        ("call_to_action", {"heading": "Ready for the first brushstroke?", "text": "You can start tonight.",
                            "button": "Order now"}),
    ]  # fmt: skip


def offer_pages(site: Site) -> dict[str, str]:
    """The offer page in all its states."""
    spring = make_coupon("SPRING", percent="20", valid_until=after(days=2))
    make_coupon("LATE", percent="20", valid_until=after(days=-1))
    full = making.make_page("Watercolour for beginners", body=all_blocks(picture()), coupon_mode="any")
    making.translate(full, "uk", title="Акварель для початківців")
    page = making.make_page("Plain", coupon_mode="any")
    offer = making.offer_of(page)
    order = order_for(make_contact("ada@example.com"), offer, site=site, language="en")
    bought = order_for(make_contact("bob@example.com"), offer, site=site, language="en")
    books_receive(bought, "120.00", now=START)
    german = making.make_page("Lang", body=[("hero", {"heading": LONG, "lead": f"{LONG} für Anfänger", "button": LONG})],
                              products=[make_product(LONG)], language_mode="fixed", fixed_language="de")  # fmt: skip
    found = {
        "offer": full.url,
        "offer-coupon": f"{full.url}?coupon=SPRING",
        "offer-late": f"{page.url}?coupon=LATE",
        "offer-resume": links.resume_url(order, spring.token, START),
        "offer-bought": links.resume_url(bought, None, START),
        "offer-german": german.url,
        "offer-free": making.make_page("Free", price=0).url,
        "offer-dinar": making.make_page("Dinar", price=Decimal("1234.567"), currency="KWD").url,
        "offer-soon": making.make_page("Soon", sales_from=after(days=3)).url,
        "offer-over": making.make_page("Over", sales_until=after(days=-3)).url,
        "offer-empty": making.make_page("Empty", products=[]).url,
    }
    gone = making.make_page("Gone")
    m.Offer.objects.filter(pk=making.offer_of(gone).pk).update(state="withdrawn")
    return {**found, "offer-gone": gone.url}


def order_pages(site: Site) -> dict[str, str]:
    """Paying, the order, coming back."""
    coupon = make_coupon("COMEBACK15")

    def order(**given) -> m.Order:
        given.setdefault("language", "en")
        given.setdefault("offer", make_offer(make_product("Watercolour for beginners", entry_url="/course/")))
        return order_for(make_contact(), given.pop("offer"), site=site, **given)

    waiting, paid, expired, cancelled, partly = order(coupon=coupon), order(), order(), order(), order()
    books_receive(paid, "120.00", now=START)
    books_receive(partly, "50.00", now=START)
    transitions.expire(expired, now=START)
    transitions.cancel(cancelled, now=START)
    pending, failed = new_attempt(order()), new_attempt(order())
    tell(pending, "pending")
    tell(failed, "failed")
    transfer = new_attempt(order(), method="transfer")
    buyer, offer = make_contact(), make_offer()
    old = order_for(buyer, offer, coupon=make_coupon("FIRST"), site=site, language="en")
    second = make_coupon("SECOND", percent="5")
    order_for(buyer, offer, coupon=second, site=site, language="en", now=after(minutes=1))
    german = order(language="de")
    return {
        "pay": links.pay_url(waiting, START),
        "pay-changed": links.pay_url(old, START),
        "pay-partly": links.pay_url(partly, START),
        "pay-pending": links.pay_url(pending.payment.order, START),
        "pay-paid": links.pay_url(paid, START),
        "pay-expired": links.pay_url(expired, START),
        "pay-german": links.pay_url(german, START),
        "order-open": links.order_url(waiting, START),
        "order-paid": links.order_url(paid, START),
        "order-partly": links.order_url(partly, START),
        "order-pending": links.order_url(pending.payment.order, START),
        "order-transfer": links.order_url(transfer.payment.order, START),
        "order-expired": links.order_url(expired, START),
        "order-cancelled": links.order_url(cancelled, START),
        "order-superseded": links.order_url(old, START),
        "return-checking": links.return_url(pending.payment.order, START, attempt=pending.token),
        "return-declined": links.return_url(failed.payment.order, START, attempt=failed.token),
        "return-paid": links.return_url(paid, START),
        "gateway": f"/shop/sandbox-gateway/{pending.token}/",
    }


def every_page() -> dict[str, str]:
    """Name → address, relative to the site or absolute."""
    site = Site.objects.get(is_default_site=True)
    m.KwigaSettings.objects.create(site=site, seller_name="Brush & Paper", postal_footer="Quay 7, 80-838 Gdańsk",
                                   legal=[("url", "https://example.com/terms/")])  # fmt: skip
    bank_data()
    contact = make_contact("cleo@example.com")
    return {
        **offer_pages(site),
        **order_pages(site),
        "link-wrong": "/shop/pay/rubbish/",
        "unsubscribe": link_building.unsubscribe_url(
            contact.token, to=contact.email, at=START, site_id=None, language="en"
        ),
        "unsubscribe-wrong": "/shop/unsubscribe/rubbish/",
    }
