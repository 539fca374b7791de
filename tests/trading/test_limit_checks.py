"""Each limit at its value and one beside it, on facts and rows that were never stored: the smallest step too far is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import product
from typing import Any
from uuid import UUID

import pytest
import requests
import time_machine

from markets.kalshi.environment import from_settings
from markets.kalshi.rest.client import KalshiClient
from markets.models import Event, Market
from markets.terms.grades import Grade
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.twin import BASE, NoLimit, Unsigned
from trading.limits import risk
from trading.limits.facts import Facts
from trading.limits.intent import Intent
from trading.models import ExchangeAccount, Position
from trading.safety import halt
from trading.venues import connection

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
LEGS = {("KXT-1-0", "yes"): 400, ("KXT-1-1", "yes"): 500}
LIMITS: dict[str, Any] = {
    "kinds": ["all_yes"],
    "max_per_position": 900,
    "max_per_leg": 500,
    "max_per_event": 2_000,
    "max_open_positions": 3,
    "max_orders_per_minute": 10,
    "max_daily_loss": 700,
    "max_drawdown": 800,
    "max_quotes": 2,
    "orphan_budget": 300,
    "orphan_budget_day": 1_000,
    "cooldown_seconds": 30,
    "min_seconds_to_close": 60,
}
DECISION: dict[str, Any] = {"kind": "all_yes", "grade": Grade.GUARANTEED.value, "quote": {}}
QUOTE = {"way": "one_leg", "leg": "KXT-1-0", "orphans": 300}
LIVE: dict[str, Any] = {"mode": "live"}
HELD = Position(status="executing", orphan_limit=300)


def _codes(
    facts: dict[str, Any] | None = None,
    profile: dict[str, Any] | None = None,
    decision: dict[str, Any] | None = None,
    markets: list[dict[str, Any]] | None = None,
    collateral: str | None = None,
    foreign: dict[str, int] | None = None,
    **intent: Any,
) -> list[str]:
    """The codes that refuse a basket which nothing refuses but what is given."""
    owner = Profile(pk=1, name="careful", **(LIMITS | (profile or {})))
    event = Event(ticker="KXT-1", exchange_index=0, close_time=NOW + timedelta(hours=1))
    kept = Decision(**(DECISION | {"profile": owner, "event": event, "mode": owner.mode} | (decision or {})))
    of_intent: dict[str, Any] = {"worst_cost": 900, "legs": LEGS}
    wanted = Intent(owner, kept, **(of_intent | intent))
    wanted.__dict__["markets"] = [
        Market(**({"ticker": f"KXT-1-{n}", "event": event, "close_time": event.close_time} | columns))
        for n, columns in enumerate(markets or [{}, {}])
    ]
    for row in wanted.markets:
        row.__dict__["account_collateral"] = collateral
        row.__dict__["account_foreign"] = foreign
    known = replace(Facts(kept, owner.mode, halt.State.ACTIVE, True), **(facts or {}))
    with time_machine.travel(NOW, tick=False):
        return [str(refusal.code) for refusal in risk.refusals(wanted, known)]


def test_what_nothing_refuses_is_allowed() -> None:
    assert _codes() == []


CLOSES = NOW + timedelta(seconds=60)
MOMENT = timedelta(microseconds=1)
AT_AND_BEYOND: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "cost": ("max_per_position", {"worst_cost": 900}, {"worst_cost": 901}),
    "leg": ("max_per_leg", {}, {"legs": {("KXT-1-0", "yes"): 501}}),
    "event": ("max_per_event", {"facts": {"at_risk": 1_100}}, {"facts": {"at_risk": 1_101}}),
    "positions": ("max_open_positions", {"facts": {"active": 2}}, {"facts": {"active": 3}}),
    "orders, one of each leg": ("orders_per_minute", {"facts": {"sent": 8}}, {"facts": {"sent": 9}}),
    "orders of a position": (
        "orders_per_minute",
        {"facts": {"sent": 9}, "position": HELD},
        {"facts": {"sent": 9}, "position": HELD, "orders": 2},
    ),
    "loss of the day": ("daily_loss", {"facts": {"realised_today": -699}}, {"facts": {"realised_today": -700}}),
    "no loss at all": (
        "daily_loss",
        {"facts": {"realised_today": 0}, "profile": {"max_daily_loss": 0}},
        {"facts": {"realised_today": -1}, "profile": {"max_daily_loss": 0}},
    ),
    "gain of the day": (
        "daily_loss",
        {"facts": {"realised_today": 5_000}},
        {"facts": {"realised_today": -5_000}},
    ),
    "drawdown": ("drawdown", {"facts": {"drawdown": 799}}, {"facts": {"drawdown": 800}}),
    "no drawdown at all": (
        "drawdown",
        {"facts": {"drawdown": 0}, "profile": {"max_drawdown": 0}},
        {"facts": {"drawdown": 1}, "profile": {"max_drawdown": 0}},
    ),
    "taken": ("event_taken", {"facts": {"is_taken": True}, "position": HELD}, {"facts": {"is_taken": True}}),
    "denied": ("denied", {"facts": {"is_denied": True}, "position": HELD}, {"facts": {"is_denied": True}}),
    "inactive": (
        "inactive_profile",
        {"profile": {"is_active": False}, "position": HELD},
        {"profile": {"is_active": False}},
    ),
    "kind": ("kind", {"profile": {"kinds": ["all_no", "all_yes"]}}, {"profile": {"kinds": ["all_no"]}}),
    "mode": ("mode", {"facts": {"mode": "sim"}}, {"facts": {"mode": "live"}}),
    "reconciled": ("not_reconciled", {}, {"facts": {"is_reconciled": False}}),
    "unknown order": ("order_unknown", {}, {"facts": {"unknown_order": UUID(int=1)}}),
    "lock": ("locked", {}, {"facts": {"lock": 7}}),
    "grade": (
        "least_grade",
        {"profile": {"least_grade": Grade.IF_DETERMINED.value}},
        {"profile": {"least_grade": Grade.GUARANTEED.value}, "decision": {"grade": Grade.IF_DETERMINED.value}},
    ),
    "blackout": (
        "blackout",
        {"profile": {"blackout": ["11:00-12:00"]}},
        {"profile": {"blackout": ["12:00-12:01"]}},
    ),
    "close of the first market": (
        "too_close",
        {"markets": [{}, {"close_time": CLOSES}]},
        {"markets": [{}, {"close_time": CLOSES - MOMENT}]},
    ),
    "close of the event, where no market has one": (
        "too_close",
        {"markets": [{"close_time": None}], "profile": {"min_seconds_to_close": 3_600}},
        {"markets": [{"close_time": None}], "profile": {"min_seconds_to_close": 3_601}},
    ),
    "cooldown": (
        "cooldown",
        {"facts": {"last_ended": NOW - timedelta(seconds=30)}},
        {"facts": {"last_ended": NOW - timedelta(seconds=30) + MOMENT}},
    ),
    "cooldown of a position": (
        "cooldown",
        {"facts": {"last_ended": NOW}, "position": HELD},
        {"facts": {"last_ended": NOW}},
    ),
    "quotes": (
        "quotes_at_once",
        {"decision": {"quote": QUOTE}, "facts": {"quotes": 1}},
        {"decision": {"quote": QUOTE}, "facts": {"quotes": 2}},
    ),
    "orphans of the event": (
        "orphan_budget",
        {"decision": {"quote": QUOTE}},
        {"decision": {"quote": QUOTE | {"orphans": 301}}},
    ),
    "orphans of the day": (
        "orphan_budget",
        {"decision": {"quote": QUOTE}, "facts": {"orphans_today": 700}},
        {"decision": {"quote": QUOTE}, "facts": {"orphans_today": 701}},
    ),
    "orphans of a budget that was lowered": (
        "orphan_budget",
        {"decision": {"quote": QUOTE}, "position": HELD, "profile": {"orphan_budget": 300}},
        {"decision": {"quote": QUOTE}, "position": HELD, "profile": {"orphan_budget": 299}},
    ),
    "orphans of a day's budget that was lowered": (
        "orphan_budget",
        {"decision": {"quote": QUOTE}, "position": HELD, "facts": {"orphans_today": 700}},
        {"decision": {"quote": QUOTE}, "position": HELD, "facts": {"orphans_today": 701}},
    ),
    "a number of quotes that was lowered": (
        "quotes_at_once",
        {"decision": {"quote": QUOTE}, "position": HELD, "facts": {"quotes": 1}},
        {"decision": {"quote": QUOTE}, "position": HELD, "facts": {"quotes": 2}},
    ),
}


def test_a_limit_allows_its_value_and_refuses_the_next() -> None:
    for what, (code, allowed, refused) in AT_AND_BEYOND.items():
        assert _codes(**allowed) == [], what
        assert _codes(**refused) == [code], what


def test_the_first_refusal_is_the_first_limit_in_their_order() -> None:
    facts = {"is_denied": True, "active": 3, "drawdown": 900, "sent": 11, "at_risk": 5_000}
    wanted = ["denied", "max_per_event", "max_open_positions", "orders_per_minute", "drawdown"]
    assert _codes(facts) == wanted


def test_what_is_left_for_orphans_is_the_smaller_of_two_budgets_and_never_below_nothing() -> None:
    profile = Profile(orphan_budget=300, orphan_budget_day=1_000)
    for today, left in ((0, 300), (700, 300), (701, 299), (999, 1), (1_000, 0), (1_500, 0)):
        known = Facts(Decision(profile=profile), "sim", halt.State.ACTIVE, True, orphans_today=today)
        assert risk.orphans_left(known) == left


def test_a_purchase_that_completes_is_bound_by_mode_and_comparison_alone() -> None:
    """What stops new risk does not stop what takes risk away."""
    facts: dict[str, Any] = {"is_denied": True, "is_taken": True, "active": 99, "sent": 99, "drawdown": 10**9}
    lost = {"realised_today": -(10**9), "unknown_order": UUID(int=1), "lock": 7, "at_risk": 10**9}
    narrow = {"kinds": [], "is_active": False, "blackout": ["00:00-24:00"], "min_seconds_to_close": 10**6}
    assert _codes(facts | lost, narrow, completes=True, worst_cost=10**9) == []
    assert _codes(facts | {"mode": "live", "is_reconciled": False}, completes=True) == ["mode", "not_reconciled"]


@pytest.mark.parametrize(("ahead", "refused"), [(2_000, False), (2_001, True), (-2_000, False), (-2_001, True)])
def test_a_clock_may_differ_by_the_setting_in_either_direction_and_only_live_baskets_need_it(
    ahead: int, refused: bool, settings: Any
) -> None:
    settings.KALBOT_MAX_CLOCK_SKEW_MS = 2_000
    world.exchange_open()
    cash = {"free_on_shard": 900}
    assert _codes(cash, LIVE) == ["clock_skew", "hours_unknown"], "nobody has measured it; the hours are of another day"
    client = KalshiClient(from_settings(BASE, BASE.replace("http", "ws")), Unsigned(), NoLimit(), requests.Session())  # type: ignore[arg-type]  # no key
    at = int(NOW.timestamp() * 1_000)
    client.transport.skew.observe(format_datetime(NOW, usegmt=True), at + 500 - ahead, at + 500 - ahead)
    connection.use(client)
    assert connection.clock_skew_ms() == ahead
    with time_machine.travel(NOW, tick=False):
        world.exchange_open()
    assert _codes(cash, LIVE) == (["clock_skew"] if refused else [])
    assert _codes() == []


def test_live_cash_of_the_shard_carries_what_is_set_aside_and_a_position_has_it_already() -> None:
    connection.use(None)
    clocks = ["clock_skew"]
    with time_machine.travel(NOW, tick=False):
        world.exchange_open()
    for free, locks, code in ((900, None, ""), (899, None, "shard_cash"), (700, 700, ""), (699, 700, "shard_cash")):
        assert _codes({"free_on_shard": free}, LIVE, locks=locks) == clocks + [code] * bool(code)
    assert _codes({"free_on_shard": None}, LIVE) == [*clocks, "shard_cash"]
    assert _codes({"free_on_shard": 0}, LIVE, position=HELD) == clocks
    assert _codes({"free_on_shard": 0}) == [], "on paper there is no shard"


def test_a_pause_stops_what_begins_and_what_is_quoted_but_no_basket_at_work() -> None:
    """No answer of the exchange: nothing may begin on the account."""
    cash = {"free_on_shard": 900}
    assert _codes(cash, LIVE) == ["clock_skew", "hours_unknown"]
    assert _codes(cash, LIVE, position=Position(status="quoting")) == ["clock_skew", "hours_unknown"]
    assert _codes(cash, LIVE, position=Position(status="executing")) == ["clock_skew"]
    assert _codes() == [], "paper goes by what is known"


def test_a_basket_without_any_time_of_closing_is_never_too_close() -> None:
    event = {"event": Event(ticker="KXT-1", exchange_index=0, close_time=None)}
    assert _codes(decision=event, markets=[{"close_time": None}], profile={"min_seconds_to_close": 10**6}) == []


@pytest.mark.parametrize("is_grouped", [False, True])
def test_beside_contracts_of_others_a_basket_is_bought_where_the_profile_allows_and_nothing_is_returned(
    is_grouped: bool,
) -> None:
    """What is not ours would share the group whose collateral is returned."""
    ours = world.add_event()
    ExchangeAccount.objects.create(opening=0, balance=0, seen_at=NOW, foreign={"KXT-1-0": 300})
    ours.collateral_return_type = "MECNET"
    other = Event(ticker="KXT-1", close_time=ours.close_time)
    events = [{"event": ours if is_grouped else other}, {"event": other}]
    for beside, locks, used, position in product((False, True), (None, 900), ("on", "off", None), (None, HELD)):
        facts = {"is_beside_foreign": True}
        found = _codes(
            facts, {"beside_foreign": beside}, markets=events, locks=locks, position=position, collateral=used
        )
        allowed = position is not None or (beside and locks is None and not (is_grouped and used == "on"))
        assert found == ([] if allowed else ["foreign_contracts"]), (beside, locks, used, position)
    assert _codes({"is_beside_foreign": False}, markets=events) == []
    ExchangeAccount.objects.update(foreign={"KXT-2-0": 300})
    assert _codes({"is_beside_foreign": True}, markets=events) == [], "it is of another event by now"


def test_nothing_is_bought_against_contracts_of_others_whatever_it_completes() -> None:
    """YES against their NO: the exchange would close theirs with it."""
    facts, alone = {"free_on_shard": 900}, ["clock_skew"]
    for held, refused in ((-1, True), (1, False), (0, False)):
        for completes in (False, True):
            found = _codes(facts, LIVE, position=HELD, completes=completes, foreign={"KXT-1-0": held})
            assert found == [*(() if completes else alone), *(("foreign_contracts",) if refused else ())]
    assert _codes(foreign={"KXT-1-0": -1}) == [], "on paper there are no others"
