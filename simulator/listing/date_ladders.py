"""Date ladders: by when one thing happens, a market for each of several dates, as the exchange lists them for laws, launches and leaders.

One day of the thing settles them all: Yes before an earlier date implies Yes before every later one. One ladder is listed with each new
range event of ``WITH``, so that there always is one; its markets close one after the other, the earliest date first.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from . import quoted
from .model import Event, Market
from .series import derive_series
from .tickers import next_ticker

if TYPE_CHECKING:
    from simulator.core import ExchangeCore

WITH: Final = "KXBTC"
"""A ladder comes and goes with the events of this series."""
SERIES: Final = "KXLAUNCH"
CATEGORY: Final = "Science and Technology"
LADDER: Final = "ladder"
"""The outcome of an event whose markets win together from some chance on."""
CHANCES: Final = (0.2, 0.35, 0.5, 0.65, 0.8)
"""That it happens before each date."""
SPREAD_OF_CHANCES: Final = 0.06
APART_MS: Final = 1_500
"""Between the closes of two dates that follow each other: a day of the demo lasts a minute and a half."""
LEAST_LIFE_MS: Final = 20_000
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_one(event: Event) -> bool:
    """Whether an event is a ladder of dates."""
    return event.series_ticker == SERIES


def list_with(exchange: ExchangeCore, ranges: Event) -> Event | None:
    """List the ladder that comes with a range event; None where its series has none or it is about to close."""
    closes = min((exchange.markets[ticker].close_ms for ticker in ranges.markets), default=0)
    if ranges.series_ticker != WITH or closes - exchange.now() <= LEAST_LIFE_MS:
        return None
    exchange.series.setdefault(
        SERIES, derive_series(SERIES, CATEGORY, "Launch of the simulated rocket", exchange.now())
    )
    event = Event(
        ticker=next_ticker(SERIES, exchange.used_tickers),  # no day: each market names its own
        series_ticker=SERIES,
        title="Launch of the simulated rocket",
        sub_title="Launch of the simulated rocket",
        category=CATEGORY,
        mutually_exclusive=False,
        collateral_return_type="DIRECNET",
        strike_ms=None,
        strike_period=None,
        shard=exchange.series[SERIES].shard,
        markets=[],
        updated_ms=exchange.now(),
        life_ms=ranges.life_ms,
        outcome=LADDER,
        rolled=True,  # its follower is listed with that of the ranges
        generation=ranges.generation,
    )
    rng = exchange.streams.fixed(f"dates:{event.ticker}")
    event.ladder_draw = rng.random()
    exchange.events[event.ticker] = event
    exchange.used_tickers.add(event.ticker)
    for number, (chance, day) in enumerate(zip(CHANCES, dates(exchange.now(), len(CHANCES)), strict=True)):
        anchor = chance + rng.uniform(-SPREAD_OF_CHANCES, SPREAD_OF_CHANCES)
        market = _market(exchange, event, day, anchor, closes - (len(CHANCES) - 1 - number) * APART_MS)
        event.markets.append(market.ticker)
        exchange.add_market(market, *quoted.levels(market))
    return event


def dates(now_ms: int, number: int) -> list[date]:
    """The firsts of the months that follow the next one."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    months = [today.year * 12 + today.month + 1 + n for n in range(number)]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def words_of(day: date) -> str:
    """A date as rules write it."""
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"


def _market(exchange: ExchangeCore, event: Event, day: date, anchor: float, closes: int) -> Market:
    ticker, before = f"{event.ticker}-{day:%y}{MONTHS[day.month - 1].upper()}{day:%d}", words_of(day)
    return quoted.market_of(
        exchange,
        event,
        ticker,
        f"Before {before}",
        anchor,
        rules_primary=f"If the launch of the simulated rocket takes place before {before}, then the market resolves to Yes.",
        rules_secondary="Trading involves risk.",
        close_ms=closes,
        expected_ms=closes,
        latest_ms=closes + 7 * 86_400_000,
    )
