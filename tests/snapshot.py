"""Rows that many tests begin with, made once a process by the product's own functions and put back as they were for every later test.

Making them takes hundreds of queries, putting them back one a table. Times move with the clock: a row that was a minute old is a
minute old again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.apps import apps
from django.db import connection, models, transaction

from kalbot.common import clock

OLDEST: Final = timedelta(minutes=10)
"""Rows older than this are made again: columns of JSON may say times, which nobody moves."""


@dataclass(frozen=True)
class _Table:
    """The rows of a table as the driver gives them, and which of their columns are times."""

    model: type[models.Model]
    rows: list[tuple[Any, ...]]
    times: list[int]

    def put_back(self, later: timedelta) -> None:
        marks = ", ".join(["%s"] * len(self.model._meta.concrete_fields))
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {_quoted(self.model._meta.db_table)} ({_columns(self.model)}) VALUES ({marks})",
                [self._moved(row, later) for row in self.rows],
            )

    def _moved(self, row: tuple[Any, ...], later: timedelta) -> tuple[Any, ...]:
        values = list(row)
        for place in self.times:
            if values[place] is not None:
                values[place] = _later(values[place], later)
        return tuple(values)


def _later(value: str | datetime, by: timedelta) -> str | datetime:
    """SQLite keeps times as text."""
    if isinstance(value, datetime):
        return value + by
    return (datetime.fromisoformat(value) + by).isoformat(" ", "microseconds")


class Snapshot:
    """What ``make`` writes into empty tables; ``rows()`` writes it, by ``make`` or as a copy of what that wrote before."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._tables: list[_Table] | None = None
        self._made_at: datetime | None = None

    def rows(self) -> None:
        """Write the rows, in the transaction of the test."""
        if self._usable():
            assert self._tables is not None
            assert self._made_at is not None
            later = clock.now() - self._made_at
            with transaction.atomic():
                for table in self._tables:
                    table.put_back(later)
            return
        before = _counts()
        self._make()
        made_at = clock.now()  # after the last row: none is put back into the future
        after = _counts()
        changed = [model for model, count in after.items() if count != before[model]]
        if not any(before[model] for model in changed):
            self._tables, self._made_at = [_read(model) for model in changed], made_at

    def _usable(self) -> bool:
        if self._tables is None or self._made_at is None:
            return False
        young = abs(clock.now() - self._made_at) < OLDEST
        return young and not _any_rows([table.model for table in self._tables])


def _counts() -> dict[type[models.Model], int]:
    found = apps.get_models(include_auto_created=True)
    return {model: model._base_manager.count() for model in found if model._meta.managed}


def _any_rows(found: list[type[models.Model]]) -> bool:
    tables = (_quoted(model._meta.db_table) for model in found)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT EXISTS (SELECT 1 FROM {table})" for table in tables))
        return any(row[0] for row in cursor.fetchall())


def _read(model: type[models.Model]) -> _Table:
    order = _quoted(model._meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_columns(model)} FROM {_quoted(model._meta.db_table)} ORDER BY {order}")
        rows = cursor.fetchall()
    fields = enumerate(model._meta.concrete_fields)
    times = [place for place, field in fields if isinstance(field, models.DateTimeField)]
    return _Table(model, [tuple(row) for row in rows], times)


def _columns(model: type[models.Model]) -> str:
    return ", ".join(_quoted(field.column) for field in model._meta.concrete_fields)


def _quoted(name: str | None) -> str:
    assert name is not None  # a concrete field has a column
    return connection.ops.quote_name(name)
