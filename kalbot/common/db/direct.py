"""INSERT and UPDATE of single models without the ORM's compiler, for the paths on which a basket is bought.

The ORM compiles the SQL of each statement every time, which takes longer than the database does. Here it is put together once a model;
values go through the fields' own conversion, so rows are the same. No signals are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

from kalbot.common.db import pipeline, values
from kalbot.common.db.bulk import key_column
from kalbot.common.db.pipeline import Part, Statement
from kalbot.common.db.values import Written

MOST_PARAMETERS: Final = 900
"""Of one statement; every SQLite takes so many."""
Columns = Mapping[str, Any]
"""Attribute names (of a foreign key: ``..._id``) -> values."""
Keys = Mapping[type[models.Model], Sequence[int]]
"""New primary keys that no row has yet, by their model."""


class _Column(NamedTuple):
    attname: str
    name: str
    written: Written


class _Table(NamedTuple):
    """``whole``: all columns; ``keyless``: those but the key, for rows that are given theirs by the database."""

    table: str
    key: _Column
    columns: dict[str, _Column]
    whole: _Inserted
    keyless: _Inserted


class _Inserted(NamedTuple):
    """Columns that are inserted: their names; ``made``: fields that make their value then; ``of``: every value of a row; ``written``: how
    each of them is written."""

    names: tuple[str, ...]
    made: tuple[models.Field[Any, Any], ...]
    of: Callable[[models.Model], tuple[Any, ...]]
    written: tuple[Written, ...]


@dataclass(slots=True)
class Answer:
    """``rows``: of a statement that leaves with others; None until they have left."""

    rows: list[Any] | None = None


@dataclass(slots=True)
class Message:
    """Statements that wait for the others, and primary keys that were drawn for rows of theirs. ``after``: a statement that reads what they
    have changed once it is committed; ``read``: its rows, None where it did not leave with them."""

    keys: dict[type[models.Model], list[int]]
    parts: list[Part] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    after: Statement | None = None
    read: list[Any] | None = None

    def leave(self, last: Statement | None = None) -> None:
        """Send what waits, and ``last`` behind it."""
        parts, answers = self.parts, self.answers
        if parts:
            self.parts, self.answers = [], []
            rows, self.read = pipeline.in_one_message(parts, last)
            for answer, found in zip(answers, rows, strict=True):
                answer.rows = found

    def leave_first(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Send what waits before a statement that does not."""
        self.leave()
        return execute(*statement)


_message: ContextVar[Message | None] = ContextVar("message", default=None)


@contextmanager
def together(keys: Keys, *, commits: bool = False) -> Iterator[Message | None]:
    """Send what is inserted, and what ``ask`` is given, until the block ends in one message, where the database takes several statements
    in one (Postgres); any other statement has what waits sent before it. Inside a transaction; nothing more is sent if the block raises.
    ``keys``: those of ``drawn``, for rows of these models; others have none afterwards. ``commits``: nothing follows in the transaction, so
    COMMIT leaves with them, and the ``after`` of the message that is yielded behind it; should that fail, what was committed stays.
    IntegrityError at the end of the block."""
    if connection.vendor != "postgresql":
        yield None
        return
    message = Message({model: list(drawn) for model, drawn in keys.items()})
    before = _message.set(message)
    try:
        with connection.execute_wrapper(message.leave_first):
            yield message
    finally:
        _message.reset(before)
    ends = commits and len(connection.atomic_blocks) == 1 and not connection.needs_rollback
    if ends:
        message.parts.append(_COMMIT)  # the connection notices that its transaction has ended
    message.leave(message.after if ends else None)


_COMMIT: Final = Part("COMMIT", (), False)


def ask(statement: Statement) -> Answer:
    """Run a statement with the others of ``together``, whose rows are there once they have left; else at once."""
    message = _message.get()
    if message is None:
        return Answer(pipeline.rows_of(statement)[0])
    answer = Answer()
    message.parts.append(Part(statement.sql, statement.values, True))
    message.answers.append(answer)
    return answer


def read_behind(statement: Statement) -> Message | None:
    """Have the message read this behind its COMMIT, into ``read``. None where there is no message."""
    message = _message.get()
    if message is not None:
        message.after = statement
    return message


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
    gives_key = rows[0].pk is None
    if gives_key and message is not None and type(rows[0]) in message.keys:
        _give_keys(message, rows)
        gives_key = False
    columns = table.keyless if gives_key else table.whole
    size = max(1, MOST_PARAMETERS // len(columns.names))
    if len(rows) <= size:
        _insert(table, columns, rows, gives_key, if_new)
    else:
        with transaction.atomic(savepoint=False):
            for start in range(0, len(rows), size):
                _insert(table, columns, rows[start : start + size], gives_key, if_new)
    for row in rows:
        row._state.adding = False
        row._state.db = DEFAULT_DB_ALIAS


def _give_keys(message: Message, rows: Sequence[models.Model]) -> None:
    """Primary keys of those that were drawn, and of more where they do not suffice."""
    model = type(rows[0])
    keys = message.keys[model]
    if len(keys) < len(rows):
        more = {model: len(rows) - len(keys)}
        keys += drawn(more, pipeline.rows_of(*drawing(more))[0])[model]
    for row in rows:
        row.pk = keys.pop(0)


def inserting(row: models.Model) -> Statement:
    """The statement that inserts one new row, unless that breaks a unique constraint; it returns the key that the row is given."""
    table = _table(type(row))
    columns = table.keyless if row.pk is None else table.whole
    sql = _inserting(table.table, columns.names, 1, if_new=True)
    return Statement(f"{sql} RETURNING {table.key.name}", _values(columns, [row], connections[DEFAULT_DB_ALIAS]))


def update(model: type[models.Model], columns: Columns, **where: Any) -> int:
    """Set ``columns`` of the rows in which each column of ``where`` has the value, or one of a tuple of them. How many rows."""
    (rows,) = pipeline.rows_of(updating(model, columns, **where))
    return len(rows)


def updating(model: type[models.Model], columns: Columns, also: str = "", **where: Any) -> Statement:
    """The statement of ``update``; it returns the key of each row that it changes. ``also``: a further condition in SQL."""
    table = _table(model)
    using = connections[DEFAULT_DB_ALIAS]
    values = [table.columns[name].written.of(value, using) for name, value in columns.items()]
    conditions = []
    for name, wanted in where.items():
        column = table.columns[name]
        among = wanted if isinstance(wanted, tuple) else (wanted,)
        conditions.append(f"{column.name} IN ({', '.join(['%s'] * len(among))})")
        values += [column.written.of(value, using) for value in among]
    assigned = ", ".join(f"{table.columns[name].name} = %s" for name in columns)
    if also:
        conditions.append(f"({also})")
    return Statement(
        f"UPDATE {table.table} SET {assigned} WHERE {' AND '.join(conditions)} RETURNING {table.key.name}", values
    )


def _insert(table: _Table, columns: _Inserted, rows: Sequence[models.Model], gives_key: bool, if_new: bool) -> None:
    statement = _inserting(table.table, columns.names, len(rows), if_new)
    using = connections[DEFAULT_DB_ALIAS]
    values = _values(columns, rows, using)
    message = _message.get()
    if message is not None:
        message.parts.append(Part(statement, values, False))
        return
    returns = gives_key and not if_new
    if returns:
        statement += f" RETURNING {table.key.name}"
    with using.cursor() as cursor:
        if using.vendor == "postgresql":
            cursor.execute(pipeline.filled(statement, values))
        else:
            cursor.execute(statement, values)
        if not returns:
            return
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            setattr(row, table.key.attname, key)


@lru_cache(maxsize=256)
def _inserting(table: str, names: tuple[str, ...], count: int, if_new: bool) -> str:
    one = f"({', '.join(['%s'] * len(names))})"
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * count)}"
    return f"{statement} ON CONFLICT DO NOTHING" if if_new else statement


def _values(columns: _Inserted, rows: Sequence[models.Model], using: Any) -> list[Any]:
    """Every column of every row, as the database takes them."""
    values: list[Any] = []
    for row in rows:
        for one in columns.made:
            setattr(row, one.attname, one.pre_save(row, True))
        held = zip(columns.of(row), columns.written, strict=True)
        values += [value if value.__class__ in one.plain else one.of(value, using) for value, one in held]
    return values


@cache
def _table(model: type[models.Model]) -> _Table:
    quote = connection.ops.quote_name  # the same on both databases
    columns = {
        one.attname: _Column(one.attname, quote(str(one.column)), values.written(one))
        for one in model._meta.concrete_fields
    }
    key = next(column for column in columns.values() if column.name == quote(key_column(model)))
    keyless = [column for column in columns.values() if column is not key]
    return _Table(quote(model._meta.db_table), key, columns, _inserted(list(columns.values())), _inserted(keyless))


def _inserted(columns: Sequence[_Column]) -> _Inserted:
    fields = [column.written.field for column in columns]
    names = [column.attname for column in columns]
    return _Inserted(
        tuple(column.name for column in columns),
        tuple(one for one in fields if _is_made(one)),
        attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),),
        tuple(column.written for column in columns),
    )


def _is_made(one: models.Field[Any, Any]) -> bool:
    """Whether the field makes its value itself when a row is inserted (a time of creation)."""
    if isinstance(one, models.DateField):
        return bool(one.auto_now or one.auto_now_add)
    return type(one).pre_save is not models.Field.pre_save
