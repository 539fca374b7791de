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


class Part(NamedTuple):
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


def rows_soon(*statements: Statement) -> list[list[Any]]:
    """Those of ``rows_of``, but outside a transaction Postgres does not wait for its disk: should its machine fail within a second, they
    have not happened. Only for what is as good when it is lost, which whoever calls says why. What is committed after them is never there
    without them."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        return _in_one_message(statements, _SOON)
    return rows_of(*statements)


_SOON: Final = Part("SET LOCAL synchronous_commit TO off", (), False)
"""Of the transaction that a message of several statements is."""


def _in_one_message(statements: Sequence[Statement], *first: Part) -> list[list[Any]]:
    if not statements:
        return []
    begin = [Part(BEGIN, (), False)] if _begins() else []
    with _names() as names:
        return _sent([*begin, *first, *(part for one in statements for part in _parts(one, names))])


def in_one_message(parts: Sequence[Part], last: Statement | None) -> tuple[list[list[Any]], list[Any] | None]:
    """Send ``parts`` and ``last`` behind them: the rows of each part that has some, and those of ``last``. Postgres only."""
    with _names() as names:
        found = _sent([*parts, *(() if last is None else _parts(last, names))])
        return found, None if last is None else found.pop()


def _sent(parts: Sequence[Part]) -> list[list[Any]]:
    """Send them in one message. The rows of each that has some."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute(filled("; ".join(one.text for one in parts), [v for one in parts for v in one.values]))
        for number, one in enumerate(parts):
            if number:
                cursor.nextset()
            if one.has_rows:
                found.append(cursor.fetchall())
    return found


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


def _parts(one: Statement, names: dict[str, str]) -> list[Part]:
    """The statement as it is sent; one that is kept under its name, which it is given first where the connection does not have it."""
    if one.kept is None:
        return [Part(one.sql, one.values, True)]
    made = []
    if one.kept.sql not in names:
        # never twice in a process: whether a message that failed got so far is not known
        names[one.kept.sql] = f"{one.kept.name}_{next(_numbers)}"
        made = [Part(f"PREPARE {names[one.kept.sql]}{one.kept.types} AS {one.kept.sql}", (), False)]
    values = f"({', '.join(['%s'] * len(one.kept.values))})" if one.kept.values else ""
    return [*made, Part(f"EXECUTE {names[one.kept.sql]}{values}", one.kept.values, True)]


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
