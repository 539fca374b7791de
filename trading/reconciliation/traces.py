"""Trades of others that explain why the exchange does not show contracts of ours: listed from our purchase on.

A comparison lists a window of time. Contracts that left the account before it would be missing for ever once their market is over: it has
neither a position nor, where all were sold, a settlement record. So what was traded in such a market is listed from its beginning here,
in the exchange's history too. What others did and nobody has booked is booked where it is exactly what differs; else nothing is, and the
difference is named, for a person to end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime

from kalbot.common.errors import KalbotError
from markets.kalshi.errors import KalshiError, NotFound, RateLimited
from markets.kalshi.schemas.orders import Fill as ListedFill
from strategies.models import Mode
from trading.accounting import accounts
from trading.models import Discrepancy, Order
from trading.reconciliation import foreign
from trading.safety import discrepancies
from trading.venues import connection

log = logging.getLogger(__name__)


def of_records() -> int:
    """Those in markets that have ended and whose record counts other contracts than ours. Returns how many trades were booked; where they
    explain the difference its name ends."""
    count = 0
    for row in Discrepancy.objects.filter(code=Discrepancy.Code.SETTLEMENT_COUNT, resolved_at=None):
        subaccount, _, ticker = row.key.partition(":")
        new = _book(int(subaccount), ticker, row.amount or 0)
        if new:
            discrepancies.disproved(row, "others' trades explain it")
        count += new
    return count


def of_shown(subaccount: int, shown: Mapping[str, int]) -> int:
    """Those in markets of which the exchange shows these contracts (signed, 1/100) and our books have others. Returns how many trades were
    booked."""
    count = 0
    for ticker, theirs in sorted(shown.items()):
        legs = foreign.own_legs(subaccount, ticker)
        ours = sum(leg.held if leg.side == "yes" else -leg.held for leg in legs)
        count += _book(subaccount, ticker, theirs - ours - accounts.foreign(subaccount, ticker))
    return count


def _book(subaccount: int, ticker: str, missing: int) -> int:
    """What cannot be listed now is tried again by the next comparison."""
    legs = foreign.own_legs(subaccount, ticker)
    if not legs or not missing:
        return 0
    since = min(leg.position.created_at for leg in legs)
    try:
        found = foreign.unbooked(_of_others(subaccount, ticker, since))
        if sum(foreign.signed(one) for one in found) != missing:
            return 0
        new, _ = foreign.book_trades(found)
    except RateLimited:
        raise  # the next run tries again
    except (KalshiError, KalbotError) as error:
        log.warning("trades in %s cannot be listed: %s", ticker, error)
        return 0
    if new:
        log.warning("%s contracts of %s left the account by %d trades of others", abs(missing) / 100, ticker, new)
    return new


def _of_others(subaccount: int, ticker: str, since: datetime) -> list[ListedFill]:
    listed = {(one.fill_id, one.order_id): one for one in _listed(subaccount, ticker, int(since.timestamp()))}
    orders = Order.objects.filter(mode=Mode.LIVE, leg__market_id=ticker).exclude(exchange_order_id="")
    ours = set(orders.values_list("exchange_order_id", flat=True))
    return [one for one in listed.values() if one.order_id not in ours and (one.subaccount or 0) == subaccount]


def _listed(subaccount: int, ticker: str, since: int) -> Iterator[ListedFill]:
    portfolio = connection.client().portfolio
    yield from portfolio.fills(ticker=ticker, min_ts=since, subaccount=subaccount or None)
    try:
        yield from portfolio.historical_fills(ticker=ticker, min_ts=since, subaccount=subaccount or None)
    except NotFound:
        return
