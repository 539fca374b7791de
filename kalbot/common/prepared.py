"""A query of the ORM that is compiled to SQL once and then run with other values.

Django builds the SQL of a query each time; for one of twenty subqueries that takes longer than the database does. ``Param`` stands
for a value in the query; ``Prepared`` compiles the query at its first use and fills the values in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, Expression, Field, Model, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.db.models.query import get_related_populators

from kalbot.common import pipeline
from kalbot.common.pipeline import Statement

Row = TypeVar("Row", bound=Model)


class Param(Expression):
    """A value of the type of ``field`` that is given when the query runs, by its name."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """A placeholder whose parameter is this object."""
        return "%s", (self,)

    def value(self, values: dict[str, Any]) -> Any:
        """The value as the database takes it. KeyError if it was not given."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``compiler`` knows how the columns of a row become an instance, its related ones and its annotations."""

    sql: str
    params: tuple[Any, ...]
    compiler: Any
    converters: Any
    names: list[str]
    related: list[Any]


class Prepared(Generic[Row]):
    """The compiled form of a query that is built by ``build``. One a query, kept for the life of the process."""

    def __init__(self, build: Callable[[], QuerySet[Row]]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}

    def first(self, **values: Any) -> Row | None:
        """The first row with these values; None when there is none."""
        return next(iter(self.rows(**values)), None)

    def rows(self, **values: Any) -> list[Row]:
        """All rows with these values, with related rows and annotations as the query has them."""
        (rows,) = pipeline.rows_of(self.statement(**values))
        return self.made(rows)

    def statement(self, **values: Any) -> Statement:
        """The query with these values, to be run with others; ``made`` takes its rows."""
        query = self._query()
        return Statement(
            query.sql, [param.value(values) if isinstance(param, Param) else param for param in query.params]
        )

    def made(self, rows: Iterable[Any]) -> list[Row]:
        """What ``rows`` returns, of the rows of ``statement``."""
        query = self._query()
        if query.converters:
            rows = query.compiler.apply_converters(rows, query.converters)
        return [_made(query, row) for row in rows]

    def _query(self) -> _Compiled:
        return self._compiled.get(connection.vendor) or self._compile()

    def _compile(self) -> _Compiled:
        compiler = self._build().query.get_compiler(using=connection.alias)
        sql, params = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select[: compiler.col_count]]
        first, last = _span(compiler)
        found = _Compiled(
            *_inlined(sql, params),
            compiler,
            compiler.get_converters(columns),
            [column.target.attname for column in columns[first:last]],
            get_related_populators(compiler.klass_info, compiler.select, connection.alias),  # type: ignore[call-arg]  # stubs of 6.0
        )
        self._compiled[connection.vendor] = found
        return found


def _inlined(sql: str, params: Iterable[Any]) -> tuple[str, tuple[Any, ...]]:
    """The statement with what is the same each time as literals. SQLite takes a partial index only where its condition stands in the
    statement as it was written, and plans before it knows any value."""
    parts = sql.split("%s")
    text, kept = parts[0], []
    for param, part in zip(params, parts[1:], strict=True):
        if isinstance(param, str):
            text += "'" + str(param).replace("'", "''").replace("%", "%%") + "'"
        elif type(param) is int:
            text += str(param)
        else:
            text += "%s"
            kept.append(param)
        text += part
    return text, tuple(kept)


def _span(compiler: Any) -> tuple[int, int]:
    places = compiler.klass_info["select_fields"]
    return places[0], places[-1] + 1


def _made(query: _Compiled, row: Any) -> Any:
    """The instance of one row, in the same way as ``django.db.models.query.ModelIterable`` makes it."""
    compiler = query.compiler
    first, last = _span(compiler)
    made = compiler.klass_info["model"].from_db(connection.alias, query.names, row[first:last])
    for related in query.related:
        related.populate(row, made)
    for name, place in compiler.annotation_col_map.items():
        setattr(made, name, row[place])
    return made


def total(rows: QuerySet[Any, Any], amount: Combinable) -> Subquery:
    """The sum of ``amount`` over all ``rows`` as part of a larger query; NULL when there are none."""
    summed = rows.order_by().values(one=Value(1)).annotate(t=Cast(Sum(amount), BigIntegerField()))
    return Subquery(summed.values("t"))
