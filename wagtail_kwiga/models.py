"""All models of the package. Other apps import them from here."""

from wagtail_kwiga.access.models import AccessAdjustment, AccessGrant
from wagtail_kwiga.automations.models import Run, Scenario, ScenarioVersion, ScenarioVersionLink, StepRecord
from wagtail_kwiga.background import Heartbeat
from wagtail_kwiga.catalogue.models import Offer, OfferProduct, PriceRecord, Product
from wagtail_kwiga.contacts.models import (
    Consent,
    Contact,
    ContactList,
    ListMembership,
    PhoneNumber,
    RateLimitWindow,
)
from wagtail_kwiga.coupons.models import Coupon, CouponListLimit, CouponOfferLimit, CouponUse, OfferAllowedCoupon
from wagtail_kwiga.installation import Installation
from wagtail_kwiga.journal.models import TimelineEntry
from wagtail_kwiga.legal_texts.models import LegalText, LegalTextSource
from wagtail_kwiga.mailing.models import (
    EmailAttachment,
    EmailTemplate,
    EmailTemplateVersion,
    OfferEmail,
    OutgoingEmail,
    Suppression,
)
from wagtail_kwiga.offers.models import OfferPage, OfferPageMixin
from wagtail_kwiga.orders.models import Order, OrderLine, OrderNote, Purchase
from wagtail_kwiga.payments.models import Payment, PaymentAttempt, ProviderEvent, Refund, Transaction
from wagtail_kwiga.site_settings import KwigaSettings

__all__ = [
    "AccessAdjustment",
    "AccessGrant",
    "Consent",
    "Contact",
    "ContactList",
    "Coupon",
    "CouponListLimit",
    "CouponOfferLimit",
    "CouponUse",
    "EmailAttachment",
    "EmailTemplate",
    "EmailTemplateVersion",
    "Heartbeat",
    "Installation",
    "KwigaSettings",
    "LegalText",
    "LegalTextSource",
    "ListMembership",
    "Offer",
    "OfferAllowedCoupon",
    "OfferEmail",
    "OfferPage",
    "OfferPageMixin",
    "OfferProduct",
    "Order",
    "OrderLine",
    "OrderNote",
    "OutgoingEmail",
    "Payment",
    "PaymentAttempt",
    "PhoneNumber",
    "PriceRecord",
    "Product",
    "ProviderEvent",
    "Purchase",
    "RateLimitWindow",
    "Refund",
    "Run",
    "Scenario",
    "ScenarioVersion",
    "ScenarioVersionLink",
    "StepRecord",
    "Suppression",
    "TimelineEntry",
    "Transaction",
]
