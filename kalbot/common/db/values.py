"""Values between Python and the database without a call of the field each time: by their exact type where a field would do nothing or the
same each time, through the field's own conversion otherwise, so that rows are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db import models

Using = Any
"""The connection that a value is meant for, or comes from."""
Reader = Callable[[Any, Using], Any]
_NONE: Final = type(None)


class Written(NamedTuple):
    """How values of one field are written. ``plain``: exact types that the database takes as they are; ``quick``: exact types with what the
    field would make of them; ``field``: for every other value."""

    plain: frozenset[type]
    quick: Mapping[type, Reader]
    field: models.Field[Any, Any]

    def of(self, value: Any, using: Using) -> Any:
        """The value as the database takes it. TypeError for an expression: it is no value."""
        kind = type(value)
        if kind in self.plain:
            return value
        made = self.quick.get(kind)
        if made is not None:
            return made(value, using)
        if isinstance(value, str) and str in self.plain:
            return str(value)  # a choice
        if hasattr(value, "as_sql"):
            raise TypeError(f"{self.field.attname}: an expression is no value")
        return self.field.get_db_prep_save(value, using)


def written(field: models.Field[Any, Any]) -> Written:
    """How values of ``field`` are written, of a foreign key the keys."""
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(target, models.UUIDField):
        return Written(frozenset({_NONE}), {UUID: _uuid}, field)
    if isinstance(target, models.DateTimeField):
        return Written(frozenset({_NONE}), {datetime: _moments(field)}, field)
    if isinstance(target, models.BooleanField):
        return Written(frozenset({bool, _NONE}), {}, field)
    if isinstance(target, models.IntegerField):
        return Written(frozenset({int, _NONE}), {}, field)
    if isinstance(target, models.JSONField):
        encoder = target.encoder
        made: Reader = lambda value, using: using.ops.adapt_json_value(value, encoder)  # noqa: E731
        return Written(frozenset({_NONE}), {dict: made, list: made}, field)
    if type(target) in (models.CharField, models.TextField):
        return Written(frozenset({str, _NONE}), {}, field)
    return Written(frozenset(), {}, field)


def _uuid(value: UUID, using: Using) -> Any:
    return value if using.features.has_native_uuid_field else value.hex


def _moments(field: models.Field[Any, Any]) -> Reader:
    """The rows of a batch mostly have one moment in common, the same object: what was made of it is kept until another comes."""
    last: tuple[datetime | None, Any, Any] = None, None, None

    def made(value: datetime, using: Using) -> Any:
        nonlocal last
        known, by, found = last
        if value is not known or using is not by:
            found = _moment(field, value, using)
            last = value, using, found
        return found

    return made


def _moment(field: models.Field[Any, Any], value: datetime, using: Using) -> Any:
    if value.tzinfo is UTC and using.vendor == "sqlite" and using.timezone is UTC:
        return str(value.replace(tzinfo=None))
    return using.ops.adapt_datetimefield_value(value) if value.tzinfo else field.get_db_prep_save(value, using)


class Read(NamedTuple):
    """How the values of the column at ``place`` of a row are read: those of an exact type in ``plain`` as they are, others by ``made``."""

    place: int
    plain: frozenset[type]
    made: Reader


def read(place: int, functions: Sequence[Callable[..., Any]], expression: Any, using: Using) -> Read:
    """How a column is read that Django sends through ``functions`` (its compiler's converters) one after the other."""
    field = expression.output_field

    def converted(value: Any, using: Using) -> Any:
        for function in functions:
            value = function(value, expression, using)
        return value

    name = functions[0].__name__ if len(functions) == 1 else ""
    if name in _QUICK and getattr(field, "decoder", None) is None:
        plain, quick = _QUICK[name]
        return Read(place, plain, quick(converted))
    if isinstance(field, models.IntegerField) and converted(None, using) is None and converted(7, using) == 7:
        return Read(place, frozenset({int, _NONE}), converted)
    return Read(place, frozenset(), converted)


def _document(converted: Reader) -> Reader:
    def made(value: Any, using: Using) -> Any:
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, TypeError, ValueError):
            return converted(value, using)  # the standard library alone takes NaN and half a character

    return made


def _moment_read(converted: Reader) -> Reader:
    def made(value: Any, using: Using) -> Any:
        if type(value) is datetime:  # as SQLite gives a column of its type
            return value.replace(tzinfo=UTC) if using.timezone is UTC and not value.tzinfo else converted(value, using)
        found = datetime.fromisoformat(value) if type(value) is str and using.timezone is UTC else None
        return converted(value, using) if found is None or found.tzinfo else found.replace(tzinfo=UTC)

    return made


def _uuid_read(converted: Reader) -> Reader:
    return lambda value, using: UUID(value)


def _truth(converted: Reader) -> Reader:
    return lambda value, using: value == 1 if value in (0, 1) else converted(value, using)


_QUICK: Final[Mapping[str, tuple[frozenset[type], Callable[[Reader], Reader]]]] = {
    "from_db_value": (frozenset({_NONE}), _document),
    "convert_datetimefield_value": (frozenset({_NONE}), _moment_read),
    "convert_uuidfield_value": (frozenset({_NONE}), _uuid_read),
    "convert_booleanfield_value": (frozenset({_NONE, bool}), _truth),
}
"""By the name of Django's only function for a column: types of values that it leaves as they are, and what does the same for others."""
