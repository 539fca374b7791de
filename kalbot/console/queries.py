"""What the console reads from the packages below, in one place: when a signature there changes, this file changes.

Selectors return small values for templates; the acting functions raise KalbotError with a sentence when they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis
from django.conf import settings
from django.core.cache import cache as kept
from django.db import models

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from markets import connect, rate_limits
from markets.kalshi.token_buckets import BASIC
from markets.models import Event
from markets.terms import certificates
from strategies.catalogue import live_quotes
from strategies.models import Profile
from strategies.screening import screening
from trading import exits, ledger
from trading.models import LedgerTransaction, Position, TradingState
from trading.safety import halt
from trading.venues import account_limits


@dataclass(frozen=True)
class ExitLeg:
    """One leg of an exit: contracts held, the best bid, how much of it sells now and what that brings after fees."""

    side: str
    ticker: str
    held: int
    bid: int | None
    sold: int
    proceeds: int | None


@dataclass(frozen=True)
class ExitPreview:
    """What a force exit would bring now. Money in micro-dollars; ``note`` says why the numbers cannot be trusted, if so."""

    legs: list[ExitLeg]
    proceeds: int
    result: int
    unsellable: list[str]
    note: str = ""


def exit_preview(position: Position) -> ExitPreview:
    """Legs, bids, expected proceeds and result of selling ``position`` at the bids of this moment."""
    found = exits.preview(position)
    legs = [
        ExitLeg(
            side=one.leg.side,
            ticker=one.leg.market_id,
            held=one.leg.held,
            bid=one.bids[0][0] if one.bids else None,
            sold=one.leg.held - one.unsellable,
            proceeds=one.expected_proceeds if one.leg.held > one.unsellable else None,
        )
        for one in found.legs
    ]
    unsellable = [f"{one.leg.side.upper()} {one.leg.market_id}" for one in found.legs if one.unsellable]
    note = ""
    if found.unpriced is not None:
        note = f"The live books cannot be relied on now; the exit waits for good ones. {found.unpriced.sentence}"
    return ExitPreview(legs, found.proceeds, found.profit, unsellable, note)


def request_exit(*, position_id: int, actor: str, reason: str) -> Any:
    """Store the intent to leave a position; the sweeper makes it true."""
    try:
        return exits.request_exit(position_id=position_id, actor=actor, reason=reason, source="person")
    except exits.CannotExit as error:
        raise KalbotError(error.code.sentence) from error


def trading_state(profile: Profile | None = None) -> TradingState:
    """The row that says whether trading may go on. Absent = halted, as everywhere."""
    scope = f"profile:{profile.pk}" if profile else "global"
    row = TradingState.objects.filter(scope=scope).first()
    if row is None and profile is not None:
        return TradingState(scope=scope, profile=profile, state=TradingState.State.ACTIVE, reason="", actor="")
    return row or TradingState(
        scope=scope, state=TradingState.State.HALTED, reason="no trading state is stored", actor="kalbot"
    )


def state_in_force(profile: Profile) -> str:
    """What holds for ``profile``: the stricter of its own state and everybody's."""
    return str(halt.current(profile))


def set_trading_state(
    *, state: str, actor: str, reason: str, profile: Profile | None = None, cancel_resting: bool = False
) -> None:
    """Halt, reduce or resume."""
    halt.set_state(state=state, actor=actor, reason=reason, profile=profile, cancel_resting=cancel_resting)


def grant_certificate(event: Event, actor: str, reason: str) -> None:
    """A person vouches that one of the listed outcomes must win."""
    certificates.grant(event, actor, reason)


def revoke_certificate(event: Event, actor: str, reason: str) -> None:
    """A person takes the certificate back."""
    certificates.revoke(event, actor, reason)


def profile_problems(profile: Profile) -> dict[str, str]:
    """What is wrong with a profile across its fields: {field: sentence}."""
    from strategies.profiles import validation

    return dict(validation.problems(profile))


def ledger_summary(profile: Profile) -> dict[str, int]:
    """{starting, cash, open_cost, realised, difference} in micro-dollars.

    It adds up the whole ledger, so it is kept until the next booking, and for a minute at most (it compares with the positions'
    rows, which might change without one).
    """
    last = LedgerTransaction.objects.filter(profile=profile).order_by("-id").values_list("pk", flat=True).first()
    name = f"ledger:{profile.pk}:{last}:{profile.capital}"
    found: dict[str, int] | None = kept.get(name)
    if found is None:
        found = ledger.summary(profile)
        kept.set(name, found, 60)
    return found


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
    """Rate-limit tokens by bucket now; buckets nobody used for a minute are full and absent. Empty while Redis is away."""
    try:
        where = connect.environment()
        found = rate_limits.left(connect.limit_scope(where), BASIC)
        named = {f"{bucket} (public)": tokens for bucket, tokens in found.items()}
        if settings.KALSHI_KEY_ID:
            named |= rate_limits.left(connect.limit_scope(where, settings.KALSHI_KEY_ID), account_limits.known())
    except (redis.RedisError, KalbotError):
        return {}
    return named


def judge_now(profile: Profile) -> list[dict[str, Any]]:
    """Today's verdict of ``profile`` on every open event, by the catalogue with the live quotes over it; writes nothing."""
    events = live_quotes.load_universe()
    names = ("status", "constraint", "value", "limit", "distance_ppm", "flip", "kind")
    return [
        {"event": ticker, "title": events[ticker].title, **{name: getattr(verdict, name) for name in names}}
        for ticker, verdict in screening.judge_all(profile, events, clock.now_ms()).items()
    ]
