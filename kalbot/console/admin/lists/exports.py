"""Exports of lists (CSV, TSV, JSON): what is filtered on screen, amounts as decimal strings, times with their offset, sent row by row.

The form is django-import-export's; its files are not, because it keeps every row in memory twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from import_export.admin import ExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, JSON, TSV
from import_export.resources import ModelResource, modelresource_factory
from unfold.contrib.import_export.forms import SelectableFieldsExportForm

from kalbot.common.units import format_decimal
from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.exports import write

PLACES = {"money": 6, "gain": 6, "signed": 6, "price": 4, "count": 2, "percent": 4, "share": 4, "ratio": 6}
"""Unit of a column -> decimal places of its integer; shares are exported in per cent."""

INTERNAL = ("lease_token", "lease_until", "token", "content_hash")
ROWS_AT_ONCE: Final = 2_000
Cell = Callable[[Any], str]
Prepare = Callable[[list[Any]], None]


class Computed(Field):
    """A column that is no column of the table: what ``value`` makes of the row."""

    def __init__(self, name: str, value: Callable[[Any], str]) -> None:
        super().__init__(column_name=name, readonly=True)
        self.value = value


def writer(places: int | None, zone: tzinfo) -> Cell:
    """Writes a stored value: an integer with ``places`` as an exact decimal, a moment with the offset of ``zone``."""

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "1" if value else "0"
        if isinstance(value, int):
            return str(value) if places is None else format_decimal(value, places)
        if isinstance(value, datetime):
            return value.astimezone(zone).isoformat()
        if isinstance(value, float):
            return f"{Decimal(repr(value)):f}"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)

    return text


def cells(
    queryset: QuerySet[Any], fields: list[Field], units: dict[str, str], zone: tzinfo, prepare: Prepare
) -> Iterator[list[str]]:
    """The rows as texts, ``ROWS_AT_ONCE`` in memory. Rows of the table are made only where a column is computed from them, and are then
    given to ``prepare``, as many at once."""
    written = [writer(PLACES.get(units.get(field.column_name, "")), zone) for field in fields]
    if not any(isinstance(field, Computed) for field in fields):
        for row in queryset.values_list(*(field.attribute for field in fields)).iterator(ROWS_AT_ONCE):
            yield [text(value) for text, value in zip(written, row, strict=True)]
        return
    found = queryset.select_related(None).iterator(ROWS_AT_ONCE)
    while some := list(islice(found, ROWS_AT_ONCE)):
        prepare(some)
        for row in some:
            values = (
                field.value(row) if isinstance(field, Computed) else getattr(row, field.attribute) for field in fields
            )
            yield [text(value) for text, value in zip(written, values, strict=True)]


class ExportedAdmin(ExportMixin, ReadOnlyAdmin):
    """A read-only list with an export of the rows that its filters leave. ``computed``: columns beside the table's, by name;
    ``left_out``: columns that say something of a moment that has passed, in words that would be read as of now."""

    computed: ClassVar[dict[str, Callable[[Any], str]]] = {}
    left_out: ClassVar[tuple[str, ...]] = ()

    export_form_class = SelectableFieldsExportForm
    formats = [CSV, TSV, JSON]
    import_export_change_list_template = "admin/import_export/change_list_export.html"

    def get_export_formats(self) -> list[Any]:
        return self.formats

    def get_export_resource_classes(self, request: HttpRequest) -> list[type[ModelResource]]:
        resource = modelresource_factory(self.model, meta_options={"exclude": (*INTERNAL, *self.left_out)})
        for name, value in self.computed.items():
            resource.fields[name] = Computed(name, value)
        return [resource]

    def _do_file_export(
        self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], export_form: Any = None
    ) -> StreamingHttpResponse:
        """The library's answer to a valid form, sent while it is made. ``export_action`` has checked the permission."""
        resource = self.choose_export_resource_class(export_form, request)()
        fields = resource.get_export_fields(self.get_export_resource_fields_from_form(export_form))
        names = [field.column_name for field in fields]
        rows = cells(queryset, fields, self.units, timezone.get_current_timezone(), self.prepare_rows)
        if isinstance(file_format, JSON):
            pieces = write.objects(rows, names)
        else:
            pieces = write.table(rows, names, "\t" if isinstance(file_format, TSV) else ",")
        answer = StreamingHttpResponse(pieces, content_type=f"{file_format.get_content_type()}; charset=utf-8")
        name = self.get_export_filename(request, queryset, file_format)
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer
