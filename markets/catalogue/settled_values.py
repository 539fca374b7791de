"""Settled markets whose value (``expiration_value``) is not known here: from the live listing, the historical one, and recordings.

The scan brings most of them with the result. What was settled by a message of the stream, before the field was kept, or on another day is
filled in here. A value is only written where there is none: what the exchange said first stays, a correction comes with its listing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from kalbot.common import clock
from kalbot.common.db.batches import batched
from markets.catalogue.writing import catalogue_transaction
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import MarketPage
from markets.models import Market
from markets.tape.reader import Tape
from markets.tape.records import Kind

log = logging.getLogger(__name__)

CHUNK: Final = 50
"""Tickers of one request."""
Values = Mapping[str, str]
"""Market ticker -> the exchange's text."""


def missing(event_tickers: Iterable[str]) -> list[str]:
    """Markets of these events that have a result and no value, oldest event first."""
    rows = Market.objects.filter(event_id__in=list(event_tickers), expiration_value="").exclude(result="")
    return list(rows.order_by("event_id", "ticker").values_list("ticker", flat=True))


def fill(client: KalshiClient, tickers: Iterable[str]) -> int:
    """Read these markets' values from the exchange, the old ones from its historical listing; returns how many were written.

    Raises KalshiError when the exchange does not answer."""
    written = 0
    for chunk in batched(list(tickers), CHUNK):
        found, listed = _read(client.catalogue.markets(tickers=chunk))
        gone = [ticker for ticker in chunk if ticker not in listed]
        if gone:
            found |= _read(client.catalogue.historical_markets(tickers=gone))[0]
        written += store(found)
    return written


def fill_series(client: KalshiClient, series: str) -> int:
    """Values of every settled market of a series that the exchange still lists, live or historical; returns how many were written."""
    live = client.catalogue.markets(status="settled", series_ticker=series)
    old = client.catalogue.historical_markets(series_ticker=series)
    return sum(store(_read([page])[0]) for page in chain(live, old))


def _read(pages: Iterable[MarketPage]) -> tuple[dict[str, str], set[str]]:
    """(values of the settled markets, all tickers listed)."""
    markets = [market for page in pages for market in page.markets]
    return {m.ticker: m.expiration_value for m in markets if m.result and m.expiration_value}, {
        market.ticker for market in markets
    }


def fill_from_tape(folder: Path) -> int:
    """Values that a recording knows; returns how many were written. Raises FileNotFoundError without a tape."""
    found = dict(_recorded(Tape.open(folder)))
    return sum(store({ticker: found[ticker] for ticker in chunk}) for chunk in batched(list(found), 500))


def _recorded(tape: Tape) -> Iterator[tuple[str, str]]:
    """Oldest first, so that a later word wins."""
    for record in tape.records(kinds={Kind.EVENT, Kind.SETTLEMENT}):
        try:
            content: Any = msgspec.json.decode(record.payload)
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("record of %s cannot be read: %s", record.key, error)
            continue
        if not isinstance(content, dict):
            continue
        rows = [content | {"ticker": record.key}] if record.kind is Kind.SETTLEMENT else content.get("markets") or ()
        for row in rows:
            value = row.get("expiration_value") if isinstance(row, dict) and row.get("result") else None
            if isinstance(value, str) and value:
                yield str(row.get("ticker")), value


def store(values: Values) -> int:
    """Write values where a settled market has none; returns how many."""
    with catalogue_transaction():
        rows = Market.objects.filter(ticker__in=list(values), expiration_value="").exclude(result="")
        fresh = list(rows.only("ticker", "expiration_value", "updated_at"))
        for row in fresh:
            row.expiration_value, row.updated_at = values[row.ticker][:200], clock.now()
        Market.objects.bulk_update(fresh, ["expiration_value", "updated_at"], batch_size=500)
    if fresh:
        log.info("expiration values of %d markets filled in", len(fresh))
    return len(fresh)
