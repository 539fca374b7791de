"""A query of single columns (``values_list``, aggregates) that is compiled to SQL once, like ``Prepared`` for whole rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import QuerySet

from kalbot.common.db import pipeline, values
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Text
from kalbot.common.db.values import Read


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``names``: of the columns; ``reads``: how those are read that are not taken as they are."""

    text: Text
    names: tuple[str, ...]
    reads: tuple[Read, ...]


class PreparedColumns:
    """The compiled form of a query by ``values_list``, in which each column is named. One a query, kept for the life of the process."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        """The columns of all rows with these values."""
        (rows,) = pipeline.reads_of(self.statement(**values))
        return self.made(rows)

    def streamed(self, size: int, **values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The columns of all rows, at most ``size`` of them in memory at once, as ``QuerySet.iterator`` reads them."""
        using = connections[DEFAULT_DB_ALIAS]
        statement = self.statement_for(using, values)
        by_server = not using.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
        with using.chunked_cursor() if by_server else using.cursor() as cursor:
            cursor.execute(statement.sql, statement.values)
            while rows := cursor.fetchmany(size):
                yield self.made(rows, using)

    def statement(self, **values: Any) -> Statement:
        """The query with these values, to be run with others; ``made`` takes its rows."""
        return self.statement_for(connections[DEFAULT_DB_ALIAS], values)

    def statement_for(self, using: Any, values: Mapping[str, Any]) -> Statement:
        """The same for a connection that is at hand."""
        return self._query(using).text.filled(values, using)

    def made(self, rows: Iterable[Any], using: Any = None) -> list[tuple[Any, ...]]:
        """What ``rows`` returns, of the rows of ``statement``. ``using``: the connection, where it is at hand."""
        using = connections[DEFAULT_DB_ALIAS] if using is None else using
        query = self._query(using)
        reads, width = query.reads, len(query.names)  # behind them stands what DISTINCT has to be ordered by
        if not reads:
            return [tuple(row[:width]) for row in rows]
        found = []
        for row in rows:
            made = list(row)
            for place, plain, convert in reads:
                if type(made[place]) not in plain:
                    made[place] = convert(made[place], using)
            found.append(tuple(made[:width]))
        return found

    def named(self, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Rows of ``made`` by the names of their columns, like those of ``values``."""
        names = self._query(connections[DEFAULT_DB_ALIAS]).names
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _query(self, using: Any) -> _Compiled:
        return self._compiled.get(using.vendor) or self._compile()

    def _compile(self) -> _Compiled:
        query = self._build()
        names = tuple(query.query.selected or ())
        compiler = query.query.get_compiler(using=connection.alias)
        text = Text.of(compiler)
        columns = [column for column, _, _ in compiler.select]
        if not names or len(names) != len(columns):
            raise TypeError("a query that names each of its columns is wanted")
        reads = tuple(
            values.read(place, functions, expression, connections[DEFAULT_DB_ALIAS])
            for place, (functions, expression) in compiler.get_converters(columns).items()
        )
        found = self._compiled[connection.vendor] = _Compiled(text, names, reads)
        return found
