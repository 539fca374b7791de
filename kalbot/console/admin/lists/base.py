"""What every list and page of the admin shares: read-only by default, units written for people, counts that stay cheap."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.paginator import Page, Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.html import conditional_escape, strip_tags
from unfold.admin import ModelAdmin, TabularInline

from kalbot.console.admin.lists.columns import RAW, Column, column, even_out, title_of, unit_of
from kalbot.console.dialogs.register import DialogActions
from kalbot.console.ui import formats, search
from kalbot.console.ui.links import page_url
from kalbot.console.ui.markup import signed

COUNT_LIMIT = 10_000
DEEP = 1_000
"""Rows that a page skips beyond which their keys are read first: else the database joins every row that it skips."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # Django's cannot be written with its rows' type at run time
    """Counts to 10,000 and stops: beyond that a person filters, and counting a million rows costs more than the page.

    ``rows``: set where a person searches, for then every row must be read to find those that are wanted: that is done once, for the
    count and the page together, and the page's rows are taken from ``rows`` by their keys.
    """

    rows: models.QuerySet[Any] | None = None

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, models.QuerySet):
            return len(rows)
        if self.rows is not None:
            return len(self.keys)
        # counted by the database: ten thousand keys that become UUIDs cost as much as the page; and unordered, for it would sort them all
        return rows.order_by().values("pk")[:COUNT_LIMIT].count()

    @cached_property
    def keys(self) -> list[Any]:
        """The keys of what was found, in the list's order."""
        rows = self.object_list
        assert isinstance(rows, models.QuerySet)
        return list(rows.values_list("pk", flat=True)[:COUNT_LIMIT])

    def page(self, number: Any) -> Page[Any]:
        number = self.validate_number(number)
        begin = (number - 1) * self.per_page
        rows = self.object_list
        if self.rows is not None:
            return Page(self.taken(self.keys[begin : begin + self.per_page]), number, self)
        if begin < DEEP or not isinstance(rows, models.QuerySet):
            return super().page(number)
        return Page(
            _in_order(rows, list(rows.values_list("pk", flat=True)[begin : begin + self.per_page])), number, self
        )

    def taken(self, keys: list[Any]) -> list[Any]:
        """The rows of these keys, in their order."""
        return _in_order(self.rows, keys) if self.rows is not None else []


def _in_order(rows: models.QuerySet[Any], keys: list[Any]) -> list[Any]:
    found = rows.in_bulk(keys)
    return [found[key] for key in keys if key in found]


def keep_filters(found: Any) -> None:
    """Let each row's link lead back to the list as it is filtered. Django would resolve the address of every row for it: 2 ms each."""
    kept, found.preserved_filters = found.preserved_filters, ""
    label, key, end = found.opts.label_lower, found.pk_attname, f"?{kept}" if kept else ""
    found.url_for_result = lambda row: f"{page_url(label, getattr(row, key))}{end}"


def write_addresses_once(found: Any) -> None:
    """Unfold makes the headings' addresses again with every row, though they never differ within a list."""
    plain, written = found.get_query_string, dict[str, str]()

    def address(new_params: Any = None, remove: Any = None) -> str:
        key = f"{new_params} {remove}"
        if key not in written:
            written[key] = plain(new_params, remove)
        return written[key]

    found.get_query_string = address


class UnitColumns:
    """Gives each field its unit, in lists and on pages: the one named in ``units``, or what its kind has."""

    units: ClassVar[dict[str, str]] = {}

    def unit_columns(self, names: Sequence[Any]) -> list[Any]:
        """``names`` with the columns that have a unit replaced; the same objects each time, for Django compares them."""
        made: dict[str, Column] = self.__dict__.setdefault("_made_columns", {})
        fields = {field.name: field for field in self.model._meta.fields}  # type: ignore[attr-defined]
        for name in names:
            unit = (self.units.get(name) or unit_of(fields.get(name))) if isinstance(name, str) else ""
            if unit and unit != RAW and name not in made:
                made[name] = column(name, unit, title_of(str(fields[name].verbose_name) if name in fields else name))
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
    list_sections: ClassVar[
        list[Any]
    ] = []  # named, as are the conditional fields, because Unfold's templates read both with each row,
    conditional_fields: ClassVar[dict[str, str]] = {}  # and a name that is missing costs Django more than the cell
    sorts: ClassVar[set[str] | None] = None  # names of the sortable columns; None: all of them
    linked_by: ClassVar[set[str]] = set()  # lookups that pages of ours link to, beside the filters

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        found = super().get_paginator(request, *args, **kwargs)
        if request.GET.get(SEARCH_VAR):
            found.rows = self.get_queryset(request).select_related(*(self.list_select_related or ()))
        return found

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """As ``search.each`` finds; nothing here repeats a row."""
        fields, words = self.get_search_fields(request), search.words_of(search_term)
        return (queryset.filter(search.each(self.model, words, *fields)) if fields else queryset), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in self.linked_by or super().lookup_allowed(lookup, value, request)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.readonly_preprocess_fields: dict[str, Any] = empties(self.model)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is only read is written as in the lists: in its unit, under a name that does not speak of storage."""
        found = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return found
        (title, options), *others = found
        first = (title, {**options, "fields": [*options["fields"], *self._moments(flatten_fieldsets(found))]})
        return [(title, {**options, "fields": self._written(options["fields"])}) for title, options in (first, *others)]

    def _moments(self, shown: Sequence[Any]) -> list[str]:
        """When the row was made and last changed: Django's forms leave out what writes itself."""
        own = [field for field in self.model._meta.fields if isinstance(field, models.DateTimeField)]
        return [field.name for field in own if not field.editable and field.name not in shown]

    def _written(self, fields: Sequence[Any]) -> list[Any]:
        return [
            tuple(self.unit_columns(one)) if isinstance(one, list | tuple) else self.unit_columns([one])[0]
            for one in fields
        ]

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
        if found.paginator.rows is not None and isinstance(found.result_list, models.QuerySet):
            found.result_list = found.paginator.taken(
                found.paginator.keys
            )  # all on one page: Django would search again
        keep_filters(found)
        write_addresses_once(found)
        self.prepare_rows(found.result_list)
        named = [getattr(self, one, one) if isinstance(one, str) else one for one in found.list_display]
        even_out(found.result_list, named)
        return found

    def prepare_rows(self, rows: Iterable[Any]) -> None:
        """Give the rows of a page, or of a piece of an export, what columns need of other tables, read for all of them at once."""

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
        self.readonly_preprocess_fields: dict[str, Any] = {**empties(self.model), **preprocess(self.units)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


_UNIT_WORDS = re.compile(
    r"[,;:]? ?(micro-dollars( a contract| of money)?|1/10,000 dollar|1/100( of contracts| contract)?|millionths|unix milliseconds)\b",
    re.I,
)


_NAME = re.compile(r"(?<![\w.])[a-z]+(_[a-z]+)+\b")
_SHAPE = re.compile(r":? ?(\[[\[{].*?\.\.\.\]|\{[^}]*\})")


def _without_shape(text: str) -> str:
    """A help text without the shape that a structure is stored in: ``[{"ticker", "side"}, ...]``, and with a program's names in words."""
    left = _NAME.sub(lambda name: name[0].removesuffix("_ms").replace("_", " "), _SHAPE.sub("", text).strip(" ;"))
    return left[:1].upper() + left[1:] if left.strip(".") else ""


def help_without_units(model: type[models.Model]) -> dict[str, str]:
    """The columns' help without the units and shapes they are stored in: on screen they are dollars, contracts and tables."""
    texts = {field.name: _without_shape(str(getattr(field, "help_text", ""))) for field in model._meta.fields}
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


def empties(model: type[models.Model]) -> dict[str, Callable[[str], str]]:
    """The same hook for stored structures: an empty one says nothing to a person."""

    def write(contents: str) -> Any:
        return contents if strip_tags(str(contents)).strip("[]{} \n") else formats.NOTHING

    return {field.name: write for field in model._meta.fields if isinstance(field, models.JSONField)}
