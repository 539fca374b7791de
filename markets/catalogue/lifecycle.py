"""Lifecycle messages of markets and events, applied to catalogue rows as they arrive.

The scan would find all of it two minutes later; a position should not wait that long. Applied in the order of arrival, each message once.
Rows touched here lose their content hash, so that the next scan compares them with the listing again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from kalbot.common import clock
from kalbot.common.db.retry import retried
from markets import connect
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
NAMED: Final = ("market_ticker", "event_ticker")
"""Where messages name what they are about."""
FETCH_LIMIT: Final = 50
"""Most events that one batch fetches; the next scan finds the others."""

Columns = dict[str, Any]
"""Columns of a market row and their new values."""


def apply_waiting(seconds: float = math.inf) -> int:
    """Apply the lifecycle messages that wait, oldest first; after ``seconds`` no further batch is begun. Returns how many."""
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        batch = list(ExchangeMessage.objects.filter(kind__in=KINDS, applied_at=None).order_by("id")[:BATCH])
        if not batch:
            return done
        _fetch(retried(partial(_apply_batch, batch))[:FETCH_LIMIT])
        done += len(batch)
    return done


def _apply_batch(batch: Sequence[ExchangeMessage]) -> list[str]:
    """One transaction. Returns the events that have to be fetched again."""
    stale: dict[str, None] = {}
    changed: dict[str, None] = {}
    with catalogue_transaction(_events_of(batch)):
        for message in batch:
            fetch, touched = apply(message)
            stale.update(dict.fromkeys(fetch))
            changed.update(dict.fromkeys(touched))
        certificates.refresh(changed)
    return list(stale)


def _events_of(batch: Sequence[ExchangeMessage]) -> set[str]:
    """The events whose rows these messages may change."""
    payloads = [message.payload for message in batch if isinstance(message.payload, dict)]
    names = {name: [one[name] for one in payloads if isinstance(one.get(name), str)] for name in NAMED}
    markets = Market.objects.filter(pk__in=names["market_ticker"]).values_list("event_id", flat=True)
    return {*names["event_ticker"], *markets}


def apply(message: ExchangeMessage) -> tuple[list[str], list[str]]:
    """Apply one message to the rows and mark it as applied. Returns the events that have to be fetched again, and those
    whose rows it changed.

    An unreadable message is marked with its error: a second attempt would not read it either.
    """
    error = ""
    fetch: list[str] = []
    changed: list[str] = []
    try:
        if message.kind == Kind.LIFECYCLE:
            fetch, changed = _market(msgspec.convert(message.payload, LifecycleFrame))
        elif message.kind == Kind.EVENT_LIFECYCLE:
            fetch = [msgspec.convert(message.payload, EventLifecycleFrame).event_ticker]
        elif message.kind == Kind.FEE_UPDATE:
            _fees(msgspec.convert(message.payload, EventFeeFrame))
    except ValueError as problem:
        error = f"{type(problem).__name__}: {problem}"
        log.warning("lifecycle message %s was not applied: %s", message.pk, error)
    ExchangeMessage.objects.filter(pk=message.pk, applied_at=None).update(applied_at=clock.now(), error=error)
    return fetch, changed


def _market(frame: LifecycleFrame) -> tuple[list[str], list[str]]:
    ticker = frame.market_ticker
    event = Market.objects.filter(pk=ticker).values_list("event_id", flat=True).first()
    if event is None:
        named = frame.metadata.event_ticker if frame.metadata is not None else None
        return ([named] if named else []), []
    change = CHANGES.get(frame.event_type)
    if change is None:
        return [event], []  # created again, metadata_updated, or an unknown type: the listing has the details
    columns = change(frame)
    Market.objects.filter(pk=ticker).update(**columns, content_hash="", updated_at=clock.now())
    if "close_time" in columns:
        _new_close(event)
    return [], [event]


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
