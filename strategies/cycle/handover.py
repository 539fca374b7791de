"""A decision in a task message, so that the worker that carries it out need not read it back before it knows what to do.

Nothing is decided on what a message says: admission compares it with the database's own row, in the statement that reads the limits.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, JSONField

from kalbot.common.db import instances
from strategies.models import Decision


def packed(decision: Decision) -> str:
    """The columns of a stored decision as JSON."""
    return json.dumps({column.attname: _plain(column, decision) for column in Decision._meta.concrete_fields})


def unpacked(text: str) -> Decision | None:
    """The decision, with neither profile nor event; None for nothing, for another version's, or for what cannot be read."""
    fields = {column.attname: column for column in Decision._meta.concrete_fields}
    try:
        columns = json.loads(text or "{}")
        if columns.keys() != fields.keys():
            return None
        return instances.new(Decision, **{name: fields[name].to_python(value) for name, value in columns.items()})
    except (ValueError, TypeError, AttributeError, ValidationError):
        return None


def _plain(column: Field[Any, Any], decision: Decision) -> Any:
    value = getattr(decision, column.attname)
    return value if value is None or isinstance(column, JSONField) else column.value_to_string(decision)
