"""The contract finds what is wrong with an adapter: each fault fails the test that is there for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.processes import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.once]

FILE = "tests/payments/broken_adapters.py"
#: The fault's class in ``broken_adapters`` → the test of the contract that must fail for it.
FINDS = {
    "TestNoSignature": "test_a_signature_holds_for_every_byte",
    "TestHalfASignature": "test_a_signature_holds_for_every_byte",
    "TestNoAge": "test_a_signature_grows_old",
    "TestDatabase": "test_verifying_asks_nobody",
    "TestNetwork": "test_verifying_asks_nobody",
    "TestOneId": "test_events_are_told_apart",
    "TestNoMode": "test_test_money_is_no_money",
    "TestSumAsked": "test_too_little_is_booked_as_what_it_is",
    "TestOtherReference": "test_money_is_booked_once",
    "TestNoRefundReference": "test_a_refund_made_at_the_gateway_is_booked_once",
    "TestFirstOnly": "test_two_events_in_one_body",
    "TestNoFailure": "test_a_failure_leaves_the_order_open_and_says_why",
    "TestClaims": "test_what_it_can_do_is_what_it_has_written",
    "TestTwice": "test_the_same_refund_again_is_the_same_refund",
    "TestNeverAsked": "test_a_refund_can_be_asked_about",
    "TestTalks": "test_it_hides_its_secrets",
    "TestShows": "test_it_hides_its_secrets",
    "TestSameToken": "test_every_start_is_told_by_another_token",
    "TestAlreadyIsNo": "test_a_crash_between_the_yes_and_our_booking_is_made_good",
    "TestCredulous": "test_what_the_gateway_rejects_is_for_a_person",
    "TestAsksAtOnce": "test_a_webhook_is_answered_before_the_gateway_is_asked",
    "TestNeverReady": "test_what_is_not_confirmed_yet_is_asked_again",
}


def test_every_fault_is_found():
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *(f"{FILE}::{adapter}::{test}" for adapter, test in FINDS.items()),
            "-q",
            "-rf",
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "TEST_DATABASE_FILE")},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = defaultdict(set)
    for adapter, test in re.findall(r"^FAILED \S+?::(\w+)::(\w+)", run.stdout, re.MULTILINE):
        failed[adapter].add(test)
    assert not re.search(r"^ERROR", run.stdout, re.MULTILINE), run.stdout
    assert {adapter: test for adapter, test in FINDS.items() if test not in failed[adapter]} == {}, run.stdout
    assert set(failed) == set(FINDS)
