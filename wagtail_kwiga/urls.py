"""URLs of the package; include them before Wagtail's catch-all."""

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.http import Http404, HttpRequest
from django.urls import URLPattern, path
from django.urls.resolvers import RoutePattern

app_name = "wagtail_kwiga"


class _Nowhere(URLPattern):
    """Stands where the URLs would be while the app is not installed, so that ``check`` can say so without a traceback."""

    def check(self) -> list[CheckMessage]:
        return [
            Error(
                "wagtail_kwiga.urls is included, but wagtail_kwiga is not in INSTALLED_APPS.",
                hint='Add "wagtail_kwiga" to INSTALLED_APPS.',
                id="wagtail_kwiga.E011",
            )
        ]


def _nobody(request: HttpRequest) -> None:
    raise Http404


if apps.is_installed("wagtail_kwiga"):
    from wagtail_kwiga.mailing import views as mailing_views
    from wagtail_kwiga.offers import views as offer_views
    from wagtail_kwiga.payments import views as payment_views

    urlpatterns = [
        *payment_views.urlpatterns,
        *offer_views.urlpatterns,
        path("unsubscribe/<str:token>/", mailing_views.UnsubscribeView.as_view(), name="unsubscribe"),
        path("picture/<str:sealed>/", mailing_views.PictureView.as_view(), name="picture"),
    ]
else:
    urlpatterns = [_Nowhere(RoutePattern("kwiga/", is_endpoint=True), _nobody)]
