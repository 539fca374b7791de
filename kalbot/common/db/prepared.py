"""A query of the ORM that is compiled to SQL once and then run with other values.

Django builds the SQL of a query each time; for one of twenty subqueries that takes longer than the database does. ``Param`` stands
for a value in the query; ``Prepared`` compiles the query at its first use and fills the values in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BigIntegerField, Expression, Field, Model, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.db.models.query import get_related_populators

from kalbot.common.db import instances, pipeline, values
from kalbot.common.db.pipeline import Kept, Statement
from kalbot.common.db.values import Read

Row = TypeVar("Row", bound=Model)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")
"""As SQLite has it."""


class Param(Expression):
    """A value of the type of ``field`` that is given when the query runs, by its name."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name
        self._written = values.written(field)

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """A placeholder whose parameter is this object."""
        return "%s", (self,)

    def value(self, given: Mapping[str, Any], using: Any) -> Any:
        """The value as the database of the connection takes it. KeyError if it was not given."""
        return self._written.of(given[self.name], using)

    def db_type(self, using: Any) -> str:
        """Its type on Postgres."""
        return str(self.output_field.db_type(using))


class Among(Param):
    """Any number of texts, whole numbers or UUIDs, of the type of ``field``, for ``column__in=``: the statement is the same for all."""

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A query of the values, whose one parameter is this object."""
        if connection.vendor == "postgresql":
            return f"(SELECT unnest(%s::{self.db_type(connection)}))", (self,)
        return "(SELECT value FROM json_each(%s))", (self,)

    def value(self, given: Mapping[str, Any], using: Any) -> Any:
        """See Param. TypeError for values that JSON does not have."""
        values = [str(one) if isinstance(one, str) else one for one in given[self.name]]
        return values if using.vendor == "postgresql" else json.dumps(values, default=_hex)

    def db_type(self, using: Any) -> str:
        """See Param."""
        return f"{super().db_type(using)}[]"


def _hex(value: object) -> str:
    """A UUID as SQLite has it."""
    if isinstance(value, UUID):
        return value.hex
    raise TypeError(f"a value of type {type(value).__name__} is not JSON")


class _Related(NamedTuple):
    """A related instance: Django's populator, how its columns are read, and the instances related to it."""

    populator: Any
    reads: list[Read]
    further: list[_Related]


@dataclass(frozen=True, slots=True)
class Text:
    """A statement whose values are not given yet. ``distinct``: its parameters, each once; ``places``: which of them stands at each ``%s``.
    ``kept``: SQL and types of the same on a database that keeps it, under a name that begins with ``table``."""

    sql: str
    distinct: tuple[Any, ...]
    places: tuple[int, ...]
    kept: tuple[str, str] | None
    table: str

    @classmethod
    def of(cls, compiler: Any, end: str = "") -> Text:
        """That of a query's compiler, with ``end`` behind it. TypeError for a moment in it."""
        sql, params = compiler.as_sql()
        if any(isinstance(one, date) or (isinstance(one, str) and _MOMENT.match(one)) for one in params):
            raise TypeError("a moment is a Param: compiled in, it would stay that of the first use")
        text, distinct, places = _distinct(*_inlined(sql, params))
        text += end
        return cls(text, distinct, places, _kept(text, distinct, places), compiler.query.model._meta.db_table)

    def filled(self, values: Mapping[str, Any], using: Any) -> Statement:
        """With the values of its ``Param``s by their names, for the connection ``using``."""
        given = [one.value(values, using) if isinstance(one, Param) else one for one in self.distinct]
        kept = None if self.kept is None else Kept(self.table, *self.kept, given)
        return Statement(self.sql, [given[place] for place in self.places], kept)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``reads``: how the row's own columns and the annotations are read that are not taken as they are. ``own``: where the row's own
    columns begin and end. ``annotations``: name -> place."""

    text: Text
    model: type[Model]
    names: list[str]
    reads: list[Read]
    own: tuple[int, int]
    related: list[_Related]
    annotations: dict[str, int]


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
        return self.statement_for(connections[DEFAULT_DB_ALIAS], values)

    def statement_for(self, using: Any, values: Mapping[str, Any]) -> Statement:
        """The same for a connection that is at hand."""
        return self._query(using).text.filled(values, using)

    def made(self, rows: Iterable[Any], using: Any = None) -> list[Row]:
        """What ``rows`` returns, of the rows of ``statement``. ``using``: the connection, where it is at hand."""
        using = connections[DEFAULT_DB_ALIAS] if using is None else using
        query = self._query(using)
        known: dict[Any, Model | None] = {}
        return [_made(query, list(row), known, using) for row in rows]

    def _query(self, using: Any) -> _Compiled:
        return self._compiled.get(using.vendor) or self._compile()

    def _compile(self) -> _Compiled:
        compiler = self._build().query.get_compiler(using=connection.alias)
        text = Text.of(compiler)
        columns = [column for column, _, _ in compiler.select]
        reads = [
            values.read(place, functions, expression, connections[DEFAULT_DB_ALIAS])
            for place, (functions, expression) in compiler.get_converters(columns).items()
        ]
        places = compiler.klass_info["select_fields"]
        first, last = places[0], places[-1] + 1
        annotations = dict(compiler.annotation_col_map)
        related = get_related_populators(compiler.klass_info, compiler.select, connection.alias)  # type: ignore[call-arg]  # stubs of 6.0
        found = _Compiled(
            text,
            compiler.klass_info["model"],
            [column.target.attname for column in columns[first:last]],
            [one for one in reads if first <= one.place < last or one.place in annotations.values()],
            (first, last),
            _related(related, reads),
            annotations,
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
    types = ", ".join(one.db_type(connection) for one in distinct)
    return text, f"({types})" if types else ""


def _related(populators: Iterable[Any], reads: Sequence[Read]) -> list[_Related]:
    return [
        _Related(
            one,
            [column for column in reads if one.cols_start <= column.place < one.cols_end],
            _related(one.related_populators, reads),
        )
        for one in populators
    ]


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


def _made(query: _Compiled, row: list[Any], known: dict[Any, Model | None], using: Any) -> Any:
    """The instance of one row, in the same way as ``django.db.models.query.ModelIterable`` makes it; rows of one related row share its
    instance."""
    first, last = query.own
    _read(query.reads, row, using)
    made = instances.stored(query.model, query.names, row[first:last])
    _populate(query.related, row, made, known, using)
    for name, place in query.annotations.items():
        setattr(made, name, row[place])
    return made


def _read(reads: Iterable[Read], row: list[Any], using: Any) -> None:
    """Turn columns of the row into Python's values."""
    for place, plain, made in reads:
        value = row[place]
        if type(value) not in plain:
            row[place] = made(value, using)


def _populate(
    related: Iterable[_Related], row: list[Any], made: Any, known: dict[Any, Model | None], using: Any
) -> None:
    for populator, reads, further in related:
        key = populator.local_setter, row[populator.cols_start + populator.pk_idx]
        if key not in known:
            known[key] = None
            if key[1] is not None:
                _read(reads, row, using)
                columns = row[populator.cols_start : populator.cols_end]
                known[key] = instances.stored(populator.model_cls, populator.init_list, columns)
                _populate(further, row, known[key], known, using)
        populator.local_setter(made, known[key])
        if known[key] is not None:
            populator.remote_setter(known[key], made)


class _Query(Protocol):
    def statement_for(self, using: Any, values: Mapping[str, Any]) -> Statement: ...

    def made(self, rows: Iterable[Any], using: Any = None) -> list[Any]: ...


def read(*queries: tuple[_Query, Mapping[str, Any]]) -> list[list[Any]]:
    """The rows of each query with its values, in one message where the database takes several statements in one."""
    using = connections[DEFAULT_DB_ALIAS]
    found = pipeline.reads_of(*[query.statement_for(using, values) for query, values in queries])
    return [query.made(rows, using) for (query, _), rows in zip(queries, found, strict=True)]


def total(rows: QuerySet[Any, Any], amount: Combinable) -> Subquery:
    """The sum of ``amount`` over all ``rows`` as part of a larger query; NULL when there are none."""
    summed = rows.order_by().values(one=Value(1)).annotate(t=Cast(Sum(amount), BigIntegerField()))
    return Subquery(summed.values("t"))
