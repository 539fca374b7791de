"""An empty database between runs: faster than a flush, and in the order that the foreign keys want."""

from __future__ import annotations

from django.apps import apps
from django.db import connection

ROOMS = ("trading", "strategies", "markets")


def clear() -> None:
    """Delete every row of these rooms."""
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for room in ROOMS:
            for model in apps.get_app_config(room).get_models():
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
