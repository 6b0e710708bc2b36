"""A real HTTP server in the place of each provider that Anymail knows, which answers as it would."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.mail_settings import use_mailer
from tests.mailing.making import settings_of_default_site

ADA = "ada@example.com"
#: Module of the backend → what its settings need, and what the provider answers.
PROVIDERS = {
    "amazon_ses": ({}, {"MessageId": "id-1"}),
    "brevo": ({"api_key": "k"}, {"messageId": "id-1"}),
    "mailersend": ({"api_token": "k"}, {}),
    "mailgun": ({"api_key": "k"}, {"id": "id-1", "message": "Queued. Thank you."}),
    "mailjet": (
        {"api_key": "k", "secret_key": "s"},
        {"Messages": [{"Status": "success", "To": [{"Email": ADA, "MessageID": "id-1"}]}]},
    ),
    "mailtrap": ({"api_token": "k"}, {"success": True, "message_ids": ["id-1"]}),
    "mandrill": ({"api_key": "k"}, [{"email": ADA, "status": "sent", "_id": "id-1"}]),
    "postal": ({"api_key": "k"}, {"status": "success", "data": {"messages": {ADA: {"id": "id-1", "token": "t"}}}}),
    "postmark": ({"server_token": "k"}, {"ErrorCode": 0, "Message": "OK", "MessageID": "id-1", "To": ADA}),
    "resend": ({"api_key": "k"}, {"id": "id-1"}),
    "scaleway": (
        {"secret_key": "k", "project_id": "p"},
        {"emails": [{"mail_rcpt": ADA, "id": "id-1", "status": "new"}]},
    ),
    "sendgrid": ({"api_key": "k", "generate_message_id": False}, {}),
    "sparkpost": (
        {"api_key": "k"},
        {"results": {"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": "id-1"}},
    ),
    "unisender_go": (
        {"api_key": "k", "generate_message_id": False},
        {"status": "success", "job_id": "id-1", "emails": [ADA]},
    ),
}


class Provider(BaseHTTPRequestHandler):
    """Takes what comes, and answers what the server has been told."""

    def do_POST(self):
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(self.server.answer).encode() if self.server.answer else b""
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json" if body else "text/plain")
        self.send_header("X-Message-Id", "id-1")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def provider_server() -> Iterator[Any]:
    """The server, in a thread. What it answers can be changed at any time (``status``, ``answer``, ``headers``)."""
    server: Any = HTTPServer(("127.0.0.1", 0), Provider)
    server.taken, server.status, server.answer, server.headers = [], 200, {}, {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def set_up(settings: Any, provider: Any, name: str) -> None:
    """Have the site send through the provider ``name``, and the server answer as that does to a mail that it takes."""
    given, provider.answer = PROVIDERS[name]
    address = f"http://127.0.0.1:{provider.server_port}/"
    if name == "amazon_ses":
        params = {"aws_access_key_id": "a", "aws_secret_access_key": "s", "region_name": "eu-west-1"}
        given = {"client_params": {**params, "endpoint_url": address, "config": {"retries": {"total_max_attempts": 1}}}}
    else:
        given = {**given, "api_url": address}
    use_mailer(settings, f"anymail.backends.{name}.EmailBackend")
    settings.ANYMAIL = {f"{name.upper()}_{option.upper()}": value for option, value in given.items()}
    settings_of_default_site(promo_mails_per_day=0)
