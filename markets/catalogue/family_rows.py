"""What the grouping of events into families needs to know of each open event, in two queries."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Max, Min, Q

from markets.kalshi.vocabulary import MarketStatus
from markets.models import Event, Market

OPEN: Final = Q(status=MarketStatus.ACTIVE.value)


@dataclass(frozen=True, slots=True)
class Listed:
    """One open event with what must be the same in all events of a family."""

    ticker: str
    series: str
    title: str
    category: str
    shard: int
    closes: datetime
    expires: datetime
    latest: tuple[datetime | None, datetime | None]
    """The first and the last of the moments at which its markets expire at the latest."""
    rules_hash: str
    volume: int
    open_interest: int
    markets: int
    is_numeric: bool
    sources: str
    is_ladder: bool
    has_one_end: bool
    """Whether all its markets close, and all expire, at one moment; ``closes`` and ``expires`` are the first of those that are open."""


def listed(tickers: Collection[str] | None = None) -> Iterable[Listed]:
    """The open events (of ``tickers``, if given) on one shard whose markets close and expire at known moments."""
    chosen = Q() if tickers is None else Q(event__in=tickers)
    spans = {
        row["event_id"]: row
        for row in Market.objects.filter(chosen, event__is_open=True, event__is_family=False)
        .exclude(status="absent")
        .order_by()
        .values("event_id")
        .annotate(
            n=Count("pk"),
            closes=Min("close_time", filter=OPEN),
            first=Min("close_time"),
            last=Max("close_time"),
            expires=Min("expected_expiration_time", filter=OPEN),
            sooner=Min("expected_expiration_time"),
            later=Max("expected_expiration_time"),
            latest=Min("latest_expiration_time"),
            last_of_all=Max("latest_expiration_time"),
            shard=Min("exchange_index"),
            other=Max("exchange_index"),
            floor=Max("floor_strike"),
            cap=Max("cap_strike"),
        )
    }
    columns = ("ticker", "series_id", "title", "category", "exchange_index", "rules_hash", "volume", "open_interest")
    more = ("mutually_exclusive", "settlement_sources", "series__settlement_sources")
    events = Event.objects.filter(is_open=True, is_family=False).order_by("ticker")
    events = events if tickers is None else events.filter(pk__in=tickers)
    for row in events.values(*columns, *more):
        span = spans.get(row["ticker"])
        if span is None or None in (span["closes"], span["expires"]):
            continue
        if span["shard"] == span["other"] == row["exchange_index"]:
            yield _listed(row, span)


def sources_of(sources: Any) -> str:
    """The settlement sources of an event or its series as one text, whatever their order; "" for none."""
    rows = sources if isinstance(sources, list) else [sources]
    return json.dumps(sorted(json.dumps(source, sort_keys=True) for source in rows)) if sources else ""


def _listed(row: Mapping[str, Any], span: Mapping[str, Any]) -> Listed:
    sources = row["settlement_sources"] or row["series__settlement_sources"]
    return Listed(
        row["ticker"],
        row["series_id"],
        row["title"],
        row["category"],
        row["exchange_index"],
        span["closes"],
        span["expires"],
        (span["latest"], span["last_of_all"]),
        row["rules_hash"],
        row["volume"],
        row["open_interest"],
        span["n"],
        bool(span["floor"] or span["cap"]),
        sources_of(sources),
        not row["mutually_exclusive"] and span["n"] > 1,
        (span["first"], span["sooner"]) == (span["last"], span["later"]),
    )
