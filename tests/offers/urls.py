"""The test site's URLs with a prefix for each language but the first, as sites in several languages have them."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path
from wagtail import urls as wagtail_urls

from tests.site.urls import urlpatterns as plain

urlpatterns = [*plain[:-1], *i18n_patterns(path("", include(wagtail_urls)), prefix_default_language=False)]
