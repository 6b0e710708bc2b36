"""URLs of the package; include them before Wagtail's catch-all."""

app_name = "wagtail_kwiga"
urlpatterns: list = []
