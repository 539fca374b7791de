"""Trades of a recording that were read from the exchange's list, which is seconds after they were made.

Whoever recorded them learnt of them then, and so does the strategy of a replay. The exchange knew at once: an order that is withdrawn, or
that expires, has been filled by every trade that was made until then, heard of or not. The very trade that moved a price, for which a
quote is withdrawn, is one of those.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Final

from backtest.replay.clock import SECOND
from kalbot.common.units import parse_count, parse_price
from markets.kalshi.scalars import moment
from markets.kalshi.schemas.trades import Trade
from markets.kalshi.vocabulary import Side
from markets.tape.records import Kind, Record

LATEST_NS: Final = 10 * SECOND
"""How late a list is read at most: every three seconds while somebody quotes. What was read later is heard of and fills nothing that has
ended by then."""
_TRADE: Final = Kind.TRADE


def listed(record: Record, unnamed: str = "") -> tuple[Trade, int]:
    """A TRADE record and when it was made (ms): no later than it was heard of. ``unnamed``: the name of one without. Raises what reading
    another shape may raise (``UNREADABLE``)."""
    content, at = json.loads(record.payload), record.received_ns // 1_000_000
    created = moment(content.get("created_time"))
    trade = Trade(
        trade_id=content.get("trade_id") or unnamed,
        ticker=record.key,
        count=parse_count(content["count_fp"]),
        yes_price=parse_price(content["yes_price_dollars"]),
        taker_side=Side(content["taker_side"]),
        created=created,
        is_block_trade=False,
    )
    return trade, at if created is None else min(at, int(created.timestamp() * 1000))


class LateTrades(Iterator[Record]):
    """The records of a tape until ``end_ns``, one after the other, and the trades among those that follow the last one."""

    def __init__(self, records: Iterator[Record], end_ns: int) -> None:
        """``records`` go on until ``LATEST_NS`` after the end."""
        self._records, self._end_ns = records, end_ns
        self._ahead: deque[Record] = deque()
        self._trades: deque[Record] = deque()
        self._last: Record | None = None

    def __next__(self) -> Record:
        """The next record."""
        record = self._ahead.popleft() if self._ahead else next(self._records)
        if record[0] >= self._end_ns:
            self._ahead.appendleft(record)
            raise StopIteration
        self._last = record
        return record

    def unread(self, now_ns: int) -> list[Record]:
        """TRADE records that are read within ``LATEST_NS`` from now on. The last record that was taken may wait for its moment: it is one
        of them."""
        ahead, trades, until_ns = self._ahead, self._trades, now_ns + LATEST_NS
        while not ahead or ahead[-1].received_ns <= until_ns:
            record = next(self._records, None)
            if record is None:
                break
            ahead.append(record)
            if record.kind is _TRADE:
                trades.append(record)
        while trades and trades[0].received_ns < now_ns:
            trades.popleft()
        waits = self._last is not None and self._last.kind is _TRADE
        return [self._last, *trades] if waits and self._last is not None else list(trades)
