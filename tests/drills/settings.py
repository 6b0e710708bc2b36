"""Settings of the processes that a drill starts: those of the tests, and what ``KWIGA_DRILL`` (JSON) says in addition.

A dict there is merged into the setting of that name, anything else replaces it. Three are no settings of Django: ``MAIL_PORT`` is
where the mail server listens, ``MAIL_BACKEND`` another mail backend than SMTP, and ``FILE_SIZE`` a limit: the bytes a file may
have which this process writes, so that a full disk can be had without being root.
"""

from __future__ import annotations

import json
import os
import resource

from tests.mail_settings import SMTP, mailer
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, WAGTAIL_KWIGA

WAGTAIL_KWIGA = {**WAGTAIL_KWIGA, "CLOCK": "tests.drills.clock.now"}

_given = json.loads(os.environ.get("KWIGA_DRILL") or "{}")
if _size := _given.pop("FILE_SIZE", None):
    resource.setrlimit(resource.RLIMIT_FSIZE, (_size, _size))
_server = {"host": "127.0.0.1", "port": _given.pop("MAIL_PORT", 25), "timeout": 20}
_backend = _given.pop("MAIL_BACKEND", SMTP)
globals().update(mailer(_backend, **(_server if _backend == SMTP else {})))
for _name, _value in _given.items():
    globals()[_name] = {**globals().get(_name, {}), **_value} if isinstance(_value, dict) else _value
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # So that the database can tell who did what.
    DATABASES["default"]["OPTIONS"] = {"application_name": os.environ.get("KWIGA_DRILL_NAME", "drill")}
