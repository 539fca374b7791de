"""What the columns of lists and read-only pages are made of: amounts in their unit, links with titles, labels, plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from kalbot.console.ui import formats
from kalbot.console.ui.display import display
from kalbot.console.ui.links import page_url
from kalbot.console.ui.markup import number, signed, tag
from kalbot.console.ui.stored import stored

Column = Callable[[Any], Any]
STORED = "stored"
"""The unit of a structure; ``stored money``, ``stored figures``: of the integers in it (see ``ui.stored``)."""
RAW = "raw"
"""The unit of a structure that is shown as it came, in JSON."""


def column(field: str, unit: str, title: str = "", order: str = "") -> Column:
    """A list or read-only column that writes ``field`` in ``unit`` (a key of formats.SHOW). Dots follow relations."""

    def shown(obj: Any) -> SafeString | str:
        value = value_at(obj, field)
        if unit == "lines":
            return format_html('<div class="k-lines-of-text">{}</div>', value) if value else formats.NOTHING
        if unit.startswith(STORED):
            return stored(value, unit.removeprefix(STORED).strip())
        return signed(unit, value, getattr(obj, "_decimals", {}).get(field, 2))

    shown.__name__ = field.replace(".", "_")
    shown.amount = (field, unit)  # type: ignore[attr-defined]
    return display(
        description=title or capfirst(field.split(".")[-1].replace("_", " ")),
        ordering=order or field.replace(".", "__"),
    )(shown)


UNIT_ENDINGS = re.compile(r" (ppm|ms|e6)$")


def title_of(name: str) -> str:
    """A column's name for people: the unit that it is stored in says nothing about what is shown."""
    return capfirst(UNIT_ENDINGS.sub("", name))


BY_FIELD: tuple[tuple[type[Any], str], ...] = (
    (models.JSONField, STORED),
    (models.FloatField, "decimal"),
    (models.IntegerField, "whole"),
    (models.TextField, "lines"),
)


def unit_of(field: Any) -> str:
    """The unit of a column without one of its own, by what it holds; empty for keys, codes and everything else."""
    if field is None or field.primary_key or field.is_relation or field.choices:
        return ""
    return next((unit for kind, unit in BY_FIELD if isinstance(field, kind)), "")


def value_at(obj: Any, path: str) -> Any:
    """What ``path`` leads to from ``obj``; dots follow relations. None where one of them is empty."""
    for part in path.split("."):
        obj = getattr(obj, part) if obj is not None else None
    return obj


def even_out(rows: Sequence[Any], shown: Sequence[Any]) -> None:
    """Give the rows of a list the number of decimals that each of its columns of amounts needs, so that they are equal."""
    amounts = [column.amount for column in shown if hasattr(column, "amount")]
    decimals = {
        field: formats.decimals(unit, [value_at(row, field) for row in rows])
        for field, unit in amounts
        if unit in formats.SCALE
    }
    for row in rows:
        row._decimals = decimals


def link(obj: models.Model | None, text: str = "") -> SafeString | str:
    """A link to the page of ``obj``, or a dash."""
    if obj is None:
        return formats.NOTHING
    return format_html('<a class="k-link" href="{}">{}</a>', page_url(obj._meta.label_lower, obj.pk), text or str(obj))


def key_link(field: str, title: str = "", text: str = "") -> Column:
    """A column linking to the row behind the foreign key ``field`` (dots follow relations), without fetching it when its key is its
    name."""

    *before, last = field.split(".")

    def shown(obj: Any) -> SafeString | str:
        owner = value_at(obj, ".".join(before)) if before else obj
        key = getattr(owner, f"{last}_id", None)
        if key is None:
            return formats.NOTHING
        label = owner._meta.get_field(last).related_model._meta.label_lower
        words = text.format(key) if text else (key if isinstance(key, str) else str(getattr(owner, last)))
        return format_html('<a class="k-link" href="{}">{}</a>', page_url(label, key), words)

    shown.__name__ = last
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description=title or capfirst(last.replace("_", " ")), ordering=field.replace(".", "__"))(shown)


def event_link(path: str = "event", title: str = "Event") -> Column:
    """A column with an event's title and, smaller, its ticker, linking to its page. The list selects ``path`` with its rows."""

    def shown(obj: Any) -> SafeString | str:
        event = obj
        for part in path.split("."):
            event = getattr(event, part)
        return titled(page_url("markets.event", event.pk), event.title, event.pk)

    shown.__name__ = path.split(".")[-1]
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description=title, ordering=path.replace(".", "__"))(shown)


def market_link(path: str = "market", side: str = "") -> Column:
    """A column with an outcome's name and, smaller, its event's title and its ticker. The list reads the market with its event.
    ``side``: path of the attribute that holds yes or no, if any."""

    def shown(obj: Any) -> SafeString | str:
        market = obj
        for part in path.split("."):
            market = getattr(market, part)
        prefix = f"{value_at(obj, side).upper()} " if side else ""
        below = f"{market.event.title} · {market.pk}" if market.event.title else market.pk
        return titled(page_url("markets.market", market.pk), f"{prefix}{market.yes_sub_title or market.pk}", below)

    shown.__name__ = "market"
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description="Market", ordering=path.replace(".", "__"))(shown)


def titled(url: str, title: str, below: str) -> SafeString:
    """A link with a title for people and the ticker, with what explains it, in small below it."""
    return format_html(
        '<a class="k-link k-titled" href="{}">{}</a><small class="k-quiet">{}</small>', url, title or below, below
    )


def label(field: str, title: str = "") -> Column:
    """A column showing a status as a coloured label: its colour is in one place, ``COLOURS``."""

    def shown(obj: Any) -> SafeString | str:
        code = getattr(obj, field)
        label = getattr(obj, f"get_{field}_display", lambda: code)()
        if code is None or code == "":
            return formats.NOTHING
        # a code that is a number says nothing to a person; one that is a word has its sentence on hover
        return tag(code, hint=label if label != code else "") if isinstance(code, str) else tag(str(label))

    shown.__name__ = field
    return display(description=title or capfirst(field), ordering=field)(shown)


def words(field: str, title: str = "") -> Column:
    """A column showing a code in plain words, short enough for a list."""

    def shown(obj: Any) -> SafeString:
        return number(str(getattr(obj, field)).replace("_", " ") or formats.NOTHING)

    shown.__name__ = field
    return display(description=title or capfirst(field), ordering=field)(shown)


def sentence(field: str, title: str = "") -> Column:
    """A column of running text: wide enough to be read."""

    def shown(obj: Any) -> SafeString:
        return format_html('<span class="k-sentence">{}</span>', getattr(obj, field) or formats.NOTHING)

    shown.__name__ = field
    return display(description=title or capfirst(field))(shown)
