"""The site behind a proxy that speaks TLS: serves files of the site's folders and hands on everything else, as nginx would.

``serve.py CERTIFICATE``: prints the port it listens on, and serves until it is stopped.
"""

import mimetypes
import socketserver
import ssl
import sys
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application

FOLDERS = {"/static/": Path(settings.STATIC_ROOT), "/media/": Path(settings.MEDIA_ROOT)}
application = get_wsgi_application()


def proxy(environ, start_response):
    path = environ["PATH_INFO"]
    for prefix, folder in FOLDERS.items():
        if path.startswith(prefix):
            file = folder / path.removeprefix(prefix)
            if not file.is_file():
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"no such file"]
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            start_response("200 OK", [("Content-Type", kind), ("Cache-Control", "max-age=600")])
            return [file.read_bytes()]
    environ["HTTP_X_FORWARDED_PROTO"] = "https"
    environ["wsgi.url_scheme"] = "http"
    return application(environ, start_response)


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A browser may hang up when it likes."""


class Quiet(WSGIRequestHandler):
    def log_message(self, *parts):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
server = make_server("127.0.0.1", 0, proxy, server_class=Server, handler_class=Quiet)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
