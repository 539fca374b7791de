"""What the console asks of the rooms below, in one place: when a neighbour's signature changes, this file changes.

Selectors return small values for templates; the acting functions raise KalbotError with a sentence when they are refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import redis
from django.conf import settings
from django.db import models

from kalbot.common import cache, clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import Count
from markets.book import Side
from markets.kalshi.limits import BASIC, limit_of
from markets.models import Event
from strategies.models import Profile
from trading import quotes as trading_quotes
from trading.models import Position, TradingState
from triage.valuation import HeldLeg, sell


@dataclass(frozen=True)
class ExitLeg:
    """One leg of an exit: contracts held, the best bid (price and size), what selling all of it brings after fees."""

    side: str
    ticker: str
    held: int
    bid: int | None
    sold: int
    proceeds: int | None
    problem: str = ""


@dataclass(frozen=True)
class ExitPreview:
    """What a force exit would bring now. Money in micro-dollars; None where it cannot be told."""

    legs: list[ExitLeg] = field(default_factory=list)
    proceeds: int | None = None
    result: int | None = None
    unsellable: list[str] = field(default_factory=list)
    note: str = ""


def exit_preview(position: Position) -> ExitPreview:
    """Legs, bids, expected proceeds and result of selling ``position`` now; says so where prices are missing."""
    try:
        quotes = trading_quotes.read(position.event)
    except KalbotError as error:
        return ExitPreview(note=f"What it would bring cannot be told: {error}.")
    held = [HeldLeg(leg.market_id, Side(leg.side), Count(leg.held)) for leg in position.legs.order_by("id") if leg.held]
    books = {leg.ticker: quotes.depth(leg.ticker) for leg in held}
    sale = sell(held, books, quotes.fees)
    legs = [
        ExitLeg(
            side=s.leg.side.value,
            ticker=s.leg.ticker,
            held=s.leg.count,
            bid=next((p for p, _ in quotes.bids(s.leg.ticker, s.leg.side.value)), None),
            sold=s.sold,
            proceeds=s.proceeds if s.sold else None,
            problem=s.problem.replace("_", " "),
        )
        for s in sale.legs
    ]
    fresh = quotes.unusable([leg.ticker for leg in held], position.profile.max_price_age_ms) if held else None
    open_cost = sum(leg.open_cost for leg in position.legs.all())
    return ExitPreview(
        legs=legs, proceeds=sale.proceeds, result=sale.proceeds - open_cost, unsellable=[s.leg.words() for s in sale.unsellable],
        note=f"The live books cannot be relied on now ({fresh.replace('_', ' ')}); the exit waits for good ones." if fresh else "",
    )  # fmt: skip


def request_exit(*, position_id: int, actor: str, reason: str) -> Any:
    """Store the intent to leave a position; the sweeper makes it true."""
    from trading import exits

    return exits.request_exit(position_id=position_id, actor=actor, reason=reason, source="person")


def trading_state(profile: Profile | None = None) -> TradingState:
    """The row that says whether trading may go on. Absent = halted, as everywhere."""
    scope = f"profile:{profile.pk}" if profile else "global"
    row = TradingState.objects.filter(scope=scope).first()
    if row is None and profile is not None:
        return TradingState(scope=scope, profile=profile, state=TradingState.State.ACTIVE, reason="", actor="")
    return row or TradingState(
        scope=scope, state=TradingState.State.HALTED, reason="no trading state is stored", actor="kalbot"
    )


def set_trading_state(
    *, state: str, actor: str, reason: str, profile: Profile | None = None, cancel_resting: bool = False
) -> None:
    """Halt, reduce or resume."""
    from trading import halt

    halt.set_state(state=state, actor=actor, reason=reason, profile=profile, cancel_resting=cancel_resting)


def grant_certificate(event: Event, actor: str, reason: str) -> None:
    """A person vouches that one of the listed outcomes must win."""
    from markets import certificates

    certificates.grant(event, actor, reason)


def revoke_certificate(event: Event, actor: str, reason: str) -> None:
    """A person takes the certificate back."""
    from markets import certificates

    certificates.revoke(event, actor, reason)


def profile_problems(profile: Profile) -> dict[str, str]:
    """What is wrong with a profile across its fields: {field: sentence}."""
    from strategies import validation

    return dict(validation.problems(profile))


def ledger_summary(profile: Profile) -> dict[str, int]:
    """{starting, cash, open_cost, realised, difference} in micro-dollars."""
    from trading import ledger

    return dict(ledger.summary(profile))


def banner() -> dict[str, Any]:
    """What stands on top of every page: state of everything, profiles that differ, which modes are active. Two queries."""
    states = {row.scope: row for row in TradingState.objects.select_related("profile")}
    modes = Profile.objects.filter(is_active=True).order_by().values_list("mode").annotate(number=models.Count("pk"))
    return {
        "state": states.get("global") or trading_state(),
        "others": [
            row for scope, row in states.items() if scope != "global" and row.state != TradingState.State.ACTIVE
        ],
        "modes": dict(modes),
        "live_allowed": settings.KALBOT_LIVE,
        "now": clock.now(),
    }


def tokens_left() -> dict[str, float]:
    """Rate-limit tokens by bucket as the shared limiter last left them, refilled since; buckets nobody used for a minute are full
    and absent. Empty while Redis is away."""
    host = settings.KALSHI_REST_URL.split("/")[2]
    left: dict[str, float] = {}
    try:
        client = cache.prices()
        account = (
            hashlib.blake2b(settings.KALSHI_KEY_ID.encode(), digest_size=6).hexdigest()
            if settings.KALSHI_KEY_ID
            else ""
        )
        for scope in filter(None, (account, "public")):
            for bucket in ("read", "write"):
                tokens, at = client.hmget(f"limit:{host}:{scope}:{bucket}", "tokens", "at")
                if tokens is not None:
                    limit = limit_of(bucket, BASIC)
                    refilled = float(tokens) + (clock.now_ms() - float(at)) * limit.refill_rate / 1000
                    left[f"{bucket}{' (public)' if scope == 'public' else ''}"] = min(limit.bucket_capacity, refilled)
    except redis.RedisError:
        return {}
    return left


def judge_now(profile: Profile) -> list[dict[str, Any]]:
    """Today's verdict of ``profile`` on every open event, by the catalogue with the live quotes over it; writes nothing."""
    from strategies import live_quotes, screening, universe

    events = universe.load()
    quotes = live_quotes.read(events.values())
    if quotes:
        events = {ticker: live_quotes.overlay(event, quotes) for ticker, event in events.items()}
    names = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
    return [
        {"event": ticker, "title": events[ticker].title, **{name: getattr(verdict, name) for name in names}}
        for ticker, verdict in screening.judge_all(profile, events, clock.now_ms()).items()
    ]
