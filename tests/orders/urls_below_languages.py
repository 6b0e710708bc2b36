"""The test site's URLs with the language in front of everything that visitors open."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path
from wagtail import urls as wagtail_urls

urlpatterns = i18n_patterns(
    path("shop/", include("wagtail_kwiga.urls")),
    path("", include(wagtail_urls)),
)
