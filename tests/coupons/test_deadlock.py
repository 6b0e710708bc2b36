"""Late money against a swap of coupons: both lock the counters in the order of their keys."""

from __future__ import annotations

import threading
import time

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections

from tests.orders.shop import books_receive, order_for
from tests.support import after, make_contact, make_coupon, make_offer
from wagtail_kwiga.coupons import uses


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_late_money_and_a_swap_do_not_wait_for_one_another(monkeypatch):
    ContentType.objects.clear_cache()
    low, high = make_coupon("THREE"), make_coupon("NINE")
    assert low.pk < high.pk
    offer, payer, swapper = make_offer(coupon_mode="any"), make_contact(), make_contact()
    first = order_for(payer, offer, coupon=high)
    order_for(payer, offer, coupon=low, now=after(minutes=1))
    order_for(swapper, offer, coupon=low)
    give_back_many, give_back = uses.release_many, uses.release

    def slow_many(*args, **kwargs):
        time.sleep(1)
        return give_back_many(*args, **kwargs)

    def slow_one(*args, **kwargs):
        done = give_back(*args, **kwargs)
        time.sleep(1)
        return done

    monkeypatch.setattr(uses, "release_many", slow_many)
    monkeypatch.setattr(uses, "release", slow_one)
    errors: list[str] = []

    def run(deed):
        try:
            deed()
        except Exception as error:
            errors.append(repr(error))
        finally:
            connections.close_all()

    deeds = (
        lambda: books_receive(first, "102", now=after(minutes=2)),
        lambda: order_for(swapper, offer, coupon=high, now=after(minutes=2)),
    )
    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
