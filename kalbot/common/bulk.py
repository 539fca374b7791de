"""Many rows in one statement prepared once: what the ORM's ``bulk_update`` does with a CASE a column and row, 30 times slower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models, transaction

BATCH = 1000


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, Sequence[Any]]]) -> None:
    """Set ``columns`` (field names) of each (primary key, values). Short transactions of ``BATCH`` rows.

    A row that is gone by then is simply not updated, like in a queryset's update.
    """
    by_name = {field.name: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in columns]
    quote, key_column = connection.ops.quote_name, str(model._meta.pk.column)
    assigned = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    statement = f"UPDATE {quote(model._meta.db_table)} SET {assigned} WHERE {quote(key_column)} = %s"
    for first in range(0, len(rows), BATCH):
        values = [
            [*(f.get_db_prep_save(v, connection) for f, v in zip(fields, row, strict=True)), key]
            for key, row in rows[first : first + BATCH]
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statement, values)
