"""Live prices in Redis: the layout, and the reader. The one writer is ``markets.streaming.output.publisher``.

=======================  ========================================================================================
key                      what it holds
=======================  ========================================================================================
``px:lease:<partition>``     the living epoch and its last proof of life; expires when its writer dies
``px:e:<event>``         every watched market of one event: book, ticker quote, sequence, times (one packed record,
                         behind a head with the best prices of all, packed for many events at once)
``px:q:<market>``        the ticker quote of one market (one packed record)
``px:leader:<partition>``    the fencing token of the one process that may write
``px:metrics:<partition>``   the stream's metrics, for people and ``/metrics``
=======================  ========================================================================================

Each key begins with ``REDIS_PREFIX``, which names the environment and the exchange: the prices of another exchange are other keys.

An **epoch** is one life of the WebSocket connection. Each record names the epoch that wrote it; the lease names the one
that lives. A record of any other epoch is history, whatever it says, and so is everything while there is no lease. A reader fetches
lease and records in one MGET, which Redis serves at one instant: legs are never from different moments by accident.

Prices are 1/10,000 dollar, counts 1/100 contract, times Unix milliseconds.
"""

from __future__ import annotations

from markets.prices.ahead import Ahead
from markets.prices.layout import (
    CHANGED_CHANNEL,
    EVENT_KEY,
    FENCE_KEY,
    LEADER_KEY,
    LEASE_KEY,
    METRICS_KEY,
    PUBLISHED_LEVELS,
    QUOTE_KEY,
    EventRecord,
    Lease,
    MarketRecord,
    Quote,
)
from markets.prices.reading import PriceReader, Prices, partition_count, reader, use
from markets.prices.recorded import AHEAD_MS, EventPrices, MarketPrice, RecordedMarkets

__all__ = [
    "AHEAD_MS",
    "CHANGED_CHANNEL",
    "EVENT_KEY",
    "FENCE_KEY",
    "LEADER_KEY",
    "LEASE_KEY",
    "METRICS_KEY",
    "PUBLISHED_LEVELS",
    "QUOTE_KEY",
    "Ahead",
    "EventPrices",
    "EventRecord",
    "Lease",
    "MarketPrice",
    "MarketRecord",
    "PriceReader",
    "Prices",
    "Quote",
    "RecordedMarkets",
    "partition_count",
    "reader",
    "use",
]
