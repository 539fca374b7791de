"""One message to the database whose transaction, or connection, is lost: by a race, before it arrives, or before its answer does.

Statements of trading leave together, with BEGIN before them and COMMIT behind them, so what counts here is a message, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import psycopg
from django.db import OperationalError, connection

Trouble = Literal["race", "unsent", "unanswered"]
"""``race``: what was done is rolled back as a deadlock's victim. ``unsent``: the server ends the connection before the message arrives.
``unanswered``: it does what it was sent, and the connection ends before its answer."""
CHANGES: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|NEXTVAL)\b", re.IGNORECASE)
"""What locks or changes rows: a lock alone is a SELECT ... FOR UPDATE."""
_GIVEN_UP: Final = "DO $$ BEGIN RAISE EXCEPTION 'given up' USING ERRCODE = '{}'; END $$"
_COMMIT: Final = "; COMMIT"


class Victim(Exception):
    """What the driver raises, where there is no server that raises it."""

    def __init__(self, sqlstate: str = "40P01") -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def is_change(sql: str) -> bool:
    """Whether a message locks or changes rows."""
    return CHANGES.search(sql) is not None


def give_up(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any, sqlstate: str = "40P01"
) -> None:
    """Do what the message says, and roll it back with its transaction. Raises OperationalError."""
    if connection.vendor == "postgresql" and not many:
        text, commits, _ = sql.partition(_COMMIT)
        execute(f"{text}; {_GIVEN_UP.format(sqlstate)}{commits}", params, many, context)
    raise OperationalError("given up") from Victim(sqlstate)


class Lost:
    """Loses the message with number ``at``, counted from 0; a COMMIT that is sent alone is a message too."""

    def __init__(self, at: int, trouble: Trouble = "race") -> None:
        self.at, self.trouble = at, trouble
        self.messages: list[str] = []

    @property
    def happened(self) -> bool:
        """Whether there were so many messages."""
        return len(self.messages) > self.at

    @contextmanager
    def run(self) -> Iterator[None]:
        """Loses what this thread sends until the block ends."""
        using: Any = connection
        commit = using._commit
        using._commit = lambda: self._committed(commit)
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del using._commit

    def _is_it(self, message: str) -> bool:
        self.messages.append(message[:120])
        return len(self.messages) - 1 == self.at

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not is_change(sql) or not self._is_it(sql):
            return execute(sql, params, many, context)
        if self.trouble == "race":
            give_up(execute, sql, params, many, context)
        return self._cut(lambda: execute(sql, params, many, context))

    def _committed(self, commit: Callable[[], Any]) -> Any:
        raw = connection.connection
        if connection.vendor != "postgresql" or raw.info.transaction_status == raw.info.transaction_status.IDLE:
            return commit()  # it has left with the statements before it
        if self.trouble == "race" or not self._is_it("COMMIT"):
            return commit()
        return self._cut(commit)

    def _cut(self, send: Callable[[], Any]) -> Any:
        if self.trouble == "unsent":
            end_connection()
            return send()
        send()
        end_connection()
        with connection.wrap_database_errors:
            connection.connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")


def end_connection() -> None:
    """The server ends the connection of this thread."""
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, password=connection.connection.info.password) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
