"""Harbour's side: a small bank on loopback that knows payments and gives money back."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.example.paying import HarbourProvider

SECRET = "harbour-secret-of-shop-77"
CLOSED = b"closed"


class Harbour:
    """``payments`` is what it answers at ``/payments/<token>`` (``CLOSED``: a fault of its own), ``refunds`` what it gave back."""

    def __init__(self) -> None:
        self.payments: dict[str, bytes] = {}
        self.refunds: dict[str, dict[str, str]] = {}
        self.refund_state = "returned"
        self.provider = HarbourProvider("harbour", {"secret": SECRET})
        bank = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = bank.payments.get(self.path.rpartition("/")[2], b"")
                self.answer(503 if body == CLOSED else 200 if body else 404, body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Harbour-Signature"] != bank.provider.sign(body):
                    self.answer(403, b"")
                elif bank.refund_state == "refused":
                    self.answer(409, b"")
                else:
                    name = json.loads(body)["refund"]
                    told = {"number": f"HR-{len(bank.refunds) + 1}", "state": bank.refund_state}
                    self.answer(200, json.dumps(bank.refunds.setdefault(name, told)).encode())

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Harbour-Signature", bank.provider.sign(body))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Harbour:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *given: object) -> None:
        self.server.shutdown()
        self.server.server_close()
