"""The most that the exchange may keep back for fees of orders that rest, by what is announced for their markets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from markets import selectors
from markets.fees import FeeError, FeeSchedule, most_fees, resolve
from markets.models import Event, FeeChange, Market

GUESS: Final = 200
"""Where a market's fee is not known: more than the usual one of any order, 1/10,000 dollar a contract."""
Resting = tuple[str, int, int]
"""(ticker, price in its own side, contracts that rest)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """``most``: micro-dollars, with a guess for the markets of ``unknown``."""

    most: int
    unknown: tuple[str, ...]


def of_resting(orders: Iterable[Resting]) -> Bound:
    """The most for all of these orders, each by the highest fee that is in force for its market, was, or is announced."""
    rows = list(orders)
    tickers = {ticker for ticker, _, _ in rows}
    markets = Market.objects.filter(ticker__in=tickers).select_related("event__series") if tickers else ()
    schedules = {market.ticker: list(_announced(market.event)) for market in markets}
    most, unknown = 0, set()
    for ticker, price, count in rows:
        known = schedules.get(ticker)
        if known:
            most += max(most_fees(one, [(price, count)], is_taker=taker) for one in known for taker in (True, False))
        else:
            unknown.add(ticker)
            most += GUESS * count
    return Bound(most, tuple(sorted(unknown)))


def _announced(event: Event) -> Iterator[FeeSchedule]:
    """The schedule in force, and each one that is announced for the event or its series; nothing where that in force is not known."""
    try:
        now = selectors.fee_schedule(event)
    except FeeError:
        return
    yield now
    for change in FeeChange.objects.filter(series=event.series_id, event_ticker__in=("", event.pk)):
        multiplier = now.multiplier_e6 if change.fee_multiplier_e6 is None else change.fee_multiplier_e6
        try:
            yield resolve(change.fee_type or event.series.fee_type, multiplier, grid=now.grid)
        except FeeError:
            continue
