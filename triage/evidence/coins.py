"""Coin ranges walked forward over recorded passes: the price of the moment, its learned errors, and the market. Pure.

Read from ``quotes/crypto_ranges_*.jsonl.gz``: each pass has the best prices of every range, one exchange's last trade, and the
value on which the hour before settled. The market is the bids alone, normalised: the ranges' middles add up to nearly three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.source import Aside
from markets.terms.settled_value import Unit, parse
from triage.evidence import files
from triage.learning.estimator import DAY_MS
from triage.learning.table import LearnedTable, Settled, learn
from triage.scoring.scoring import brier, probability_of
from triage.sources.citytemp import range_probabilities
from triage.sources.coinprice import MINUTE_MS, SERIES, published_spread
from triage.sources.protocol import Listing

SOURCE: Final = "coinprice"
KNOWN_AFTER_MS: Final = 15 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Pass:
    """One recorded moment of one event that settled on ``value``."""

    event: str
    coin: str
    at_ms: int
    close_ms: int
    price: float
    listings: tuple[Listing, ...]
    bids: Mapping[str, float]
    value: float


@dataclass(frozen=True, slots=True)
class CoinScore:
    """One forecaster on one pass: ``name`` is plain, learned or market."""

    name: str
    coin: str
    event: str
    day: int
    minutes: float
    brier: float
    log_score: float


def passes(roots: Iterable[Path]) -> list[Pass]:
    """Passes of events whose value was recorded an hour later, oldest first."""
    aside = Aside()
    rows = list(files.objects(roots, "**/crypto_ranges_*.jsonl.gz", aside))
    values: dict[str, Any] = {}
    for row in rows:
        with aside.unreadable():
            before = row.get("previous_settlement") or {}
            value = parse(str(before.get("expiration_value") or ""), Unit.DOLLARS)
            if before.get("event_ticker") and value is not None:
                values[before["event_ticker"]] = value
    found: dict[str, Pass] = {}
    for row in rows:
        with aside.unreadable():
            found |= {one.event + str(one.at_ms): one for one in _pass(row, values)}
    aside.warn("recorded coins")
    return sorted(found.values(), key=lambda one: one.at_ms)


def _pass(row: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Pass]:
    current, spot = row.get("current") or {}, row.get("spot") or {}
    event, coin = str(current.get("event_ticker")), SERIES.get(str(row.get("series")))
    if event not in values or coin is None or not current.get("completeness_ok"):
        return
    if not (spot.get("price") and spot.get("exchange_time") and current.get("close_time")):
        return  # a price without its time is not used
    at, close = files.unix_ms(spot["exchange_time"]), files.unix_ms(current["close_time"])
    if at < close:
        listings = tuple(
            Listing(x["ticker"], x["strike_type"], _text(x.get("floor_strike")), _text(x.get("cap_strike")))
            for x in current["outcomes"]
        )
        bids = {x["ticker"]: float(x.get("yes_bid") or 0.0) for x in current["outcomes"]}
        yield Pass(event, coin, at, close, float(spot["price"]), listings, bids, float(values[event]))


def run(recorded: Iterable[Pass]) -> list[CoinScore]:
    """Scores in order of time; errors are learned from the days before."""
    found: list[CoinScore] = []
    settled: list[Settled] = []
    table, learned_on = LearnedTable(), -1
    for one in recorded:
        if one.at_ms // DAY_MS != learned_on:
            learned_on = one.at_ms // DAY_MS
            table = LearnedTable(1, learn(settled, learned_on * DAY_MS))
        left = one.close_ms - one.at_ms
        spread, subject = published_spread(one.price, left / MINUTE_MS), f"index/{one.coin}"
        error = table.find(SOURCE, subject, left / MINUTE_MS / 60, one.at_ms)
        said = {"plain": range_probabilities(one.listings, one.price, spread)}
        bias, ratio = (error.bias, error.spread) if error else (0.0, 1.0)
        said["learned"] = range_probabilities(one.listings, one.price + bias * spread, spread * ratio)
        total = sum(one.bids.values())
        winner = _winner(one)
        if winner and total and not any(isinstance(chances, str) for chances in said.values()):
            said["market"] = {ticker: bid / total for ticker, bid in one.bids.items()}
            found += [_score(name, one, chances, winner) for name, chances in said.items() if isinstance(chances, dict)]
        settled.append(
            Settled(SOURCE, subject, one.event.rpartition("-")[2], one.at_ms, left / MINUTE_MS / 60, one.price, one.value,
                    spread, one.close_ms + KNOWN_AFTER_MS)
        )  # fmt: skip
    return found


def _winner(one: Pass) -> str:
    """The range in which the value lies."""
    inside = range_probabilities(one.listings, one.value, 1e-6)
    return "" if isinstance(inside, str) else max(inside, key=lambda ticker: inside[ticker])


def _score(name: str, one: Pass, chances: Mapping[str, float], winner: str) -> CoinScore:
    minutes = (one.close_ms - one.at_ms) / MINUTE_MS
    log_score = -log(probability_of(chances, winner))
    return CoinScore(name, one.coin, one.event, one.at_ms // DAY_MS, minutes, brier(chances, winner), log_score)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
