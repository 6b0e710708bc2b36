"""The demo site as a WSGI application, serving its own uploads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (not to be asked before Django is set up)
from whitenoise import WhiteNoise  # noqa: E402

# Uploads too go through whitenoise, because it answers requests for a part of a file: Safari plays films no other way.
application = WhiteNoise(django_application, autorefresh=True)
application.add_files(str(settings.MEDIA_ROOT), prefix="media/")
