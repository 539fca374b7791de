"""Many rows, a few columns, one prepared statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db import connection, models, transaction


def update_rows(rows: Sequence[models.Model], columns: Sequence[str]) -> None:
    """Write these columns of rows that exist, and nothing else. ``bulk_update`` does the same with a CASE for every value, which
    costs a third of a whole look at ten thousand positions. The values are those of the instances; nothing is filled in."""
    if not rows:
        return
    meta, quote = rows[0]._meta, connection.ops.quote_name
    fields = [cast("models.Field[Any, Any]", meta.get_field(name)) for name in columns]
    settings = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    statement = f"UPDATE {quote(meta.db_table)} SET {settings} WHERE {quote(str(meta.pk.column))} = %s"
    values = [
        [*(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields), row.pk] for row in rows
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, values)
