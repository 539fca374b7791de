"""One page of the exchange's events into rows, touching only what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction

from kalbot.common.clock import now
from markets.kalshi.schemas import Event as WireEvent
from markets.models import Event, Market, Scan, Series
from markets.rows import Row, content_hash, event_row, market_row

OPEN_STATUSES = ("active", "inactive", "initialized")
ABSENT = "absent"
"""Our own word: the market was listed as open before and the exchange no longer lists it in its event."""


@dataclass(slots=True)
class PageResult:
    """What one page did. ``changed``: events of which anything was written; ``absent``: markets that are missing from them."""

    events_written: int = 0
    markets_written: int = 0
    changed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def store_events(events: Sequence[WireEvent], scan: Scan | None = None) -> PageResult:
    """Write the events and their nested markets that differ from the database, in one short transaction.

    A market that the database has as open and its event no longer lists becomes ``absent``: it cannot be traded, and whoever
    holds it asks the exchange.
    """
    tickers = [event.event_ticker for event in events]
    event_rows = {event.event_ticker: event_row(event) for event in events}
    market_rows = {m.ticker: market_row(m) for event in events for m in event.markets}
    result = PageResult()
    with transaction.atomic():
        known_events = dict(Event.objects.filter(ticker__in=tickers).values_list("ticker", "content_hash"))
        known = Market.objects.filter(event_id__in=tickers).values_list("ticker", "content_hash", "event_id", "status")
        known_markets = {ticker: (digest, event_id, status) for ticker, digest, event_id, status in known}
        _ensure_series({row["series_id"] for row in event_rows.values()})
        new_events = _changed(event_rows, known_events)
        new_markets = _changed(market_rows, {ticker: value[0] for ticker, value in known_markets.items()})
        result.absent = [
            ticker
            for ticker, (_, _, status) in known_markets.items()
            if ticker not in market_rows and status in OPEN_STATUSES
        ]
        result.events_written = write(Event, new_events, scan)
        result.markets_written = write(Market, new_markets, scan)
        if result.absent:
            Market.objects.filter(ticker__in=result.absent).update(status=ABSENT, content_hash="", updated_at=now())
    changed = {row["ticker"] for row in new_events}
    changed.update(row["event_id"] for row in new_markets)
    changed.update(known_markets[ticker][1] for ticker in result.absent)
    result.changed = sorted(changed)
    return result


def _changed(rows: dict[str, Row], known: dict[str, str]) -> list[Row]:
    changed = []
    for ticker, row in rows.items():
        digest = content_hash(row)
        if known.get(ticker) != digest:
            row["content_hash"] = digest
            changed.append(row)
    return changed


def write(model: type[models.Model], rows: Sequence[Row], scan: Scan | None) -> int:
    """Insert or update ``rows``, all of the same columns. The primary key decides which."""
    if not rows:
        return 0
    key = model._meta.pk.name
    columns = [name for name in rows[0] if name != key]
    fields = [model._meta.get_field(name.removesuffix("_id")).name for name in columns]
    extra: dict[str, Any] = {"last_scan_id": scan.pk} if scan is not None else {}
    model._default_manager.bulk_create(
        [model(**row, **extra) for row in rows],
        update_conflicts=True,
        unique_fields=[key],
        update_fields=[*fields, "updated_at", *(["last_scan"] if extra else [])],
    )
    return len(rows)


def _ensure_series(tickers: Iterable[str]) -> None:
    """An event may come before its series: a bare row without a fee type, which nothing may be traded on."""
    wanted = set(tickers)
    missing = wanted - set(Series.objects.filter(ticker__in=wanted).values_list("ticker", flat=True))
    Series.objects.bulk_create([Series(ticker=ticker) for ticker in missing], ignore_conflicts=True)
