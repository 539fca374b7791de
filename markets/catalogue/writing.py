"""Writers of the catalogue take turns: a scan's page and a batch of lifecycle messages touch the same rows, each in its own order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

TURN: Final = 7_203_001
"""The key of Postgres' advisory lock; SQLite has one writer anyway."""


@contextmanager
def catalogue_transaction() -> Iterator[None]:
    """A transaction that no other writer of the catalogue runs beside; keep it short."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
        yield
