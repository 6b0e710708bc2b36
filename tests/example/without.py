"""Settings of the test site without the example app: what a site leaves behind that takes its extensions out again."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [app for app in _APPS if app != "tests.example"]
