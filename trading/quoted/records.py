"""Counts what the quotes of each series have brought, for those who choose and price quotes (``strategies.models.QuoteRecord``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, Case, CharField, Count, F, Max, Min, Q, QuerySet, Sum, Value, When

from kalbot.common import clock
from strategies.models import Kind, QuoteRecord
from trading.execution.sizing import planner
from trading.execution.sizing.quotes import SIDE_OF
from trading.models import Leg, MarkOut, Order, Position, PositionStatus

COUNTED: Final = timedelta(days=30)
"""Older quotes say nothing any more, so a series that is quoted no more is tried again some day."""
PRICE_UNIT: Final = 100
"""Micro-dollars in 1/10,000 dollar."""
Key = tuple[str, str, str, str]
"""(series, mode, side, band); the band is empty for all of a series."""


def refresh() -> int:
    """Count all series again. Returns how many have a record."""
    now = clock.now()
    found: dict[Key, dict[str, Any]] = defaultdict(dict)
    for by_band in (False, True):
        for key, columns in [*_marks(now, by_band), *_baskets(now, by_band)]:
            found[key] |= columns
    rows = [
        QuoteRecord(series_id=s, mode=m, side=side, band=band, at=now, **columns)
        for (s, m, side, band), columns in found.items()
    ]
    with transaction.atomic():
        QuoteRecord.objects.all().delete()
        QuoteRecord.objects.bulk_create(rows)
    return len(rows)


def _marks(now: datetime, by_band: bool) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Averages over the contracts that were measured."""
    counted, band = _band(by_band, "fill__order__position__")
    measured = MarkOut.objects.filter(counted, at__gt=now - COUNTED).annotate(band=band)
    rows: QuerySet[MarkOut, Any] = measured.values("series", "mode", "side", "band")
    sums = {f"sum_{h}": Sum((F(f"leg_{h}") - F("price") * PRICE_UNIT) * F("count")) for h in (1, 10, 60)}
    counts = {f"count_{h}": Sum(_count_where(h)) for h in (1, 10, 60)}
    for row in rows.annotate(fills=Count("leg_60"), **sums, **counts).order_by():
        marks = {f"mark_{h}": _mean(row[f"sum_{h}"], row[f"count_{h}"]) for h in (1, 10, 60)}
        yield (row["series"], row["mode"], row["side"], row["band"]), {"fills": row["fills"], **marks}


def _band(by_band: bool, path: str = "") -> tuple[Q, F | Value]:
    """Which rows are counted, and by which band: those that have one, or all of them as one."""
    if not by_band:
        return Q(), Value("", output_field=CharField())
    return ~Q(**{f"{path}quote_band": ""}), F(f"{path}quote_band")


def _count_where(horizon: int) -> Case:
    measured = Q(**{f"leg_{horizon}__isnull": False})
    return Case(When(measured, then=F("count")), default=0, output_field=BigIntegerField())


def _mean(total: int | None, count: int | None) -> int | None:
    return round(total / count) if total is not None and count else None


def _baskets(now: datetime, by_band: bool) -> Iterator[tuple[Key, dict[str, Any]]]:
    sums: dict[Key, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("baskets", *_COUNTED_COLUMNS), 0))
    rows = list(_ended(now, by_band))
    of_families = _resting_legs(row["pk"] for row in rows if row["kind"] == Kind.FAMILY)
    for row in rows:
        if row["kind"] == Kind.FAMILY:
            series, side = of_families[row["pk"], row["decision__quote"]["leg"]]
        else:
            series, side = row["event__series_id"], SIDE_OF[Kind(row["kind"])].value
        one = sums[series, row["mode"], side, row["band"]]
        one["baskets"] += 1
        one["wanted"] += row["target_count"]
        one["complete"] += row["whole"]
        one["orphaned"] += row["bought"] - row["whole"] * row["legs__count"]
    for key, tokens in _tokens(now, by_band).items():
        if key in sums:
            sums[key]["tokens"] = tokens
    yield from sums.items()


def _resting_legs(positions: Iterable[int]) -> dict[tuple[int, str], tuple[str, str]]:
    """(position, ticker) -> series and side of each of its legs: a family's quote counts for those of the leg that rests."""
    legs = Leg.objects.filter(position__in=list(positions)).order_by("pk")
    columns = legs.values_list("position_id", "market_id", "market__event__series_id", "side")
    return {(position, ticker): (series, side) for position, ticker, series, side in columns}


_COUNTED_COLUMNS: Final = ("wanted", "complete", "orphaned", "tokens")


def _quoted(now: datetime) -> QuerySet[Position]:
    still = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.EXECUTING, PositionStatus.COMPLETING)
    return (
        Position.objects.filter(created_at__gt=now - COUNTED, kind__in=[*SIDE_OF, Kind.FAMILY])
        .exclude(quoting="")
        .exclude(status__in=still)
    )


_COLUMNS: Final = (
    "pk",
    "event__series_id",
    "mode",
    "kind",
    "decision__quote",
    "band",
    "target_count",
    "whole",
    "bought",
    "legs__count",
)


def _ended(now: datetime, by_band: bool) -> QuerySet[Position, Any]:
    """Each with what it bought: of its least filled leg and of all legs together. Every leg of a quoted basket wants the same count."""
    counted, band = _band(by_band)
    rows = _quoted(now).filter(counted).annotate(band=band)
    rows = rows.annotate(whole=Min("legs__bought_count"), bought=Sum("legs__bought_count"), legs__count=Count("legs"))
    found: QuerySet[Position, Any] = rows.values(*_COLUMNS).order_by()
    return found


def _tokens(now: datetime, by_band: bool) -> dict[Key, int]:
    """Write tokens of placing and withdrawing quotes; what prolonging them took is not kept."""
    counted, band = _band(by_band, "position__")
    orders = Order.objects.filter(purpose=Order.Purpose.QUOTE, position__in=_quoted(now))
    rows = (
        orders.filter(counted)
        .annotate(band=band)
        .values("leg__market__event__series_id", "mode", "side", "band")
        .annotate(placed=Count("pk"), whole=Count("pk", filter=Q(filled_count=F("count"))), last=Max("created_at"))
    )
    return {
        (row["leg__market__event__series_id"], row["mode"], row["side"], row["band"]): row["placed"]
        * planner.CREATE_TOKENS
        + (row["placed"] - row["whole"]) * planner.CANCEL_TOKENS
        for row in rows.order_by()
    }
