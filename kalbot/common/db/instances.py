"""Instances of models without the ORM's constructor, which asks every field what to do with its value, one by one, and takes longer than
the database does to store the row or to find it.

What they hold is the same. A model with a constructor of its own, or to whose constructor somebody listens, is made by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import ForeignKey, Model
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

Made = TypeVar("Made", bound=Model)
_SAME: Final = (str, int, bool, type(None))
"""Defaults of these types are the same for every instance."""


class _Blank(NamedTuple):
    """What a model's constructor does. ``columns``: their names; ``same``: defaults that every instance has; ``fresh``: what makes the
    other defaults; ``relations``: by the name of a foreign key its column, the column of the other row, the name under which that row is
    kept here, and the name under which it keeps this one (one to one; else empty)."""

    columns: frozenset[str]
    same: dict[str, Any]
    fresh: tuple[tuple[str, Callable[[], Any]], ...]
    relations: dict[str, tuple[str, str, str, str]]


def new(model: type[Made], **columns: Any) -> Made:
    """A row that is not stored yet, as ``model(**columns)`` makes it. TypeError for a name that it does not have."""
    blank = _blank(model)
    if blank is None:
        return model(**columns)
    row = _bare(model)
    held = row.__dict__
    held.update(blank.same)
    for name, default in blank.fresh:
        if name not in columns:
            held[name] = default()
    for name, value in columns.items():
        if name in blank.columns:
            held[name] = value
        elif name in blank.relations:
            _relate(row, value, *blank.relations[name])
        else:
            raise TypeError(f"{model.__name__} has no column {name!r}")
    return row


def _relate(row: Model, other: Model | None, column: str, key: str, here: str, there: str) -> None:
    row.__dict__[column] = None if other is None else getattr(other, key)
    row._state.fields_cache[here] = other
    if there and other is not None:
        other._state.fields_cache[there] = row


def stored(model: type[Made], names: Sequence[str], values: Iterable[Any]) -> Made:
    """A row as it was read, as ``model.from_db`` makes it: columns that are not among ``names`` are read at first use."""
    if _blank(model) is None or "from_db" in model.__dict__:
        return model.from_db(DEFAULT_DB_ALIAS, names, list(values))
    row = _bare(model)
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
    row.__dict__.update(zip(names, values, strict=True))
    return row


def _bare(model: type[Made]) -> Made:
    row = model.__new__(model)
    row._state = ModelState()
    return row


@cache
def _blank(model: type[Model]) -> _Blank | None:
    is_watched = any(signal.has_listeners(model) for signal in (pre_init, post_init))
    if model.__init__ is not Model.__init__ or is_watched:
        return None
    fields = model._meta.concrete_fields
    same, fresh, relations = {}, [], {}
    for field in fields:
        is_made = field.has_default() and callable(field.default)  # what stands for no default can be called too
        if is_made or type(field.get_default()) not in _SAME:  # an id is drawn for a row only
            fresh.append((field.attname, field.get_default))
        else:
            same[field.attname] = field.get_default()
        if isinstance(field, ForeignKey):
            there = "" if field.remote_field.multiple else field.remote_field.cache_name
            relations[field.name] = (field.attname, field.target_field.attname, field.cache_name, there)
    return _Blank(frozenset(field.attname for field in fields), same, tuple(fresh), relations)
