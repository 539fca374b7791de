"""A process that dies between any two lines that matter: around every commit, every autocommitted write and every request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection

KEPT: Final = re.compile(r"^((?:PREPARE|EXECUTE) \w+)_\d+")
"""A statement that the connection keeps, under a name that no other in the process has."""
RUN: Final = re.compile(r"(?:^|; )EXECUTE (\w+)")


class Died(BaseException):
    """The worker is gone. Not an Exception, so that nothing in the product can catch it."""


class Mortal:
    """Counts boundaries and dies at chosen ones. A dead process cannot touch the database or the network any more."""

    def __init__(self, deaths: list[int]) -> None:
        self.deaths = sorted(deaths, reverse=True)
        self.passed = 0
        self.dead = False
        self.died_at: list[str] = []
        self.armed = False
        self.freezes: dict[int, float] = {}
        """Number of a boundary -> seconds for which the process is stopped there, if no transaction is open, else at the next."""
        self.on_freeze: Callable[[float], None] = lambda seconds: None
        self.beside: dict[int, Callable[[], None]] = {}
        """Number of a boundary -> what another process does there, if no transaction is open, else at the next."""

    def boundary(self, where: str) -> None:
        """One line that may be the last."""
        if self.dead:
            raise Died(where)
        if not self.armed:
            return
        self.passed += 1
        if where.startswith(("before ", "after POST", "after GET", "after DELETE")):
            self._maybe_freeze()
        if self.deaths and self.passed >= self.deaths[-1]:
            self.deaths.pop()
            self.dead = True
            self.died_at.append(f"{self.passed}:{where}")
            raise Died(where)

    def _maybe_freeze(self) -> None:
        due = [number for number in (*self.freezes, *self.beside) if number <= self.passed]
        if not due or connection.in_atomic_block or not connection.autocommit:
            return
        self.armed = False
        try:
            if due[0] in self.freezes:
                self.on_freeze(self.freezes.pop(due[0]))
            else:
                self.beside.pop(due[0])()
        finally:
            self.armed = True

    @contextmanager
    def life(self) -> Iterator[None]:
        """Run a piece of a worker's life; its death ends here."""
        self.armed = True
        try:
            with connection.execute_wrapper(self._query), self._commits():
                yield
        except Died:
            pass
        finally:
            self.armed = False
            if self.dead:
                bury()
                self.dead = False

    def _query(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if self.dead:
            raise Died(sql[:60])
        alone = not connection.in_atomic_block and not _only_reads(sql)
        name = KEPT.sub(r"\1", sql)[:50]
        if alone:
            self.boundary(f"before {name}")
        elif sql.endswith("; COMMIT"):
            self.boundary("before commit")
        result = execute(sql, params, many, context)
        if alone:
            self.boundary(f"after {name}")
        return result

    @contextmanager
    def _commits(self) -> Iterator[None]:
        real = connection.commit

        def commit() -> None:
            try:
                self.boundary("before commit")
            except Died:
                connection.connection.rollback()  # psycopg refuses to leave a transaction that is still open
                raise
            real()
            self.boundary("after commit")

        connection.commit = commit  # type: ignore[method-assign]
        try:
            yield
        finally:
            del connection.commit


def _only_reads(sql: str) -> bool:
    """Whether it changes nothing: a SELECT, or a message that runs kept ones alone."""
    if not sql.startswith(("PREPARE ", "EXECUTE ")):
        return sql.lstrip().upper().startswith("SELECT")
    kept = {name: text for text, name in connection.connection.kept.items()}
    return all(kept.get(name, "").startswith("SELECT") for name in RUN.findall(sql))


def bury() -> None:
    """What the database does when a client vanishes: the open transaction is rolled back."""
    connection.needs_rollback = False
    connection.in_atomic_block = False
    connection.savepoint_ids = []
    connection.atomic_blocks = []
    connection.run_on_commit = []
    connection.closed_in_transaction = False
    if connection.connection is not None:
        connection.connection.rollback()
        connection.set_autocommit(True)
