"""An empty database between runs: faster than a flush; foreign keys are looked at when all of it is gone."""

from __future__ import annotations

from django.apps import apps
from django.db import connection, transaction

ROOMS = ("trading", "strategies", "markets")


def clear() -> None:
    """Delete every row of these rooms, in one transaction: both databases check their references at its end."""
    with transaction.atomic(), connection.cursor() as cursor:
        for room in ROOMS:
            for model in apps.get_app_config(room).get_models():
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
