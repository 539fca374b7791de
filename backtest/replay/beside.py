"""Tasks that overlap, as they do where several workers run them: while one sleeps, or waits for its turn in a recorded cycle, others run.

Each task has a thread of its own, of which one runs at a time: it goes on until it waits, and then whoever is next by the replay's clock
does. So nothing is random, and nothing that tasks share needs a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from itertools import count

from django.db import DEFAULT_DB_ALIAS, connections


class _Abandoned(BaseException):
    """The replay is over, and a task still waits. No task catches this."""


class _Task(threading.Thread):
    """``work`` runs from one ``wait`` to the next. ``result`` and ``error`` are its end."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.number = 0
        self.result: object = None
        self.error: BaseException | None = None
        self.is_over = self.is_abandoned = False
        self._goes_on, self._gave_way = threading.Semaphore(0), threading.Semaphore(0)
        self._work, self._context = work, copy_context()
        self._connection = connections[DEFAULT_DB_ALIAS]
        self._connection.inc_thread_sharing()

    def run(self) -> None:
        """See threading.Thread."""
        connections[DEFAULT_DB_ALIAS] = self._connection
        try:
            self.result = self._context.run(self._work)
        except _Abandoned:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._connection.dec_thread_sharing()
            self.is_over = True
            self._gave_way.release()

    def go_on(self) -> None:
        """Run it until it waits or ends. Raises what it raised."""
        if self.ident is None:
            self.start()
        else:
            self._goes_on.release()
        self._gave_way.acquire()
        if self.error is not None:
            raise self.error

    def give_way(self) -> None:
        """Called by the task itself: return when it is to go on."""
        self._gave_way.release()
        self._goes_on.acquire()
        if self.is_abandoned:
            raise _Abandoned


class Beside:
    """``schedule(at_ns, number)`` sees to it that ``resume(number)`` is called then; ``ended(result, ...)`` as given to ``start``."""

    def __init__(self, schedule: Callable[[int, int], object]) -> None:
        self._schedule = schedule
        self._numbers = count()
        self._waiting: dict[int, tuple[_Task, Callable[[object], None]]] = {}

    def start(self, work: Callable[[], object], ended: Callable[[object], None]) -> None:
        """Run ``work`` until it waits or ends; ``ended`` gets what it returned."""
        self._go_on(_Task(work), ended)

    def resume(self, number: int) -> None:
        """Run what waits until it waits again or ends."""
        self._go_on(*self._waiting.pop(number))

    def wait(self, until_ns: int) -> bool:
        """Let others run until then. False where that is not for the caller: it is no task, or has a transaction open."""
        task = threading.current_thread()
        if not isinstance(task, _Task) or connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return False
        task.number = next(self._numbers)
        self._schedule(until_ns, task.number)
        task.give_way()
        return True

    def close(self) -> None:
        """End what still waits."""
        while self._waiting:
            _, (task, _ended) = self._waiting.popitem()
            task.is_abandoned = True
            task.go_on()

    def _go_on(self, task: _Task, ended: Callable[[object], None]) -> None:
        task.go_on()
        if task.is_over:
            ended(task.result)
        else:
            self._waiting[task.number] = task, ended
