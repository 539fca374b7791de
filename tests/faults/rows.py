"""An empty database between runs: faster than a flush; foreign keys are checked when all of it is gone."""

from __future__ import annotations

from django.apps import apps
from django.db import connection, transaction

from trading.safety import ledger_guard

APPS = ("trading", "strategies", "markets")


def clear() -> None:
    """Delete every row of these apps, in one transaction: both databases check their references at its end."""
    ledger_guard.remove()
    with transaction.atomic(), connection.cursor() as cursor:
        for app in APPS:
            for model in apps.get_app_config(app).get_models():
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
    ledger_guard.install()
