"""URLs of the demo site. English pages have no prefix, the others live under /de/, /es/, /pl/ and /uk/."""

from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.conf.urls.static import static
from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.generic import RedirectView
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls

from sandbox.school import inbox, views

urlpatterns = [
    path("admin/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("shop/", include("wagtail_kwiga.urls")),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}school/drop.svg")),
    path("login/", views.SchoolLogin.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("clock/", views.move_clock, name="clock"),
    path("inbox/", inbox.listing, name="inbox"),
    path("inbox/count/", inbox.count, name="inbox_count"),
    path("inbox/<str:name>/", inbox.detail, name="inbox_mail"),
    path("inbox/<str:name>/raw/", inbox.raw, name="inbox_raw"),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
urlpatterns += i18n_patterns(path("", include(wagtail_urls)), prefix_default_language=False)
