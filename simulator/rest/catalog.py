"""Public reads: status, schedule, series, events, markets, order books, trades, fee changes (docs/kalshi-protocol.md 7 and 8)."""

from __future__ import annotations

from typing import Any

from simulator.clock import iso, iso_seconds
from simulator.config import SHARD_NAMES, SHARDS
from simulator.errors import ApiError, bad_query, not_found
from simulator.exchange import Exchange
from simulator.listing import archive
from simulator.listing.model import STATUS_FILTER, Event, Market
from simulator.listing.status import next_weekly_window

from . import render
from .query import Query, page

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def exchange_status(exchange: Exchange, query: Query) -> dict[str, Any]:
    state, now = exchange.state, exchange.now()
    return {
        "exchange_active": state.exchange_active(),
        "trading_active": state.trading_active(now),
        "intra_exchange_transfers_active": state.exchange_active(),
        "exchange_estimated_resume_time": iso(state.resume_ms) if state.resume_ms else None,
        "exchange_index_statuses": [
            {
                "exchange_index": shard,
                "description": SHARD_NAMES[shard],
                "exchange_active": state.exchange_active(shard),
                "trading_active": state.trading_active(now, shard),
                "intra_exchange_transfers_active": state.exchange_active(shard),
            }
            for shard in SHARDS
        ],
    }


def exchange_schedule(exchange: Exchange, query: Query) -> dict[str, Any]:
    windows = [window for window in exchange.state.announced if window[1] > exchange.now()]
    hours: dict[str, Any] = {day: [{"open_time": "00:00", "close_time": "24:00"}] for day in _DAYS}
    if exchange.state.weekly:
        start, end = next_weekly_window(exchange.now())
        windows.append((round(start.timestamp() * 1000), round(end.timestamp() * 1000)))
        hours["thursday"] = [
            {"open_time": "00:00", "close_time": "03:00"},
            {"open_time": "05:00", "close_time": "24:00"},
        ]
    listed = [
        {"start_datetime": iso_seconds(opens), "end_datetime": iso_seconds(ends)} for opens, ends in sorted(windows)
    ]
    hours |= {"start_time": "2026-01-01T00:00:00Z", "end_time": "2027-12-31T00:00:00Z"}
    return {"schedule": {"standard_hours": [hours], "maintenance_windows": listed}}


def user_data_timestamp(exchange: Exchange, query: Query) -> dict[str, Any]:
    return {"as_of_time": iso(exchange.now() - exchange.config.read_delay_ms)}


# ---- series


def series_list(exchange: Exchange, query: Query) -> dict[str, Any]:
    category, tags = query.text("category"), query.words("tags")
    since = query.whole("min_updated_ts")
    volumes = _volumes(exchange) if query.flag("include_volume") else None
    query.flag("include_product_metadata")
    found = [
        s
        for s in sorted(exchange.series.values(), key=lambda s: s.ticker)
        if (category is None or s.category == category)
        and (tags is None or set(tags) & set(s.tags))
        and (since is None or s.updated_ms >= since * 1000)
    ]
    return {
        "series": [render.series(exchange, s, None if volumes is None else volumes.get(s.ticker, 0)) for s in found]
    }


def one_series(exchange: Exchange, query: Query, series_ticker: str) -> dict[str, Any]:
    found = exchange.series.get(series_ticker)
    if found is None:
        raise not_found("series not found")
    volume = _volumes(exchange).get(series_ticker, 0) if query.flag("include_volume") else None
    return {"series": render.series(exchange, found, volume)}


def _volumes(exchange: Exchange) -> dict[str, int]:
    totals: dict[str, int] = {}
    for market in exchange.markets.values():
        totals[market.series_ticker] = totals.get(market.series_ticker, 0) + market.volume
    return totals


def series_fee_changes(exchange: Exchange, query: Query) -> dict[str, Any]:
    ticker, history = query.text("series_ticker"), query.flag("show_historical")
    now = exchange.now()
    rows = [
        c
        for c in exchange.fee_changes
        if "series_ticker" in c
        and "event_ticker" not in c
        and (ticker is None or c["series_ticker"] == ticker)
        and (history or c["at_ms"] > now)
    ]
    return {"series_fee_change_arr": [_fee_change(c) for c in rows]}


def event_fee_changes(exchange: Exchange, query: Query) -> dict[str, Any]:
    ticker = query.text("event_ticker")
    rows = [c for c in exchange.fee_changes if "event_ticker" in c and (ticker is None or c["event_ticker"] == ticker)]
    found, cursor = page(query, rows, lambda c: str(c["id"]), 100, 1000)
    return {"event_fee_changes": [_fee_change(c) for c in found], "cursor": cursor}


def _fee_change(change: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in change.items() if name != "at_ms"}
    return shown | {"scheduled_ts": iso(change["at_ms"])}


# ---- events


def markets_of(exchange: Exchange, event: Event) -> list[Market]:
    """The markets of an event that are still in the live listing."""
    markets = (exchange.markets[ticker] for ticker in event.markets)
    return [market for market in markets if not archive.is_old_market(exchange, market)]


def events(exchange: Exchange, query: Query) -> dict[str, Any]:
    status = query.word("status", ("unopened", "open", "closed", "settled"))
    series, tickers = query.text("series_ticker"), query.words("tickers", 200)
    closing, updated = query.whole("min_close_ts"), query.whole("min_updated_ts")
    nested = query.flag("with_nested_markets")
    wanted = STATUS_FILTER.get(status or "")
    found = []
    for event in exchange.events.values():
        if (series is not None and event.series_ticker != series) or (
            tickers is not None and event.ticker not in tickers
        ):
            continue
        markets = markets_of(exchange, event)
        if wanted is not None and not any(m.status in wanted for m in markets):
            continue
        if closing is not None and not any(m.close_ms > closing * 1000 for m in markets):
            continue
        if updated is None or event.updated_ms >= updated * 1000:
            found.append(event)
    shown, cursor = page(query, found, lambda e: e.ticker, 200, 200)
    answer: dict[str, Any] = {
        "events": [render.event(exchange, e, markets_of(exchange, e) if nested else None) for e in shown],
        "cursor": cursor,
    }
    if query.flag("with_milestones"):
        answer["milestones"] = []
    return answer


def one_event(exchange: Exchange, query: Query, event_ticker: str) -> dict[str, Any]:
    event = exchange.events.get(event_ticker)
    if event is None:
        raise not_found("event not found")
    markets = markets_of(exchange, event)
    if query.flag("with_nested_markets"):
        return {"event": render.event(exchange, event, markets), "markets": []}
    shown = [] if query.flag("exclude_markets") else [render.market(exchange, m) for m in markets]
    return {"event": render.event(exchange, event, None), "markets": shown}


# ---- markets

_FAMILIES = {
    # timestamp family: statuses it goes with (docs/kalshi-protocol.md 7)
    "created": (None, "unopened", "open"),
    "close": (None, "closed"),
    "settled": (None, "settled"),
    "updated": (None,),
}


def markets(exchange: Exchange, query: Query) -> dict[str, Any]:
    """Newest first. At most one timestamp family, and only with the statuses it goes with."""
    status = query.word("status", tuple(STATUS_FILTER))
    event, series, tickers = query.text("event_ticker"), query.text("series_ticker"), query.words("tickers")
    mve = query.word("mve_filter", ("only", "exclude"))
    windows = _windows(query, status, mve)
    wanted = STATUS_FILTER.get(status or "")
    pool = [market for market in exchange.markets.values() if not archive.is_old_market(exchange, market)]
    if event is not None:
        named = exchange.events.get(event)
        pool = markets_of(exchange, named) if named else []
    found = [
        m
        for m in pool
        if (wanted is None or m.status in wanted)
        and (series is None or m.series_ticker == series)
        and (tickers is None or m.ticker in tickers)
        and mve != "only"
        and all(low <= (_instant(m, family) or -(2**61)) <= high for family, (low, high) in windows.items())
    ]
    found.sort(key=lambda m: (-m.created_ms, m.ticker))
    shown, cursor = page(query, found, lambda m: m.ticker, 100, 1000, 0)
    return {"markets": [render.market(exchange, m) for m in shown], "cursor": cursor}


def _windows(query: Query, status: str | None, mve: str | None) -> dict[str, tuple[int, int]]:
    found = {}
    for family, statuses in _FAMILIES.items():
        low, high = f"min_{family}_ts", f"max_{family}_ts"
        if query.text(low) is None and query.text(high) is None:
            continue
        if status not in statuses or (family == "updated" and mve != "exclude"):
            raise bad_query(f"{low} and {high} cannot be used with this filter")
        found[family] = query.window(low, high)
    if len(found) > 1:
        raise bad_query("only one timestamp filter at a time")
    return found


def _instant(market: Market, family: str) -> int | None:
    return {
        "created": market.created_ms,
        "close": market.close_ms,
        "settled": market.settled_ms,
        "updated": market.updated_ms,
    }[family]


def one_market(exchange: Exchange, query: Query, ticker: str) -> dict[str, Any]:
    found = exchange.markets.get(ticker)
    hidden = exchange.config.created_hidden_ms
    if (
        found is None
        or archive.is_old_market(exchange, found)
        or (hidden and exchange.now() - found.created_ms < hidden)
    ):
        raise ApiError(404, "not_found", "market not found")
    return {"market": render.market(exchange, found)}


def orderbook(exchange: Exchange, query: Query, ticker: str) -> dict[str, Any]:
    depth = query.whole("depth", 0, 100) or 0
    return {"orderbook_fp": render.orderbook(exchange.books.get(ticker), depth)}


def orderbooks(exchange: Exchange, query: Query) -> dict[str, Any]:
    """Repeated ``tickers``; a comma list is read as one unknown ticker and gives an empty book (docs/kalshi-protocol.md 7)."""
    tickers = query.all("tickers")
    if not 1 <= len(tickers) <= 100:
        raise bad_query("tickers: between 1 and 100 values")
    return {"orderbooks": [{"ticker": t, "orderbook_fp": render.orderbook(exchange.books.get(t))} for t in tickers]}
