"""Several statements in one message, where the database takes them so (Postgres), with all their answers in another.

Each waits for the one before it and sees what that one has locked or changed, exactly as if they had been sent one by one: what is saved is
the way there and back of each, and that of ``BEGIN`` where the transaction has just begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

BEGIN: Final = "BEGIN"


class Statement(NamedTuple):
    """One that returns rows (an UPDATE: by RETURNING)."""

    sql: str
    values: Sequence[Any]


def rows_of(*statements: Statement) -> list[list[Any]]:
    """The rows of each, in one transaction: the surrounding one, or their own. The first that fails raises, those behind it are not run."""
    if connection.vendor == "postgresql":
        return _in_one_message(statements)
    if len(statements) < 2 or connection.in_atomic_block:
        return [_rows(one) for one in statements]
    with transaction.atomic():
        return [_rows(one) for one in statements]


def _in_one_message(statements: Sequence[Statement]) -> list[list[Any]]:
    if not statements:
        return []
    begin = [BEGIN] if _begins() else []
    values = [value for one in statements for value in one.values]
    with connection.cursor() as cursor:
        cursor.execute("; ".join([*begin, *(one.sql for one in statements)]), values)
        found = []
        for number in range(len(begin) + len(statements)):
            if number:
                cursor.nextset()
            if number >= len(begin):
                found.append(cursor.fetchall())
        return found


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


def _rows(one: Statement) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(one.sql, one.values)
        rows: list[Any] = cursor.fetchall()
        return rows
