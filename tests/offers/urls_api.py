"""The test site's URLs with Wagtail's public APIs, as its documentation says to put them: v2, and v3 where Wagtail has it."""

from importlib.util import find_spec

from django.urls import path
from wagtail.api.v2.router import WagtailAPIRouter
from wagtail.api.v2.views import PagesAPIViewSet

from tests.site.urls import urlpatterns as plain

router = WagtailAPIRouter("wagtailapi")
router.register_endpoint("pages", PagesAPIViewSet)
urlpatterns = [path("api/v2/", router.urls), *plain]
if find_spec("wagtail.api.v3"):
    from wagtail.api.v3.urls import api

    urlpatterns.insert(0, path("api/v3/", api.urls))
