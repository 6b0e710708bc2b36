"""The site's content security policy: nothing inline for visitors, and in the admin no more than Wagtail's own screens need."""

STRICT = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
#: Told of, not enforced: the strict one, with the first words of what it would have stopped.
WATCHED = "default-src 'self'; script-src 'self' 'report-sample'; style-src 'self' 'report-sample'"
ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"
)


class ContentSecurityPolicy:
    """Middleware."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response["Content-Security-Policy"] = ADMIN
            response["Content-Security-Policy-Report-Only"] = WATCHED
        else:
            response["Content-Security-Policy"] = STRICT
        return response
