"""The Django app of the demo school."""

from django.apps import AppConfig


class SchoolConfig(AppConfig):
    name = "sandbox.school"
    label = "school"
    verbose_name = "Paper Harbour"
