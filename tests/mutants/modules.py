"""The modules whose every rule must be held by a test, and the tests that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """``dotted`` is imported as; ``tests`` are files below the root (patterns) that are run against its mutants.

    Of those, only tests that reach the module are run, the ones that reach the mutated line first.
    """

    name: str
    dotted: str
    tests: tuple[str, ...]
    root: Path = ROOT

    @property
    def path(self) -> Path:
        return self.root / (self.dotted.replace(".", "/") + ".py")

    @property
    def test_files(self) -> list[str]:
        return [str(path.relative_to(self.root)) for pattern in self.tests for path in sorted(self.root.glob(pattern))]

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")


def _of_package(name: str, *tests: str) -> Module:
    return Module(name, f"wagtail_kwiga.{name}", tests)


MODULES: dict[str, Module] = {
    module.name: module
    for module in (
        _of_package(
            "orders.transitions",
            "tests/orders/test_transitions*.py",
            "tests/orders/test_placing*.py",
            "tests/orders/test_purchases*.py",
            "tests/orders/test_owned.py",
            "tests/orders/test_expiry.py",
            "tests/orders/test_coupon_passing.py",
            "tests/payments/test_ledger.py",
        ),
        _of_package("orders.totals", "tests/orders/test_totals.py", "tests/orders/test_transitions*.py"),
        _of_package(
            "orders.placing",
            "tests/orders/test_placing*.py",
            "tests/orders/test_transitions*.py",
            "tests/orders/test_purchases*.py",
            "tests/orders/test_drafts.py",
            "tests/orders/test_answers.py",
            "tests/orders/test_coupon_passing.py",
        ),
        _of_package(
            "orders.purchases",
            "tests/orders/test_purchases*.py",
            "tests/orders/test_placing*.py",
            "tests/orders/test_coupon_passing.py",
            "tests/orders/test_owned.py",
        ),
        _of_package("orders.drafts", "tests/orders/test_drafts.py", "tests/orders/test_placing*.py"),
        _of_package(
            "payments.ledger",
            "tests/payments/test_ledger*.py",
            "tests/payments/test_transactions.py",
            "tests/payments/test_parts.py",
            "tests/payments/test_provider_events*.py",
        ),
        _of_package(
            "payments.provider_events",
            "tests/payments/test_provider_events*.py",
            "tests/payments/test_webhooks*.py",
            "tests/payments/test_event_kinds.py",
            "tests/payments/test_confirm.py",
            "tests/payments/test_atomic_requests.py",
        ),
        _of_package(
            "payments.applying",
            "tests/payments/test_applying.py",
            "tests/payments/test_provider_events*.py",
            "tests/payments/test_event_kinds.py",
            "tests/payments/test_confirm.py",
            "tests/payments/test_refunds.py",
        ),
        _of_package(
            "payments.event_leasing",
            "tests/payments/test_event_leasing.py",
            "tests/payments/test_confirm.py",
            "tests/payments/test_provider_events*.py",
        ),
        _of_package("coupons.uses", "tests/coupons/test_uses*.py", "tests/coupons/test_machine.py"),
        _of_package(
            "coupons.rules",
            "tests/coupons/test_rules.py",
            "tests/coupons/test_eligibility*.py",
            "tests/automations/running/test_coupon_facts.py",
            "tests/mailing/sending/test_delivery_coupons.py",
        ),
        _of_package(
            "coupons.eligibility",
            "tests/coupons/test_eligibility*.py",
            "tests/coupons/test_audience*.py",
            "tests/coupons/test_gates.py",
        ),
        _of_package("mailing.permission", "tests/mailing/test_permission.py"),
        _of_package(
            "mailing.sending.delivery",
            "tests/mailing/sending/test_delivery*.py",
            "tests/mailing/sending/test_outbox*.py",
            "tests/mailing/sending/test_faults_composing.py",
            "tests/mailing/sending/test_faults_letting_in.py",
            "tests/mailing/sending/test_attachments.py",
        ),
        _of_package(
            "automations.core.decisions",
            "tests/automations/core/test_decisions*.py",
            "tests/automations/running/test_engine*.py",
        ),
        _of_package(
            "automations.running.enrolment",
            "tests/automations/running/test_enrolment*.py",
            "tests/automations/running/test_engine*.py",
            "tests/automations/running/test_purchases.py",
            "tests/automations/running/test_without_order.py",
        ),
        _of_package("access.grants", "tests/access/test_*.py"),
        _of_package("access.policy", "tests/access/test_*.py"),
        _of_package("access.spans", "tests/access/test_*.py"),
        _of_package("access.ownership", "tests/access/test_*.py"),
        _of_package("access.adjustments", "tests/access/test_*.py"),
    )
}
