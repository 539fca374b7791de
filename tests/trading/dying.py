"""A worker that dies at any write: whatever it leaves behind, the next one brings to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.db import connection, transaction

WRITES = ("INSERT", "UPDATE", "DELETE")


class Died(BaseException):
    """The worker is gone. Not an Exception, so that nothing in the product can catch it."""


class _Countdown:
    """Dies at the first write of transaction number ``at`` of the work; a write outside of any is one of its own."""

    def __init__(self, at: int) -> None:
        self.left, self.dead, self.writes = at, False, 0
        self.depth = len(connection.savepoint_ids)
        self.last: str | None = None

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if not self.dead and sql.lstrip().upper().startswith(WRITES):
            outermost = next(iter(connection.savepoint_ids[self.depth :]), None)
            if outermost is None or outermost != self.last:
                self.dead = not self.left
                self.left -= 1
            self.last = outermost
            self.writes += 1
        if self.dead and not sql.startswith(("ROLLBACK", "RELEASE")):
            raise Died(sql[:60])
        return execute(sql, params, many, context)


def at_every_write(work: Callable[[], object]) -> Iterator[int]:
    """Run ``work`` again and again from the same rows, each time until one transaction further than the last time; yields after each death,
    with the number of the write, and once after a run without one. What the caller then does is taken back before the next run.

    Of the writes of one transaction only the first is died at: whichever it is, the transaction is rolled back and the same rows are left.
    """
    number = 0
    while True:
        with transaction.atomic():
            countdown = _Countdown(number)
            with suppress(Died), connection.execute_wrapper(countdown):
                work()
            yield countdown.writes
            transaction.set_rollback(True)
        if not countdown.dead:
            return
        number += 1
