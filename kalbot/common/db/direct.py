"""INSERT and UPDATE of single models without the ORM's compiler, for the paths on which a basket is bought.

The ORM compiles the SQL of each statement every time, which takes longer than the database does. Here it is put together once a model;
values go through the fields' own conversion, so rows are the same. No signals are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from kalbot.common.db import pipeline
from kalbot.common.db.bulk import key_column
from kalbot.common.db.pipeline import Statement

MOST_PARAMETERS: Final = 900
"""Of one statement; every SQLite takes so many."""
Columns = Mapping[str, Any]
"""Attribute names (of a foreign key: ``..._id``) -> values."""
Keys = Mapping[type[models.Model], Sequence[int]]
"""New primary keys that no row has yet, by their model."""


class _Column(NamedTuple):
    """``plain``: the exact types of values that the database takes as they are; ``quick``: an exact type of others with the function that
    makes the database's value of one, as the field would; ``is_made``: whether the field makes its value itself when a row is inserted (a
    time of creation)."""

    attname: str
    name: str
    field: models.Field[Any, Any]
    plain: frozenset[type]
    quick: tuple[type, Callable[[Any, Any], Any]] | None
    is_made: bool


class _Table(NamedTuple):
    table: str
    key: _Column
    columns: dict[str, _Column]


@dataclass(slots=True)
class _Message:
    """Statements that wait for the others, and primary keys that were drawn for rows of theirs."""

    keys: dict[type[models.Model], list[int]]
    statements: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


_message: ContextVar[_Message | None] = ContextVar("message", default=None)


@contextmanager
def together(keys: Keys, *, commits: bool = False) -> Iterator[None]:
    """Send what is inserted until the block ends in one message, where the database takes several statements in one (Postgres).
    Inside a transaction; nothing is sent if the block raises. ``keys``: those of ``drawn``, for rows of these models; others have
    none afterwards. ``commits``: nothing follows in the transaction, so COMMIT leaves with them. IntegrityError at the end of the block.
    """
    if connection.vendor != "postgresql":
        yield
        return
    message = _Message({model: list(drawn) for model, drawn in keys.items()})
    before = _message.set(message)
    try:
        yield
    finally:
        _message.reset(before)
    if commits and len(connection.atomic_blocks) == 1 and not connection.needs_rollback:
        message.statements.append("COMMIT")  # the connection notices that its transaction has ended
    if message.statements:
        with connection.cursor() as cursor:
            cursor.execute("; ".join(message.statements), message.values)


def drawing(keys: Mapping[type[models.Model], int]) -> list[Statement]:
    """The statement that draws so many new primary keys of each model; ``drawn`` takes its rows. None where the database gives a row its
    key only when it is inserted (SQLite)."""
    if connection.vendor != "postgresql" or not keys:
        return []
    return [_drawing(tuple((model._meta.db_table, key_column(model), count) for model, count in keys.items()))]


@lru_cache(maxsize=64)
def _drawing(keys: tuple[tuple[str, str, int], ...]) -> Statement:
    one = "SELECT %s, nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
    values = [value for number, key in enumerate(keys) for value in (number, *key)]
    return Statement(" UNION ALL ".join([one] * len(keys)), values)


def drawn(keys: Mapping[type[models.Model], int], rows: Iterable[Sequence[int]]) -> Keys:
    """The keys by their model, ascending, from the rows of ``drawing``; none where there was no such statement."""
    models_of = list(keys)
    found: dict[type[models.Model], list[int]] = {model: [] for model in models_of}
    for number, key in rows:
        found[models_of[number]].append(key)
    return {model: sorted(of_model) for model, of_model in found.items()}


def insert(rows: Sequence[models.Model], *, if_new: bool = False) -> None:
    """Insert new instances of one model, and give them the primary keys that the database gives. Related rows must be stored already.

    IntegrityError if one may not be there: then none is. ``if_new``: what breaks a unique constraint is left out instead, and none is
    given a key.
    """
    if not rows:
        return
    table, message = _table(type(rows[0])), _message.get()
    columns = list(table.columns.values())
    gives_key = rows[0].pk is None
    if gives_key and message is not None and type(rows[0]) in message.keys:
        for row in rows:
            row.pk = message.keys[type(row)].pop(0)
        gives_key = False
    if gives_key:
        columns.remove(table.key)
    size = max(1, MOST_PARAMETERS // len(columns))
    if len(rows) <= size:
        _insert(table, columns, rows, gives_key, if_new)
    else:
        with transaction.atomic(savepoint=False):
            for start in range(0, len(rows), size):
                _insert(table, columns, rows[start : start + size], gives_key, if_new)
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias


def update(model: type[models.Model], columns: Columns, **where: Any) -> int:
    """Set ``columns`` of the rows in which each column of ``where`` has the value, or one of a tuple of them. How many rows."""
    (rows,) = pipeline.rows_of(updating(model, columns, **where))
    return len(rows)


def updating(model: type[models.Model], columns: Columns, also: str = "", **where: Any) -> Statement:
    """The statement of ``update``; it returns the key of each row that it changes. ``also``: a further condition in SQL."""
    table = _table(model)
    using = connections[DEFAULT_DB_ALIAS]
    values = [_value(table.columns[name], value, using) for name, value in columns.items()]
    conditions = []
    for name, wanted in where.items():
        column = table.columns[name]
        among = wanted if isinstance(wanted, tuple) else (wanted,)
        conditions.append(f"{column.name} IN ({', '.join(['%s'] * len(among))})")
        values += [_value(column, value, using) for value in among]
    assigned = ", ".join(f"{table.columns[name].name} = %s" for name in columns)
    if also:
        conditions.append(f"({also})")
    return Statement(
        f"UPDATE {table.table} SET {assigned} WHERE {' AND '.join(conditions)} RETURNING {table.key.name}", values
    )


def _insert(
    table: _Table, columns: Sequence[_Column], rows: Sequence[models.Model], gives_key: bool, if_new: bool
) -> None:
    one = f"({', '.join(['%s'] * len(columns))})"
    names = ", ".join(column.name for column in columns)
    statement = f"INSERT INTO {table.table} ({names}) VALUES {', '.join([one] * len(rows))}"
    if if_new:
        statement += " ON CONFLICT DO NOTHING"
    using = connections[DEFAULT_DB_ALIAS]
    values = [
        _value(column, column.field.pre_save(row, True) if column.is_made else getattr(row, column.attname), using)
        for row in rows
        for column in columns
    ]
    message = _message.get()
    if message is not None:
        message.statements.append(statement)
        message.values += values
        return
    with connection.cursor() as cursor:
        if not gives_key or if_new:
            cursor.execute(statement, values)
            return
        cursor.execute(f"{statement} RETURNING {table.key.name}", values)
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key


def _value(column: _Column, value: Any, using: Any) -> Any:
    if type(value) in column.plain:
        return value
    if column.quick is not None and type(value) is column.quick[0]:
        return column.quick[1](value, using)
    if hasattr(value, "as_sql"):
        raise TypeError(f"{column.attname}: an expression is no value")
    return column.field.get_db_prep_save(value, using)


@cache
def _table(model: type[models.Model]) -> _Table:
    quote = connection.ops.quote_name  # the same on both databases
    columns = {}
    for one in model._meta.concrete_fields:
        is_made = type(one).pre_save is not models.Field.pre_save
        columns[one.attname] = _Column(one.attname, quote(str(one.column)), one, _plain(one), _quick(one), is_made)
    key = next(column for column in columns.values() if column.name == quote(key_column(model)))
    return _Table(quote(model._meta.db_table), key, columns)


def _quick(field: models.Field[Any, Any]) -> tuple[type, Callable[[Any, Any], Any]] | None:
    target = _target(field)
    if isinstance(target, models.UUIDField):
        return UUID, lambda value, using: value if using.features.has_native_uuid_field else value.hex
    if isinstance(target, models.DateTimeField):
        return (
            datetime,
            lambda value, using: (
                using.ops.adapt_datetimefield_value(value) if value.tzinfo else field.get_db_prep_save(value, using)
            ),
        )
    return None


def _target(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    return field.target_field if isinstance(field, models.ForeignKey) else field


def _plain(field: models.Field[Any, Any]) -> frozenset[type]:
    target = _target(field)
    if isinstance(target, models.DateTimeField | models.UUIDField):
        return frozenset({type(None)})
    if isinstance(target, models.BooleanField):
        return frozenset({bool, type(None)})
    if isinstance(target, models.IntegerField):
        return frozenset({int, type(None)})
    if isinstance(target, models.CharField | models.TextField):
        return frozenset({str, type(None)})
    return frozenset()
