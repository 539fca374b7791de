"""What every list and page of the admin shares: read-only by default, units written for people, counts that stay cheap."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.html import conditional_escape, format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from kalbot.console.dialogs.register import DialogActions
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from kalbot.console.ui.markup import number, signed, tag

COUNT_LIMIT = 10_000
Column = Callable[[Any], Any]


class CappedPaginator(Paginator):
    """Counts to 10,000 and stops: beyond that a person filters, and counting a million rows costs more than the page."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, models.QuerySet):
            # ordering would make the database sort everything only to count it
            return len(rows.order_by().values_list("pk", flat=True)[:COUNT_LIMIT])
        return len(rows)


def column(field: str, unit: str, title: str = "", order: str = "") -> Column:
    """A list or read-only column that writes ``field`` in ``unit`` (a key of formats.SHOW). Dots follow relations."""

    def shown(obj: Any) -> SafeString:
        return signed(unit, value_at(obj, field), getattr(obj, "_decimals", {}).get(field, 2))

    shown.__name__ = field.replace(".", "_")
    shown.amount = (field, unit)  # type: ignore[attr-defined]
    return display(
        description=title or capfirst(field.split(".")[-1].replace("_", " ")),
        ordering=order or field.replace(".", "__"),
    )(shown)


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
    """A column linking to the row behind the foreign key ``field``, without fetching it when its key is its name."""

    def shown(obj: Any) -> SafeString | str:
        key = getattr(obj, f"{field}_id")
        if key is None:
            return formats.NOTHING
        label = obj._meta.get_field(field).related_model._meta.label_lower
        words = text.format(key) if text else (key if isinstance(key, str) else str(getattr(obj, field)))
        return format_html('<a class="k-link" href="{}">{}</a>', page_url(label, key), words)

    shown.__name__ = field
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description=title or capfirst(field.replace("_", " ")), ordering=field)(shown)


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
    """A column with an outcome's name and, smaller, its ticker. ``side``: path of the attribute that holds yes or no, if any."""

    def shown(obj: Any) -> SafeString | str:
        market = obj
        for part in path.split("."):
            market = getattr(market, part)
        prefix = f"{value_at(obj, side).upper()} " if side else ""
        return titled(page_url("markets.market", market.pk), f"{prefix}{market.yes_sub_title or market.pk}", market.pk)

    shown.__name__ = "market"
    shown.is_link = True  # type: ignore[attr-defined]
    return display(description="Market", ordering=path.replace(".", "__"))(shown)


def titled(url: str, title: str, ticker: str) -> SafeString:
    """A link with a title for people and the ticker in small below it."""
    return format_html(
        '<a class="k-link k-titled" href="{}">{}</a><small class="k-quiet">{}</small>', url, title or ticker, ticker
    )


def label(field: str, title: str = "") -> Column:
    """A column showing a status as a coloured label: its colour is in one place, ``COLOURS``."""

    def shown(obj: Any) -> SafeString | str:
        code = getattr(obj, field)
        label = getattr(obj, f"get_{field}_display", lambda: code)()
        return tag(code, hint=label if label != code else "") if code else formats.NOTHING

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


class UnitColumns:
    """Gives each field named in ``units`` its unit, in lists and on pages."""

    units: ClassVar[dict[str, str]] = {}

    def unit_columns(self, names: Sequence[Any]) -> list[Any]:
        """``names`` with the columns that have a unit replaced; the same objects each time, for Django compares them."""
        made: dict[str, Column] = self.__dict__.setdefault("_made_columns", {})
        titles = {field.name: field.verbose_name for field in self.model._meta.fields}  # type: ignore[attr-defined]
        for name in names:
            if isinstance(name, str) and name in self.units and name not in made:
                made[name] = column(name, self.units[name], capfirst(str(titles.get(name, name))))
        return [made.get(name, name) if isinstance(name, str) else name for name in names]


class ReadOnlyAdmin(DialogActions, UnitColumns, ModelAdmin):
    """A list and a page nobody can change anything on: rows are written by services, never by a form."""

    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    list_filter_submit = True
    empty_value_display = formats.NOTHING
    list_fullwidth = True
    compressed_fields = True
    actions = None
    sorts: ClassVar[set[str] | None] = None  # names of the sortable columns; None: all of them
    linked_by: ClassVar[set[str]] = set()  # lookups that pages of ours link to, beside the filters

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in self.linked_by or super().lookup_allowed(lookup, value, request)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.readonly_preprocess_fields: dict[str, Any] = dict(preprocess(self.units))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, help_texts=help_without_units(self.model), **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    opens = ""  # name of the column that opens the row's own page; else the first one that is no link to another row

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self.unit_columns(super().get_list_display(request))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        named = [getattr(self, one, one) if isinstance(one, str) else one for one in found.list_display]
        even_out(found.result_list, named)
        return found

    def get_sortable_by(self, request: HttpRequest) -> list[Any]:
        """Every column, or those named in ``sorts``: sorting a million rows by a column without an index costs a second, and
        each sortable column makes three addresses a row."""
        shown = self.get_list_display(request)
        return [one for one in shown if self.sorts is None or getattr(one, "__name__", one) in self.sorts]

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        if self.list_display_links:
            return super().get_list_display_links(request, list_display)
        own = [shown for shown in list_display if not getattr(shown, "is_link", False)]
        named = [shown for shown in own if getattr(shown, "__name__", shown) == self.opens]
        return (named or own)[:1]


class ReadOnlyInline(UnitColumns, TabularInline):
    """Rows below a page, read only, each with a link to its own page."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True
    hide_title = True
    tab = True
    per_page = 50

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.readonly_preprocess_fields: dict[str, Any] = dict(preprocess(self.units))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


_UNIT_WORDS = re.compile(r",? ?(micro-dollars( a contract)?|1/10,000 dollar|1/100 contract|millionths)\b", re.I)


def help_without_units(model: type[models.Model]) -> dict[str, str]:
    """The columns' help without the units they are stored in: on screen they are dollars and contracts."""
    texts = {field.name: str(getattr(field, "help_text", "")) for field in model._meta.fields}
    return {
        name: _UNIT_WORDS.sub("", text).strip(" .,;") + "." if _UNIT_WORDS.search(text) else text
        for name, text in texts.items()
    }


def preprocess(units: dict[str, str]) -> dict[str, Callable[[str], str]]:
    """Unfold's hook for read-only fields: the rendered integer in, the amount with its unit out."""

    def writer(unit: str) -> Callable[[str], Any]:
        def write(contents: str) -> Any:
            text = strip_tags(str(contents)).strip()
            return signed(unit, int(text)) if text.lstrip("-").isdigit() else conditional_escape(contents)

        return write

    return {name: writer(unit) for name, unit in units.items() if unit != "ago"}
