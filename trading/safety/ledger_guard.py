"""The ledger is kept by the database itself: every transaction balances and says of itself what its entries add up to when it is committed,
and what is booked is never changed or deleted, by TRUNCATE and REPLACE neither. Triggers, on both databases; taken away before every
``migrate`` and put back after it, like those of ``mode_guard``.

SQLite has no deferred triggers, but deferred foreign keys: while the entries of a transaction do not sum to zero, a row waits that
refers to nothing, and a commit with such a row is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

ENTRY: Final = "trading_ledgerentry"
BOOKED: Final = "trading_ledgertransaction"
FOREVER: Final[dict[str, tuple[str, ...]]] = {
    ENTRY: (),
    BOOKED: (),
    "trading_fill": (),
    "trading_correction": (),
    "trading_capitalchange": (),
    "trading_accounttransaction": (),
    "trading_settlement": ("reversed_at",),
}
"""Tables whose rows are never deleted, and the columns that may still change."""
BALANCED: Final = "ledger_transaction_balances"
SUMS: Final = {"cash_moved": "'cash', 'reserved'", "realised": "'realised'"}
"""Columns of a transaction, empty in old ones, and the accounts whose entries they sum."""
WAITING, NOTHING = "trading_ledger_unbalanced", "trading_ledger_nothing"


def install(using: str = "default", **signal: Any) -> None:
    """Put the triggers in place (after ``migrate``). Nothing happens while the tables are not there yet."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if not set(FOREVER) <= tables:
        return
    remove(using)
    with connection.cursor() as cursor:
        columns = {table: _columns(connection, cursor, table) for table in FOREVER}
        for statement in _sqlite(columns) if connection.vendor == "sqlite" else _postgresql(columns):
            cursor.execute(statement)


def remove(using: str = "default", **signal: Any) -> None:
    """Take the triggers away (before ``migrate``)."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for name, table in _names():
            if table in tables:
                on = "" if connection.vendor == "sqlite" else f" ON {table}"
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def _columns(connection: BaseDatabaseWrapper, cursor: CursorWrapper, table: str) -> list[str]:
    """The columns that the table has by now, whatever the models say. For SQLite a pragma is enough: Django's own description parses
    the statement that made the table, which took longer than all the triggers."""
    if connection.vendor == "sqlite":
        cursor.execute("SELECT name FROM pragma_table_info(%s)", [table])
        return [name for (name,) in cursor.fetchall()]
    return [column.name for column in connection.introspection.get_table_description(cursor, table)]


def _names() -> Iterator[tuple[str, str]]:
    for table in FOREVER:
        yield f"forever_{table}_update", table
        yield f"forever_{table}_delete", table
        yield f"forever_{table}_whole", table
    yield BALANCED, ENTRY


def _kept(table: str, columns: dict[str, list[str]]) -> str:
    return ", ".join(column for column in columns[table] if column not in FOREVER[table])


def _sqlite(columns: dict[str, list[str]]) -> Iterator[str]:
    yield f"CREATE TABLE IF NOT EXISTS {NOTHING} (id INTEGER PRIMARY KEY)"
    yield (
        f"CREATE TABLE IF NOT EXISTS {WAITING} (transaction_id INTEGER PRIMARY KEY, "
        f"refers INTEGER NOT NULL REFERENCES {NOTHING} (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    for table in FOREVER:
        refused = f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed or deleted'); END"
        yield f"CREATE TRIGGER forever_{table}_update BEFORE UPDATE OF {_kept(table, columns)} ON {table} {refused}"
        yield f"CREATE TRIGGER forever_{table}_delete BEFORE DELETE ON {table} {refused}"
        # REPLACE deletes what it replaces without that trigger
        known = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
        yield f"CREATE TRIGGER forever_{table}_whole BEFORE INSERT ON {table} {known} {refused}"
    yield (
        f"CREATE TRIGGER {BALANCED} AFTER INSERT ON {ENTRY} BEGIN "
        f"DELETE FROM {WAITING} WHERE transaction_id = NEW.transaction_id; "
        f"INSERT INTO {WAITING} SELECT NEW.transaction_id, 1 WHERE EXISTS ({_wrong(columns)}); END"
    )


def _wrong(columns: dict[str, list[str]]) -> str:
    """Returns a row where the transaction of a new entry does not balance, or says of itself what its entries do not add up to."""
    sums = {name: f"SUM(CASE WHEN account IN ({SUMS[name]}) THEN amount ELSE 0 END)" for name in SUMS}
    said = [
        f" OR {amount} <> (SELECT {name} FROM {BOOKED} WHERE id = NEW.transaction_id)"
        for name, amount in sums.items()
        if name in columns[BOOKED]
    ]
    return f"SELECT 1 FROM {ENTRY} WHERE transaction_id = NEW.transaction_id GROUP BY transaction_id HAVING SUM(amount) <> 0{''.join(said)}"


def _postgresql(columns: dict[str, list[str]]) -> Iterator[str]:
    yield (
        "CREATE OR REPLACE FUNCTION kept_forever() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation'; "
        "END $$"
    )
    for table in FOREVER:
        each = "FOR EACH ROW EXECUTE FUNCTION kept_forever()"
        yield f"CREATE TRIGGER forever_{table}_update BEFORE UPDATE OF {_kept(table, columns)} ON {table} {each}"
        yield f"CREATE TRIGGER forever_{table}_delete BEFORE DELETE ON {table} {each}"
        whole = "FOR EACH STATEMENT EXECUTE FUNCTION kept_forever()"
        yield f"CREATE TRIGGER forever_{table}_whole BEFORE TRUNCATE ON {table} {whole}"
    yield (
        f"CREATE OR REPLACE FUNCTION {BALANCED}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS ({_wrong(columns)}) THEN "
        "RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id "
        "USING ERRCODE = 'check_violation'; END IF; RETURN NULL; END $$"
    )
    yield (
        f"CREATE CONSTRAINT TRIGGER {BALANCED} AFTER INSERT ON {ENTRY} DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {BALANCED}()"
    )
