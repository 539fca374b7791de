"""Live ticker quotes laid over the catalogue's: the same events, seconds old instead of minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kalbot.common.changed import changed
from kalbot.common.db.batches import batched
from kalbot.common.units import DOLLAR_PRICE
from markets import prices
from markets.book import Depth
from markets.prices import Prices, Quote
from strategies.catalogue import universe
from strategies.catalogue.universe import EventView, Outcome

_made: Final = tuple.__new__
"""Makes a named tuple as its class does, at half the price."""
KEYS_A_READ: Final = 5000
"""So that one read never holds Redis up for long."""


def load_universe() -> dict[str, EventView]:
    """Every open event, with its live quotes where there are any."""
    events = universe.load()
    quotes = read(events.values())
    return {ticker: overlay(event, quotes) for ticker, event in events.items()} if quotes else events


def read(events: Iterable[EventView], reader: Prices | None = None) -> dict[str, Quote]:
    """market ticker -> living quote, for the markets of ``events`` that have one. Without Redis: none."""
    reader = reader or prices.reader()
    tickers = [outcome.ticker for event in events for outcome in event.outcomes]
    found: dict[str, Quote] = {}
    for batch in batched(tickers, KEYS_A_READ):
        found.update(reader.tickers(batch))
    return found


def overlay(event: EventView, quotes: Mapping[str, Quote]) -> EventView:
    """``event`` with the live quote of every outcome that has one; the rest keep the catalogue's."""
    outcomes = tuple(
        [
            _quoted(outcome, quote) if (quote := quotes.get(outcome.ticker)) is not None else outcome
            for outcome in event.outcomes
        ]
    )
    return event if outcomes == event.outcomes else changed(event, outcomes=outcomes)


def best_depths(event: EventView) -> dict[str, Depth]:
    """One level a side from the best prices of a view: what can be judged before books are watched."""
    return {outcome.ticker: _depth(outcome) for outcome in event.outcomes}


def _depth(outcome: Outcome) -> Depth:
    yes = [(outcome.yes_bid, outcome.yes_bid_size)] if outcome.yes_bid and outcome.yes_bid_size > 0 else []
    no: list[tuple[int, int]] = []
    if outcome.yes_ask is not None and 0 < outcome.yes_ask < DOLLAR_PRICE and outcome.yes_ask_size > 0:
        no = [(DOLLAR_PRICE - outcome.yes_ask, outcome.yes_ask_size)]
    return Depth.of(yes, no)


def _quoted(outcome: Outcome, quote: Quote) -> Outcome:
    ticker, name, status, _, _, _, _, bands = outcome
    yes_bid, yes_ask = (quote.yes_bid, quote.yes_bid_size), (quote.yes_ask, quote.yes_ask_size)
    return _made(Outcome, (ticker, name, status, *yes_bid, *yes_ask, bands))
