"""A coin's price against the ranges of its hourly event: the last trade of a public exchange, widened by the minutes that are left.

Covers range events whose every rule was read as the sixty-second average of CF Benchmarks' index of the coin before the hour
(``markets.terms.reading.primary``). The price is not that index: the exchange is one of its constituents, so the difference is part of the
error, and the source is on trial (``triage.scoring.trial``): it is scored beside the market and says nothing until it has beaten it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

from markets.terms.reading.primary import read_condition
from markets.terms.reading.text import plain
from markets.terms.settled_value import Unit
from markets.terms.sources import CF_BENCHMARKS
from triage import conf
from triage.learning.current import current
from triage.sources.citytemp import range_probabilities
from triage.sources.protocol import (
    Client,
    EventFacts,
    NoOpinion,
    Opinion,
    Point,
    Snapshot,
    SourceError,
    Subject,
)
from triage.sources.values import number, unix_ms

MINUTE_MS: Final = 60_000
MAX_AGE_MS: Final = 2 * MINUTE_MS
FARTHEST_MS: Final = 6 * 60 * MINUTE_MS
SPREAD_A_MINUTE: Final = 0.0006
"""Share of the price, one standard deviation of a minute: a round number, learned from then on."""
LEAST_SPREAD: Final = 0.0002
"""Share of the price: the index is not this exchange's last trade."""
WIDEST: Final = 1.02
"""Offered over bid: quotes farther apart say nothing of the price between them."""
PRODUCTS: Final = {"BTC": "BTC-USD", "ETH": "ETH-USD"}
SERIES: Final = {"KXBTC": "BTC", "KXETH": "ETH"}


class CoinPrice:
    """The source ``coinprice``."""

    name = "coinprice"
    refresh_seconds = 20

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        if event.series not in SERIES:
            return NoOpinion("no hourly coin range")
        read = [read_condition(plain(x.rules)) for x in event.listings]
        if not read or any(r is None or r.source != CF_BENCHMARKS or r.coin != SERIES[event.series] for r in read):
            return NoOpinion("its rules are not those of CF Benchmarks' index of the coin")
        if event.close_ms is None:
            return NoOpinion("no time of close")
        if not conf.may_query(conf.coinprice_url()):
            return NoOpinion("the exchange is a simulator; the real price says nothing about it")
        return Subject(SERIES[event.series])

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        answer = client.get_json(f"{conf.coinprice_url()}/products/{PRODUCTS[subject.key]}/ticker")
        price, at = last_trade(answer)
        return Snapshot(now_ms, at, {"price": price})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        at, price = snapshot.as_of_ms, float(snapshot.data["price"])
        if not -MINUTE_MS <= now_ms - at <= MAX_AGE_MS:
            return NoOpinion(f"the price is {(now_ms - at) / MINUTE_MS:.0f} min old")
        left = (event.close_ms or 0) - at
        if not 0 < left <= FARTHEST_MS:
            return NoOpinion("the hour is over or too far away")
        spread = published_spread(price, left / MINUTE_MS)
        name, hours = f"index/{subject.key}", left / MINUTE_MS / 60
        table = current().table
        learned = table.find(self.name, name, hours, at)
        center = price + (learned.bias * spread if learned else 0.0)
        used = spread * (learned.spread if learned else 1.0)
        found = range_probabilities(event.listings, center, used)
        if isinstance(found, str):
            return NoOpinion(found)
        version = table.version if learned else 0
        point = Point(name, Unit.DOLLARS, price, at, hours, spread, center - price, used, version)
        words = f"{subject.key} at ${price:,.2f}, {left / MINUTE_MS:.0f} min before the hour"
        return Opinion(found, at, words, f"${used:,.2f}", point=point)


def published_spread(price: float, minutes: float) -> float:
    """One standard deviation of the index, dollars, so many minutes ahead."""
    return price * max(LEAST_SPREAD, SPREAD_A_MINUTE * sqrt(minutes))


def last_trade(answer: Any) -> tuple[float, int]:
    """(price in dollars, Unix milliseconds) of a ticker answer. SourceError where either is missing or the price is outside of the bids."""
    if not isinstance(answer, Mapping):
        raise SourceError("not a ticker")
    price, bid, ask = (number(answer.get(name)) for name in ("price", "bid", "ask"))
    at = unix_ms(answer.get("time"))
    if price is None or bid is None or ask is None or at is None:
        raise SourceError("a ticker without price, quotes or time")
    if not 0 < bid <= ask <= WIDEST * bid or not 0.99 * bid <= price <= 1.01 * ask:
        raise SourceError(f"a last price of {price} beside {bid} bid and {ask} offered")
    return price, at
