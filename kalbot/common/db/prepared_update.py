"""An UPDATE of the ORM that is compiled to SQL once, like ``Prepared`` for queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import QuerySet
from django.db.models.sql import UpdateQuery

from kalbot.common.db import pipeline
from kalbot.common.db.bulk import key_column
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Text


class PreparedUpdate:
    """``build`` gives the rows, by conditions on their own columns alone, and what their columns are set to (``Param`` for what is given
    when it runs). One an update, kept for the life of the process."""

    def __init__(self, build: Callable[[], tuple[QuerySet[Any], Mapping[str, Any]]]) -> None:
        self._build = build
        self._compiled: dict[str, Text] = {}

    def run_soon(self, **values: Any) -> int:
        """Update the rows with these values, as ``pipeline.rows_soon`` does. How many there were."""
        (rows,) = pipeline.rows_soon(self.statement(**values))
        return len(rows)

    def statement(self, **values: Any) -> Statement:
        """The update with these values, to be run with others; it returns the key of each row that it changes."""
        using = connections[DEFAULT_DB_ALIAS]
        return (self._compiled.get(using.vendor) or self._compile()).filled(values, using)

    def _compile(self) -> Text:
        rows, columns = self._build()
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(dict(columns))
        key = connection.ops.quote_name(key_column(rows.model))
        found = Text.of(query.get_compiler(using=connection.alias), f" RETURNING {key}")
        self._compiled[connection.vendor] = found
        return found
