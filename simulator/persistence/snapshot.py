"""Reads a recorded snapshot: pages of ``/events`` with nested markets, and order books.

What the recording lacks (volume, open interest, rules, some times) is derived here, from the seed where it has to be
made up. Every recorded instant is mapped to real time: start + (recorded - pass time) / speed.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.clock import parse_iso_ms
from simulator.config import SimulatorConfig
from simulator.listing.model import ACTIVE, Event, Market, Series
from simulator.listing.series import derive_series, rules_text, weather_city
from simulator.listing.tickers import day_ms, event_day
from simulator.randomness import Streams, named_id
from simulator.units import CONTRACT, ONE, parse_count, parse_price

_PASS = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_DAY_MS = 86_400_000
_SHORTEST_MS = 60_000
Levels = dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]]


class SnapshotError(Exception):
    """The folder does not hold a snapshot; the message is one sentence for a person."""


@dataclass(slots=True)
class Snapshot:
    """A loaded exchange: series, events, markets, and the recorded levels (YES bids, YES asks) per ticker."""

    pass_ms: int
    series: dict[str, Series] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    markets: dict[str, Market] = field(default_factory=dict)
    levels: Levels = field(default_factory=dict)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        raise SnapshotError(f"{path.parent} is not a snapshot: {path.name} is missing") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SnapshotError(f"{path} cannot be read as gzipped JSON lines: {error}") from None


def pass_time_ms(folder: Path, first_page: dict[str, Any]) -> int:
    """When the snapshot was taken: from the folder's name, else from ``captured_at`` in the first page."""
    found = _PASS.search(folder.resolve().name)
    if found:
        year, month, day, hour, minute, second = found.groups()
        return parse_iso_ms(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    try:
        return parse_iso_ms(first_page["captured_at"])
    except (KeyError, ValueError, AttributeError):
        raise SnapshotError(
            f"{folder} does not say when it was taken: name it like 20260719T155529Z or give captured_at in its first page"
        ) from None


def load_snapshot(folder: Path, config: SimulatorConfig, streams: Streams, start_ms: int) -> Snapshot:
    """Read a folder into an exchange that starts at ``start_ms``; SnapshotError if it is not one."""
    if not folder.is_dir():
        raise SnapshotError(f"{folder} is not a folder with a snapshot")
    pages = _lines(folder / "events.jsonl.gz")
    books = {str(b.get("ticker")): b.get("orderbook_fp") or {} for b in _lines(folder / "orderbooks.jsonl.gz")}
    if not pages or not all(isinstance(page.get("events"), list) for page in pages):
        raise SnapshotError(f"{folder / 'events.jsonl.gz'} does not hold pages of /events")
    loaded = Snapshot(pass_time_ms(folder, pages[0]))

    def real(recorded: str | None) -> int | None:
        return start_ms + round((parse_iso_ms(recorded) - loaded.pass_ms) / config.speed) if recorded else None

    try:
        for page in pages:
            for raw in page["events"]:
                _add_event(loaded, raw, books, streams, config, start_ms, real)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotError(f"{folder} holds an event that cannot be read: {error!r}") from None
    if not loaded.markets:
        raise SnapshotError(f"{folder} holds no market")
    return loaded


def _add_event(
    loaded: Snapshot,
    raw: dict[str, Any],
    books: dict[str, dict[str, Any]],
    streams: Streams,
    config: SimulatorConfig,
    start_ms: int,
    real: Callable[[str | None], int | None],
) -> None:
    ticker, kind = raw["event_ticker"], raw["series_ticker"]
    category = raw.get("category") or "World"
    title = raw.get("title") or ticker
    series = loaded.series.get(kind)
    if series is None:
        series = loaded.series[kind] = derive_series(kind, category, "" if title == ticker else title, start_ms)
    day = event_day(ticker)
    if title == ticker:
        title = f"{series.title} on {day}?" if day else series.title
    closes = [real(m.get("close_time") or m.get("expected_expiration_time")) for m in raw["markets"]]
    opens = [real(m.get("open_time")) for m in raw["markets"]]
    # a game that was open past its expected end is given a quarter of a day more
    overdue = start_ms + max(round(_DAY_MS / 4 / config.speed), _SHORTEST_MS)
    if not any(m.get("close_time") for m in raw["markets"]):
        closes = [overdue if c is not None and c <= start_ms else c for c in closes]
    last_close = max((c for c in closes if c is not None), default=start_ms + round(_DAY_MS / config.speed))
    first_open = min((o for o in opens if o is not None), default=start_ms - round(_DAY_MS / config.speed))
    event = Event(
        ticker,
        kind,
        title,
        raw.get("sub_title") or (f"On {day}" if day else ""),
        category,
        bool(raw["mutually_exclusive"]),
        raw.get("collateral_return_type") or "",
        (day_ms(ticker) or last_close) if weather_city(kind) else None,
        raw.get("strike_period") or None,
        series.shard,
        [],
        start_ms,
        max(last_close - first_open, 1_000),
    )
    loaded.events[ticker] = event
    for item, close_ms, open_ms in zip(raw["markets"], closes, opens, strict=True):
        close = last_close if close_ms is None else close_ms
        book = books.get(item["ticker"]) or {}
        market = _market(
            item,
            event,
            series,
            streams,
            close,
            first_open if open_ms is None else open_ms,
            len(raw["markets"]),
            day,
            start_ms,
            real(item.get("expected_expiration_time")) or close,
        )
        bids = [(parse_price(p), parse_count(c)) for p, c in book.get("yes_dollars", ())]
        asks = [(ONE - parse_price(p), parse_count(c)) for p, c in book.get("no_dollars", ())]
        _quote(market, bids, asks)
        loaded.levels[market.ticker] = (bids, asks)
        loaded.markets[market.ticker] = market
        event.markets.append(market.ticker)
    devig(event, [loaded.markets[t] for t in event.markets])


def _market(
    item: dict[str, Any],
    event: Event,
    series: Series,
    streams: Streams,
    close: int,
    opened: int,
    legs: int,
    day: str,
    start_ms: int,
    expected: int,
) -> Market:
    ticker = item["ticker"]
    rng = streams.fixed(f"market:{ticker}")
    volume = round(10 ** rng.uniform(1.5, 4.5)) * CONTRACT + rng.randrange(CONTRACT)
    primary, secondary = rules_text(series, event.title, day or event.sub_title or "the stated day", item, legs)
    side = item.get("yes_sub_title") or _strike_words(item)
    custom = {"side": named_id("entity", side)} if item.get("strike_type") == "structured" else None
    ranges = [[parse_price(r["start"]), parse_price(r["end"]), parse_price(r["step"])] for r in item["price_ranges"]]
    return Market(
        ticker=ticker,
        event_ticker=event.ticker,
        series_ticker=series.ticker,
        market_id=named_id("market", ticker),
        shard=event.shard,
        title=item.get("title") or event.title,
        yes_sub_title=side,
        no_sub_title=side,
        strike_type=item.get("strike_type") or "custom",
        floor_strike=item.get("floor_strike"),
        cap_strike=item.get("cap_strike"),
        custom_strike=custom,
        rules_primary=primary,
        rules_secondary=secondary,
        created_ms=opened - 3_600_000,
        updated_ms=min(start_ms, opened),
        open_ms=opened,
        close_ms=close,
        expected_ms=expected,
        latest_ms=expected + 7 * _DAY_MS,
        settlement_timer_s=0,
        status=item.get("status") or ACTIVE,
        price_level_structure=item.get("price_level_structure") or "linear_cent",
        ranges=ranges,
        volume=volume,
        volume_24h=round(volume * rng.uniform(0.05, 0.6)),
        open_interest=round(volume * rng.uniform(0.2, 0.8)),
        dollar_volume=0,
        last_price=0,
        quote_bid=0,
        quote_ask=ONE,
        quote_size=0,
        quoted=False,
        anchor=0.0,
        early_close_condition="This market will close and expire after a winner is declared."
        if series.category == "Sports"
        else "",
    )


def _quote(market: Market, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Remember the recorded touch, around which the makers will quote."""
    best_bid, best_ask = max(bids, default=None), min(asks, default=None)
    market.quoted = bool(bids or asks)
    market.quote_bid = best_bid[0] if best_bid else 0
    market.quote_ask = best_ask[0] if best_ask else ONE
    sizes = [level[1] for level in (best_bid, best_ask) if level]
    market.quote_size = max(CONTRACT, sum(sizes) // len(sizes)) if sizes else 10 * CONTRACT
    market.last_price = market.quote_bid or (market.quote_ask if market.quote_ask < ONE else 0)
    market.previous_price, market.previous_bid = market.last_price, market.quote_bid
    market.previous_ask = market.quote_ask
    market.dollar_volume = market.volume * (market.last_price or ONE // 2)


def devig(event: Event, markets: list[Market]) -> None:
    """De-vigged probabilities from the recorded mid prices; they sum to one over an exclusive event."""
    mids = [_mid(market) for market in markets]
    total = sum(mids) if event.mutually_exclusive and len(markets) > 1 else 1.0
    for market, mid in zip(markets, mids, strict=True):
        market.anchor = min(max(mid / total, 0.0005), 0.9995)


def _mid(market: Market) -> float:
    """Mid price as a probability. A leg nobody bids for and offered at the bottom of the grid is as good as out."""
    bid, ask = market.quote_bid, market.quote_ask
    if not bid and (ask <= 300 or ask >= ONE):
        return 0.0005
    return (bid + ask) / 2 / ONE


def _strike_words(item: dict[str, Any]) -> str:
    low, high = item.get("floor_strike"), item.get("cap_strike")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return (
        f"below {high}"
        if high is not None
        else f"above {low}"
        if low is not None
        else item["ticker"].rsplit("-", 1)[-1]
    )
