#!/usr/bin/env python
"""Management commands of the demo site: ``python sandbox/manage.py kwiga_clock +31m``."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a script, the first entry of the path is this folder, whose modules would shadow others.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
