"""What a person is shown of everything at one moment of a run, by the selectors and judgements that pages and phases go by.

Kept runs write it down after each round, so that a change of what is said about a position, a profile or an account shows as a
difference even where what is traded stays the same. Nothing here writes, and nothing makes a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, Final

from django.db.models import Model

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from strategies.models import Profile
from trading import selectors, waiting
from trading.accounting import (
    accounts,
    balance_check,
    collateral,
    ledger,
    leg_risk,
    locked,
    pool,
    result_groups,
    results,
    shard_cash,
)
from trading.books import live_books
from trading.closing import exit_counts, exit_preview, exits, marks
from trading.execution.orders import inflight
from trading.execution.phases import rescue, resume
from trading.limits import day, every_basket
from trading.models import ACTIVE, Discrepancy, ExchangeAccount, Leg, Position
from trading.quoted import idle, open_quotes
from trading.quoted import results as quoted_results
from trading.safety import discrepancies, halt, protections, resolution

NUMBER: Final = re.compile(r"#\d+")
"""The id of a row, in words: it goes on from run to run."""
LONGEST: Final = 1_500


class Views:
    """Everything that is shown, as lines; of each only what has changed since it was seen last."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._last: dict[str, str] = {}

    def see(self) -> None:
        """Add what is shown now."""
        day.forget()
        for name, read in _every():
            try:
                text = said(read())[:LONGEST]
            except KalbotError as error:
                text = f"{type(error).__name__}: {NUMBER.sub('#', str(error))}"
            if self._last.get(name, "") != text:
                self.lines.append(f"{clock.now():%H:%M:%S.%f} {name}: {text}")
                self._last[name] = text


def said(value: Any) -> str:
    """A value in words that are the same in every run: rows by what they are of, never by their ids."""
    if isinstance(value, Leg):
        return f"{value.side} {value.market_id}"
    if isinstance(value, Model):
        return type(value).__name__
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return f"{value:%d %H:%M:%S.%f}"
    if is_dataclass(value) and not isinstance(value, type):
        return "(" + ", ".join(f"{one.name} {said(getattr(value, one.name))}" for one in fields(value)) + ")"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{said(key)}: {said(one)}" for key, one in value.items()) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(said, value))) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(said, value)) + "]"
    if isinstance(value, float):
        return f"{value:.9g}"
    return NUMBER.sub("#", str(value))


def _every() -> Iterator[tuple[str, Callable[[], Any]]]:
    rows = Position.objects.select_related("profile", "event__series", "decision")
    for number, position in enumerate(rows.order_by("pk"), 1):
        for name, read in _of_position(position).items():
            yield f"position {number} {name}", read
    for profile in Profile.objects.order_by("name"):
        for name, of_profile in _OF_PROFILE.items():
            yield f"profile {profile.name} {name}", partial(of_profile, profile)
    for account in ExchangeAccount.objects.order_by("subaccount"):
        for name, of_account in _OF_ACCOUNT.items():
            yield f"account {account.subaccount} {name}", partial(of_account, account)
    yield "differences", _differences
    yield "quotes", open_quotes.every
    yield "quoted so far", lambda: (quoted_results.by_way(clock.now().replace(hour=0)), quoted_results.hedges(_BEGIN))
    yield "owed", pool.owed


_BEGIN: Final = datetime.fromisoformat("2026-11-20T00:00:00+00:00")


def _of_position(position: Position) -> dict[str, Callable[[], Any]]:
    legs = inflight.legs_of(position)
    found: dict[str, Callable[[], Any]] = {
        "held": lambda: _held(position),
        "waits": lambda: waiting.of(position),
        "mark": lambda: list(marks.of([position]).values()),
        "sure": lambda: (rescue.sure_result(position, legs), rescue.least_result(position, legs)),
        "risk": lambda: (leg_risk.left(position), leg_risk.left_to_sell(position, legs)),
        "completing": lambda: leg_risk.lost_completing(position, legs),
        "floor": lambda: (
            exit_preview.guaranteed_floor(position, legs),
            exit_preview.floor_beside(position, legs),
        ),
        "collateral": lambda: (collateral.exit_reserve(position), collateral.held_back(position)),
    }
    if position.status not in ACTIVE:
        return found
    half = exit_counts.of_share(legs, position.target_count, 500_000, position.profile.count_step)
    return found | {
        "unwind": lambda: rescue.unwind_result(live_books.read_beside(position), position, legs),
        "orphans": lambda: resume.holds_orphans(position),
        "exit": lambda: (exits.why_not(position), exit_preview.preview(position)),
        "half": lambda: (half, exit_preview.preview(position, half) if half else None),
        "half's floor": lambda: exit_preview.floor_given_up(position, legs, half),
        "alone": lambda: (
            exit_counts.beside(legs, position.target_count),
            half and exit_counts.leaves_naked(legs, position.target_count, half),
        ),
    }


def _held(position: Position) -> Any:
    held = selectors.held_now(position)
    pays = [(one.words, one.pays) for one in held.payoff]
    return held.legs, held.matched, held.cost, held.floor, held.grade, held.unknown, pays


def _capital(profile: Profile) -> Any:
    """But for what was held on average, which changes with every moment."""
    found = locked.capital_of(profile, clock.now(), 2)
    weeks = [(one.realised, one.ended, one.partly) for one in found.weeks]
    return found.total, found.free, found.returned, found.locked, found.borrowed, found.lent, found.swept, weeks


def _result(profile: Profile) -> Any:
    found = results.result(profile, None, clock.now())
    best, worst = (None if one is None else one[1] for one in (found.best, found.worst))
    return found.realised, found.fees, found.ended, found.won, found.capital_days, found.drawdown, best, worst


def _refused(profile: Profile) -> Any:
    return [every_basket.refusals([one]).get(one.pk) for one in every_basket.active_profiles() if one.pk == profile.pk]


_OF_PROFILE: Final[dict[str, Callable[[Profile], Any]]] = {
    "balances": ledger.balances,
    "summary": balance_check.summary,
    "result": _result,
    "steps": lambda profile: (results.by_basket(profile), results.held_steps(profile), results.owned_steps(profile)),
    "made": lambda profile: results.made(profile.mode).get(profile.pk),
    "groups": lambda profile: result_groups.by(profile, None, clock.now()),
    "capital": _capital,
    "today": lambda profile: list(day.realised_today([profile]).values()),
    "refused": _refused,
    "state": lambda profile: (halt.current(profile), halt.exit_waits(profile), protections.is_losing(profile)),
    "locks": lambda profile: sorted(
        str(code) for code in protections.in_force(profile.pk, clock.now()).values_list("code", flat=True)
    ),
    "idle quotes": lambda profile: (len(idle.quotes(profile)), idle.is_being_withdrawn(profile)),
    "on the way": lambda profile: (accounts.holdings([profile]), accounts.in_flight([profile])),
}


def _profiles(account: ExchangeAccount) -> list[Profile]:
    return [one for one in Profile.objects.filter(mode="live") if (one.subaccount or 0) == account.subaccount]


_OF_ACCOUNT: Final[dict[str, Callable[[ExchangeAccount], Any]]] = {
    "expected": lambda account: accounts.expected_cash(account, _profiles(account)),
    "difference": lambda account: (accounts.difference(account, _profiles(account)), account.difference),
    "shards": lambda account: (
        accounts.differences_by_shard(account, _profiles(account)),
        accounts.difference_beside_resting(account, _profiles(account)),
    ),
    "free": lambda account: [shard_cash.free(account.subaccount, shard) for shard in range(4)],
    "others": lambda account: (accounts.set_aside_by_others(account.subaccount), account.foreign),
}


def _differences() -> Any:
    rows = Discrepancy.objects.filter(resolved_at=None).order_by("pk")
    shown = []
    for row in rows:
        action = resolution.action_for(row)
        bound = [one.name for one in Profile.objects.order_by("name") if discrepancies.binds(row, one)]
        shown.append((row.code, row.amount, action.title, action.preview(row), bound))
    return shown
