"""A gateway that books nothing before the shop has asked it to verify, as Przelewy24 does, and the adapter for it.

It tells of accepted payments only, signs with a hash in the body, tells no mode, and forgets a payment that nobody verifies.
The gateway is a real server on loopback, so that a worker in another process can ask it and be killed meanwhile.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from wagtail_kwiga.exceptions import BadSignature, ProviderUnavailable
from wagtail_kwiga.payments.minor_units import from_minor, to_minor
from wagtail_kwiga.payments.provider import (
    CONFIRMED,
    Confirmed,
    NotYet,
    Provider,
    Redirect,
    Rejected,
    ReportedEvent,
    WebhookRequest,
)
from wagtail_kwiga.testing import Answer, Message

CRC = "crc-of-the-verifying-gateway"
SIGNED = ("session", "order", "amount", "currency")


def signature(told: dict[str, Any], crc: str) -> str:
    text = json.dumps({**{name: told[name] for name in SIGNED}, "crc": crc}, separators=(",", ":"))
    return hashlib.sha384(text.encode()).hexdigest()


class VerifyingProvider(Provider):
    """Options: ``address`` (of the gateway), ``crc_secret``."""

    label = "Verifying"
    needs_confirm = True
    can_fetch = True

    def start(self, attempt, urls, now):
        return Redirect(f"{self.options['address']}/pay/{attempt.token}")

    def verify(self, request):
        try:
            told = json.loads(request.body)
            wanted = signature(told, self.options["crc_secret"])
            if not hmac.compare_digest(wanted.encode(), told["sign"].encode()):
                raise BadSignature("The signature does not fit.")
            return [self.event(told)]
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadSignature("The webhook cannot be read.") from fault

    def event(self, told):
        return ReportedEvent(
            event_id=f"{told['session']}:{told['order']}",
            attempt_token=told["session"],
            reference=told["order"],
            outcome=CONFIRMED,
            amount=from_minor(told["amount"], told["currency"]),
            live=self.live,
            raw=told,
        )

    def confirm(self, event, attempt, now):
        """Have the gateway book. That it has booked before is what we wanted, too."""
        told = {**{name: event.raw[name] for name in SIGNED}, "sign": event.raw["sign"]}
        status, answer = self.ask("/verify", json.dumps(told).encode())
        if status == 200 and answer["status"] == "success":
            return Confirmed()
        if status == 409 and answer["error"] == "already verified":
            return Confirmed()
        if status == 200:
            return NotYet()
        if status == 400:
            return Rejected(answer["error"])
        raise ProviderUnavailable(f"The gateway answers {status}.")

    def fetch(self, attempt, now):
        status, answer = self.ask(f"/payments/{attempt.token}")
        if status not in (200, 404):
            raise ProviderUnavailable(f"The gateway answers {status}.")
        return self.event(answer) if status == 200 else None

    def ask(self, path, body=None):
        try:
            with urlopen(Request(self.options["address"] + path, body), timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as fault:
            with fault:
                return fault.code, json.loads(fault.read() or b"{}")
        except OSError as fault:
            raise ProviderUnavailable("The gateway does not answer.") from fault


class StandsStillAfterYes(VerifyingProvider):
    """Has the gateway's yes, says so in the file ``marker``, and gets no further: the place at which its process is killed."""

    def confirm(self, event, attempt, now):
        answer = super().confirm(event, attempt, now)
        Path(self.options["marker"]).write_text(type(answer).__name__)
        time.sleep(120)
        return answer


class Gateway:
    """Its side: what it was paid, what was verified, and how often it was asked (``asked``, by session)."""

    def __init__(self) -> None:
        self.paid: dict[str, dict[str, Any]] = {}
        self.verified: set[str] = set()
        self.says: dict[str, Answer] = {}
        self.asked: list[str] = []
        #: Set: a yes is written down and not told; the connection stays open until it is cleared.
        self.swallows_yes = False
        self.let_go = threading.Event()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = gateway.paid.get(self.path.rpartition("/")[2])
                self.answer(200 if told else 404, told or {"error": "unknown"})

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    self.answer(*gateway.verify(told))
                except BrokenPipeError:
                    return  # whoever asked is dead

            def answer(self, status: int, told: dict[str, Any]) -> None:
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.options = {"address": self.address, "crc_secret": CRC}

    def verify(self, told: dict[str, Any]) -> tuple[int, dict[str, str]]:
        session = told["session"]
        self.asked.append(session)
        says = self.says.get(session, Answer.YES)
        if says == Answer.SILENT:
            return 503, {"error": "maintenance"}
        if says == Answer.NOT_YET:
            return 200, {"status": "waiting"}
        if says == Answer.REJECTED or not hmac.compare_digest(told["sign"], signature(told, CRC)):
            return 400, {"error": "wrong amount"}
        if says == Answer.ALREADY or session in self.verified:
            return 409, {"error": "already verified"}
        self.verified.add(session)
        if self.swallows_yes:
            self.let_go.wait(60)
        return 200, {"status": "success"}

    def told(self, message: Message) -> dict[str, Any]:
        """It tells of a payment once; whatever the number of the message, the words are the same."""
        told = {
            "session": message.token,
            "order": message.reference,
            "amount": to_minor(message.amount),
            "currency": message.amount.currency,
        }
        return {**told, "sign": signature(told, CRC)}

    def webhook(self, message: Message, now: Any) -> WebhookRequest:
        body = json.dumps(self.told(message)).encode()
        return WebhookRequest("POST", body, {"Content-Type": "application/json"}, at=now)

    def __enter__(self) -> Gateway:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
