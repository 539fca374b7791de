"""Writes of what only describes: Postgres does not wait for its disk, and the worker goes on to the next price.

Should the database's machine fail within a second of them, they have not happened. Whoever calls says why that is as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import models

from kalbot.common.db import bulk, direct, pipeline
from kalbot.common.db.retry import retried


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new instances of one model; those that break a unique constraint are left out. Few are given their keys."""
    if not rows:
        return
    if len(rows) > bulk.FEW:
        direct.insert(rows, if_new=True)
        return
    found = pipeline.rows_soon(*(direct.inserting(row) for row in rows))
    for row, keys in zip(rows, found, strict=True):
        for (key,) in keys:
            row.pk = key
            row._state.adding = False


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, Sequence[Any]]]) -> None:
    """``bulk.update_rows``; few rows leave in one message."""
    if not rows:
        return
    if len(rows) > bulk.FEW:
        bulk.update_rows(model, columns, rows)
        return
    fields = {field.name: field.attname for field in model._meta.concrete_fields}
    names, key_name = [fields[name] for name in columns], model._meta.pk.attname
    ordered = sorted(rows, key=lambda row: row[0])  # as bulk.update_rows locks them
    changes = [
        direct.updating(model, dict(zip(names, values, strict=True)), **{key_name: key}) for key, values in ordered
    ]
    retried(partial(pipeline.rows_soon, *changes))
