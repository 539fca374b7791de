"""A query of the ORM that is compiled to SQL once and then run with other values.

Django builds the SQL of a query each time; for one of twenty subqueries that takes longer than the database does. ``Param`` stands
for a value in the query; ``Prepared`` compiles the query at its first use and fills the values in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, Expression, Field, Model, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

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
class _Compiled(Generic[Row]):
    """``converters``: by annotation, what makes the database's value Python's; those of columns are Django's own matter."""

    model: type[Row]
    sql: str
    params: tuple[Any, ...]
    converters: tuple[tuple[str, Any, list[Any]], ...]


class Prepared(Generic[Row]):
    """The compiled form of a query that is built by ``build``. One a query, kept for the life of the process."""

    def __init__(self, build: Callable[[], QuerySet[Row]]) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled[Row]] = {}

    def first(self, **values: Any) -> Row | None:
        """The first row with these values, None when there is none."""
        return next(iter(self.rows(**values)), None)

    def rows(self, **values: Any) -> list[Row]:
        """All rows with these values."""
        query = self._compiled.get(connection.vendor) or self._compile()
        filled = [param.value(values) if isinstance(param, Param) else param for param in query.params]
        found = list(query.model._default_manager.raw(query.sql, filled))
        for name, expression, converters in query.converters:
            for row in found:
                value = getattr(row, name)
                for convert in converters:
                    value = convert(value, expression, connection)
                setattr(row, name, value)
        return found

    def _compile(self) -> _Compiled[Row]:
        query = self._build()
        sql, params = query.query.get_compiler(using="default").as_sql()
        converters = []
        for name, expression in query.query.annotation_select.items():
            found = connection.ops.get_db_converters(expression) + expression.get_db_converters(connection)
            if found:
                converters.append((name, expression, found))
        compiled = _Compiled(query.model, sql, tuple(params), tuple(converters))
        self._compiled[connection.vendor] = compiled
        return compiled


def total(rows: QuerySet[Any, Any], amount: Combinable) -> Subquery:
    """The sum of ``amount`` over all ``rows`` as part of a larger query; NULL when there are none."""
    summed = rows.order_by().values(one=Value(1)).annotate(t=Cast(Sum(amount), BigIntegerField()))
    return Subquery(summed.values("t"))
