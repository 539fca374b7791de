"""One page of the exchange's events into rows, touching only what changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from kalbot.common import clock
from kalbot.common.db import bulk
from markets.catalogue.rows import Row, content_hash, event_row, market_row, same_facts
from markets.kalshi.schemas import Event as WireEvent
from markets.kalshi.vocabulary import OPEN_STATUSES
from markets.models import Event, Market, Scan, Series
from markets.terms.catalogue_facts import EVENT_FACTS, MARKET_FACTS

ABSENT = "absent"
"""Not a status of the exchange: the market was listed as open before and the exchange no longer lists it in its event."""


@dataclass(slots=True)
class PageResult:
    """What one page did. ``changed``: events whose facts changed, which certificates depend on; prices and volumes are none.
    ``absent``: markets that are missing from them."""

    events_written: int = 0
    markets_written: int = 0
    changed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def store_events(events: Sequence[WireEvent], scan: Scan | None = None) -> PageResult:
    """Write the events and their nested markets that differ from the database, in one short transaction.

    A market that the database has as open and its event no longer lists becomes ``absent``: it cannot be traded, and positions in
    it are reconciled with the exchange.
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
        new_events, other_events = _changed(event_rows, known_events, EVENT_FACTS)
        digests = {ticker: value[0] for ticker, value in known_markets.items()}
        new_markets, other_markets = _changed(market_rows, digests, MARKET_FACTS)
        result.absent = [
            ticker
            for ticker, (_, _, status) in known_markets.items()
            if ticker not in market_rows and status in OPEN_STATUSES
        ]
        result.events_written = write(Event, new_events, scan)
        result.markets_written = write(Market, new_markets, scan)
        if result.absent:
            Market.objects.filter(ticker__in=result.absent).update(
                status=ABSENT, content_hash="", updated_at=clock.now()
            )
    changed = {row["ticker"] for row in other_events}
    changed.update(row["event_id"] for row in other_markets)
    changed.update(known_markets[ticker][1] for ticker in result.absent)
    result.changed = sorted(changed)
    return result


def _changed(rows: dict[str, Row], known: dict[str, str], facts: Collection[str]) -> tuple[list[Row], list[Row]]:
    """The rows to be written, and those of them whose ``facts`` differ from what the database has."""
    changed, other_facts = [], []
    for ticker, row in rows.items():
        digest, before = content_hash(row, facts), known.get(ticker, "")
        if before != digest:
            row["content_hash"] = digest
            changed.append(row)
            if not same_facts(before, digest):
                other_facts.append(row)
    return changed, other_facts


def write(model: type[models.Model], rows: Sequence[Row], scan: Scan | None) -> int:
    """Insert or update ``rows``, all of the same columns. The primary key decides which.

    With forty columns a row, ``bulk_create`` would compile hundreds of statements (``kalbot.common.db.bulk``).
    """
    if not rows:
        return 0
    at = clock.now()
    extra: Row = {"updated_at": at, **({"last_scan_id": scan.pk} if scan is not None else {})}
    defaults = _defaults(model, {*rows[0], *extra}, at)
    fields = {field.attname: field for field in model._meta.concrete_fields}
    names = [*rows[0], *extra]
    database = connections[DEFAULT_DB_ALIAS]
    prepare = {
        place: _memoized(fields[name], database)
        for place, name in enumerate(names)
        if isinstance(fields[name], models.DateTimeField | models.JSONField)
    }
    values = []
    for row in rows:
        line = [*row.values(), *extra.values()]
        for place, prepared in prepare.items():
            line[place] = prepared(line[place])
        values.append(line)
    prepared_defaults = {name: fields[name].get_db_prep_save(value, database) for name, value in defaults.items()}
    bulk.upsert_rows(model, names, values, prepared_defaults)
    return len(rows)


def _memoized(field: models.Field[Any, Any], database: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """The field's value for the database, made once for each value: the markets of a page share most of their times and grids."""
    known: dict[Any, Any] = {}

    def prepared(value: Any) -> Any:
        key = repr(value) if isinstance(value, list | dict) else value
        if key not in known:
            known[key] = field.get_db_prep_save(value, database)
        return known[key]

    return prepared


def _defaults(model: type[models.Model], given: set[str], at: datetime) -> Row:
    """What a new row needs besides: the defaults of columns that are not ``given``. They are left alone in a row that exists."""
    found: Row = {}
    for column in model._meta.concrete_fields:
        if column.attname not in given:
            moment = getattr(column, "auto_now_add", False) or getattr(column, "auto_now", False)
            found[column.attname] = at if moment else column.get_default()
    return found


def _ensure_series(tickers: Iterable[str]) -> None:
    """An event may come before its series: a bare row without a fee type, which nothing may be traded on."""
    wanted = set(tickers)
    missing = wanted - set(Series.objects.filter(ticker__in=wanted).values_list("ticker", flat=True))
    Series.objects.bulk_create([Series(ticker=ticker) for ticker in missing], ignore_conflicts=True)
