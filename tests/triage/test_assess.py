"""Sell now against hold: exact proceeds, honest expectations, advice that follows its stated rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import Count, Money
from markets.book import Depth, Side
from markets.fees import FeeSchedule, OrderFees
from strategies.dutch.payoff import payoff, settlement_states
from triage.assessment.assess import Assessed, assess, market_belief
from triage.assessment.case import Case, Thresholds, View
from triage.assessment.signals import EntryFacts, MarketFacts, OutcomeFacts, Severity
from triage.assessment.valuation import HeldLeg, break_even, condition, expected, sell, still_possible

NOW = 1_800_000_000_000
HOUR = 3_600_000
FEES = FeeSchedule()
BOOKS = {
    "A": Depth(((4000, 5000),), ((5800, 5000),)),
    "B": Depth(((3500, 5000),), ((6300, 5000),)),
    "C": Depth(((1700, 5000),), ((8100, 5000),)),
}


def leg(ticker: str, side: str = "yes", count: int = 1000) -> HeldLeg:
    return HeldLeg(ticker, Side(side), Count(count), f"outcome {ticker}")


def case(legs: tuple[HeldLeg, ...] = (leg("A"), leg("B")), **values: Any) -> Case:
    tickers = values.pop("tickers", tuple("ABC"))
    facts = values.pop("now", {})
    outcomes = tuple(
        OutcomeFacts(
            t,
            values.get("status", {}).get(t, "active"),
            facts.get("results", {}).get(t, ""),
            NOW + HOUR,
            f"outcome {t}",
        )
        for t in tickers
    )
    values.pop("status", None)
    now = MarketFacts(
        outcomes,
        facts.get("rules_hash", "r"),
        facts.get("certified", True),
        facts.get("price_problem"),
        facts.get("age", 10),
    )
    entry = values.pop("entry", EntryFacts(frozenset("ABC"), "r", True, 0.78, dict.fromkeys("ABC", NOW + HOUR)))
    defaults: dict[str, Any] = {
        "kind": "coverage",
        "cost": Money(7_800_000),
        "books": BOOKS,
        "fees": FEES,
        "now_ms": NOW,
        "settles_ms": NOW + 24 * HOUR,
        "thresholds": Thresholds(coverage_line=0.7),
    }
    return Case(legs=legs, entry=entry, now=now, **(defaults | values))


def codes(result: Assessed) -> set[str]:
    return {s.code for s in result.signals}


def test_selling_walks_the_bids_of_each_leg_and_pays_the_exact_fee_of_every_level() -> None:
    depth = Depth(((4000, 300), (3900, 500), (1000, 9999)), ())
    sale = sell([leg("A", count=1000)], {"A": depth}, FEES)
    fees = OrderFees(FEES)
    for price, count in ((4000, 300), (3900, 500), (1000, 200)):
        fees.add(price, count, buys=False)
    assert sale.proceeds == 4000 * 300 + 3900 * 500 + 1000 * 200 - fees.total
    assert sale.fees == fees.total > 0
    assert sale.legs[0].worst_price == 1000
    assert sale.unsellable == ()
    assert sale.residual == ()


def test_no_is_sold_to_the_bids_for_no() -> None:
    sale = sell([leg("A", "no", 100)], BOOKS, FEES)
    assert sale.legs[0].worst_price == 5800
    assert sale.proceeds + sale.fees == 5800 * 100


@pytest.mark.parametrize(
    ("books", "paused", "problem", "sold"),
    [
        ({"A": Depth()}, (), "no_bids", 0),
        ({}, (), "no_book", 0),
        (BOOKS, ("A",), "paused", 0),
        ({"A": Depth(((4000, 250),), ())}, (), "thin", 250),
    ],
)
def test_what_cannot_be_sold_is_named_and_stays_held(
    books: dict[str, Depth], paused: tuple[str, ...], problem: str, sold: int
) -> None:
    sale = sell([leg("A", count=1000)], books, FEES, paused)
    assert [s.problem for s in sale.unsellable] == [problem]
    assert [r.count for r in sale.residual] == [1000 - sold]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 5000)), max_size=6),
    st.integers(1, 20_000),
    st.sampled_from(["yes", "no"]),
)
def test_a_sale_never_brings_more_than_its_bids_say_and_never_loses_a_contract(
    levels: list[tuple[int, int]], count: int, side: str
) -> None:
    ranked = Depth.of(levels, ())
    depth = ranked if side == "yes" else Depth((), ranked.yes_bids)
    [sold] = sell([leg("A", side, count)], {"A": depth}, FEES).legs
    left, gross = count, 0
    for price, there in depth.bids(Side(side)):
        gross, left = gross + price * min(left, there), left - min(left, there)
    assert sold.sold == count - left
    assert sold.proceeds + sold.fees == gross
    assert bool(sold.problem) == bool(left)


def test_holding_is_worth_probability_times_payout_never_the_conditional_payout() -> None:
    result = assess(case())
    assert result.market is not None
    assert result.best == Money(10_000_000)
    assert 0.77 < result.market.coverage < 0.83
    assert result.market.worth == pytest.approx(result.market.coverage * 10_000_000, abs=1)
    assert result.market.worth < result.best
    assert result.floor == 0


def test_break_even_is_the_coverage_at_which_selling_equals_holding() -> None:
    result = assess(case())
    assert result.sale is not None
    assert result.break_even == pytest.approx(result.sale.proceeds / 10_000_000)


def test_break_even_does_not_exist_where_no_state_is_bad() -> None:
    states = settlement_states("ABC", certified=True)
    vector = payoff([(t, Side.YES, 100) for t in "ABC"], states)
    assert break_even(vector, frozenset(state for state, _ in vector), {}, 990_000) is None


def test_a_guaranteed_basket_is_held_while_its_floor_is_above_the_bids() -> None:
    result = assess(case(tuple(leg(t) for t in "ABC"), kind="all_yes", cost=Money(9_700_000)))
    assert result.floor == result.best == Money(10_000_000)
    assert result.advice == "hold"
    assert result.signals == ()
    assert result.annualised_ppm is not None
    assert result.annualised_ppm > 0


def test_a_sale_that_no_settlement_can_beat_is_an_exit() -> None:
    rich = {t: Depth(((4200, 5000),), ((5000, 5000),)) for t in "ABC"}
    result = assess(case(tuple(leg(t) for t in "ABC"), kind="all_yes", books=rich))
    assert result.sale is not None
    assert result.sale.proceeds > result.best
    assert "sell_beats_every_outcome" in codes(result)
    assert result.advice == "exit"


def test_coverage_below_the_line_advises_to_leave_only_when_leaving_is_cheap() -> None:
    wide = {t: Depth(((max(100, d.yes_bids[0][0] - 1500), 5000),), d.no_bids) for t, d in BOOKS.items()}
    cheap = assess(case(thresholds=Thresholds(coverage_line=0.9, leave_cost_ppm=120_000)))
    expensive = assess(case(thresholds=Thresholds(coverage_line=0.9), books=wide))
    assert "coverage_below_line" in codes(cheap)
    assert "coverage_below_line" in codes(expensive)
    assert (cheap.advice, expensive.advice) == ("exit", "watch")


def test_a_fall_of_coverage_above_the_line_is_watched() -> None:
    entry = EntryFacts(frozenset("ABC"), "r", True, 0.93, {})
    assert codes(assess(case(entry=entry))) == {"coverage_falling"}


def test_a_source_that_believes_less_than_the_bids_pay_advises_to_exit_and_is_named() -> None:
    view = View("nws", {"A": 0.1, "B": 0.1, "C": 0.8}, 5000, "a cold front")
    result = assess(case(views=(view,)))
    [signal] = [s for s in result.signals if s.severity is Severity.EXIT]
    assert (signal.code, signal.source) == ("source_sell_beats_hold:nws", "nws")
    assert result.views[0].worth == Money(2_000_000)
    assert result.views[0].gain == result.sale.proceeds - 2_000_000  # type: ignore[union-attr]
    assert result.advice == "exit"


def test_a_source_that_speaks_of_other_outcomes_than_the_listed_ones_is_not_heard() -> None:
    for odd in ({"A": 0.1, "B": 0.1}, {"A": 0.1, "B": 0.1, "D": 0.8}, {"A": 0.9, "B": 0.9, "C": 0.1}):
        result = assess(case(views=(View("nws", odd, 0),)))
        assert result.views == ()
        assert result.advice == "hold"


def test_what_cannot_be_sold_counts_at_its_expected_value_in_the_gain() -> None:
    """A covered outcome that is dead has no bids; it must not stop the rest from being sold, nor make a phantom loss."""
    books = {
        "A": Depth(((9000, 5000),), ((500, 5000),)),
        "B": Depth((), ((9990, 5000),)),
        "C": Depth(((50, 5000),), ((9900, 5000),)),
    }
    result = assess(case(books=books))
    assert result.sale is not None
    assert result.market is not None
    assert [s.leg.ticker for s in result.sale.unsellable] == ["B"]
    residual = expected(payoff([("B", Side.YES, 1000)], settlement_states("ABC", certified=True)), result.probabilities)
    assert result.market.gain == result.sale.proceeds + residual - result.market.worth
    assert {s.code: s.severity for s in result.signals}["depth_gone"] is Severity.INFO
    assert result.can_leave


def test_a_leg_that_is_worth_something_and_has_no_bids_is_watched_and_stops_an_exit() -> None:
    result = assess(case(books=BOOKS | {"B": Depth((), ((6300, 5000),))}))
    assert {s.code: s.severity for s in result.signals}["depth_gone"] is Severity.WATCH
    assert not result.can_leave


@pytest.mark.parametrize("problem", ["stale", "dead_epoch", "no_book"])
def test_unusable_prices_give_no_figures_and_never_an_exit(problem: str) -> None:
    view = View("nws", {"A": 0.0, "B": 0.0, "C": 1.0}, 0)
    result = assess(case(now={"price_problem": problem}, views=(view,)))
    assert (result.sale, result.market, result.break_even, result.annualised_ppm) == (None, None, None, None)
    assert "feed_silent" in codes(result)
    assert result.advice == "watch"


def test_a_missing_book_of_an_outcome_not_held_means_no_market_opinion() -> None:
    result = assess(case(books={k: v for k, v in BOOKS.items() if k != "C"}))
    assert result.sale is not None
    assert result.market is None
    assert result.advice == "hold"


def test_unknown_fees_value_nothing() -> None:
    assert assess(case(fees=None)).sale is None


def test_a_determined_outcome_moves_its_probability_to_the_others_and_narrows_the_states() -> None:
    result = assess(case(now={"results": {"C": "no"}}))
    assert result.market is not None
    assert result.market.coverage == pytest.approx(1.0)
    assert result.floor == result.best == Money(10_000_000)
    lost = assess(case(now={"results": {"C": "yes"}}))
    assert lost.best == 0
    assert "determined_against" in codes(lost)


def test_conditioning_keeps_the_sum_and_refuses_nonsense() -> None:
    assert condition({"A": 0.5, "B": 0.25, "C": 0.25}, {"C": "no"}) == pytest.approx({"A": 2 / 3, "B": 1 / 3, "C": 0.0})
    assert condition({"A": 0.5}, {"A": "no"}) == {"A": 0.0}
    assert condition({"A": 1.0}, {"A": "no"}) is None
    assert condition({"A": float("nan")}, {}) is None
    assert condition({"A": 0.8, "B": 0.8}, {}) is None
    assert condition({}, {}) is None


def test_states_never_become_empty() -> None:
    states = settlement_states("AB", certified=True)
    assert still_possible(states, {"A": "no", "B": "no"}) == states


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("inactive", "leg_paused"),
        ("closed", "leg_closed_early"),
        ("deactivated", "leg_paused"),
        ("moonlit", "leg_not_trading"),
    ],
)
def test_a_leg_that_does_not_trade_is_flagged_and_not_sold(status: str, code: str) -> None:
    result = assess(case(status={"A": status}))
    assert code in codes(result)
    assert [s.leg.ticker for s in result.sale.unsellable] == ["A"]  # type: ignore[union-attr]
    assert result.advice == "watch"


def test_a_market_that_closed_on_time_is_no_flag() -> None:
    entry = EntryFacts(frozenset("ABC"), "r", True, 0.78, dict.fromkeys("ABC", NOW - 1))
    result = assess(case(status=dict.fromkeys("ABC", "closed"), entry=entry, now={"price_problem": "dead_epoch"}))
    assert codes(result) == {"close_moved"}  # the catalogue says an hour later than entry; nothing else is wrong


def test_a_moved_close_time_is_flagged_with_its_direction() -> None:
    entry = EntryFacts(frozenset("ABC"), "r", True, 0.78, {"A": NOW + 3 * HOUR})
    [signal] = assess(case(entry=entry)).signals
    assert signal.code == "close_moved"
    assert "2.0 h earlier" in signal.detail


def test_changed_rules_break_a_basket_that_rests_on_a_certificate() -> None:
    held = assess(case(now={"rules_hash": "other", "certified": False}))
    assert {s.code: s.severity for s in held.signals}["rules_changed"] is Severity.BROKEN
    kept = assess(case(now={"rules_hash": "other", "certified": True}))
    assert {s.code: s.severity for s in kept.signals}["rules_changed"] is Severity.WATCH


def test_a_revoked_certificate_breaks_all_yes_but_not_all_no() -> None:
    yes = assess(case(tuple(leg(t) for t in "ABC"), kind="all_yes", now={"certified": False}))
    assert "certificate_void" in codes(yes)
    assert yes.floor == 0
    no = assess(
        case(tuple(leg(t, "no") for t in "ABC"), kind="all_no", now={"certified": False}, cost=Money(19_000_000))
    )
    assert codes(no) == set()
    assert no.floor == Money(20_000_000)


def test_an_added_outcome_breaks_all_yes_and_is_only_news_for_all_no() -> None:
    books = BOOKS | {"D": Depth(((100, 100),), ((9800, 100),))}
    yes = assess(case(tuple(leg(t) for t in "ABC"), kind="all_yes", tickers=tuple("ABCD"), books=books))
    no = assess(case(tuple(leg(t, "no") for t in "ABC"), kind="all_no", tickers=tuple("ABCD"), books=books))
    assert {s.code: s.severity for s in yes.signals}["outcome_added"] is Severity.BROKEN
    assert {s.code: s.severity for s in no.signals}["outcome_added"] is Severity.INFO
    assert yes.floor == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0.001, 1), min_size=3, max_size=3), st.sampled_from([(), ("A",), ("A", "B"), ("A", "B", "C")])
)
def test_expectation_lies_between_floor_and_best(weights: list[float], covered: tuple[str, ...]) -> None:
    total = sum(weights)
    view = View("x", {t: w / total for t, w in zip("ABC", weights, strict=True)}, 0)
    for holding in assess(case(tuple(leg(t) for t in covered), views=(view,))).views:
        result = assess(case(tuple(leg(t) for t in covered)))
        assert result.floor - 1 <= holding.worth <= result.best


def test_days_and_annual_return_of_holding() -> None:
    result = assess(case())
    assert result.days_left == pytest.approx(1.0)
    assert result.market is not None
    assert result.sale is not None
    year = -result.market.gain / result.sale.proceeds * 365  # type: ignore[operator]
    assert result.annualised_ppm == pytest.approx(year * 1_000_000, rel=1e-3)
    soon = assess(replace(case(), settles_ms=NOW))
    assert soon.annualised_ppm == pytest.approx(result.annualised_ppm * 24, rel=1e-3)  # type: ignore[operator]


def test_what_positions_of_an_event_share_is_not_used_for_other_facts() -> None:
    one = case()
    before = market_belief(one)
    assert market_belief(replace(one, cost=Money(1))) is before
    moved = replace(one, books={**BOOKS, "A": Depth(((1000, 5000),), ((8800, 5000),))})
    assert market_belief(moved) != before
    assert assess(moved) == assess(replace(moved, shared={}))
    decided = replace(
        one,
        now=replace(
            one.now, outcomes=tuple(replace(o, result="no") if o.ticker == "A" else o for o in one.now.outcomes)
        ),
    )
    assert assess(decided) == assess(replace(decided, shared={}))


@pytest.mark.parametrize(("bid_for", "severity"), [(10, Severity.WATCH), (800, Severity.EXIT)])
def test_a_gain_that_leaves_more_than_a_third_behind_is_no_exit(bid_for: int, severity: Severity) -> None:
    thin = {**BOOKS, "A": Depth(((4000, bid_for),), ((5800, 5000),))}
    view = View("nws", {"A": 0.3, "B": 0.05, "C": 0.65}, 0)
    result = assess(case(books=thin, views=(view,)))
    [signal] = [s for s in result.signals if s.source == "nws"]
    assert signal.severity is severity
    assert "stays" in signal.detail
    assert result.can_leave is False


def test_what_has_closed_is_no_loss_of_depth() -> None:
    ended = case(status=dict.fromkeys("ABC", "closed"))
    assert assess(ended).sale is not None
    assert "depth_gone" not in codes(assess(ended))
    assert "depth_gone" in codes(assess(case(status={"A": "inactive"})))
