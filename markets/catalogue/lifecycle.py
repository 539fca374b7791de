"""Lifecycle messages of markets and events, applied to catalogue rows as they arrive.

The scan would find all of it two minutes later; a position should not wait that long. Applied in the order of arrival, each message once.
Rows touched here lose their content hash, so that the next scan compares them with the listing again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from kalbot.common import clock
from kalbot.common.db import bulk
from kalbot.common.db.retry import retried
from markets import connect
from markets.catalogue import family_moves
from markets.catalogue.rows import multiplier_e6
from markets.catalogue.scan import fetch_events
from markets.catalogue.writing import catalogue_transaction
from markets.kalshi.errors import KalshiError
from markets.kalshi.vocabulary import OPEN_STATUSES, LifecycleEvent, MarketStatus
from markets.kalshi.ws.lifecycle_frames import EventFeeFrame, EventLifecycleFrame, LifecycleFrame
from markets.models import Event, ExchangeMessage, Market
from markets.terms import certificates

log = logging.getLogger(__name__)

Kind = ExchangeMessage.Kind
KINDS: Final = (Kind.LIFECYCLE, Kind.EVENT_LIFECYCLE, Kind.FEE_UPDATE)
BATCH: Final = 100
"""Messages applied in one transaction: each alone would wait for its own commit, and a busy day announces dozens a second."""
FETCH_LIMIT: Final = 50
"""Most events that one batch fetches; the next scan finds the others."""

Columns = dict[str, Any]
"""Columns of a market row and their new values."""


def apply_waiting(seconds: float = math.inf) -> int:
    """Apply the lifecycle messages that wait, oldest first; after ``seconds`` no further batch is begun. Returns how many."""
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        batch = next_batch()
        if not batch:
            return done
        _fetch(retried(partial(apply_batch, batch))[:FETCH_LIMIT])
        done += len(batch)
    return done


def next_batch() -> list[ExchangeMessage]:
    """The messages that wait, oldest first, as many as one transaction applies."""
    return list(ExchangeMessage.objects.filter(kind__in=KINDS, applied_at=None).order_by("id")[:BATCH])


def apply_batch(batch: Sequence[ExchangeMessage]) -> list[str]:
    """Apply ``batch`` in one transaction. Returns the events that have to be fetched again.

    An unreadable message is marked with its error: a second attempt would not read it either.
    """
    tickers = _named(batch, "market_ticker")
    events = {*_named(batch, "event_ticker"), *_events_of(tickers).values()}
    with catalogue_transaction(events):
        found = _Found(_events_of(tickers))
        read = [message.pk for message in batch if _read(message, found)]
        found.write()
        ExchangeMessage.objects.filter(pk__in=read, applied_at=None).update(applied_at=clock.now(), error="")
        certificates.refresh(found.changed)
        family_moves.end_moved(found.changed)
    return list(found.stale)


def _named(batch: Sequence[ExchangeMessage], name: str) -> list[str]:
    payloads = [message.payload for message in batch if isinstance(message.payload, dict)]
    return [one[name] for one in payloads if isinstance(one.get(name), str)]


def _events_of(markets: Sequence[str]) -> dict[str, str]:
    """Market -> event, of the markets that are known."""
    return dict(Market.objects.filter(pk__in=markets).values_list("pk", "event_id"))


@dataclass(slots=True)
class _Found:
    """What the messages of a batch say. ``event_of``: market -> event; ``columns``: by market, the last word on each; ``stale``: events
    that have to be fetched again."""

    event_of: Mapping[str, str]
    columns: dict[str, Columns] = field(default_factory=dict)
    stale: dict[str, None] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """The events whose markets have new columns."""
        return list(dict.fromkeys(self.event_of[ticker] for ticker in self.columns))

    def market(self, frame: LifecycleFrame) -> None:
        """Take a message about a market."""
        event = self.event_of.get(frame.market_ticker)
        change = CHANGES.get(frame.event_type)
        if event is not None and change is not None:
            self.columns.setdefault(frame.market_ticker, {}).update(change(frame))
            return
        # new, or created again, metadata_updated, or an unknown type: the listing has the details
        named = event or (frame.metadata.event_ticker if frame.metadata is not None else None)
        if named:
            self.stale[named] = None

    def write(self) -> None:
        """Bring the rows of the markets up to date, and the closes of their events."""
        alike: dict[tuple[str, ...], list[tuple[str, list[Any]]]] = {}
        for ticker, columns in self.columns.items():
            names = tuple(sorted(columns))
            values = [*(columns[name] for name in names), "", clock.now()]
            alike.setdefault(names, []).append((ticker, values))
        for names, rows in alike.items():
            bulk.update_rows(Market, [*names, "content_hash", "updated_at"], rows)
        for event in dict.fromkeys(self.event_of[one] for one, new in self.columns.items() if "close_time" in new):
            _new_close(event)


def _read(message: ExchangeMessage, found: _Found) -> bool:
    """Add what one message says. False where it cannot be read, which is marked."""
    try:
        if message.kind == Kind.LIFECYCLE:
            found.market(msgspec.convert(message.payload, LifecycleFrame))
        elif message.kind == Kind.EVENT_LIFECYCLE:
            found.stale[msgspec.convert(message.payload, EventLifecycleFrame).event_ticker] = None
        elif message.kind == Kind.FEE_UPDATE:
            _fees(msgspec.convert(message.payload, EventFeeFrame))
    except ValueError as problem:
        error = f"{type(problem).__name__}: {problem}"
        log.warning("lifecycle message %s was not applied: %s", message.pk, error)
        ExchangeMessage.objects.filter(pk=message.pk, applied_at=None).update(applied_at=clock.now(), error=error)
        return False
    return True


def _status(status: MarketStatus) -> Callable[[LifecycleFrame], Columns]:
    return lambda frame: {"status": status.value}


def _determined(frame: LifecycleFrame) -> Columns:
    value = frame.settlement_value
    return {
        "status": MarketStatus.DETERMINED.value,
        "result": frame.result.value,
        "settlement_value_e6": None if value is None else value * 100,
    }


def _settled(frame: LifecycleFrame) -> Columns:
    return {"status": MarketStatus.FINALIZED.value, "settled_at": frame.settled_time}


def _close_date(frame: LifecycleFrame) -> Columns:
    return {"close_time": frame.close_time}


def _grid(frame: LifecycleFrame) -> Columns:
    return {
        "price_level_structure": frame.price_level_structure or "",
        "price_bands": [[band.start, band.end, band.step] for band in frame.price_bands or ()],
    }


CHANGES: Final[dict[LifecycleEvent, Callable[[LifecycleFrame], Columns]]] = {
    LifecycleEvent.ACTIVATED: _status(MarketStatus.ACTIVE),
    LifecycleEvent.DEACTIVATED: _status(MarketStatus.INACTIVE),
    LifecycleEvent.DETERMINED: _determined,
    LifecycleEvent.SETTLED: _settled,
    LifecycleEvent.CLOSE_DATE_UPDATED: _close_date,
    LifecycleEvent.PRICE_LEVEL_STRUCTURE_UPDATED: _grid,
}


def _fees(frame: EventFeeFrame) -> None:
    multiplier = frame.fee_multiplier_override
    Event.objects.filter(pk=frame.event_ticker).update(
        fee_type_override=frame.fee_type_override or "",
        fee_multiplier_override_e6=None if multiplier is None else multiplier_e6(multiplier),
        content_hash="",
        updated_at=clock.now(),
    )


def _new_close(event: str) -> None:
    closes = Market.objects.filter(event_id=event, status__in=OPEN_STATUSES).values_list("close_time", flat=True)
    Event.objects.filter(pk=event).update(
        close_time=min((at for at in closes if at is not None), default=None), content_hash="", updated_at=clock.now()
    )


def _fetch(events: Iterable[str]) -> None:
    tickers = list(events)
    if not tickers:
        return
    with connect.client() as client:
        try:
            fetch_events(client, tickers)
        except KalshiError as error:
            log.warning("announced events could not be read (%s); the next scan finds them", error)
