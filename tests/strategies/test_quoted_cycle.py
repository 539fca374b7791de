"""Quotes in a cycle: a decision whose legs rest, or the one reason why nothing may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kalbot.common import cache, clock
from markets import incentives, traded
from markets.models import Certificate, Market
from markets.terms.grades import Grade
from strategies.cycle import cycle
from strategies.models import DOLLAR, Decision, Profile, Verdict
from tests.strategies.world import add_event, add_profile, books_of, publish

pytestmark = pytest.mark.django_db

WIDE = [(3_600, 4_500), (3_400, 4_200), (2_800, 3_600)]
"""NO asks 0.64 + 0.66 + 0.72 = 2.02 for 2 dollars: taking all loses; NO bids 0.55 + 0.58 + 0.64 = 1.77."""


def _quoting(**columns: Any) -> Profile:
    return add_profile(
        "maker",
        **{
            "quoting": "all_legs",
            "quote_min_margin_ppm": 10_000,
            "quote_stop_seconds": 3_600,
            "orphan_budget": 20 * DOLLAR,
        }
        | columns,
    )


def _candidate(profile: Profile, ticker: str = "E1", **columns: Any) -> None:
    event = add_event(ticker, WIDE, certified=True, **columns)
    Verdict.objects.create(profile=profile, event=event, status="candidate", since=clock.now())
    publish(ticker, books_of(ticker, WIDE))


def _why() -> str:
    return Verdict.objects.get().live_constraint


def test_what_does_not_pay_when_taken_is_quoted() -> None:
    profile = _quoting()
    _candidate(profile)
    assert cycle.run().decisions == 1
    decision = Decision.objects.get()
    assert (decision.kind, decision.quote["way"], decision.quote["leg"]) == ("all_no", "all_legs", "")
    assert {leg["limit_price"] for leg in decision.legs} == {5_500, 5_800, 6_400}
    assert decision.count == 1_000
    assert decision.cost < decision.max_cost < decision.floor
    assert decision.guaranteed
    assert decision.quote["orphans"] <= profile.orphan_budget
    assert "every leg rests" in decision.explanation
    until = clock.from_ms(decision.quote["until_ms"])
    assert abs(until - (clock.now() + timedelta(days=2) - timedelta(seconds=3_600))) < timedelta(minutes=1)


def test_one_leg_rests_where_the_profile_wants_that() -> None:
    _candidate(_quoting(quoting="one_leg", quote_min_margin_ppm=1_000))
    assert cycle.run().decisions == 1
    decision = Decision.objects.get()
    assert decision.quote["way"] == "one_leg"
    assert decision.quote["leg"] in {leg["ticker"] for leg in decision.legs}


@pytest.mark.parametrize("threshold", [500_000, 900_000, 999_999])
def test_a_profile_that_also_bets_quotes_where_its_bets_are_refused(threshold: int) -> None:
    _candidate(_quoting(kinds=["all_yes", "all_no", "coverage"], coverage_threshold_ppm=threshold))
    assert cycle.run().decisions == 1, _why()
    assert Decision.objects.get().kind == "all_no"


def test_quoting_is_off_unless_a_profile_wants_it() -> None:
    _candidate(add_profile())
    assert cycle.run().decisions == 0
    assert _why() == "price"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"quote_min_margin_ppm": 200_000}, "quote_pair"),
        ({"quoting": "one_leg", "quote_min_margin_ppm": 300_000}, "quote_behind"),
        ({"quote_stop_seconds": 3 * 86_400}, "quote_ends_soon"),
        ({"orphan_budget": DOLLAR // 2}, "quote_orphans"),
        ({"max_per_leg": DOLLAR // 10}, "quote_cost"),
        ({"max_quotes": 0}, "quotes"),
    ],
)
def test_each_reason_for_no_quote_is_the_verdict(columns: dict[str, Any], reason: str) -> None:
    _candidate(_quoting(**columns))
    assert cycle.run().decisions == 0
    assert _why() == reason


def test_no_more_quotes_than_the_profile_may_have_at_once() -> None:
    profile = _quoting(max_quotes=1, capital=1_000 * DOLLAR)
    _candidate(profile, "E1")
    _candidate(profile, "E2")
    assert cycle.run().decisions == 1
    assert sorted(Verdict.objects.values_list("live_constraint", flat=True)) == ["decided", "quotes"]
    assert cycle.run().decisions == 0


def test_what_is_traded_decides_where_a_quote_goes_where_all_margins_are_alike(redis_db: object) -> None:
    profile = _quoting(max_quotes=1, capital=1_000 * DOLLAR)
    now = clock.now_ms() // 1000
    _candidate(profile, "E1")
    _candidate(profile, "E2")
    cache.prices().set(cache.key("traded:since"), now - 60)
    bucket = cache.key(f"traded:{now - 60}:{now // traded.BUCKET_SECONDS}")
    counts: dict[Any, int] = {f"{ticker} no": 0 if ticker.startswith("E1") else 100 for ticker in _tickers()}
    cache.prices().hset(bucket, mapping=counts)
    assert cycle.run().decisions == 1
    decision = Decision.objects.get()
    assert decision.event_id == "E2"
    usual = (decision.floor - decision.cost) * 175 // 1000
    assert 0 < decision.quote["expected"] <= usual


@pytest.mark.parametrize(("counts", "event"), [(False, "E1"), (True, "E2")])
def test_incentive_programmes_count_only_where_the_profile_asks(redis_db: object, counts: bool, event: str) -> None:
    profile = _quoting(max_quotes=1, capital=1_000 * DOLLAR, count_incentives=counts)
    _candidate(profile, "E1")
    _candidate(profile, "E2")
    now = clock.now_ms()
    paid = incentives.Incentive(
        next(t for t in _tickers() if t.startswith("E2")), DOLLAR, None, 0, now, now + 10**9, ""
    )
    cache.prices().set(cache.key("incentives"), msgspec.msgpack.encode([paid]))
    assert cycle.run().decisions == 1
    assert Decision.objects.get().event_id == event


def _tickers() -> list[str]:
    return list(Market.objects.values_list("ticker", flat=True))


def test_a_payoff_less_sure_than_the_profile_asks_for_is_not_quoted() -> None:
    _candidate(_quoting())
    Certificate.objects.update(grade=Grade.IF_DETERMINED.value)
    assert cycle.run().decisions == 0
    assert _why() == "grade"
