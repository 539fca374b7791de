"""A worker that dies at any write: whatever it leaves behind, the next one brings to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, transaction

WRITES = ("INSERT", "UPDATE", "DELETE")


class Died(BaseException):
    """The worker is gone. Not an Exception, so that nothing in the product can catch it."""


class _Countdown:
    def __init__(self, at: int) -> None:
        self.left, self.dead = at, False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip().upper().startswith(WRITES):
            self.left -= 1
            self.dead = self.dead or self.left < 0
        if self.dead and not sql.startswith(("ROLLBACK", "RELEASE")):
            raise Died(sql[:60])
        return execute(sql, params, many, context)


def at_every_write(work: Callable[[], object]) -> Iterator[int]:
    """Run ``work`` again and again from the same rows, each time until one write further than the last time; yields after each death,
    with its number, and once after a run without one. What the caller then does is taken back before the next run."""
    number = 0
    while True:
        countdown = _Countdown(number)
        with transaction.atomic():
            try:
                with connection.execute_wrapper(countdown):
                    work()
            except Died:
                pass
            yield number
            transaction.set_rollback(True)
        if not countdown.dead:
            return
        number += 1
