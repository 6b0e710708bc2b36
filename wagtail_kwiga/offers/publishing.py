"""From page to offer: publishing an offer page writes its terms into the one ``catalogue.Offer`` of its translation key.

The *source page* owns what is sold: price, products, gate and coupons. It is the page of the key that was made first;
its translations were copied from it and follow. The offer is withdrawn when the last live page of the key goes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import post_delete
from django.utils.translation import gettext_lazy as _
from wagtail.models import Page, Site
from wagtail.signals import page_published, page_unpublished

from wagtail_kwiga import conf, locking
from wagtail_kwiga.catalogue import selling
from wagtail_kwiga.catalogue.models import Offer, OfferProduct, PriceRecord
from wagtail_kwiga.catalogue.terms import OfferTerms, ProductTerms
from wagtail_kwiga.coupons import gates
from wagtail_kwiga.formatting import instants, languages
from wagtail_kwiga.journal import writing
from wagtail_kwiga.mailing.sending import unexpired_promises
from wagtail_kwiga.mailing.sending.unexpired_promises import BrokenPromises, OfferState
from wagtail_kwiga.offers import drafted_products, page_currency
from wagtail_kwiga.offers.choices import SOURCE_FIELDS
from wagtail_kwiga.pricing.money import Money

writing.register_sentences(
    {
        "offers.no_price": _("The page “%(page)s” was published without a price. Nobody can buy it before it has one."),
        "offers.sells_nothing": _(
            "The page “%(page)s” was published with nothing in it. Nobody can buy it before it has a product."
        ),
        "offers.product_gone": _(
            "The page “%(page)s” was published, and a product that it names is deleted. It is sold without it."
        ),
    }
)


def page_model() -> type[Page]:
    """Wagtail's base page model, also where a site has put its own in its place (Wagtail 8)."""
    model: type[Page] = Site._meta.get_field("root_page").related_model
    return model


def is_offer_page(page: Any) -> bool:
    """Whether a page (of whatever type a site has) is an offer."""
    return bool(getattr(page, "is_kwiga_offer", False))


def source_id(translation_key: uuid.UUID) -> int | None:
    """The primary key of the page that owns the terms of this translation key. One query."""
    pages = page_model().objects.filter(translation_key=translation_key)
    first: int | None = pages.order_by("pk").values_list("pk", flat=True).first()
    return first


def key_of(page: Any) -> uuid.UUID:
    """The translation key under which ``page`` sells: its own; for an alias that of the page it repeats (one query)."""
    while page.alias_of_id:
        page = page.alias_of
    key: uuid.UUID = page.translation_key
    return key


def is_translation(page: Any) -> bool:
    """Whether another page owns the terms that ``page`` sells on. A page not saved yet owns its own."""
    if page.pk is None:
        return False
    return source_id(page.translation_key) not in (None, page.pk)


def terms_of(page: Any) -> OfferTerms:
    """The products of ``page`` with the access each opens. Products deleted meanwhile are left out.

    The days in them are days of the site (``instants.site_zone``), whatever the zone of the site may be later on.
    """
    zone = instants.site_zone_name()
    rows = [block.value for block in page.products if block.value.get("product") is not None]
    return OfferTerms(
        products=tuple(
            ProductTerms(
                row["product"].pk, row["product"].title, row.access_terms(zone), row.get("price_share") or None
            )
            for row in rows
        )
    )


def fields_of(page: Any) -> dict[str, Any]:
    """What ``page`` says about its ``catalogue.Offer``, field by field. A page without a price is none that is for sale;
    whoever asks for its fields all the same gets 0."""
    currency = page_currency.currency_of(page)
    return {
        "title": page.title,
        "amount": Money(page.price or Decimal(0), currency).amount,
        "currency": currency,
        "payment_methods": list(page.payment_methods),
        "coupon_mode": page.coupon_mode,
        "sells_no_access": page.sells_no_access,
        "is_listed": page.is_listed,
        "sales_from": page.sales_from,
        "sales_until": page.sales_until,
    }


def state_of(page: Any) -> str:
    """What becomes of the offer of ``page`` where it is published: what has no price is not on sale yet, and what sells nothing
    is empty unless its editor said that it sells no access."""
    if page.price is None:
        return Offer.State.DRAFT
    return Offer.State.ON_SALE if page.sells_no_access or terms_of(page).products else Offer.State.EMPTY


def publish_terms(page: Any, *, by_id: Any = None, now: dt.datetime | None = None) -> Offer | None:
    """Write the terms of a page that has just been published, and put the offer on sale.

    A translation brings no terms of its own: its offer is put on sale again if it had been withdrawn, and where there is
    none yet the source page's terms are written if that page is live. Neither does an alias: it sells what its original
    sells. Returns ``None`` where nothing can be sold yet (a translation was published before its source). Repeating it
    changes nothing. ``by_id`` is the key of the user who published: the price history names them.
    """
    now = now or conf.now()
    key = key_of(page)
    owner = source_id(key)
    with locking.atomic_write():
        if owner in (None, page.pk):
            _hand_down(page)
            if page.price is None:
                return _without_price(page, by_id, now)
            return _publish(page, by_id, now)
        offer = locking.locked(Offer.objects.filter(translation_key=key, tariff_key="")).first()
        if offer is None or offer.state == Offer.State.DRAFT:
            source = page_model().objects.get(pk=owner).specific
            if not source.live or not is_offer_page(source) or source.price is None:
                return None
            return _publish(source, by_id, now)
        if offer.state == Offer.State.WITHDRAWN:
            is_empty = selling.sells_nothing(offer, selling.terms_of(offer).products)
            offer.state = Offer.State.EMPTY if is_empty else Offer.State.ON_SALE
            offer.save(update_fields=["state", "updated_at"])
        return offer


def is_conversion(page: Any, update_fields: Iterable[str] | None) -> bool:
    """Whether saving ``page`` with these fields makes a page of its own of an alias, as Wagtail's *Convert alias* does."""
    return page.alias_of_id is None and bool({"alias_of", "alias_of_id"} & set(update_fields or ()))


def take_over(page: Any) -> None:
    """Give an alias that becomes a page of its own what its original sells: it goes on selling that, as its own offer.

    Called before the conversion is written. The original is live where the alias is, so its row has what was published.
    """
    row = page_model().objects.filter(pk=page.pk).select_related("alias_of").first()
    while row is not None and row.alias_of is not None:
        row = row.alias_of
    if row is None or row.pk == page.pk or not is_offer_page(original := row.specific):
        return
    values = {name: getattr(original, name) for name in SOURCE_FIELDS}
    for name, value in values.items():
        setattr(page, name, value)
    type(page)._default_manager.filter(pk=page.pk).update(**values)


def promises_broken_by(page: Any, *, now: dt.datetime) -> BrokenPromises:
    """The unexpired promises of mail that publishing ``page`` as it stands in memory would break. Two queries; the more where
    it breaks any."""
    if is_translation(page) or page.alias_of_id:
        return BrokenPromises()
    offer = Offer.objects.filter(translation_key=page.translation_key, tariff_key="").first()
    return _broken_by(page, offer, now) if offer is not None else BrokenPromises()


def promises_broken_without(pages: Iterable[Any], *, now: dt.datetime) -> list[tuple[Any, BrokenPromises]]:
    """The same for taking ``pages`` down, all of them together: each offer that then has no live page any more, by one of its pages.
    One query and those of ``unexpired_promises`` an offer, and two more."""
    going: dict[Any, Any] = {}
    for page in pages:
        if page.live:
            going.setdefault(page.translation_key, page)
    stay = page_model().objects.filter(translation_key__in=going, live=True).exclude(pk__in=[page.pk for page in pages])
    kept = set(stay.values_list("translation_key", flat=True)) if going else set()
    offers = Offer.objects.filter(translation_key__in=going.keys() - kept, tariff_key="").order_by("pk")
    return [
        (going[offer.translation_key], unexpired_promises.of_offer(OfferState.saved(offer), None, now))
        for offer in offers
    ]


def _broken_by(page: Any, offer: Offer, now: dt.datetime) -> BrokenPromises:
    becomes = Offer(pk=offer.pk, translation_key=offer.translation_key, state=state_of(page), **fields_of(page))
    named = frozenset(block.value.pk for block in page.coupons if block.value is not None)
    return unexpired_promises.of_offer(OfferState.saved(offer), OfferState(becomes, named), now)


def _end_unasked(broken: BrokenPromises, offer: Offer, by_id: Any, now: dt.datetime) -> None:
    """Nobody could be asked (a scheduled publication, a workflow, the site's own code): the promises end, and a person is told."""
    if broken:
        by = get_user_model()._default_manager.filter(pk=by_id).first() if by_id else None
        broken.end(by=by, now=now)
        facts: dict[str, Any] = {"title": offer.title, "people": broken.people, "until": broken.until}
        writing.write(offer, "mailing.promises_ended", now=now, by=by, attention=True, **facts)


def prepare(page: Any) -> Offer | None:
    """Make the offer of a page that is still a draft, so that coupons, scenarios and staff can choose it already.

    Only where there is none; an offer that exists keeps the terms of its last publication. And only once the page has a
    price: what has none could be given away by mistake. Of a page that sells nothing nothing is made.
    """
    if not is_offer_page(page) or page.price is None:
        return None
    if Offer.objects.filter(translation_key=page.translation_key).exists() or is_translation(page):
        return None
    with locking.atomic_write():
        return _write(page, Offer.State.DRAFT, None, conf.now())


def withdraw(
    translation_key: uuid.UUID,
    *,
    leaving: Iterable[int] = (),
    only_on_sale: bool = False,
    now: dt.datetime | None = None,
) -> bool:
    """Take an offer off sale unless a page of its key is still live; ``leaving`` are pages that are about to go. Promises that
    nobody has ended knowingly before end with it.

    With ``only_on_sale`` an offer that is still a draft stays one.

    The row stays, with its last terms: orders, coupons and staff go on referring to it. Returns whether it was withdrawn.
    """
    live = page_model().objects.filter(translation_key=translation_key, live=True).exclude(pk__in=list(leaving))
    if live.exists():
        return False
    now = now or conf.now()
    offers = Offer.objects.filter(translation_key=translation_key).exclude(state=Offer.State.WITHDRAWN)
    if only_on_sale:
        offers = offers.exclude(state=Offer.State.DRAFT)
    with locking.atomic_write():
        for offer in offers:
            _end_unasked(unexpired_promises.of_offer(OfferState.saved(offer), None, now), offer, None, now)
        return bool(offers.update(state=Offer.State.WITHDRAWN))


def page_for(offer: Offer, language: str, site: Site | None = None) -> Any | None:
    """The live page that sells ``offer``, as Wagtail's base page: in ``language``, else in the nearest of its
    variants, else the source.

    Pages of ``site`` come first. ``None`` where no page is live. One query.
    """
    if offer.translation_key is None:
        return None
    pages = page_model().objects.filter(translation_key=offer.translation_key, live=True)
    found = list(pages.select_related("locale").order_by("pk"))
    return min(found, key=lambda page: _distance(page, language, site), default=None)


def connect() -> None:
    """Listen to Wagtail. Safe to call twice."""
    page_currency.connect()
    drafted_products.connect()
    page_published.connect(_on_published, dispatch_uid="wagtail_kwiga.offers.published")
    page_unpublished.connect(_on_unpublished, dispatch_uid="wagtail_kwiga.offers.unpublished")
    # With a sender: without one, Django would have to load every row that anybody deletes anywhere.
    post_delete.connect(_on_deleted, sender=page_model(), dispatch_uid="wagtail_kwiga.offers.deleted")


def _on_published(instance: Any, revision: Any = None, **_kw: Any) -> None:
    if not is_offer_page(instance):
        return
    if instance.live:
        publish_terms(instance, by_id=getattr(revision, "user_id", None))
    elif not instance.alias_of_id:
        # Wagtail also says *published* of a page that is only scheduled: nothing of that is sold yet, whichever other language
        # is live. One that was live without a revision is taken down by it.
        withdraw(instance.translation_key, only_on_sale=True)


def _on_unpublished(instance: Any, **_kw: Any) -> None:
    # Wagtail also sends this for a page that is about to be deleted, when its row still says live.
    if is_offer_page(instance):
        withdraw(instance.translation_key, leaving=[instance.pk])


def _on_deleted(instance: Any, **_kw: Any) -> None:
    # All pages of one deletion are gone by now, so the last of several translations is seen here.
    withdraw(instance.translation_key)


def _write(page: Any, state: str, by_id: Any, now: dt.datetime) -> Offer:
    values = fields_of(page) | {"state": state}
    offer, is_new = Offer.objects.get_or_create(translation_key=page.translation_key, tariff_key="", defaults=values)
    before = None
    if not is_new:
        offer = locking.locked(Offer.objects.filter(pk=offer.pk)).get()
        before = offer.price if offer.state != Offer.State.DRAFT else None
        _end_unasked(_broken_by(page, offer, now), offer, by_id, now)
        for name, value in values.items():
            setattr(offer, name, value)
        offer.save(update_fields=[*values, "updated_at"])
    if state == Offer.State.ON_SALE and before != offer.price:
        PriceRecord.objects.create(
            offer=offer, amount=offer.amount, currency=offer.currency, valid_from=now, by_id=by_id
        )
    _list_products(offer, terms_of(page))
    gates.name_coupons(offer, [block.value.pk for block in page.coupons if block.value is not None])
    return offer


def _publish(page: Any, by_id: Any, now: dt.datetime) -> Offer:
    """Write a page that has a price. What of it cannot be sold, because code or a schedule has published it (the editor's form
    refuses it), is told."""
    offer = _write(page, state_of(page), by_id, now)
    if offer.state == Offer.State.EMPTY:
        _tell(page, "offers.sells_nothing", now)
    elif any(block.value.get("product") is None for block in page.products):
        _tell(page, "offers.product_gone", now)
    return offer


def _without_price(page: Any, by_id: Any, now: dt.datetime) -> Offer | None:
    """Code, or a schedule, has published a page that says no price (the editor's form refuses it): it sells nothing, and its
    editors are told."""
    offer = locking.locked(Offer.objects.filter(translation_key=page.translation_key, tariff_key="")).first()
    if offer is not None and offer.state != Offer.State.WITHDRAWN:
        _end_unasked(_broken_by(page, offer, now), offer, by_id, now)
        offer.state = Offer.State.WITHDRAWN
        offer.save(update_fields=["state", "updated_at"])
    _tell(page, "offers.no_price", now)
    return offer


def _tell(page: Any, code: str, now: dt.datetime) -> None:
    """Put ``page`` on the list of what needs a person; once, until it is settled."""
    subject = (page_model(), page.pk)
    if not writing.timeline(subject).filter(code=code, needs_attention=True, attended_at=None).exists():
        writing.write(subject, code, now=now, attention=True, page=page.title)


def _hand_down(page: Any) -> None:
    """Write what the source decides into the rows of its translations as well. Their revisions hold nothing of it.

    They show and sell what the source says anyway. But one of them becomes the source when this page is deleted, and then
    it must not go on with the price of the day it was copied.
    """
    followers = page_model().objects.filter(translation_key=page.translation_key).exclude(pk=page.pk)
    for follower in followers.specific():
        if is_offer_page(follower):
            row = type(follower)._default_manager.filter(pk=follower.pk)
            row.update(**{name: getattr(page, name) for name in SOURCE_FIELDS})


def _list_products(offer: Offer, terms: OfferTerms) -> None:
    wanted = [
        {
            "product_id": sold.product_id,
            "position": place,
            "title": sold.title,
            "access_terms": sold.access.to_json(),
            "price_share": sold.price_share,
        }
        for place, sold in enumerate(terms.products)
    ]
    rows = OfferProduct.objects.filter(offer=offer)
    listed = list(rows.values("product_id", "position", "title", "access_terms", "price_share"))
    if listed != wanted:  # nothing refers to these rows, so they are simply written anew
        if listed:
            rows.delete()
        OfferProduct.objects.bulk_create(OfferProduct(offer=offer, **row) for row in wanted)


def _distance(page: Any, language: str, site: Site | None) -> tuple[bool, bool, int, int]:
    """How far ``page`` is from what was asked for; the smallest wins."""
    parts = page.get_url_parts()
    elsewhere = site is not None and (parts is None or parts[0] != site.pk)
    step = languages.distance(language, page.locale.language_code)
    return elsewhere, step is None, step or 0, page.pk
