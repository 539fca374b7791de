"""Many rows by one prepared statement.

The ORM's ``bulk_update`` compiles a CASE with a branch for every row and column (30 times slower), and its ``bulk_create`` cuts
wide rows into hundreds of statements because SQLite limits the parameters of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from kalbot.common.db.batches import batched
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.retry import retried
from kalbot.common.db.values import Written, written

BATCH: Final = 1000
FEW: Final = 20
"""So many rows, or fewer, are not worth a table of their own."""


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, Sequence[Any]]]) -> None:
    """Set ``columns`` (field names) of each (primary key, values). Short transactions of ``BATCH`` rows, each done again where it lost a
    race. Rows are locked in the order of their keys, whatever their order here: two that write the same rows cannot deadlock.

    A row that no longer exists is simply not updated, like in a queryset's update.
    """
    if not rows:
        return
    ways = _written(model, tuple(columns))
    using, quote = connections[DEFAULT_DB_ALIAS], connection.ops.quote_name
    assigned = ", ".join(f"{quote(str(way.field.column))} = %s" for way in ways)
    statement = f"UPDATE {quote(model._meta.db_table)} SET {assigned} WHERE {quote(key_column(model))} = %s"
    for batch in batched(sorted(rows, key=itemgetter(0)), BATCH):
        values = [
            [
                *(
                    value if type(value) in way.plain else way.of(value, using)
                    for way, value in zip(ways, row, strict=True)
                ),
                key,
            ]
            for key, row in batch
        ]
        retried(partial(_write_all, statement, values))


@lru_cache(maxsize=256)
def _written(model: type[models.Model], columns: tuple[str, ...]) -> tuple[Written, ...]:
    by_name = {field.name: field for field in model._meta.concrete_fields}
    return tuple(written(by_name[name]) for name in columns)


def _write_all(statement: str, values: Sequence[Sequence[Any]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, values)


def adding(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, Sequence[int]]], by: str = ""
) -> Statement:
    """The statement that adds to the integer ``columns`` (field names) of each (primary key, amounts), of at least one; it returns the key
    of each row that it changes. ``by``: a unique field instead of the primary key."""
    by_name = {field.name: field for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    keys = by_name[by] if by else model._meta.pk
    table, key = quote(model._meta.db_table), quote(str(keys.column))
    # Both databases call the columns of VALUES column1, column2 and so on.
    added = ", ".join(
        f"{name} = {table}.{name} + added.column{number}"
        for number, name in enumerate((quote(str(by_name[name].column)) for name in columns), 2)
    )
    one = f"({', '.join(['%s'] * (len(columns) + 1))})"
    values = [(keys.get_db_prep_save(pk, connection), *amounts) for pk, amounts in rows]
    return Statement(
        f"UPDATE {table} SET {added} FROM (VALUES {', '.join([one] * len(rows))}) AS added "
        f"WHERE {table}.{key} = added.column1 RETURNING {table}.{key}",
        [value for row in values for value in row],
    )


def update_instances(rows: Sequence[models.Model], names: Sequence[str]) -> None:
    """``update_rows`` with the values that the instances, all of one model, have now. Nothing is filled in."""
    if not rows:
        return
    model = type(rows[0])
    attribute = {field.name: field.attname for field in model._meta.concrete_fields}  # of a foreign key: the key
    update_rows(model, names, [(row.pk, [getattr(row, attribute[name]) for name in names]) for row in rows])


def upsert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], defaults: Mapping[str, Any]
) -> None:
    """Insert ``rows``, or update ``columns`` (attribute names) of those whose primary key exists, in their order; no key comes twice.

    Values are in the database's own form already. ``defaults`` are further columns of new rows; an existing row keeps its own. On Postgres
    many rows are copied into a table of their own first: parsing and planning a statement for each takes four times as long.
    """
    fields = {field.attname: field for field in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    names = [quote(str(fields[name].column)) for name in (*columns, *defaults)]
    updated = [quote(str(fields[name].column)) for name in columns if not fields[name].primary_key]
    table, listed = quote(model._meta.db_table), ", ".join(names)
    source = f"VALUES ({', '.join(['%s'] * len(names))})"
    whole = [[*row, *defaults.values()] for row in rows]
    is_copied = connection.vendor == "postgresql" and len(rows) > FEW
    if is_copied:
        source = f"SELECT {listed} FROM {COPIED}"
    statement = f"INSERT INTO {table} ({listed}) {source} ON CONFLICT ({quote(key_column(model))}) DO UPDATE SET " + (
        ", ".join(f"{column} = excluded.{column}" for column in updated)
    )
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        if not is_copied:
            cursor.executemany(statement, whole)
            return
        cursor.execute(f"CREATE TEMPORARY TABLE {COPIED} ON COMMIT DROP AS SELECT {listed} FROM {table} WITH NO DATA")
        with connection.wrap_database_errors, cursor.copy(f"COPY {COPIED} ({listed}) FROM STDIN") as copy:
            for row in whole:
                copy.write_row(row)
        cursor.execute(f"{statement}; DROP TABLE {COPIED}")


COPIED: Final = "kalbot_copied"
"""The table that rows are copied into; of one connection and one transaction."""


def key_column(model: type[models.Model]) -> str:
    """The column of the primary key."""
    return str(model._meta.pk.column)
