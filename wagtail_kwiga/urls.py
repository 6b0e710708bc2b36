"""URLs of the package; include them before Wagtail's catch-all."""

from django.urls import path

from wagtail_kwiga.mailing import views as mailing_views
from wagtail_kwiga.offers import views as offer_views
from wagtail_kwiga.payments import views as payment_views

app_name = "wagtail_kwiga"
urlpatterns = [
    *payment_views.urlpatterns,
    *offer_views.urlpatterns,
    path("unsubscribe/<str:token>/", mailing_views.UnsubscribeView.as_view(), name="unsubscribe"),
]
