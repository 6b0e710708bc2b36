"""Every page of a visitor stands below its language, those of the shop as well."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls

shop = [path("shop/", include("wagtail_kwiga.urls"))]

urlpatterns = [
    path("django-admin/", admin.site.urls),
    path("admin/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    *(shop if settings.SHOP_WITHOUT_LANGUAGE else []),
    *i18n_patterns(
        *([] if settings.SHOP_WITHOUT_LANGUAGE else shop),
        path("", include(wagtail_urls)),
    ),
]
