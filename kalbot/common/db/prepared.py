"""A query of the ORM that is compiled to SQL once and then run with other values.

Django builds the SQL of a query each time; for one of twenty subqueries that takes longer than the database does. ``Param`` stands
for a value in the query; ``Prepared`` compiles the query at its first use and fills the values in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection
from django.db.models import BigIntegerField, Expression, Field, Model, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.db.models.query import get_related_populators

from kalbot.common.db import pipeline
from kalbot.common.db.pipeline import Kept, Statement

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


class _Columns(NamedTuple):
    """Neighbouring columns of a row, and what makes Python values of some of them: (place among them, function of the value)."""

    first: int
    last: int
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]

    def of(self, row: Sequence[Any]) -> Sequence[Any]:
        """Their values in ``row``."""
        part = row[self.first : self.last]
        if self.converters:
            part = list(part)
            for place, made in self.converters:
                part[place] = made(part[place])
        return part


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``distinct``: the parameters, each once; ``places``: which of them stands at each ``%s``. ``kept``: SQL and types of the same on a
    database that keeps it. ``related``: by Django's populator of each related instance its columns. ``annotations``: name -> column."""

    sql: str
    distinct: tuple[Any, ...]
    places: tuple[int, ...]
    kept: tuple[str, str] | None
    model: type[Model]
    names: list[str]
    own: _Columns
    related: list[tuple[Any, _Columns, Any]]
    annotations: list[tuple[str, _Columns]]


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
        given = [one.value(values) if isinstance(one, Param) else one for one in query.distinct]
        kept = None if query.kept is None else Kept(query.model._meta.db_table, *query.kept, given)
        return Statement(query.sql, [given[place] for place in query.places], kept)

    def made(self, rows: Iterable[Any]) -> list[Row]:
        """What ``rows`` returns, of the rows of ``statement``."""
        query = self._query()
        known: dict[Any, Model | None] = {}
        return [_made(query, row, known) for row in rows]

    def _query(self) -> _Compiled:
        return self._compiled.get(connection.vendor) or self._compile()

    def _compile(self) -> _Compiled:
        compiler = self._build().query.get_compiler(using=connection.alias)
        sql, params = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select]
        converters = {
            place: partial(_converted, tuple(functions), expression)
            for place, (functions, expression) in compiler.get_converters(columns).items()
        }
        places = compiler.klass_info["select_fields"]
        own = _span(converters, places[0], places[-1] + 1)
        text, distinct, at = _distinct(*_inlined(sql, params))
        found = _Compiled(
            text,
            distinct,
            at,
            _kept(text, distinct, at),
            compiler.klass_info["model"],
            [column.target.attname for column in columns[own.first : own.last]],
            own,
            _related(compiler, converters),
            [(name, _span(converters, place, place + 1)) for name, place in compiler.annotation_col_map.items()],
        )
        self._compiled[connection.vendor] = found
        return found


def _literal(value: object) -> str:
    from django.db.backends.postgresql.psycopg_any import mogrify  # loads the driver

    return str(mogrify("%s", [value], connection))


def _distinct(sql: str, params: tuple[Any, ...]) -> tuple[str, tuple[Any, ...], tuple[int, ...]]:
    """The statement with each of its parameters once, and which of them stands at each place."""
    known: dict[Any, int] = {}
    places = []
    for number, one in enumerate(params):
        key = (one.name, type(one.output_field)) if isinstance(one, Param) else number
        places.append(known.setdefault(key, len(known)))
    distinct = {place: one for one, place in zip(params, places, strict=True)}
    return sql, tuple(distinct[place] for place in range(len(known))), tuple(places)


def _kept(sql: str, distinct: Sequence[Any], places: Sequence[int]) -> tuple[str, str] | None:
    """SQL and types of a statement that the database can keep (Postgres): every one whose parameters have a type that is known here."""
    if connection.vendor != "postgresql" or not all(isinstance(one, Param) for one in distinct):
        return None
    first, *parts = sql.split("%s")
    text = first + "".join(f"${place + 1}{part}" for place, part in zip(places, parts, strict=True))
    types = ", ".join(str(one.output_field.db_type(connection)) for one in distinct)
    return text, f"({types})" if types else ""


def _converted(functions: Sequence[Callable[..., Any]], expression: Any, value: Any) -> Any:
    for function in functions:
        value = function(value, expression, connection)
    return value


def _span(converters: Mapping[int, Callable[[Any], Any]], first: int, last: int) -> _Columns:
    return _Columns(
        first, last, tuple((place - first, made) for place, made in converters.items() if first <= place < last)
    )


def _related(compiler: Any, converters: Mapping[int, Callable[[Any], Any]]) -> list[Any]:
    """Each related instance's populator with its columns and those of the instances related to it."""

    def found(populators: Iterable[Any]) -> list[Any]:
        return [
            (one, _span(converters, one.cols_start, one.cols_end), found(one.related_populators)) for one in populators
        ]

    return found(get_related_populators(compiler.klass_info, compiler.select, connection.alias))  # type: ignore[call-arg]  # stubs of 6.0


def _inlined(sql: str, params: Iterable[Any]) -> tuple[str, tuple[Any, ...]]:
    """The statement with what is the same each time as literals. SQLite takes a partial index only where its condition stands in the
    statement as it was written, and plans before it knows any value; Postgres keeps a statement with its parameters alone."""
    parts = sql.split("%s")
    text, kept = parts[0], []
    for param, part in zip(params, parts[1:], strict=True):
        if isinstance(param, str):
            text += "'" + str(param).replace("'", "''").replace("%", "%%") + "'"
        elif type(param) is int:
            text += str(param)
        elif connection.vendor == "postgresql" and not isinstance(param, Param):
            text += _literal(param).replace("%", "%%")
        else:
            text += "%s"
            kept.append(param)
        text += part
    return text, tuple(kept)


def _made(query: _Compiled, row: Any, known: dict[Any, Model | None]) -> Any:
    """The instance of one row, in the same way as ``django.db.models.query.ModelIterable`` makes it; rows of one related row share its
    instance."""
    made = query.model.from_db(connection.alias, query.names, query.own.of(row))
    _populate(query.related, row, made, known)
    for name, column in query.annotations:
        setattr(made, name, column.of(row)[0])
    return made


def _populate(
    related: Iterable[tuple[Any, _Columns, Any]], row: Any, made: Any, known: dict[Any, Model | None]
) -> None:
    for populator, columns, further in related:
        key = populator.local_setter, row[columns.first + populator.pk_idx]
        if key not in known:
            known[key] = None
            if key[1] is not None:
                known[key] = populator.model_cls.from_db(connection.alias, populator.init_list, columns.of(row))
                _populate(further, row, known[key], known)
        populator.local_setter(made, known[key])
        if known[key] is not None:
            populator.remote_setter(known[key], made)


def total(rows: QuerySet[Any, Any], amount: Combinable) -> Subquery:
    """The sum of ``amount`` over all ``rows`` as part of a larger query; NULL when there are none."""
    summed = rows.order_by().values(one=Value(1)).annotate(t=Cast(Sum(amount), BigIntegerField()))
    return Subquery(summed.values("t"))
