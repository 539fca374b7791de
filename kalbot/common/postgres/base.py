"""Django's backend for Postgres, with a limit on how long a server may keep silent.

Postgres itself ends a statement that takes too long (``statement_timeout``, set by the settings). A server that is frozen, or whose host is
gone, ends nothing: so this side waits a little longer than that, then closes the connection and raises OperationalError.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel, errors

from kalbot.common import bounded

MARGIN_SECONDS: Final = 5.0
"""The server's own limit comes first: it says which statement it was."""
_INTERVAL: Final = 0.1


class Unanswered(psycopg.OperationalError):
    """The server took a statement and said nothing for too long. Whether it was done is not known."""


class Connection(psycopg.Connection[Any]):
    """A connection that waits for each answer at most ``answer_seconds`` (None: for ever), and no longer than ``bounded`` allows.
    ``kept``: the statements that the server keeps for it (``kalbot.common.db.pipeline``) -> their names."""

    answer_seconds: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept: dict[str, str] = {}

    def wait(self, gen: Generator[Any, Any, Any], interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """See psycopg. Raises Unanswered, after which the connection is closed."""
        allowed = bounded.left(bounded.DATABASE)
        given = [one for one in (timeout, self.answer_seconds, allowed) if one is not None]
        if not given:
            return super().wait(gen, interval)
        limit = min(given)
        try:
            if limit <= 0:
                raise errors._WaitTimeout
            with bounded.counted(bounded.DATABASE):
                return super().wait(gen, interval, limit)
        except errors._WaitTimeout:
            if timeout is not None and limit == timeout:
                raise
            self.pgconn.finish()
            raise Unanswered(f"the database said nothing for {max(limit, 0):.1f} s") from None


class DatabaseWrapper(base.DatabaseWrapper):
    """See the module."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """A connection of ours, made in no more time than there is. Raises psycopg.OperationalError."""
        allowed = bounded.left(bounded.DATABASE)
        if allowed is not None:
            if allowed <= 0:
                raise Unanswered("the database did not answer a moment ago")
            conn_params = {**conn_params, "connect_timeout": max(2, round(allowed))}
        with bounded.counted(bounded.DATABASE):
            made: Connection = Connection.connect(**conn_params)
        self.isolation_level = IsolationLevel.READ_COMMITTED
        made.answer_seconds = self.answer_seconds()
        return made

    def answer_seconds(self) -> float | None:
        """For how long an answer is waited for; None for ever."""
        seconds: int = self.settings_dict["ANSWER_SECONDS"]
        return seconds + MARGIN_SECONDS if seconds else None


def lift_limits(using: Any) -> None:
    """Until ``set_limits`` this connection takes as long as it takes: migrations rebuild tables and indexes of any size."""
    if isinstance(using, DatabaseWrapper):
        with using.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        using.connection.answer_seconds = None


def set_limits(using: Any) -> None:
    """The limits of the settings hold again for this connection."""
    if isinstance(using, DatabaseWrapper):
        with using.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
        using.connection.answer_seconds = using.answer_seconds()
