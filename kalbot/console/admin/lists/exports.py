"""Exports of lists (CSV, XLSX, JSON by django-import-export): what is filtered on screen, amounts as decimal strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest
from import_export.admin import ExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, JSON, TSV
from import_export.resources import ModelResource, modelresource_factory
from import_export.widgets import Widget
from unfold.contrib.import_export.forms import SelectableFieldsExportForm

from kalbot.common.units import format_decimal
from kalbot.console.admin.lists.base import ReadOnlyAdmin
from kalbot.console.exports import write

PLACES = {"money": 6, "gain": 6, "price": 4, "count": 2, "percent": 4, "share": 4, "ratio": 6}
"""Unit of a column -> decimal places of its integer; shares are exported in per cent."""

INTERNAL = ("lease_token", "lease_until", "token", "content_hash")


class UnitWidget(Widget):
    """Writes a column's integer as an exact decimal string: spreadsheets read it, and nothing is rounded."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else format_decimal(int(value), self.places)


class Computed(Field):
    """A column that is no column of the table: what ``value`` makes of the row."""

    def __init__(self, name: str, value: Callable[[Any], str]) -> None:
        super().__init__(column_name=name, readonly=True)
        self.value = value

    def export(self, instance: Any, **kwargs: Any) -> str:
        return self.value(instance)


class _Harmless:
    """A table for spreadsheets: the library's own guard knows one of the signs that begin a formula, and copies the table row by row."""

    def _escape_formulae(self, dataset: Any) -> None:
        rows, headers = [[write.safe(str(cell)) for cell in row] for row in dataset], dataset.headers
        dataset.wipe()
        dataset.headers = headers
        dataset.extend(rows)


class Csv(_Harmless, CSV):
    """Comma-separated values."""


class Tsv(_Harmless, TSV):
    """Tab-separated values."""


class Json(JSON):
    """For programs: every text as it is stored, for nothing there is a formula."""

    def _escape_formulae(self, dataset: Any) -> None:
        pass


class ExportedAdmin(ExportMixin, ReadOnlyAdmin):
    """A read-only list with an export of the rows that its filters leave. ``computed``: columns beside the table's, by name;
    ``left_out``: columns that say something of a moment that has passed, in words that would be read as of now."""

    computed: ClassVar[dict[str, Callable[[Any], str]]] = {}
    left_out: ClassVar[tuple[str, ...]] = ()

    export_form_class = SelectableFieldsExportForm
    formats = [Csv, Tsv, Json]
    import_export_change_list_template = "admin/import_export/change_list_export.html"

    def get_export_formats(self) -> list[Any]:
        return self.formats

    def get_export_resource_classes(self, request: HttpRequest) -> list[type[ModelResource]]:
        resource = modelresource_factory(self.model, meta_options={"exclude": (*INTERNAL, *self.left_out)})
        for name, unit in self.units.items():
            if unit in PLACES and name in resource.fields:
                resource.fields[name].widget = UnitWidget(PLACES[unit])
        for name, value in self.computed.items():
            resource.fields[name] = Computed(name, value)
        return [resource]
