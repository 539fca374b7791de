"""Filters of the lists. Choices that would need a scan of a large table are kept for a minute."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)

from markets.models import Series
from strategies.models import Profile

__all__ = [
    "ChoicesDropdownFilter",
    "DropdownFilter",
    "RangeDateTimeFilter",
    "RelatedDropdownFilter",
    "choice",
    "open_or_ended",
    "seen_values",
]


def seen_values(field: str, title: str = "", model: type[Model] | None = None) -> type[DropdownFilter]:
    """A dropdown of the values that ``field`` really has. ``model`` says where they are read (say, a smaller table)."""

    class SeenValues(DropdownFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            source = model or model_admin.model
            own = field.split("__")[-1] if model else field
            key = f"filter:{source._meta.label}:{own}"
            values = cache.get(key)
            if values is None:
                rows = source._default_manager.order_by().values_list(own, flat=True).distinct()[:200]
                values = sorted({str(value) for value in rows if value not in ("", None)})
                cache.set(key, values, 60)
            return [(value, value.replace("_", " ")) for value in values]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

    SeenValues.title = title or field.split("__")[-1].replace("_", " ")
    return SeenValues


def choice(
    name: str, label: str, options: dict[str, tuple[str, dict[str, Any]]], default: str = ""
) -> type[DropdownFilter]:
    """A dropdown of named conditions; ``default`` applies when the address says nothing (and "all" lifts it)."""

    class Choice(DropdownFilter):
        parameter_name = name
        title = label
        all_option = None if default else ("", "All")

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(key, text) for key, (text, _) in options.items()] + ([("all", "All")] if default else [])

        def value(self) -> str | None:
            return super().value() or default or None

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            conditions = options.get(self.value() or "")
            return queryset.filter(**conditions[1]) if conditions else queryset

    return Choice


def open_or_ended(field: str = "ended_at", default: str = "open") -> type[DropdownFilter]:
    """Open rows (no end yet) by default; ended ones and all on request."""
    options = {"open": ("Open now", {f"{field}__isnull": True}), "ended": ("Ended", {f"{field}__isnull": False})}
    return choice("is_open", "state", options, default)


class OpenNearMiss(open_or_ended()):  # type: ignore[misc]
    """Open near misses by way of their profiles: the index begins with the profile, and a million ended ones stay unread."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found: QuerySet[Any] = super().queryset(request, queryset)
        if self.value() == "open":
            return found.filter(profile_id__in=list(Profile.objects.values_list("pk", flat=True)))
        return found


Category = seen_values("category", "category", Series)
EventCategory = seen_values("event__category", "category", Series)
