"""Catalogue rows into the facts that sources read, remembered for each version of an event's rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

from markets.models import Event, Market
from triage.sources.protocol import EventFacts, Listing

_KEPT: Final = 20_000
Version = tuple[str, str, int, str]
_known: dict[Version, EventFacts] = {}
_COLUMNS: Final = (
    "event_id",
    "ticker",
    "strike_type",
    "floor_strike",
    "cap_strike",
    "rules_primary",
    "rules_secondary",
)


def event_facts(events: Mapping[str, Event]) -> dict[str, EventFacts]:
    """Facts of these events (with ``series`` loaded). One query for those that are not remembered."""
    found = {t: _known[key] for t, e in events.items() if e.rules_hash and (key := _version(e)) in _known}
    missing = [ticker for ticker in events if ticker not in found]
    listings: dict[str, list[Listing]] = {ticker: [] for ticker in missing}
    secondary: dict[str, list[str]] = {ticker: [] for ticker in missing}
    for event, ticker, kind, floor, cap, rules, more in (
        Market.objects.filter(event_id__in=missing).order_by("ticker").values_list(*_COLUMNS)
    ):
        listings[event].append(Listing(ticker, kind, floor, cap, rules))
        secondary[event].append(more)
    read = {t: _facts(events[t], tuple(listings[t]), secondary[t]) for t in missing}
    if len(_known) + len(read) > _KEPT:
        _known.clear()
    _known.update({_version(events[t]): facts for t, facts in read.items() if events[t].rules_hash})
    return found | read


def _version(event: Event) -> Version:
    """What has to be the same for the remembered facts to hold."""
    close = int(event.close_time.timestamp()) if event.close_time else 0
    named = json.dumps(event.settlement_sources or event.series.settlement_sources)
    return event.ticker, event.rules_hash, close, event.series.contract_terms_url + named


def digest(listings: Sequence[Listing], secondary: Sequence[str]) -> str:
    """Fingerprint of what an event's markets promise: rules, strikes, which markets. A market that pauses, closes or is
    determined has not changed its promise."""
    rows = [
        [x.ticker, x.strike_type, x.floor, x.cap, x.rules, more] for x, more in zip(listings, secondary, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def _facts(event: Event, listings: tuple[Listing, ...], secondary: Sequence[str]) -> EventFacts:
    named = event.settlement_sources or event.series.settlement_sources or []
    return EventFacts(
        ticker=event.ticker,
        series=event.series_id,
        title=event.title,
        listings=listings,
        sources=tuple((str(row.get("name", "")), str(row.get("url", ""))) for row in named if isinstance(row, dict)),
        rules_secondary="\n".join(dict.fromkeys(text for text in secondary if text)),
        close_ms=None if event.close_time is None else int(event.close_time.timestamp() * 1000),
        digest=digest(listings, secondary),
        terms_url=event.series.contract_terms_url,
    )
