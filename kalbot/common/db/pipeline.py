"""Several statements in one message, where the database takes them so (Postgres), with all their answers in another.

Each waits for the one before it and sees what that one has locked or changed, exactly as if they had been sent one by one: what is saved is
the way there and back of each, and that of ``BEGIN`` where the transaction has just begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, NamedTuple

from django.db import Error, connection, transaction

BEGIN: Final = "BEGIN"
_UNFIT: Final = ("26000", "0A000")
"""A kept statement is not there (any more), or its tables have changed: all are given again, with the next message."""
_numbers = count(1)


class Kept(NamedTuple):
    """A statement as Postgres keeps it for a connection, parsed and planned: with ``$1``, ``$2`` ... of these ``types``, for these
    ``values``. Its ``name`` there begins with this."""

    name: str
    sql: str
    types: str
    values: Sequence[Any]


class Statement(NamedTuple):
    """One that returns rows (an UPDATE: by RETURNING). ``kept``: the same for a server that keeps it, where it is run again and again."""

    sql: str
    values: Sequence[Any]
    kept: Kept | None = None


class _Part(NamedTuple):
    """One statement of a message."""

    text: str
    values: Sequence[Any]
    has_rows: bool


def rows_of(*statements: Statement) -> list[list[Any]]:
    """The rows of each, in one transaction: the surrounding one, or their own. The first that fails raises, those behind it are not run."""
    if connection.vendor == "postgresql":
        return _in_one_message(statements)
    if len(statements) < 2 or connection.in_atomic_block:
        return _one_by_one(statements)
    with transaction.atomic():
        return _one_by_one(statements)


def reads_of(*statements: Statement) -> list[list[Any]]:
    """The rows of each, of statements that only read: each sees what is committed by its own turn, and none holds up a writer."""
    if connection.vendor == "postgresql":
        return _in_one_message(statements)
    return _one_by_one(statements)


def _in_one_message(statements: Sequence[Statement]) -> list[list[Any]]:
    if not statements:
        return []
    parts = [_Part(BEGIN, (), False)] if _begins() else []
    with _names() as names, connection.cursor() as cursor:
        parts += [part for one in statements for part in _parts(one, names)]
        cursor.execute(filled("; ".join(one.text for one in parts), [v for one in parts for v in one.values]))
        found = []
        for number, one in enumerate(parts):
            if number:
                cursor.nextset()
            if one.has_rows:
                found.append(cursor.fetchall())
        return found


def in_one_message(text: str, values: Sequence[Any], last: Statement | None) -> list[Any]:
    """Send the statements of ``text``, which return nothing, and ``last`` behind them. The rows of that one. Postgres only."""
    with _names() as names, connection.cursor() as cursor:
        parts = [_Part(text, values, False), *(() if last is None else _parts(last, names))]
        cursor.execute(filled("; ".join(one.text for one in parts), [v for one in parts for v in one.values]))
        if last is None:
            return []
        while cursor.nextset():
            pass
        return list(cursor.fetchall())


@contextmanager
def _names() -> Iterator[dict[str, str]]:
    """The names of what the server keeps for this connection. What a message that fails may not have got to is given again."""
    connection.ensure_connection()
    names: dict[str, str] = connection.connection.kept
    before = set(names)
    try:
        yield names
    except Error as error:
        fits = getattr(error.__cause__, "sqlstate", None) not in _UNFIT
        for new in names.keys() - (before if fits else set()):
            del names[new]
        raise


def filled(message: str, values: Sequence[Any]) -> str:
    """A message for Postgres with its values as literals, ready to be executed without parameters. The driver makes the same of them, but
    takes a long message apart at each placeholder first, each time: two fifths of all calls of functions before an order leaves."""
    from psycopg.adapt import Transformer  # loads the driver

    connection.ensure_connection()
    literal = Transformer(connection.connection).as_literal
    with connection.wrap_database_errors:  # of a value that no literal can be made of
        literals = [b"NULL" if value is None else literal(value) for value in values]
    return (message.encode() % tuple(literals)).decode()


def _parts(one: Statement, names: dict[str, str]) -> list[_Part]:
    """The statement as it is sent; one that is kept under its name, which it is given first where the connection does not have it."""
    if one.kept is None:
        return [_Part(one.sql, one.values, True)]
    made = []
    if one.kept.sql not in names:
        # never twice in a process: whether a message that failed got so far is not known
        names[one.kept.sql] = f"{one.kept.name}_{next(_numbers)}"
        made = [_Part(f"PREPARE {names[one.kept.sql]}{one.kept.types} AS {one.kept.sql}", (), False)]
    values = f"({', '.join(['%s'] * len(one.kept.values))})" if one.kept.values else ""
    return [*made, _Part(f"EXECUTE {names[one.kept.sql]}{values}", one.kept.values, True)]


def _begins() -> bool:
    """Whether nothing has been sent in this transaction yet. Then the connection is kept from sending its own BEGIN before the message;
    it ends the transaction as ever, for it knows from the server that there is one."""
    if not connection.in_atomic_block:
        return False
    connection.ensure_connection()  # raises where it was lost since the transaction began
    raw: Any = connection.connection
    if raw.autocommit or raw.info.transaction_status != raw.info.transaction_status.IDLE:
        return False
    raw.autocommit = True
    return True


def _one_by_one(statements: Sequence[Statement]) -> list[list[Any]]:
    found = []
    with connection.cursor() as cursor:
        for one in statements:
            cursor.execute(one.sql, one.values)
            found.append(cursor.fetchall())
    return found
