"""Django's backend for SQLite, without the search for placeholders in each statement each time: of a statement as long as those before an
order it took a third of a millisecond."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from django.db.backends.sqlite3 import base

KEPT: Final = 512
"""Statements that are kept as SQLite takes them."""
LONGEST: Final = 20_000
"""Characters; longer ones differ by how many rows they are about, and are not kept."""


@lru_cache(maxsize=KEPT)
def _converted(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    """See the module."""

    def convert_query(self, query: str, *, param_names: Any = None) -> str:
        """The statement with SQLite's own placeholders."""
        if param_names is None and len(query) <= LONGEST:
            return _converted(query)
        return super().convert_query(query, param_names=param_names)


class DatabaseWrapper(base.DatabaseWrapper):
    """See the module."""

    def create_cursor(self, name: str | None = None) -> Any:
        """See Django."""
        return self.connection.cursor(factory=Cursor)
