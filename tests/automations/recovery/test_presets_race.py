"""Two editors, or one impatient one: however many press *Publish all* at once, one recovery comes of it."""

from __future__ import annotations

import pytest

from tests.coupons.test_race import in_threads
from tests.offers.making import make_page, offer_of
from tests.support import after
from wagtail_kwiga import locking
from wagtail_kwiga import models as m
from wagtail_kwiga.automations.recovery import presets
from wagtail_kwiga.exceptions import KwigaError
from wagtail_kwiga.mailing.authoring import default_content

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("codes", [["BACK-SAME"] * 4, [f"BACK-{number}" for number in range(4)]], ids=["same", "other"])
def test_one_of_many_at_once(codes):
    offer = offer_of(make_page())
    texts = default_content.standard_texts("en")

    def press(code):
        try:
            with locking.atomic_write():
                made = presets.draft_recovery(offer, presets.Recovery(texts=texts, code=code), now=after())
                presets.publish_recovery(made, now=after())
        except KwigaError as refusal:
            return refusal.code
        return "made"

    answers = in_threads(4, press, codes)
    expected = "made_already" if len(set(codes)) == 1 else "already_live"
    assert sorted(answers) == sorted(["made", *[expected] * 3])
    assert [model.objects.count() for model in (m.ContactList, m.Coupon, m.EmailTemplate, m.Scenario)] == [1, 1, 1, 1]
    assert m.OfferPage.objects.get().coupons[0].value == m.Coupon.objects.get()
