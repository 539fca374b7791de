"""The catalogue of a replay: events, series, contract terms, results and announcements, written by the product's own writers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from msgspec import structs

from backtest.replay.books import ReplayBooks
from kalbot.common import clock
from kalbot.common.units import parse_price
from markets.catalogue import family_moves, lifecycle
from markets.catalogue.rows import event_row, market_row
from markets.catalogue.series import store_series
from markets.catalogue.upsert import store_events
from markets.fees import RATES
from markets.kalshi.schemas import Event as WireEvent
from markets.kalshi.schemas.pages import parse_event, parse_series
from markets.kalshi.ws import frames
from markets.models import ContractTerms, Event, Market
from markets.streaming.connection import STATUS_AFTER
from markets.streaming.output.inbox import Message, store
from markets.streaming.output.messages import to_message
from markets.tape.records import Record
from markets.terms import certificates
from markets.terms.catalogue_facts import build_facts
from markets.terms.registry import changes
from markets.terms.rules_file import Sample, with_rules

_MOMENTS: Final = ("created_at", "decided_at", "fetched_at", "unreachable_since")
Announced = frames.LifecycleFrame | frames.EventLifecycleFrame | frames.EventFeeFrame


class Catalogue:
    """Records that become rows. Events and announcements wait until something reads rows (``flush``)."""

    def __init__(
        self, books: ReplayBooks, rules: Mapping[str, Sample], fees: str = "", fee_ppm: int = 1_000_000
    ) -> None:
        self._books, self._rules, self._fees = books, rules, fees
        self._fee_factor = Decimal(fee_ppm) / 1_000_000
        self.without_rules: set[str] = set()
        """Events that were recorded without rules texts."""
        self.assumed_rules: set[str] = set()
        """Those of them that got the texts of their series from a file."""
        self.assumed_fees: set[str] = set()
        """Events of series whose fees were not recorded and were assumed."""
        self.event_of: dict[str, str] = {}
        """Market -> event."""
        self.listed = False
        """Events came since screening last ran."""
        self.settled = False
        """Results came since settlement last ran."""
        self._unrecorded: set[str] = set()
        """Series whose fees are assumed so far."""
        self._waiting: dict[str, WireEvent] = {}
        self._announced: list[Message] = []
        self._announced_of: set[str] = set()
        """Events that they are about: a listing that comes later has the last word on its event."""
        self._multipliers: dict[str, int] = {}
        self._least: dict[str, int] = {}
        """Series or event -> the multiplier of its taker fee, millionths."""

    def least_multiplier(self, event: str) -> int:
        """The lowest multiplier (millionths) of the taker fee that may hold for ``event``; 0 where none is known."""
        known = self._least.get(event)
        if known is None:
            own = self._multipliers.get(event)
            of_series = self._multipliers.get(event.split("-", 1)[0], 0)
            known = self._least[event] = of_series if own is None else min(own, of_series)
        return known

    def _charges(self, ticker: str, fee_type: str, multiplier: Decimal | None) -> None:
        self._least.clear()
        known = fee_type in RATES and multiplier is not None
        self._multipliers[ticker] = max(0, int(multiplier * 1_000_000)) if known and multiplier is not None else 0

    def flush(self) -> None:
        """Write what came into rows: events, then what was announced of them. Called before anything reads rows."""
        if self._waiting:
            events, self._waiting = list(self._waiting.values()), {}
            with transaction.atomic():
                changed = store_events(events).changed
                certificates.refresh(changed)
                family_moves.end_moved(changed)
        if self._announced:
            announced, self._announced = self._announced, []
            self._announced_of.clear()
            store(announced)
            while batch := lifecycle.next_batch():
                lifecycle.apply_batch(batch)

    def event(self, record: Record) -> None:
        """An event with its markets, as the listing had it."""
        event = parse_event(b'{"event":' + record.payload + b"}")
        event = self._with_rules(event)
        if event.fee_multiplier_override is not None:
            event = structs.replace(event, fee_multiplier_override=event.fee_multiplier_override * self._fee_factor)
        self._assume_fees(event)
        if event.event_ticker in self._announced_of:
            self.flush()
        self._waiting[event.event_ticker] = event
        self.listed = True
        if event.fee_type_override or event.fee_multiplier_override is not None:
            self._charges(event.event_ticker, event.fee_type_override or "", event.fee_multiplier_override)
        statuses = {market.ticker: market.status.value for market in event.markets}
        self.event_of |= dict.fromkeys(statuses, event.event_ticker)
        self._books.watch(event.event_ticker, statuses)
        for ticker, status in statuses.items():
            self._books.set_status(ticker, status)
        self.settled = self.settled or "finalized" in statuses.values()

    def _assume_fees(self, event: WireEvent) -> None:
        series = event.series_ticker
        if (
            not self._fees
            or event.fee_type_override
            or (series in self._multipliers and series not in self._unrecorded)
        ):
            return
        self.assumed_fees.add(event.event_ticker)
        if series not in self._unrecorded:
            self._unrecorded.add(series)
            content = {"ticker": series, "title": "", "category": event.category or ""}
            self._series(json.dumps(content | {"fee_type": self._fees, "fee_multiplier": 1}).encode())

    def _with_rules(self, event: WireEvent) -> WireEvent:
        if any(market.rules_primary or market.rules_secondary for market in event.markets):
            return event
        self.without_rules.add(event.event_ticker)
        if event.series_ticker not in self._rules:
            return event
        filled = with_rules(build_facts(event_row(event), map(market_row, event.markets)), self._rules)
        if not all(market.rules_primary for market in filled.markets):
            return event
        self.assumed_rules.add(event.event_ticker)
        texts = {market.ticker: (market.rules_primary, market.rules_secondary) for market in filled.markets}
        markets = tuple(
            structs.replace(market, rules_primary=texts[market.ticker][0], rules_secondary=texts[market.ticker][1])
            for market in event.markets
        )
        return structs.replace(event, markets=markets)

    def series(self, record: Record) -> None:
        """A series with its fees."""
        self._unrecorded.discard(record.key)
        self._series(record.payload)

    def _series(self, content: bytes) -> None:
        series = parse_series(b'{"series":' + content + b"}")
        series = structs.replace(series, fee_multiplier=series.fee_multiplier * self._fee_factor)
        store_series([series])
        self._charges(series.ticker, series.fee_type, series.fee_multiplier)

    def terms(self, record: Record) -> None:
        """The registry of contract terms changed: certificates that rest on it are given again."""
        content: dict[str, Any] = json.loads(record.payload)
        for name in _MOMENTS:
            content[name] = datetime.fromisoformat(content[name]) if content.get(name) else None
        key = {name: content.pop(name) for name in ("exchange", "url", "version")}
        self.flush()
        entry, _ = ContractTerms.objects.update_or_create(**key, defaults=content)
        changes.recertify(entry)

    def settlement(self, record: Record) -> None:
        """A result that is known from now on."""
        content = json.loads(record.payload)
        self.flush()
        value = parse_price(content["settlement_value_dollars"])
        Market.objects.filter(pk=record.key).update(
            status="finalized",
            result=content["result"],
            settlement_value_e6=value * 100,
            expiration_value=str(content.get("expiration_value", ""))[:200],
            settled_at=clock.now(),
            content_hash="",
        )
        self._books.set_status(record.key, "finalized")
        event = self.event_of.get(record.key)
        if event and not Market.objects.filter(event_id=event).exclude(status="finalized").exists():
            Event.objects.filter(pk=event).update(is_open=False, content_hash="")
        self.settled = True

    def announced(self, frame: Announced, epoch: str, at: int) -> None:
        """A lifecycle message of a market or an event, or an event's new fee. Books know it at once, rows before they are next read."""
        if isinstance(frame, frames.LifecycleFrame):
            status = STATUS_AFTER.get(frame.event_type)
            if status is not None:
                self._books.set_status(frame.market_ticker, status.value)
            self.settled = True
        elif isinstance(frame, frames.EventFeeFrame):
            if frame.fee_multiplier_override is not None:
                factor = self._fee_factor
                frame = structs.replace(frame, fee_multiplier_override=frame.fee_multiplier_override * factor)
            self._multipliers.pop(frame.event_ticker, None)
            self._least.clear()
            if frame.fee_type_override or frame.fee_multiplier_override is not None:
                self._charges(frame.event_ticker, frame.fee_type_override or "", frame.fee_multiplier_override)
        self._announced.append(to_message(frame, epoch, at))
        ticker = frame.market_ticker if isinstance(frame, frames.LifecycleFrame) else frame.event_ticker
        self._announced_of.add(self.event_of.get(ticker, ticker))
