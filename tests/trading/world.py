"""A small exchange in rows and in Redis, and decisions on it, for the tests of trading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Any

import msgspec

from kalbot.common import cache, clock
from markets import exchange_hours
from markets.fees import FeeSchedule
from markets.kalshi.schemas.exchange import ExchangeStatus, Hours, IndexStatus, Schedule, Week
from markets.models import Certificate, Event, Market, Series
from markets.prices import EVENT_KEY, LEASE_KEY, EventRecord, Lease, MarketRecord
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade
from markets.terms.states import listed_states
from strategies.models import Decision, Profile
from trading.execution.sizing import walk
from trading.models import Leg, Order, OrderStatus, Position
from trading.safety import halt

EPOCH = "epoch-1"
DOLLAR = 1_000_000
FEES = FeeSchedule()
Levels = Sequence[tuple[int, int]]
Books = Mapping[str, tuple[Levels, Levels]]


def active() -> None:
    """Trading is allowed."""
    halt.set_state(state="active", actor="test", reason="test")


def exchange_open() -> None:
    """The exchange said just now that it is open, without pauses."""
    status = ExchangeStatus(
        exchange_active=True, trading_active=True, transfers_active=True, estimated_resume=None, indexes=()
    )
    shards = tuple(
        IndexStatus(exchange_index=n, exchange_active=True, trading_active=True, intra_exchange_transfers_active=True)
        for n in range(4)
    )
    always = Week(None, None, ((Hours(time(), time()),),) * 7)
    status = msgspec.structs.replace(status, indexes=shards)
    exchange_hours.keep(exchange_hours.Answer(clock.now_ms(), status, Schedule((always,), ())))


def add_profile(name: str = "careful", **columns: Any) -> Profile:
    """An active paper profile with wide limits."""
    defaults = {
        "kinds": ["all_yes", "all_no", "coverage"],
        "min_profit": 1,
        "min_margin_ppm": 0,
        "cooldown_seconds": 0,
        "capital": 1_000 * DOLLAR,
        "leg_risk_budget": 500 * DOLLAR,
    }
    return Profile.objects.create(name=name, **(defaults | columns))


def add_event(ticker: str = "KXT-1", outcomes: int = 3, **columns: Any) -> Event:
    """An open exclusive event whose outcomes are certified to be exhaustive."""
    Series.objects.get_or_create(ticker="KXT", defaults={"category": "Sports", "fee_type": "quadratic"})
    closes = clock.now() + timedelta(days=2)
    defaults = {
        "series_id": "KXT",
        "title": ticker,
        "mutually_exclusive": True,
        "close_time": closes,
        "rules_hash": "rules",
    }
    event = Event.objects.create(ticker=ticker, **(defaults | columns))
    for number in range(outcomes):
        Market.objects.create(
            ticker=f"{ticker}-{number}", event=event, status="active", close_time=closes, price_bands=[[0, 10_000, 100]]
        )
    tickers = [f"{ticker}-{number}" for number in range(outcomes)]
    certify(event, tickers)
    return event


def certify(event: Event, tickers: Sequence[str]) -> Certificate:
    """A certificate that one of the outcomes must win, on registered terms."""
    return Certificate.objects.create(
        event=event,
        status="granted",
        kind="reviewed",
        rules_hash=event.rules_hash,
        states=listed_states(tickers, certified=True).to_json(),
        grade=Grade.GUARANTEED.value,
        one_must_win=True,
        reading=CERTIFICATE_VERSION,
    )


def publish(
    event: str, books: Books, *, lease: str | None = EPOCH, age_ms: int = 0, statuses: Mapping[str, str] | None = None
) -> None:
    """Live books (YES bids, NO bids; best first) by market, of the epoch that lives (``lease`` None: none does). As in the stream, one
    that shows what it showed before has not been heard of."""
    at, client = clock.now_ms() - age_ms, cache.prices()
    before = client.get(EVENT_KEY + event)
    known = {}
    if isinstance(before, bytes):
        known = {one.ticker: one for one in msgspec.msgpack.decode(before, type=EventRecord).markets}
    markets = [
        _record(ticker, (statuses or {}).get(ticker, "active"), at, known.get(ticker), yes, no)
        for ticker, (yes, no) in books.items()
    ]
    client.set(EVENT_KEY + event, msgspec.msgpack.encode(EventRecord(EPOCH, tuple(markets))))
    client.delete(LEASE_KEY + "0")
    if lease is not None:
        client.set(LEASE_KEY + "0", msgspec.msgpack.encode(Lease(lease, at, "token")))


def _record(
    ticker: str, status: str, at: int, before: MarketRecord | None, yes_bids: Levels, no_bids: Levels
) -> MarketRecord:
    yes, no = (tuple((price, count) for price, count in levels) for levels in (yes_bids, no_bids))
    seq, heard = (before.seq, before.receive_ms) if before is not None else (0, 0)
    if before is None or (before.yes, before.no) != (yes, no):
        seq, heard = seq + 1, at
    best = yes[0][0] if yes else None
    ask = 10_000 - no[0][0] if no else None
    return MarketRecord(ticker, status, best, ask, seq, 1, heard, heard, False, True, yes, no)


def quoted(event: Event, quotes: Sequence[tuple[int, int]], size: int = 10_000) -> Books:
    """One level a side at each (yes bid, yes ask) of the event's markets in order of ticker."""
    return {
        f"{event.ticker}-{number}": (((bid, size),), ((10_000 - ask, size),))
        for number, (bid, ask) in enumerate(quotes)
    }


def decide(
    profile: Profile,
    event: Event,
    limits: Mapping[str, int],
    count: int = 1_000,
    kind: str = "all_yes",
    side: str = "yes",
    **columns: Any,
) -> Decision:
    """A decision to buy ``count`` of ``side`` on each market of ``limits`` (ticker -> limit price)."""
    floor = 10_000 * count if kind == "all_yes" else 10_000 * count * (len(limits) - 1) if kind == "all_no" else 0
    floor = columns.get("floor", floor)
    cost = sum(walk.most_for(price, count, FEES) for price in limits.values())
    legs = [{"ticker": ticker, "side": side, "count": count, "limit_price": price} for ticker, price in limits.items()]
    defaults: dict[str, Any] = {
        "mode": profile.mode,
        "kind": kind,
        "count": count,
        "legs": legs,
        "cost": cost,
        "fees": 0,
        "max_cost": cost,
        "floor": floor,
        "conditional": 10_000 * count,
        "expected": floor,
        "coverage_ppm": 1_000_000,
        "margin_ppm": 0,
        "guaranteed": floor > cost,
        "certificate": event.certificates.first() if kind in ("all_yes", "all_no") else None,
        "rules_hash": event.rules_hash,
        "epoch": EPOCH,
    }
    if columns.get("guaranteed", floor > cost):
        defaults["grade"] = Grade.GUARANTEED
    return Decision.objects.create(profile=profile, event=event, **(defaults | columns))


def add_order(number: int, profile: Profile | None = None, **columns: Any) -> Order:
    """A purchase for a quote whose request is under way, with a position, leg, event and (by default) profile of its own."""
    event, profile = add_event(f"KXT-{number}"), profile or add_profile(f"profile {number}")
    ticker = event.markets.order_by("ticker")[0].ticker
    decision = decide(profile, event, {ticker: 3_000}, kind="coverage")
    kept = {"profile": profile, "mode": profile.mode}
    position = Position.objects.create(decision=decision, event=event, kind="coverage", target_count=1_000, **kept)
    leg = Leg.objects.create(
        position=position, market_id=ticker, side="yes", sequence=0, target_count=1_000, limit_price=3_000
    )
    defaults = {
        "action": "buy",
        "purpose": "quote",
        "side": "yes",
        "price": 3_000,
        "count": 1_000,
        "time_in_force": "good_till_canceled",
        "status": OrderStatus.SENDING,
    }
    return Order.objects.create(position=position, leg=leg, **kept, **(defaults | columns))


def add_order_of(position: Position, number: int = 0, **columns: Any) -> Order:
    """An order of the position's leg ``number``: by default a purchase to complete it, ended without a fill."""
    leg = position.legs.get(sequence=number)
    defaults: dict[str, Any] = {
        "action": "buy",
        "purpose": "complete",
        "side": "yes",
        "price": leg.limit_price,
        "count": 1_000,
        "status": "done",
    }
    return Order.objects.create(
        position=position, leg=leg, profile=position.profile, mode="sim", **(defaults | columns)
    )
