"""How markets ended, by the exchange's word: final results, and what it credited the account for them.

*Final* means that the market is finalized with a settlement value; ``determined`` can still be disputed and amended. Results come
from the catalogue's rows, from the live listing for markets past their close, and from the historical listing for those that
have left it. Credits come from the settlement records, and for records that have left the live listing from settled positions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.db.batches import batched
from kalbot.common.errors import KalbotError
from markets.kalshi.errors import Forbidden, KalshiError, NotFound
from markets.kalshi.schemas.boundary import Rejection
from markets.kalshi.schemas.catalogue import MarketPage
from markets.kalshi.schemas.portfolio import Settlement
from markets.models import Market
from trading.safety import discrepancies
from trading.venues import connection

CHUNK: Final = 100
LISTING_MARGIN: Final = timedelta(hours=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FinalResult:
    """A final result. ``value_e6``: what one YES contract paid, micro-dollars; ``at``: since when, None where nobody says."""

    result: str
    value_e6: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What the exchange credited one subaccount for one market: signed contracts (YES positive, 1/100) and micro-dollars.

    ``count`` and ``revenue`` are None where only the settled position is listed any more: paid, but not how much. ``is_recorded``: False
    where the exchange's records, read to their end, have nothing of it.
    """

    ticker: str
    subaccount: int
    count: int | None
    revenue: int | None
    shard: int = 0
    is_recorded: bool = True


def known_finals(tickers: Iterable[str], vanished: Collection[str] = ()) -> dict[str, FinalResult]:
    """The final results of these markets, as far as they are final.

    ``vanished``: those whose contracts the exchange does not list any more; it is read for them even if the catalogue, which may be
    behind, calls them active.
    """
    rows = Market.objects.filter(ticker__in=list(tickers))
    finals, overdue, now = {}, [], clock.now()
    for row in rows:
        if row.status == "finalized" and row.settlement_value_e6 is not None:
            finals[row.ticker] = FinalResult(row.result, row.settlement_value_e6, row.settled_at)
        elif row.ticker in vanished or row.status != "active" or (row.close_time is not None and row.close_time <= now):
            overdue.append(row.ticker)
    for batch in batched(overdue, CHUNK):
        finals |= _fetched(batch)
    return finals


def _fetched(tickers: Sequence[str]) -> dict[str, FinalResult]:
    try:
        catalogue = connection.public().catalogue
        found, listed = _results(catalogue.markets(tickers=tickers))
        gone = [ticker for ticker in tickers if ticker not in listed]
        if gone:
            found |= _results(catalogue.historical_markets(tickers=gone))[0]
    except (KalshiError, KalbotError) as error:
        log.warning("results cannot be read: %s", error)
        return {}
    return found


def _results(pages: Iterable[MarketPage]) -> tuple[dict[str, FinalResult], set[str]]:
    """(final results, all tickers listed)."""
    markets = [market for page in pages for market in page.markets]
    finals = {
        m.ticker: FinalResult(str(m.result), m.settlement_value * 100, m.settlement_time)
        for m in markets
        if m.status == "finalized" and m.settlement_value is not None
    }
    return finals, {market.ticker for market in markets}


def credits_since(since: datetime, tickers: Iterable[str], subaccounts: Iterable[int]) -> dict[tuple[str, int], Credit]:
    """(ticker, subaccount) -> what was credited for these markets since ``since``, from before the first of them was bought.

    Every settlement record of the time is given, and of ``tickers`` also those that are only listed as settled positions any more, and
    those without a record. A subaccount whose records cannot be read to their end is left out; where one of them cannot be read, so are
    those without a record, which may be that one.
    """
    found: dict[tuple[str, int], Credit] = {}
    wanted = set(tickers)
    for subaccount in subaccounts:
        try:
            recorded, is_whole = _recorded(since, subaccount)
            missing = wanted - {one.ticker for one in recorded}
            listed = recorded + _archived(missing, subaccount)
        except (KalshiError, KalbotError) as error:
            log.warning("settlements of subaccount %s cannot be read: %s", subaccount, error)
            continue
        if is_whole:
            found |= {(ticker, subaccount): Credit(ticker, subaccount, 0, 0, is_recorded=False) for ticker in wanted}
        found |= {(one.ticker, subaccount): one for one in listed}
    return found


def _recorded(since: datetime, subaccount: int) -> tuple[list[Credit], bool]:
    """The records that can be read, and whether these are all."""
    earliest = int((since - LISTING_MARGIN).timestamp())
    unreadable: list[Rejection] = []
    listed = settlements_of(subaccount, earliest, unreadable)
    found = [
        Credit(one.ticker, subaccount, one.yes_count - one.no_count, one.revenue, one.exchange_index or 0)
        for one in listed
    ]
    discrepancies.name_unreadable(None, "settlement", unreadable)
    return found, not unreadable


def settlements_of(subaccount: int, min_ts: int, unreadable: list[Rejection] | None = None) -> list[Settlement]:
    """The settlement records of one subaccount since ``min_ts`` (Unix seconds). A record does not say whose it is, and without a number the
    exchange lists those of all; only a key that is restricted to one subaccount may not name the primary one, and sees its own alone."""
    portfolio = connection.client().portfolio
    try:
        return list(portfolio.settlements(min_ts=min_ts, subaccount=subaccount, unreadable=unreadable))
    except Forbidden:
        if subaccount:
            raise
    return list(portfolio.settlements(min_ts=min_ts, unreadable=unreadable))


def _archived(tickers: set[str], subaccount: int) -> list[Credit]:
    """Those of ``tickers`` whose settled positions the historical listing has: they left the live one long ago."""
    portfolio = connection.client().portfolio
    found = []
    for ticker in sorted(tickers):
        try:
            listed = portfolio.historical_positions(subaccount or None, ticker=ticker)
            found += [Credit(one.ticker, subaccount, None, None) for one in listed if one.ticker == ticker]
        except NotFound:
            continue
    return found
