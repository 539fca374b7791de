"""Rows written by the database itself: a million of them in seconds, on SQLite and Postgres alike."""

from __future__ import annotations

from typing import Any, Final

from django.db import connection
from django.db.models import JSONField, Model

from kalbot.common import clock

NUMBERS: Final = "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < {})"


def pick(values: list[Any], by: str) -> str:
    """SQL that takes one of ``values`` by the whole number ``by``, from 0."""
    shown = [f"'{value}'" if isinstance(value, str) else str(value) for value in values]
    return f"CASE {by} " + " ".join(f"WHEN {place} THEN {value}" for place, value in enumerate(shown)) + " END"


def ago(seconds: str) -> str:
    """SQL for the moment ``seconds`` (SQL) before now."""
    moment = f"{clock.now():%Y-%m-%d %H:%M:%S}"
    if connection.vendor == "sqlite":
        return f"datetime('{moment}', '-' || ({seconds}) || ' seconds')"
    return f"'{moment}+00'::timestamptz - ({seconds}) * interval '1 second'"


def key(number: str) -> str:
    """SQL for a UUID made of a number."""
    if connection.vendor == "sqlite":
        return f"printf('%032x', {number})"
    return f"lpad(to_hex({number}), 32, '0')::uuid"


def insert(model: type[Model], number: int, **columns: str) -> None:
    """``number`` rows of ``model``; ``columns`` are SQL over ``i`` = 0, 1, ...; the others hold their defaults."""
    names, values, parameters = [], [], []
    for field in model._meta.concrete_fields:
        names.append(connection.ops.quote_name(str(field.column)))
        if field.attname in columns:
            values.append(columns[field.attname].replace("%", "%%"))
        elif field.primary_key:
            values.append("i + 1")
        else:
            automatic = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
            value = field.get_db_prep_save(clock.now() if automatic else field.get_default(), connection)
            # a NULL of no type would be text to Postgres
            values.append(f"CAST(%s AS {field.db_type(connection)})" if isinstance(field, JSONField) else "%s")
            parameters.append(value)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) {NUMBERS.format(number)} SELECT {', '.join(values)} FROM numbers",
            parameters,
        )
