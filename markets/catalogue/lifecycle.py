"""What the exchange announces about markets and events, applied to catalogue rows as soon as it is said.

The scan would find all of it two minutes later; a position should not wait that long. Applied in the order of arrival, each message once.
Rows touched here lose their content hash, so that the next scan compares them with the listing again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import transaction

from kalbot.common.clock import now
from markets import connect
from markets.catalogue.rows import multiplier_e6
from markets.catalogue.scan import fetch_events
from markets.kalshi.errors import KalshiError
from markets.models import Event, ExchangeMessage, Market
from markets.terms import certificates

log = logging.getLogger(__name__)

Kind = ExchangeMessage.Kind
KINDS: Final = (Kind.LIFECYCLE, Kind.EVENT_LIFECYCLE, Kind.FEE_UPDATE)
BATCH: Final = 100
"""Messages applied in one transaction: each alone would wait for its own commit, and a busy day announces dozens a second."""
FETCH_LIMIT: Final = 50
"""Most events that one batch asks for; the next scan finds the others."""

Payload = dict[str, Any]


def apply_waiting(seconds: float = math.inf) -> int:
    """Apply the lifecycle messages that wait, oldest first; after ``seconds`` no further batch is begun. Returns how many."""
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        batch = list(ExchangeMessage.objects.filter(kind__in=KINDS, applied_at=None).order_by("id")[:BATCH])
        if not batch:
            return done
        stale: dict[str, None] = {}
        changed: dict[str, None] = {}
        with transaction.atomic():
            for message in batch:
                fetch, touched = apply(message)
                stale.update(dict.fromkeys(fetch))
                changed.update(dict.fromkeys(touched))
            certificates.refresh(changed)
        _fetch(list(stale)[:FETCH_LIMIT])
        done += len(batch)
    return done


def apply(message: ExchangeMessage) -> tuple[list[str], list[str]]:
    """Apply one message to the rows and mark it as applied. Returns the events that have to be asked for again, and those
    whose rows it changed.

    A message that makes no sense is marked with its error: it would make no more sense the next time.
    """
    error = ""
    fetch: list[str] = []
    changed: list[str] = []
    try:
        if message.kind == Kind.LIFECYCLE:
            fetch, changed = _market(message.payload)
        elif message.kind == Kind.EVENT_LIFECYCLE:
            fetch = [message.payload["event_ticker"]]
        elif message.kind == Kind.FEE_UPDATE:
            _fees(message.payload)
    except (KeyError, TypeError, ValueError) as problem:
        error = f"{type(problem).__name__}: {problem}"
        log.warning("lifecycle message %s was not applied: %s", message.pk, error)
    ExchangeMessage.objects.filter(pk=message.pk, applied_at=None).update(applied_at=now(), error=error)
    return fetch, changed


def _market(payload: Payload) -> tuple[list[str], list[str]]:
    ticker = payload["market_ticker"]
    event = Market.objects.filter(pk=ticker).values_list("event_id", flat=True).first()
    if event is None:
        named = (payload.get("metadata") or {}).get("event_ticker")
        return ([named] if named else []), []
    change = CHANGES.get(payload["event_type"])
    if change is None:
        return [event], []  # created again, metadata_updated, or a word we do not know: the listing knows more
    columns = change(payload)
    Market.objects.filter(pk=ticker).update(**columns, content_hash="", updated_at=now())
    if "close_time" in columns:
        _new_close(event)
    return [], [event]


def _status(status: str) -> Callable[[Payload], Payload]:
    return lambda payload: {"status": status}


def _determined(payload: Payload) -> Payload:
    value = payload.get("settlement_value")
    return {
        "status": "determined",
        "result": payload.get("result") or "",
        "settlement_value_e6": None if value is None else value * 100,
    }


def _settled(payload: Payload) -> Payload:
    return {"status": "finalized", "settled_at": _moment(payload.get("settled_time"))}


def _close_date(payload: Payload) -> Payload:
    return {"close_time": _moment(payload["close_time"])}


def _grid(payload: Payload) -> Payload:
    bands = payload.get("price_bands") or []
    return {
        "price_level_structure": payload.get("price_level_structure") or "",
        "price_bands": [[band["start"], band["end"], band["step"]] for band in bands],
    }


CHANGES: Final[dict[str, Callable[[Payload], Payload]]] = {
    "activated": _status("active"),
    "deactivated": _status("inactive"),
    "determined": _determined,
    "settled": _settled,
    "close_date_updated": _close_date,
    "price_level_structure_updated": _grid,
}


def _fees(payload: Payload) -> None:
    multiplier = payload["fee_multiplier_override"]
    Event.objects.filter(pk=payload["event_ticker"]).update(
        fee_type_override=payload["fee_type_override"] or "",
        fee_multiplier_override_e6=None if multiplier is None else multiplier_e6(Decimal(str(multiplier))),
        content_hash="",
        updated_at=now(),
    )


def _new_close(event: str) -> None:
    closes = Market.objects.filter(event_id=event, status__in=("active", "inactive", "initialized")).values_list(
        "close_time", flat=True
    )
    Event.objects.filter(pk=event).update(
        close_time=min((at for at in closes if at is not None), default=None), content_hash="", updated_at=now()
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _fetch(events: Iterable[str]) -> None:
    tickers = list(events)
    if not tickers:
        return
    with connect.client() as client:
        try:
            fetch_events(client, tickers)
        except KalshiError as error:
            log.warning("announced events could not be read (%s); the next scan finds them", error)
