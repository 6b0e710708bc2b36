"""System checks: what a site must or should set up, said before anybody meets it. ``docs/reference/checks.md`` lists them.

The ids are stable: a site may silence one. Errors stop the site from starting, so they are kept for what would break or
give goods away; whatever has been in the database for a while is a warning, because ``migrate`` must still run.
"""

from wagtail_kwiga.checks import addresses, base_template, databases, page_types, queue, site

__all__ = ["addresses", "base_template", "databases", "page_types", "queue", "site"]
