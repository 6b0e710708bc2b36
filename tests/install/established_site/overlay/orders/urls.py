from django.urls import path

from orders import views

urlpatterns = [
    path("", views.index, name="order"),
    path("<uuid:key>/", views.show, name="pay"),
]
