"""A gateway whose books are a file, so that what it has done outlives whoever asked for it, and four ways to be such a one."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path
from typing import Any

from wagtail_kwiga.exceptions import ProviderUnavailable
from wagtail_kwiga.payments.provider import Form, Provider, RefundAnswer, RefundDone, RefundFailed, RefundSent
from wagtail_kwiga.payments.statuses import FailureCode


class Bank(Provider):
    """Option ``folder``. It cannot be asked, and the same token again is another refund: nothing helps with a lost answer.

    A file ``before`` or ``after`` in the folder says what happens to the next call, before or after it is in the books:
    ``killed`` (whoever calls dies by SIGKILL; ``all killed``: so does everybody after them), ``away`` (no answer), ``broken`` (no HTTP), ``refused``.
    """

    label = "Bank"
    can_refund = True

    def start(self, attempt, urls, now):
        return Form("https://pay.example.com/", {})

    @property
    def folder(self) -> Path:
        return Path(self.options["folder"])

    def books(self) -> list[dict[str, Any]]:
        """The refunds that were really made."""
        file = self.folder / "refunds.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def refund(self, refund, now) -> RefundAnswer:
        self._happens("before")
        known = next((row for row in self.books() if row["token"] == refund.token), None)
        if known is None or not self.refund_is_idempotent:
            with (self.folder / "refunds.jsonl").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # several workers call at once
                known = {"token": refund.token, "amount": str(refund.amount), "id": f"re_{len(self.books()) + 1}"}
                file.write(json.dumps(known) + "\n")
        if self._happens("after") == "refused":
            return RefundFailed(FailureCode.DECLINED, "the account is closed")
        return self._answer(known)

    def _answer(self, row: dict[str, Any]) -> RefundAnswer:
        return RefundDone(row["id"])

    def _happens(self, when: str) -> str:
        file = self.folder / when
        what = file.read_text() if file.exists() else ""
        if what == "all killed":
            os.kill(os.getpid(), signal.SIGKILL)
        file.unlink(missing_ok=True)
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "away":
            raise ProviderUnavailable("no answer")
        if what == "broken":
            raise OSError("connection reset")
        return what


class Idempotent(Bank):
    """The same token again is the same refund."""

    refund_is_idempotent = True


class Askable(Bank):
    """It says what became of a refund."""

    can_fetch_refund = True

    def fetch_refund(self, refund, now):
        self._happens("asked")
        known = next((row for row in self.books() if row["token"] == refund.token), None)
        return None if known is None else self._answer(known)


class Slow(Askable):
    """It takes refunds on, and has made them once there is a file ``made`` in the folder."""

    def _answer(self, row):
        return RefundDone(row["id"]) if (self.folder / "made").exists() else RefundSent(row["id"])


class Silent(Bank):
    """It takes refunds on and says no more by itself; only a webhook tells."""

    def _answer(self, row):
        return RefundSent(row["id"])
