"""Legs of incomplete baskets: what holding one brought against selling it at once, on recorded prints. Pure.

The touch is known from prints alone: a taker who bought YES paid the YES ask, which is one dollar less the NO bid; a taker who sold YES
met the YES bid. A leg is valued at 00:00 and 12:00 UTC of its event's day if the side's last print is at most an hour old. Selling pays
that bid less the exchange's fee; holding pays what the market settled at. One contract a leg and moment; dollars.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Final

from markets.tape.imports.source import Aside
from triage.assessment.leg_record import LegRecord
from triage.evidence import files
from triage.weather.mapping import HOUR_MS, Unmapped, ticker_day

MOMENTS: Final = (0, 12)
FRESH_MS: Final = HOUR_MS
BANDS: Final = (0.0, 0.1, 0.5, 0.9, 1.0)
FEE: Final = 0.07
LEAST_EVENTS: Final = 30
Touch = dict[tuple[str, str], list[tuple[int, float]]]
"""(ticker, side) -> [(Unix ms, bid in dollars), ...] oldest first."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """One leg at one moment: ``difference`` is what holding brought more than selling, dollars a contract."""

    side: str
    bid: float
    event: str
    difference: float


def orphans(roots: Iterable[Path]) -> list[Orphan]:
    """Every leg of the settled events of these folders, at each moment at which its bid is known."""
    touch, results = touches(roots)
    return [one for (ticker, side), prints in touch.items() for one in _of_leg(ticker, side, prints, results)]


def touches(roots: Iterable[Path]) -> tuple[Touch, dict[str, str]]:
    """Bids as prints show them, and market -> result, of the settled events of these folders."""
    touch: Touch = defaultdict(list)
    results: dict[str, str] = {}
    aside = Aside()
    for root in roots:
        for _, markets in files.answers(root, aside):
            with aside.unreadable():
                results |= {market["ticker"]: market["result"] for market in markets}
        for ticker, at, price, taker in files.prints(root, aside):
            if taker == "yes":
                touch[(ticker, "no")].append((at, round(1 - price, 4)))
            elif taker == "no":
                touch[(ticker, "yes")].append((at, price))
    for prints in touch.values():
        prints.sort()
    aside.warn("recorded prints")
    return touch, results


def _of_leg(
    ticker: str, side: str, prints: Sequence[tuple[int, float]], results: Mapping[str, str]
) -> Iterator[Orphan]:
    event = ticker.rpartition("-")[0]
    result = results.get(ticker)
    try:
        day = ticker_day(event)
    except Unmapped:
        return
    if result not in ("yes", "no"):
        return
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    for hour in MOMENTS:
        at = midnight + hour * HOUR_MS
        before = bisect_right(prints, (at, 2.0))
        if before and at - prints[before - 1][0] <= FRESH_MS and 0 < (bid := prints[before - 1][1]) < 1:
            yield Orphan(side, bid, event, float(result == side) - bid + FEE * bid * (1 - bid))


def kinds(found: Sequence[Orphan]) -> list[LegRecord]:
    """By side, over all bids and by band of the bid; bands of a few events are left out."""
    records = []
    for side in ("no", "yes"):
        for low, high in ((BANDS[0], BANDS[-1]), *pairwise(BANDS)):
            events: dict[str, list[float]] = defaultdict(list)
            for one in found:
                if one.side == side and low <= one.bid < high:
                    events[one.event].append(one.difference)
            means = [mean(values) for values in events.values()]
            if len(means) >= LEAST_EVENTS:
                half = 1.96 * stdev(means) / sqrt(len(means))
                legs = sum(map(len, events.values()))
                records.append(LegRecord(side, low, high, legs, len(means), round(mean(means), 4), round(half, 4)))
    return records
