"""Rows with numbers that a careless template writes with a separator."""

from django.apps import apps
from django.db import connection


def four_digits():
    """The next row of every table gets number 1,235 or more, which USE_THOUSAND_SEPARATOR would write with a comma."""
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.pk.get_internal_type() in ("AutoField", "BigAutoField"):
                table = [model._meta.db_table]
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s AND seq < 1234", table)
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT %s, 1234 WHERE NOT EXISTS"
                    " (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                    table * 2,
                )
